"""A held payment that is edited in the database is refused by the real server and terminal, and nothing is posted."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio

from support.serving import PASSCODE, bill_numbered, done, failed, held_payment, serving
from support.terminal import Terminal

BILL = "NW-2291"


def seen_by_the_assistant(home: Path, proposal_id: str) -> tuple[list[Any], list[str], str]:
    """What is paid on the bill, and the errors of asking for the proposal and for its payment again."""

    async def look() -> tuple[list[Any], list[str], str]:
        async with serving(home) as (client, _):
            bill = await bill_numbered(client, BILL)
            errors = [
                await failed(client, "get_proposal", proposal_id=proposal_id),
                await failed(client, "pay_bill", bill_id=bill["id"], amount="88.31"),
            ]
            listed = await done(client, "list_proposals", state="any")
            paid = (await done(client, "get_bill", bill_id=bill["id"]))["payments"]
            return paid, [one["code"] for one in errors], str(listed["proposals"])

    return anyio.run(look)


def test_what_was_edited_is_refused_wherever_it_is_met(home: Path, rutter_ap: Terminal) -> None:
    proposal_id = held_payment(home, BILL, "88.31")
    assert rutter_ap("approvers", "add", "Dana", typed=PASSCODE).status == 0
    with closing(sqlite3.connect(home / "rutter-ap.db")) as database, database:
        database.execute("UPDATE proposals SET fields = replace(fields, '88.31', '288.31')")

    approved = rutter_ap("proposals", "approve", proposal_id, typed=PASSCODE)
    assert approved.status == 1
    assert "store.tampered" in approved.err
    assert "288.31" not in approved.err + approved.out
    shown = rutter_ap("proposals", "show", proposal_id)
    assert (shown.status, "store.tampered" in shown.err) == (1, True)
    assert "DAMAGED" in rutter_ap("proposals", "list").out
    assert rutter_ap("audit", "verify").status == 1

    paid, errors, listed = seen_by_the_assistant(home, proposal_id)
    assert (paid, errors) == ([], ["store.tampered", "store.tampered"])
    assert "DAMAGED" in listed
