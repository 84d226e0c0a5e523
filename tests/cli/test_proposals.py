"""Releasing from a terminal: apart from the assistant's process, with a passcode it never sees."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio

from support.serving import PASSCODE, bill_numbered, done, link_funding, serving
from support.terminal import Terminal, in_a_process

BILL = "NW-2291"
LARGE_BILL = "FT-802"
SAMS = "another long passcode"


def held_payment(home: Path, number: str = BILL, **arguments: Any) -> str:
    """A payment an assistant proposed, which nobody released yet."""

    async def propose() -> str:
        async with serving(home) as (client, _):
            await link_funding(client)
            bill = await bill_numbered(client, number)
            held = await done(client, "pay_bill", bill_id=bill["id"], **arguments)
            assert held["status"] == "held"
            proposal_id: str = held["proposal_id"]
            return proposal_id

    return anyio.run(propose)


def payments_on(home: Path, number: str) -> list[str]:
    """The amounts the ledger shows as paid on that bill."""

    async def look() -> list[str]:
        async with serving(home) as (client, _):
            bill = await bill_numbered(client, number)
            detail = await done(client, "get_bill", bill_id=bill["id"])
            return [payment["amount"]["amount"] for payment in detail["payments"]]

    return anyio.run(look)


def test_a_payment_is_approved_in_another_process(home: Path, rutter_ap: Terminal) -> None:
    proposal_id = held_payment(home)
    assert rutter_ap("approvers", "add", "Dana", typed=PASSCODE).status == 0

    approved = in_a_process(home, "proposals", "approve", proposal_id, "--json", typed=PASSCODE)

    assert approved.status == 0, approved.err
    assert approved.json["proposal"]["state"] == "posted"
    assert [a["approver"] for a in approved.json["proposal"]["approvals"]] == ["Dana"]
    # What a person reads before deciding is on stderr.
    assert "Pay 684.20 USD to" in approved.err
    again = rutter_ap("proposals", "approve", proposal_id, typed=PASSCODE)
    assert (again.status, "approval.not_waiting" in again.err) == (1, True)
    assert payments_on(home, BILL) == ["684.20"]
    assert rutter_ap("audit", "verify").status == 0


def test_wrong_passcodes_release_nothing_and_lock(home: Path, rutter_ap: Terminal) -> None:
    proposal_id = held_payment(home)
    rutter_ap("approvers", "add", "Dana", typed=PASSCODE)
    for _ in range(5):
        wrong = rutter_ap("proposals", "approve", proposal_id, typed="not the passcode")
        assert (wrong.status, "approval.wrong_passcode" in wrong.err) == (1, True)
        assert "not the passcode" not in wrong.out + wrong.err
    locked = rutter_ap("proposals", "approve", proposal_id, typed=PASSCODE)
    assert (locked.status, "approval.locked" in locked.err) == (1, True)
    listed = rutter_ap("proposals", "list", "--json").json
    assert [(one["id"], one["state"]) for one in listed] == [(proposal_id, "held")]


def test_a_declined_payment_needs_an_approver_if_asked_again(home: Path, rutter_ap: Terminal) -> None:
    proposal_id = held_payment(home)
    rutter_ap("approvers", "add", "Dana", typed=PASSCODE)
    declined = rutter_ap("proposals", "decline", proposal_id[:8], typed=PASSCODE)
    assert (declined.status, declined.out.startswith("DECLINED: ")) == (0, True)

    async def propose_again() -> dict[str, Any]:
        async with serving(home) as (client, _):
            bill = await bill_numbered(client, BILL)
            return await done(client, "pay_bill", bill_id=bill["id"])

    again = anyio.run(propose_again)
    assert (again["status"], again["verdict"]) == ("held", "approve")
    assert again["proposal_id"] != proposal_id
    assert again["findings"][0]["code"] == "proposal.declined"


def test_a_large_payment_needs_two_people(home: Path, rutter_ap: Terminal) -> None:
    proposal_id = held_payment(home, LARGE_BILL)
    rutter_ap("approvers", "add", "Dana", typed=PASSCODE)
    rutter_ap("approvers", "add", "Sam", typed=f"{PASSCODE}\n{SAMS}")
    nameless = rutter_ap("proposals", "approve", proposal_id, typed=PASSCODE)
    assert (nameless.status, "Dana, Sam" in nameless.err) == (1, True)
    first = rutter_ap("proposals", "approve", proposal_id, "--as", "Dana", "--json", typed=PASSCODE)
    assert (first.status, first.json["proposal"]["state"]) == (0, "held")
    same = rutter_ap("proposals", "approve", proposal_id, "--as", "Dana", typed=PASSCODE)
    assert (same.status, "approval.same_person" in same.err) == (1, True)
    second = rutter_ap("proposals", "approve", proposal_id, "--as", "Sam", "--json", typed=SAMS)
    assert second.json["proposal"]["state"] == "posted", second.err


def test_the_release_of_a_removed_approver_no_longer_counts(home: Path, rutter_ap: Terminal) -> None:
    proposal_id = held_payment(home, LARGE_BILL)
    rutter_ap("approvers", "add", "Dana", typed=PASSCODE)
    rutter_ap("approvers", "add", "Sam", typed=f"{PASSCODE}\n{SAMS}")
    rutter_ap("proposals", "approve", proposal_id, "--as", "Dana", typed=PASSCODE)
    assert rutter_ap("approvers", "remove", "Dana", "--as", "Dana", typed=PASSCODE).status == 0
    second = rutter_ap("proposals", "approve", proposal_id, "--as", "Sam", "--json", typed=SAMS)
    assert second.json["proposal"]["state"] == "held"
    assert payments_on(home, LARGE_BILL) == []


def test_people_read_amounts_with_separators(home: Path, rutter_ap: Terminal) -> None:
    proposal_id = held_payment(home, LARGE_BILL)

    shown = [
        rutter_ap("proposals", "list").out,
        rutter_ap("proposals", "show", proposal_id).out,
        rutter_ap("policy", "explain", "--proposal", proposal_id).out,
    ]

    assert all("27,350.00 USD" in text and "27350.00" not in text for text in shown)
    assert f"Next: `rutter-ap proposals approve {proposal_id}`" in shown[1]
    assert "embedded: the practice company, not real books" in shown[1]
    with_desk = rutter_ap("proposals", "show", proposal_id, RUTTER_AP_APPROVALS_URL="https://ap.example/approvals/")
    assert f"approvals desk: https://ap.example/approvals/{proposal_id}" in with_desk.out


def test_nobody_to_approve_and_no_such_proposal(home: Path, rutter_ap: Terminal) -> None:
    assert rutter_ap("proposals", "list").out == "No proposals are waiting.\n"
    unknown = rutter_ap("proposals", "show", "no-such-id")
    assert (unknown.status, unknown.err.splitlines()[-1]) == (
        1,
        "Next: Run `rutter-ap proposals list --all` to see every proposal.",
    )
    assert "rutter-ap approvers add NAME" in rutter_ap("approvers", "list").out
    nobody = rutter_ap("proposals", "approve", held_payment(home), typed=PASSCODE)
    assert (nobody.status, "approval.nobody" in nobody.err) == (1, True)


def test_at_a_real_terminal_the_passcode_is_never_shown(home: Path) -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "rutter_ap_server", "approvers", "add", "Dana"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=os.environ | {"RUTTER_AP_HOME": str(home)},
        start_new_session=True,
    )
    os.close(slave)
    shown = ""
    typed = 0
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            shown += os.read(master, 1024).decode()
        except OSError:
            break
        if shown.count("passcode: ") > typed:
            typed += 1
            os.write(master, PASSCODE.encode() + b"\n")
    os.close(master)
    assert process.wait(timeout=30) == 0, shown
    assert typed == 2
    assert "Dana may now approve" in shown
    assert PASSCODE not in shown


def test_evidence_is_one_payments_whole_file(home: Path, tmp_path: Path, rutter_ap: Terminal) -> None:
    proposal_id = held_payment(home, memo="<script>alert(1)</script>")
    rutter_ap("approvers", "add", "Dana", typed=PASSCODE)
    assert rutter_ap("proposals", "approve", proposal_id, typed=PASSCODE).status == 0

    written = rutter_ap("evidence", proposal_id, "--out", str(tmp_path))

    assert written.status == 0, written.err
    gathered = json.loads((tmp_path / f"evidence-{proposal_id}.json").read_text())
    assert gathered["proposal"]["state"] == "posted"
    assert gathered["proposal"]["amount"] == {"amount": "684.20", "currency": "USD"}
    assert [a["approver"] for a in gathered["approvals"]] == ["Dana"]
    assert gathered["sending"]["idempotency_key"] == proposal_id
    assert gathered["record"]["id"] == gathered["bill_now"]["payments"][0]["id"]
    assert gathered["chain"]["holds"]
    assert all(entry["hash_is_right"] for entry in gathered["audit"])
    kinds = [entry["kind"] for entry in gathered["audit"]]
    assert kinds.index("proposed") < kinds.index("approved") < kinds.index("attempt") < kinds.index("posted")
    page = (tmp_path / f"evidence-{proposal_id}.html").read_text()
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert (tmp_path / f"evidence-{proposal_id}.html").stat().st_mode & 0o777 == 0o600
    assert rutter_ap("evidence", proposal_id, "--json").json == gathered
    nowhere = rutter_ap("evidence", proposal_id, "--out", str(tmp_path / "missing"))
    assert (nowhere.status, "evidence.not_written" in nowhere.err) == (1, True)
