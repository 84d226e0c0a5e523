"""Asking a person in the chat: every kind of client, in both protocol generations, on the real server and sandbox."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.types import ElicitRequestParams, ElicitResult, InputRequiredResult, InputResponses

from support.people import answer
from support.serving import bill_numbered, done, failed, link_funding, over_stdio, serving

pytestmark = pytest.mark.anyio
BOTH = pytest.mark.parametrize("mode", ["auto", "legacy"], ids=["rounds", "in the call"])
# Northwind has been paid before and has no open credit: paying this bill asks, and nothing more.
BILL = "NW-2291"


async def _payments(client: Client) -> list[dict[str, Any]]:
    bill = await bill_numbered(client, BILL)
    shown = await done(client, "get_bill", bill_id=bill["id"])
    payments: list[dict[str, Any]] = shown["payments"]
    return payments


@BOTH
async def test_an_accepted_payment_is_released_and_in_the_ledger(home: Path, mode: str) -> None:
    async with serving(home, mode=mode, answering=answer("accept", approve=True)) as (client, _):
        await link_funding(client)
        bill = await bill_numbered(client, BILL)
        paid = await done(client, "pay_bill", bill_id=bill["id"])
        assert paid["status"] == "posted"
        assert paid["record"]["amount"] == {"amount": "684.20", "currency": "USD"}
        assert paid["record"]["bill_status"] == "paid"
        assert [p["amount"]["amount"] for p in await _payments(client)] == ["684.20"]


@BOTH
@pytest.mark.parametrize(
    "person",
    [
        answer("accept", approve=False),
        answer("accept"),
        answer("accept", approve="yes"),
        answer("accept", approve=1),
        answer("cancel"),
    ],
    ids=["unticked", "empty", "a word for yes", "a number for yes", "dismissed"],
)
async def test_neither_yes_nor_no_leaves_the_payment_held(home: Path, mode: str, person: Any) -> None:
    async with serving(home, mode=mode, answering=person) as (client, _):
        await link_funding(client)
        bill = await bill_numbered(client, BILL)
        held = await done(client, "pay_bill", bill_id=bill["id"])
        assert held["status"] == "held"
        assert f"rutter-ap proposals approve {held['proposal_id']}" in held["next_step"]
        assert await _payments(client) == []


@BOTH
async def test_a_no_declines_and_the_bill_then_needs_an_approver(home: Path, mode: str) -> None:
    async with serving(home, mode=mode, answering=answer("decline")) as (client, _):
        await link_funding(client)
        bill = await bill_numbered(client, BILL)
        declined = await done(client, "pay_bill", bill_id=bill["id"])
        assert declined["status"] == "declined"
        again = await done(client, "pay_bill", bill_id=bill["id"], memo="please")
        assert (again["status"], again["verdict"]) == ("held", "approve")
        assert await _payments(client) == []


@BOTH
async def test_a_client_that_cannot_ask_learns_how_a_person_releases(home: Path, mode: str) -> None:
    async with serving(home, mode=mode) as (client, _):
        await link_funding(client)
        bill = await bill_numbered(client, BILL)
        held = await done(client, "pay_bill", bill_id=bill["id"])
        assert held["status"] == "held"
        assert held["verdict"] == "ask"
        again = await done(client, "pay_bill", bill_id=bill["id"])
        assert again["proposal_id"] == held["proposal_id"], "the same call meets the same proposal"
        assert await _payments(client) == []


async def test_a_silent_client_is_awaited_as_long_as_the_policy_says(home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "policy.toml").write_text("[asking]\ntimeout_seconds = 1\n")
    asked = anyio.Event()

    async def never(context: Any, params: ElicitRequestParams) -> ElicitResult:
        asked.set()
        await anyio.sleep_forever()
        raise AssertionError("unreachable")

    async with serving(home, mode="legacy", answering=never) as (client, _):
        await link_funding(client)
        bill = await bill_numbered(client, BILL)
        held = await done(client, "pay_bill", bill_id=bill["id"])
        assert asked.is_set()
        assert held["status"] == "held"
        assert await _payments(client) == []


async def test_the_question_names_payee_amount_bill_account_company(home: Path) -> None:
    asked: list[str] = []

    async def person(context: Any, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="decline")

    async with serving(home, answering=person) as (client, _):
        await link_funding(client)
        bill = await bill_numbered(client, BILL)
        await done(client, "pay_bill", bill_id=bill["id"])
    (text,) = asked
    first, *rest = text.splitlines()
    assert first.startswith("Pay 684.20 USD to Northwind Utilities for bill NW-2291 from Operating Checking, dated ")
    assert first.endswith("Company: Harbor & Pine Ltd (embedded).")
    # The whole statement follows: who is paid, from what, when, with which words, and what was checked.
    for said in ("- Memo: none", "- Payment date: ", "- Balance of the bill: 684.20 USD due now, 0.00 USD afterwards"):
        assert any(line.startswith(said) for line in rest), said


@BOTH
async def test_a_payment_over_its_tier_is_never_asked_in_the_chat(home: Path, mode: str) -> None:
    async def must_not(context: Any, params: ElicitRequestParams) -> ElicitResult:
        raise AssertionError("a chat answer must not be asked for above its tier")

    async with serving(home, mode=mode, answering=must_not) as (client, _):
        await link_funding(client)
        bill = await bill_numbered(client, "FT-778")
        held = await done(client, "pay_bill", bill_id=bill["id"])
        assert (held["status"], held["verdict"]) == ("held", "approve")


@BOTH
async def test_over_stdio_an_accepted_payment_pays_once_when_repeated(home: Path, mode: str) -> None:
    async with over_stdio(home, mode=mode, answering=answer("accept", approve=True)) as client:
        await link_funding(client)
        bill = await bill_numbered(client, BILL)
        paid = await done(client, "pay_bill", bill_id=bill["id"])
        assert paid["status"] == "posted"
        refused = await failed(client, "pay_bill", bill_id=bill["id"])
        assert refused["code"] == "refused"
        assert "bill.not_payable" in [f["code"] for f in refused["findings"]]
        assert len(await _payments(client)) == 1


async def test_the_same_accepted_answer_repeated_by_a_client_pays_once(home: Path) -> None:
    async with serving(home) as (client, _):
        await link_funding(client)
        bill = await bill_numbered(client, BILL)
        # A partial payment, so that the bill would still take another one.
        arguments = {"bill_id": bill["id"], "amount": "100.00"}
    async with serving(home, answering=answer("accept", approve=True)) as (client, _):
        first = await client.session.call_tool("pay_bill", arguments, allow_input_required=True)
        assert isinstance(first, InputRequiredResult)
        said_yes: InputResponses = {"release": ElicitResult(action="accept", content={"approve": True})}
        state = first.request_state
        results = []

        async def replay() -> None:
            results.append(
                await client.session.call_tool(
                    "pay_bill",
                    arguments,
                    input_responses=said_yes,
                    request_state=state,
                    allow_input_required=True,
                )
            )

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(replay)
        for _ in range(10):
            await replay()
        payments = await _payments(client)
        assert [p["amount"]["amount"] for p in payments] == ["100.00"]


async def test_bills_entered_at_once_are_all_entered_except_a_twin(home: Path) -> None:
    async with serving(home) as (client, _):
        answers: list[dict[str, Any]] = []

        async def enter(number: str, amount: str) -> None:
            result = await client.call_tool(
                "create_bill",
                {
                    "vendor": "Granite Repairs",
                    "issue_date": datetime.now(UTC).date().isoformat(),
                    "currency": "USD",
                    "document_number": number,
                    "lines": [{"amount": amount, "account": "Repairs"}],
                },
            )
            answers.append(result.structured_content or {})

        async with anyio.create_task_group() as tasks:
            for number, amount in (("G-1", "11.00"), ("G-2", "12.00"), ("G-3", "13.00"), ("g 3", "14.00")):
                tasks.start_soon(enter, number, amount)
        assert [a["status"] for a in answers if "status" in a].count("posted") == 3
        found = await done(client, "list_bills", vendor="Granite Repairs", status="any", limit=200)
        numbers = [b["document_number"] for b in found["bills"]]
        assert {"G-1", "G-2"} <= set(numbers)
        assert len([n for n in numbers if n.casefold().replace(" ", "-") == "g-3"]) == 1


async def test_the_same_file_sent_many_times_at_once_is_attached_once(home: Path, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "note.txt").write_text(f"Invoice {BILL}, total 684.20 USD, paid by phone.\n")
    async with serving(home, environ={"RUTTER_AP_FILES": str(files)}) as (client, _):
        bill = await bill_numbered(client, BILL)

        async def attach() -> None:
            await client.call_tool("attach_file", {"bill_id": bill["id"], "path": "note.txt"})

        async with anyio.create_task_group() as tasks:
            for _ in range(6):
                tasks.start_soon(attach)
        shown = await done(client, "get_bill", bill_id=bill["id"])
        assert len(shown["attachments"]) == 1


@BOTH
@pytest.mark.parametrize(
    ("typed", "status"),
    [
        ("684.20", "posted"),
        (" 684.2 ", "posted"),
        ("684.21", "held"),
        ("", "held"),
        ("yes", "held"),
        ("6,84.20", "held"),
        ("684,20", "held"),
    ],
)
async def test_above_a_set_amount_the_person_types_it_correctly(home: Path, mode: str, typed: str, status: str) -> None:
    home.mkdir(mode=0o700)
    (home / "policy.toml").write_text('[asking]\ntype_amount_above = { USD = "500.00" }\n')
    async with serving(home, mode=mode, answering=answer("accept", approve=True, amount=typed)) as (client, _):
        await link_funding(client)
        bill = await bill_numbered(client, BILL)
        assert (await done(client, "pay_bill", bill_id=bill["id"]))["status"] == status


@BOTH
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one after the other"])
async def test_a_client_that_says_yes_twenty_times_pays_once(home: Path, mode: str, at_once: bool) -> None:
    async with serving(home, mode=mode, answering=answer("accept", approve=True)) as (client, _):
        await link_funding(client)
        bill = await bill_numbered(client, BILL)

        async def pay() -> None:
            await client.call_tool("pay_bill", {"bill_id": bill["id"], "amount": "100.00"})

        if at_once:
            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(pay)
        else:
            for _ in range(20):
                await pay()
        assert [p["amount"]["amount"] for p in await _payments(client)] == ["100.00"]


async def test_a_change_of_policy_stands_in_the_audit_chain(home: Path) -> None:
    async with serving(home) as (client, app):
        await link_funding(client)
        (home / "policy.toml").write_text('[tools]\nlink_account = "approve"\n')
        await done(client, "link_account", role="expense", account="Utilities")
        entries = app.store.read_now(lambda tx: [e for e in tx.audit.entries() if e.kind == "policy_changed"])
        assert len(entries) == 2
        assert (await app.policy.read()).version in entries[1].body
