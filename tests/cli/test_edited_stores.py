"""What `audit verify` and the real server make of a store that somebody edited by hand."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from support.serving import done, held_payment, serving
from support.stdio_server import in_our_environment, stdio_server, tool_call
from support.terminal import Terminal

BILL = "NW-2291"


def edit(home: Path, statement: str) -> None:
    """Somebody with the file changes it."""
    with closing(sqlite3.connect(home / "rutter-ap.db")) as database, database:
        assert database.execute(statement).rowcount != 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE proposals SET state = 'paid' WHERE tool = 'pay_bill'",
        "UPDATE proposals SET summary = CAST(X'ff' AS TEXT) WHERE tool = 'pay_bill'",
        "UPDATE audit SET body = CAST(body AS BLOB) WHERE kind = 'proposed'",
    ],
)
def test_whatever_was_written_audit_verify_says_it(home: Path, rutter_ap: Terminal, change: str) -> None:
    held_payment(home, BILL, "88.31")
    edit(home, change)

    verified = rutter_ap("audit", "verify", "--json")

    assert verified.status == 1
    assert not (verified.json["holds"] and verified.json["tables_hold"])


@pytest.mark.parametrize("change", ["state = 'paid'", "summary = CAST(X'ff' AS TEXT)"])
def test_a_row_that_cannot_be_read_is_listed_as_damaged(home: Path, change: str) -> None:
    proposal_id = held_payment(home, BILL, "88.31")
    edit(home, f"UPDATE proposals SET {change} WHERE id = '{proposal_id}'")

    async def look() -> str:
        async with serving(home) as (client, _):
            return str((await done(client, "list_proposals", state="any"))["proposals"])

    assert "DAMAGED" in anyio.run(look)


def test_an_edited_policy_note_is_found_and_stops_no_write(home: Path, rutter_ap: Terminal) -> None:
    held_payment(home, BILL, "88.31")
    edit(home, "UPDATE meta SET value = 'x' WHERE key = 'policy_held'")

    with stdio_server(in_our_environment({"RUTTER_AP_HOME": str(home)})) as running:
        running.greet()
        running.send(tool_call(1, "link_account", role="funding", account="Operating Checking"))
        answer = running.result()["structuredContent"]
    assert answer.get("code", "") != "internal"
    assert rutter_ap("audit", "verify").status == 1
