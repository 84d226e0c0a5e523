"""The demo: a scripted assistant does a clerk's afternoon through a real MCP client and a real stdio server.

Nothing in it is faked: it prints what the server returned, and every step is checked before the next.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, Implementation, TextContent

from rutter_ap_server.cli.command import argument, command
from rutter_ap_server.cli.demo.invoice import INVOICE_NAME, Invoice, invoice_folder, read_invoice
from rutter_ap_server.clock import Clock
from rutter_ap_server.settings import read_settings
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.people import for_people
from rutter_sandbox import open_sandbox

APPROVER = "Dana Reyes"
PASSCODE = "a passcode only Dana knows"


class StepFailed(Exception):
    """A step did not end as it should."""


@dataclass(slots=True)
class Narrator:
    """Prints each step for a person, or as one JSON object."""

    as_json: bool
    write: Callable[[str], object]
    steps: int = 0

    def step(self, title: str, said: str, **facts: Any) -> None:
        """One step that went well; `said` is what the server's text or a command's output was."""
        self.steps += 1
        if self.as_json:
            self.write(json.dumps({"step": self.steps, "title": title, "ok": True} | facts) + "\n")
            return
        self.write(f"\n{self.steps}. {title}\n")
        for line in for_people(said).splitlines():
            self.write(f"     {line}\n")

    def end(self, error: str | None) -> None:
        """The conclusion: what failed, or that nothing did."""
        if self.as_json:
            self.write(json.dumps({"step": "end", "ok": error is None} | ({"error": error} if error else {})) + "\n")
        elif error:
            self.write(f"\nThe demo failed at step {self.steps + 1}: {error}.\n")
        else:
            self.write("\nEvery step went as expected.\n")


@dataclass(slots=True)
class Assistant:
    """A scripted assistant: an MCP client that cannot ask its person anything."""

    client: Client
    answers: list[CallToolResult] = field(default_factory=list)

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        """One tool call."""
        result = await self.client.call_tool(tool, arguments)
        self.answers.append(result)
        return result

    async def done(self, tool: str, **arguments: Any) -> tuple[dict[str, Any], str]:
        """A call that must succeed: its typed result and its text."""
        result = await self.call(tool, **arguments)
        _expect(not result.is_error, f"{tool} returned an error: {' '.join(text_of(result).split())}")
        structured: dict[str, Any] = result.structured_content
        return structured, text_of(result)

    async def refused(self, tool: str, code: str, **arguments: Any) -> tuple[dict[str, Any], str]:
        """A call that must be refused by one rule."""
        result = await self.call(tool, **arguments)
        structured: dict[str, Any] = result.structured_content or {}
        codes = [finding["code"] for finding in structured.get("findings", [])]
        _expect(result.is_error and code in codes, f"{tool} should have been refused by {code}, not {codes}")
        return structured, text_of(result)


@command(argument("--json", action="store_true", help="print one JSON object per step"))
def demo(given: argparse.Namespace) -> int:
    """Runs the demo and prints each step."""
    return anyio.run(run_demo, given.json, sys.stdout.write)


async def run_demo(as_json: bool, write: Callable[[str], object]) -> int:
    """Runs the demo in a temporary home; returns 0 when every step went as expected, 1 otherwise."""
    narrator = Narrator(as_json, write)
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="rutter-ap-demo-") as home:
        try:
            _open_company(Path(home))
            # Its person decides at the terminal.
            environment = {
                "RUTTER_AP_HOME": home,
                "RUTTER_AP_FILES": str(invoice_folder()),
                "RUTTER_AP_DESK": "off",
            }
            await _story(narrator, environment)
        except* (StepFailed, ApError, MCPError, OSError) as group:
            # The client's task group wraps whatever is raised inside it.
            failures += [_sentence(error) for error in _leaves(group)]
    narrator.end(failures[0] if failures else None)
    return 1 if failures else 0


def _leaves(group: BaseExceptionGroup[Exception]) -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _sentence(error: Exception) -> str:
    match error:
        case StepFailed():
            return str(error).rstrip(".")
        case ApError():
            return error.message
        case _:
            return f"the server could not be used ({type(error).__name__})"


def _open_company(home: Path) -> None:
    """Creates the practice company as of the invoice's own time, however long ago that is when this runs.

    Its books are closed up to some weeks before "today", and an invoice of a closed period could not be entered.
    """
    issued = date.fromisoformat(read_invoice().issue_date)
    today = min(Clock().today(), issued + timedelta(days=30))
    # The real day goes on, though, and years from now the invoice's date would be held as a mistyped one.
    (home / "policy.toml").write_text('[rules.severity]\n"bill.distant_date" = "off"\n', encoding="utf-8")
    open_sandbox(read_settings({"RUTTER_AP_HOME": str(home)}).sandbox_file, today=today).close()


async def _story(narrator: Narrator, environment: dict[str, str]) -> None:
    if not narrator.as_json:
        narrator.write(
            "An assistant does accounts payable for a practice company. Everything runs on this machine:\n"
            "a real MCP client, a real stdio server, and an embedded sandbox that behaves as Rutter does.\n"
        )
    await _terminal(environment, ["approvers", "add", APPROVER], PASSCODE)
    async with _assistant(environment) as assistant:
        await _overdue(narrator, assistant)
        invoice = read_invoice()
        bill_id = await _enter(narrator, assistant, invoice)
        await _link(narrator, assistant)
        await _pay_too_much(narrator, assistant, bill_id, invoice)
        proposal_id = await _pay(narrator, assistant, bill_id)
        await _release(narrator, environment, proposal_id)
        await _posted(narrator, assistant, bill_id, proposal_id, invoice)
        await _pay_again(narrator, assistant, bill_id)
        await _credit(narrator, assistant)
    verified = await _terminal(environment, ["audit", "verify"])
    narrator.step("The audit chain is verified from end to end.", verified.strip())


@asynccontextmanager
async def _assistant(environment: dict[str, str]) -> AsyncIterator[Assistant]:
    server = StdioServerParameters(command=sys.executable, args=["-m", "rutter_ap_server", "stdio"], env=environment)
    async with Client(server, client_info=Implementation(name="scripted assistant", version="1")) as client:
        yield Assistant(client)


async def _overdue(narrator: Narrator, assistant: Assistant) -> None:
    found, said = await assistant.done("list_bills", overdue=True, limit=5)
    bills = found["bills"]
    _expect(bool(bills) and all(bill["days_overdue"] > 0 for bill in bills), "there should be overdue bills")
    narrator.step('The assistant asks: "which bills are overdue?"', said, tool="list_bills", bills=len(bills))


async def _enter(narrator: Narrator, assistant: Assistant, invoice: Invoice) -> str:
    narrator.step(
        f"It reads {INVOICE_NAME} from disk.",
        f"number {invoice.number}, dated {invoice.issue_date}, due {invoice.due_date}, total {invoice.total} "
        f"{invoice.currency}, {len(invoice.lines)} lines",
        number=invoice.number,
        total=invoice.total,
    )
    entered, said = await assistant.done(
        "create_bill",
        vendor=invoice.vendor,
        issue_date=invoice.issue_date,
        due_date=invoice.due_date,
        currency=invoice.currency,
        document_number=invoice.number,
        lines=[{"amount": amount, "description": words, "account": "Utilities"} for words, amount in invoice.lines],
        total=invoice.total,
    )
    _expect(entered["status"] == "posted", "the bill should have been entered")
    record = entered["record"]
    _expect(record["amount"] == {"amount": invoice.total, "currency": invoice.currency}, "the total should be exact")
    narrator.step("It enters the bill.", said, tool="create_bill", bill_id=record["id"])
    attached, said = await assistant.done("attach_file", bill_id=record["id"], path=INVOICE_NAME)
    shown, _ = await assistant.done("get_bill", bill_id=record["id"])
    _expect(attached["status"] == "posted" and len(shown["attachments"]) == 1, "the invoice should be attached")
    narrator.step("It attaches the invoice to it.", said, tool="attach_file", sha256=attached["record"]["sha256"])
    bill_id: str = record["id"]
    return bill_id


async def _link(narrator: Narrator, assistant: Assistant) -> None:
    linked, said = await assistant.done("link_account", role="funding", account="Operating Checking")
    _expect(linked["status"] == "posted", "the funding account should be linked")
    narrator.step("It links the bank account that pays.", said, tool="link_account")


async def _pay_too_much(narrator: Narrator, assistant: Assistant, bill_id: str, invoice: Invoice) -> None:
    _, said = await assistant.refused("pay_bill", "amount.over_balance", bill_id=bill_id, amount="9" + invoice.total)
    shown, _ = await assistant.done("get_bill", bill_id=bill_id)
    _expect(shown["payments"] == [] and shown["bill"]["due"]["amount"] == invoice.total, "nothing should be paid")
    narrator.step("It tries to pay more than is due and is refused.", said, tool="pay_bill", code="amount.over_balance")


async def _pay(narrator: Narrator, assistant: Assistant, bill_id: str) -> str:
    held, said = await assistant.done("pay_bill", bill_id=bill_id)
    _expect(held["status"] == "held", "the payment should be held")
    narrator.step(
        "It pays what is due. Nobody can be asked in this client, so the payment is held.",
        said,
        tool="pay_bill",
        proposal_id=held["proposal_id"],
    )
    proposal_id: str = held["proposal_id"]
    return proposal_id


async def _release(narrator: Narrator, environment: dict[str, str], proposal_id: str) -> None:
    said = await _terminal(environment, ["proposals", "approve", proposal_id], PASSCODE)
    narrator.step(f"{APPROVER} approves it in another process, with a passcode the assistant never sees.", said.strip())


async def _posted(narrator: Narrator, assistant: Assistant, bill_id: str, proposal_id: str, invoice: Invoice) -> None:
    answer, said = await assistant.done("get_proposal", proposal_id=proposal_id)
    _expect(answer["proposal"]["state"] == "posted", "the payment should be posted")
    shown, _ = await assistant.done("get_bill", bill_id=bill_id)
    paid = [payment["amount"]["amount"] for payment in shown["payments"]]
    _expect(shown["bill"]["status"] == "paid" and paid == [invoice.total], "the ledger should show one exact payment")
    narrator.step("The assistant checks what became of it.", said, tool="get_proposal", state="posted")


async def _pay_again(narrator: Narrator, assistant: Assistant, bill_id: str) -> None:
    _, said = await assistant.refused("pay_bill", "bill.not_payable", bill_id=bill_id)
    shown, _ = await assistant.done("get_bill", bill_id=bill_id)
    _expect(len(shown["payments"]) == 1, "the same call should pay nothing")
    narrator.step("Repeating the call pays nothing.", said, tool="pay_bill", payments=1)


async def _credit(narrator: Narrator, assistant: Assistant) -> None:
    found, _ = await assistant.done("list_credits", vendor="Acme Office Supply")
    _expect(bool(found["credits"]), "there should be an open credit")
    credit = found["credits"][0]
    bills, _ = await assistant.done("list_bills", vendor="Acme Office Supply")
    fitting = [b for b in bills["bills"] if b["due"]["currency"] == credit["remaining"]["currency"]]
    _expect(bool(fitting), "there should be an open bill of the same vendor")
    bill = fitting[0]
    applied, said = await assistant.done("apply_credit", credit_id=credit["id"], bill_id=bill["id"])
    shown, _ = await assistant.done("get_bill", bill_id=bill["id"])
    _expect(
        applied["status"] == "posted" and shown["bill"]["due"] == applied["record"]["bill_due"], "it should be applied"
    )
    _expect(shown["bill"]["due"] != bill["due"], "less should be due")
    narrator.step(
        "It applies an open credit to another bill.", said, tool="apply_credit", bill_due=shown["bill"]["due"]
    )


def text_of(result: CallToolResult) -> str:
    """The text a model would read."""
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


async def _terminal(environment: dict[str, str], words: list[str], passcode: str | None = None) -> str:
    """Another process, as a person at a terminal would start it."""

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own program, with words of our own
            [sys.executable, "-m", "rutter_ap_server", *words],
            input=f"{passcode}\n" if passcode else "",
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=_without_settings() | environment,
            timeout=60,
            check=False,
        )

    done = await anyio.to_thread.run_sync(run)
    _expect(
        done.returncode == 0,
        f"`rutter-ap {words[0]} {words[1]}` exited with {done.returncode}: {' '.join(done.stderr.split())}",
    )
    return done.stdout


def _without_settings() -> dict[str, str]:
    """The environment without the user's own settings: the demo must never touch a real store."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RUTTER_")}


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise StepFailed(otherwise)
