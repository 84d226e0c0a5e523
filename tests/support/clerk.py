"""What recordings share: a clerk who enters bills of a recording's own, and an approver who releases.

Nothing here relies on the practice company's story, so that the same calls can be recorded from a real one.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from mcp.client import Client

from rutter_ap_server.app import App
from rutter_ap_server.guard.approvers import Proof
from support.approvers import add_approver
from support.recording import marked
from support.serving import PASSCODE, done


class Company(Protocol):
    """A recorded company, to be opened once."""

    def __call__(self) -> AbstractAsyncContextManager[tuple[Client, App]]: ...


def number_of(number: str) -> str:
    """What a bill of a recording is numbered."""
    return marked(f"RAP-RECORDING-{number}")


async def enter(client: Client, app: App, number: str, *amounts: str) -> dict[str, Any]:
    """A bill of this recording's own, from a vendor of the company, booked to one of its expense accounts."""
    accounts = await done(client, "find_records", kind="account", account_type="expense")
    expense = next(a for a in accounts["records"] if a["status"] == "active")
    vendors = await done(client, "find_records", kind="vendor")
    vendor = next(v for v in vendors["records"] if v["status"] == "active" and v.get("currency") == expense["currency"])
    entered = await done(
        client,
        "create_bill",
        vendor=vendor["id"],
        issue_date="2026-11-16",
        due_date="2026-12-16",
        currency=expense["currency"],
        document_number=number_of(number),
        lines=[{"amount": amount, "account": expense["id"], "description": "recorded"} for amount in amounts],
    )
    if entered["status"] == "held":
        # A company that was recorded from before has a bill of the same amount: an approver looks at the two.
        assert await released(app, entered) == "posted"
    proposal = (await done(client, "get_proposal", proposal_id=entered["proposal_id"]))["proposal"]
    assert proposal["state"] == "posted"
    record: dict[str, Any] = proposal["record"]
    return record | {"expense_account": expense["id"], "proposal_id": proposal["id"]}


async def account_of(client: Client, account_type: str, currency: str) -> str:
    """An account of the company of that type and currency; its id."""
    accounts = await done(client, "find_records", kind="account", account_type=account_type)
    found: str = next(a["id"] for a in accounts["records"] if a["status"] == "active" and a.get("currency") == currency)
    return found


async def released(app: App, held: dict[str, Any]) -> str:
    """The state of a held write after an approver released it."""
    assert held["status"] == "held", held
    await add_approver(app.store, "Dana", PASSCODE)
    company = await app.companies.get("")
    seen = await app.approvals.preview(held["proposal_id"], company)
    after = await app.approvals.approve(seen, company, by=Proof("Dana", PASSCODE), channel="terminal")
    return after.state


async def due_on(client: Client, bill_id: str) -> str:
    """What is still due on a bill, as a decimal text."""
    shown = await done(client, "get_bill", bill_id=bill_id)
    due: str = shown["bill"]["due"]["amount"]
    return due
