"""Releasing from a terminal: in another process than the assistant's, with a passcode it never sees."""

from __future__ import annotations

import json
import os
import pty
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from support.serving import PASSCODE, bill_numbered, done, link_funding, serving

BILL = "NW-2291"


def rutter_ap(home: Path, *words: str, passcode: str | None = None) -> subprocess.CompletedProcess[str]:
    """The program, as a person at a terminal would start it, with its input from a pipe."""
    return subprocess.run(
        [sys.executable, "-m", "rutter_ap_server", *words],
        input=f"{passcode}\n" if passcode else "",
        env=os.environ | {"RUTTER_AP_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def held_payment(home: Path, number: str = BILL, **arguments: Any) -> str:
    """A payment an assistant proposed, which nobody released yet."""
    async with serving(home) as (client, _):
        await link_funding(client)
        bill = await bill_numbered(client, number)
        held = await done(client, "pay_bill", bill_id=bill["id"], **arguments)
        assert held["status"] == "held"
        proposal_id: str = held["proposal_id"]
        return proposal_id


@pytest.mark.anyio
async def test_an_approver_releases_a_held_payment_in_another_process_and_it_is_posted_once(home: Path) -> None:
    proposal_id = await held_payment(home)
    assert rutter_ap(home, "approvers", "add", "Dana", passcode=PASSCODE).returncode == 0
    approved = rutter_ap(home, "proposals", "approve", proposal_id, "--json", passcode=PASSCODE)
    assert approved.returncode == 0, approved.stderr
    shown = json.loads(approved.stdout)
    assert shown["proposal"]["state"] == "posted"
    assert [a["approver"] for a in shown["proposal"]["approvals"]] == ["Dana"]
    again = rutter_ap(home, "proposals", "approve", proposal_id, passcode=PASSCODE)
    assert again.returncode == 1
    assert "approval.not_waiting" in again.stderr
    async with serving(home) as (client, _):
        bill = await bill_numbered(client, BILL)
        detail = await done(client, "get_bill", bill_id=bill["id"])
        assert [p["amount"]["amount"] for p in detail["payments"]] == ["684.20"]
    assert rutter_ap(home, "audit", "verify").returncode == 0


@pytest.mark.anyio
async def test_a_wrong_passcode_releases_nothing_and_five_lock_the_approver(home: Path) -> None:
    proposal_id = await held_payment(home)
    rutter_ap(home, "approvers", "add", "Dana", passcode=PASSCODE)
    for _ in range(5):
        wrong = rutter_ap(home, "proposals", "approve", proposal_id, passcode="not the passcode")
        assert (wrong.returncode, "approval.wrong_passcode" in wrong.stderr) == (1, True)
        assert "not the passcode" not in wrong.stdout + wrong.stderr
    locked = rutter_ap(home, "proposals", "approve", proposal_id, passcode=PASSCODE)
    assert (locked.returncode, "approval.locked" in locked.stderr) == (1, True)
    listed = json.loads(rutter_ap(home, "proposals", "list", "--json").stdout)
    assert [(p["id"], p["state"]) for p in listed] == [(proposal_id, "held")]


@pytest.mark.anyio
async def test_a_declined_payment_stays_declined_and_the_assistant_is_told(home: Path) -> None:
    proposal_id = await held_payment(home)
    rutter_ap(home, "approvers", "add", "Dana", passcode=PASSCODE)
    assert rutter_ap(home, "proposals", "decline", proposal_id[:8], passcode=PASSCODE).returncode == 0
    async with serving(home) as (client, _):
        bill = await bill_numbered(client, BILL)
        again = await done(client, "pay_bill", bill_id=bill["id"])
        assert (again["status"], again["proposal_id"]) == ("declined", proposal_id)


@pytest.mark.anyio
async def test_over_the_upper_tier_two_different_people_must_release(home: Path) -> None:
    proposal_id = await held_payment(home, "FT-802")
    rutter_ap(home, "approvers", "add", "Dana", passcode=PASSCODE)
    rutter_ap(home, "approvers", "add", "Sam", passcode="another long passcode")
    first = rutter_ap(home, "proposals", "approve", proposal_id, "--as", "Dana", "--json", passcode=PASSCODE)
    assert json.loads(first.stdout)["proposal"]["state"] == "held"
    same = rutter_ap(home, "proposals", "approve", proposal_id, "--as", "Dana", passcode=PASSCODE)
    assert "approval.same_person" in same.stderr
    second = rutter_ap(
        home, "proposals", "approve", proposal_id, "--as", "Sam", "--json", passcode="another long passcode"
    )
    assert json.loads(second.stdout)["proposal"]["state"] == "posted", second.stderr


def test_on_a_real_terminal_the_passcode_is_asked_for_and_never_shown(home: Path) -> None:
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
        if shown.count("passcode:") + shown.count("again:") > typed:
            typed += 1
            os.write(master, PASSCODE.encode() + b"\n")
    os.close(master)
    assert process.wait(timeout=30) == 0, shown
    assert typed == 2
    assert "may now approve" in shown
    assert PASSCODE not in shown


@pytest.mark.parametrize(
    ("environ", "status", "words"),
    [
        ({"RUTTER_CLIENT_ID": "id-9f3"}, 2, "RUTTER_CLIENT_SECRET is missing"),
        ({"RUTTER_AP_SECRET_KEYS": "k3y-9f3"}, 2, "RUTTER_AP_SECRET_KEYS: key 1 of 1"),
        ({"RUTTER_ENVIRONMENT": "moon"}, 2, "embedded, sandbox or production"),
        ({"RUTTER_AP_FILES": "/nowhere/at/all"}, 2, "RUTTER_AP_FILES names a folder that does not exist"),
        ({"RUTTER_AP_READ_ONLY": "perhaps"}, 2, "RUTTER_AP_READ_ONLY must be true or false"),
        ({"RUTTER_AP_READONLY": "true"}, 2, "RUTTER_AP_READONLY is not a setting"),
        ({"RUTTER_AP_ENV_FILE": "/nowhere/at/all"}, 2, "RUTTER_AP_ENV_FILE"),
        (
            {
                "RUTTER_CLIENT_ID": "a",
                "RUTTER_CLIENT_SECRET": "s3cr3t-9f3",
                "RUTTER_ACCESS_TOKEN": "t0k3n-9f3",
                "RUTTER_ENVIRONMENT": "sandbox",
                "RUTTER_BASE_URL": "http://example.com/versioned",
            },
            2,
            "RUTTER_BASE_URL must be https://",
        ),
    ],
    ids=["no secret", "no key", "no such place", "no folder", "half a switch", "a slip", "no file", "not https"],
)
def test_settings_that_cannot_be_used_end_the_program_with_one_clear_error(
    environ: dict[str, str], status: int, words: str, home: Path
) -> None:
    done_ = subprocess.run(
        [sys.executable, "-m", "rutter_ap_server", "stdio"],
        input="",
        env=os.environ | {"RUTTER_AP_HOME": str(home)} | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done_.returncode == status
    assert words in done_.stderr
    assert "9f3" not in done_.stderr
    assert "Traceback" not in done_.stderr
    assert not home.exists(), "nothing is made for settings that are wrong"


def test_a_home_without_a_policy_has_the_default_and_a_broken_one_is_named_with_its_place(home: Path) -> None:
    assert "the built-in default" in rutter_ap(home, "policy", "show").stdout
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "policy.toml").write_text('[currencies.USD]\napprove_above = 1000.5\nday_limt = "5"\n')
    broken = rutter_ap(home, "policy", "check")
    assert broken.returncode == 1
    assert "policy.broken" in broken.stderr
    assert "currencies.USD.day_limt is not a known field" in broken.stderr
    assert "currencies.USD.approve_above must be a decimal in quotes" in broken.stderr


def test_the_chain_can_be_exported_and_every_entry_stands_on_a_line(home: Path) -> None:
    rutter_ap(home, "freeze")
    rutter_ap(home, "unfreeze")
    lines = rutter_ap(home, "audit", "export").stdout.splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["frozen", "unfrozen"]
    verified = json.loads(rutter_ap(home, "audit", "verify", "--json").stdout)
    assert (verified["holds"], verified["entries"]) == (True, 2)


def test_an_uploaded_file_gets_a_handle_that_names_its_content(home: Path, tmp_path: Path) -> None:
    paper = tmp_path / "invoice.txt"
    paper.write_text("Invoice 7\n")
    first = rutter_ap(home, "upload", str(paper))
    assert first.returncode == 0, first.stderr
    assert first.stdout == rutter_ap(home, "upload", str(paper)).stdout
    assert first.stdout.startswith("upload_")
    nothing = rutter_ap(home, "upload", str(tmp_path / "missing.pdf"))
    assert (nothing.returncode, "files.unreadable" in nothing.stderr) == (1, True)


@pytest.mark.anyio
async def test_evidence_gathers_one_payments_whole_file_as_json_and_as_an_escaped_page(
    home: Path, tmp_path: Path
) -> None:
    proposal_id = await held_payment(home, memo="<script>alert(1)</script>")
    rutter_ap(home, "approvers", "add", "Dana", passcode=PASSCODE)
    assert rutter_ap(home, "proposals", "approve", proposal_id, passcode=PASSCODE).returncode == 0
    written = rutter_ap(home, "evidence", proposal_id, "--out", str(tmp_path))
    assert written.returncode == 0, written.stderr
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
    shown = (tmp_path / f"evidence-{proposal_id}.html").read_text()
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown
    assert (tmp_path / f"evidence-{proposal_id}.html").stat().st_mode & 0o777 == 0o600


def test_an_anchor_kept_elsewhere_finds_a_tail_that_was_cut_off(home: Path, tmp_path: Path) -> None:
    rutter_ap(home, "freeze")
    rutter_ap(home, "unfreeze")
    anchor = tmp_path / "anchor.json"
    anchor.write_text(rutter_ap(home, "audit", "export", "--anchor").stdout)
    assert rutter_ap(home, "audit", "verify", "--anchor", str(anchor)).returncode == 0
    with sqlite3.connect(home / "rutter-ap.db") as database:
        database.execute("delete from audit where seq = 2")
    assert rutter_ap(home, "audit", "verify").returncode == 0, "without the anchor a shorter chain still holds"
    cut = rutter_ap(home, "audit", "verify", "--anchor", str(anchor))
    assert (cut.returncode, "cut off" in cut.stdout) == (1, True)


def test_a_policy_that_was_named_and_is_not_there_stops_writes_instead_of_meaning_the_default(home: Path) -> None:
    missing = subprocess.run(
        [sys.executable, "-m", "rutter_ap_server", "policy", "show"],
        env=os.environ | {"RUTTER_AP_HOME": str(home), "RUTTER_AP_POLICY": str(home / "moved-away.toml")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (missing.returncode, "policy.broken" in missing.stderr) == (1, True)


@pytest.mark.anyio
async def test_a_release_of_somebody_who_was_removed_meanwhile_no_longer_counts(home: Path) -> None:
    proposal_id = await held_payment(home, "FT-802")
    rutter_ap(home, "approvers", "add", "Dana", passcode=PASSCODE)
    rutter_ap(home, "approvers", "add", "Sam", passcode="another long passcode")
    rutter_ap(home, "proposals", "approve", proposal_id, "--as", "Dana", passcode=PASSCODE)
    rutter_ap(home, "approvers", "remove", "Dana")
    second = rutter_ap(
        home, "proposals", "approve", proposal_id, "--as", "Sam", "--json", passcode="another long passcode"
    )
    assert json.loads(second.stdout)["proposal"]["state"] == "held"
    async with serving(home) as (client, _):
        bill = await bill_numbered(client, "FT-802")
        assert (await done(client, "get_bill", bill_id=bill["id"]))["payments"] == []
