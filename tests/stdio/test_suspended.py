"""A server that is suspended between its authorisation and its request sends nothing once others went on without it."""

from __future__ import annotations

import json
import signal
import time
from decimal import Decimal
from pathlib import Path

import anyio
import httpx

from rutter_ap_server.app import App
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.interaction import NO_INTERACTION
from rutter_ap_server.settings import read_settings
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import IN_FLIGHT_STATES
from rutter_ap_tools.payments import PayBill
from support.approvers import add_approver
from support.reconcile import payable_bills, paying_home
from support.sandbox_server import Announced, sandbox_server, set_faults
from support.stdio_server import hurried_server, in_our_environment, stdio_server, tool_call

LEASE_SECONDS = 1.5
PASSCODE = "correct horse"
# Turned away before it is looked at, the client waits a moment and sends it again: there the server is suspended.
AGAIN_LATER = {"fault": "status_429", "method": "POST", "path": "bill_payments"}
LOST = {"fault": "cut_before_commit", "method": "POST", "path": "bill_payments"}


def test_a_server_that_slept_sends_nothing_after_others_did(home: Path) -> None:
    with sandbox_server() as announced:
        environ = paying_home(announced, home)
        bill_id, _ = next(b for b in anyio.run(payable_bills, environ) if b[1] == "684.20")
        set_faults(announced, AGAIN_LATER)
        with stdio_server(in_our_environment(environ), hurried_server(LEASE_SECONDS)) as suspended:
            suspended.greet()
            suspended.send(tool_call(1, "pay_bill", bill_id=bill_id, amount="100.00"))
            _wait_until_turned_away(announced)
            suspended.process.send_signal(signal.SIGSTOP)

            set_faults(announced, LOST)
            anyio.run(_settled_as_failed, environ)
            set_faults(announced)
            assert anyio.run(_pay_anew, environ, bill_id, "99.00") == "posted"

            suspended.process.send_signal(signal.SIGCONT)
            answer = json.loads(suspended.next_line())
            assert answer["id"] == 1
            assert "resolved.failed" in answer["result"]["content"][0]["text"]
            assert suspended.end_input() == 0
        assert anyio.run(_paid, environ, bill_id) == [Decimal("99.00")]


def _wait_until_turned_away(announced: Announced) -> None:
    """Until the sandbox's own page shows that it has answered a payment with 429."""
    page = announced["base_url"].removesuffix("/versioned") + "/"
    until = time.monotonic() + 60
    while time.monotonic() < until:
        text = httpx.get(page, timeout=10, trust_env=False).text
        if "bill_payments</td><td>429" in text:
            return
        time.sleep(0.01)
    raise AssertionError("it never came so far")


async def _settled_as_failed(environ: dict[str, str]) -> None:
    """Another process resolves it once its lease ran out: nothing is in the ledger, and a person says so."""
    app = App(read_settings(environ))
    try:
        await add_approver(app.store, "Ana", PASSCODE)
        while (proposal := _in_flight(app)).state != "unknown":
            await app.recover()
        settled = await app.approvals.settle_by_hand(
            proposal.id,
            "failed",
            by=Proof("Ana", PASSCODE),
            channel="terminal",
            company=await app.companies.get(""),
        )
        assert settled.state == "failed"
    finally:
        await app.aclose()


def _in_flight(app: App) -> Proposal:
    (proposal,) = app.store.read_now(lambda tx: tx.proposals.in_states(IN_FLIGHT_STATES))
    return proposal


async def _pay_anew(environ: dict[str, str], bill_id: str, amount: str) -> str:
    """Another process pays it, once an approver has released that: what failed a moment ago may be booked."""
    app = App(read_settings(environ))
    try:
        held = await app.backend("another", NO_INTERACTION).submit(PayBill(bill_id=bill_id, amount=amount))
        assert "payment.doubted" in [one.code for one in held.findings]
        company = await app.companies.get("")
        seen = await app.approvals.preview(held.proposal_id or "", company)
        approve = app.approvals.approve
        return str((await approve(seen, company, by=Proof("Ana", PASSCODE), channel="terminal")).state)
    finally:
        await app.aclose()


async def _paid(environ: dict[str, str], bill_id: str) -> list[Decimal]:
    app = App(read_settings(environ))
    try:
        bill = await (await app.companies.get("")).rutter.bills.get(bill_id)
        return [link.allocated_amount for link in bill.linked_payments]
    finally:
        await app.aclose()
