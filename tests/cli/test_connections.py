"""Linking a company from a terminal: the page is served while the command waits, and nothing is lost when it stops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli.test_terminal import rutter_ap
from rutter_ap_server.store.secrets import new_key
from support.connect_flow import audited, in_books, in_store
from support.serving import done, serving


@contextmanager
def connecting(home: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`rutter-ap connect`, which waits for a person."""
    with subprocess.Popen(
        [sys.executable, "-m", "rutter_ap_server", "connect", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"RUTTER_AP_HOME": str(home)},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def link_in(stream: Any) -> str:
    """The link a command prints."""
    assert "Open this page" in stream.readline()
    link: str = stream.readline().strip()
    assert link.startswith("http://127.0.0.1:")
    return link


def consent(link: str, platform: str = "XERO") -> None:
    """What a browser sends when a person submits the page."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(link, timeout=20) as page:
        assert b"<form" in page.read()
    form = urllib.parse.urlencode({"consent": "yes", "platform": platform}).encode()
    with opener.open(link, data=form, timeout=20) as linked:
        assert b"Linked." in linked.read()


def linked(home: Path, name: str = "Second") -> str:
    """A company linked from the terminal; its id."""
    with connecting(home, "--name", name, "--json", "--wait", "60") as process:
        consent(link_in(process.stderr))
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
    shown = json.loads(out)
    assert (shown["status"], shown["platform"], shown["company"]["name"]) == ("connected", "XERO", name)
    company_id: str = shown["company"]["id"]
    return company_id


def test_a_person_links_a_company_while_the_command_waits(home: Path) -> None:
    with connecting(home, "--name", "Second", "--wait", "60") as process:
        consent(link_in(process.stdout), "NETSUITE")
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out == "Connected: Second (NETSUITE).\n"
    rows = json.loads(rutter_ap(home, "connections", "list", "--json").stdout)["connections"]
    assert [(row["name"], row["health"]) for row in rows] == [("Harbor & Pine Ltd", "active"), ("Second", "active")]
    assert audited(home) == ["connection_started", "connection_linked"]


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_a_command_that_was_stopped_is_taken_up_again_under_the_same_connection(
    home: Path, way: signal.Signals
) -> None:
    with connecting(home, "--name", "Second") as process:
        link = link_in(process.stdout)
        process.send_signal(way)
        _, err = process.communicate(timeout=60)
        assert process.returncode == (130 if way is signal.SIGINT else -signal.SIGKILL)
        assert "Traceback" not in err
        assert ("Nothing is lost" in err) == (way is signal.SIGINT)
    with connecting(home, "--name", "Second") as process:
        again = link_in(process.stdout)
        assert again.partition("/link/")[2] == link.partition("/link/")[2]
        consent(again)
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert in_books(home, "SELECT COUNT(*) FROM companies WHERE platform IS NULL") == [(0,)]


def test_without_waiting_the_link_is_printed_and_the_program_ends(home: Path) -> None:
    ended = rutter_ap(home, "connect", "--wait", "0", "--json")
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["status"] == "waiting"
    waiting = json.loads(ended.stdout)["company"]["id"]
    listed = rutter_ap(home, "connections", "list").stdout
    assert f"{waiting}  waiting" in listed
    assert f"rutter-ap connect --connection {waiting}" in listed
    late = rutter_ap(home, "connect", "--wait", "1")
    assert late.returncode == 1
    assert "continue with the same link" in late.stderr


def test_two_terminals_that_begin_at_once_begin_one_connection(home: Path) -> None:
    assert rutter_ap(home, "connections", "list").returncode == 0
    words = ("--name", "Second", "--wait", "0", "--json")
    with connecting(home, *words) as one, connecting(home, *words) as other:
        shown = [json.loads(process.communicate(timeout=60)[0]) for process in (one, other)]
    assert shown[0]["company"]["id"] == shown[1]["company"]["id"]
    assert in_books(home, "SELECT COUNT(*) FROM companies WHERE platform IS NULL") == [(1,)]


def test_connections_are_listed_with_those_that_only_rutter_knows_and_no_token(home: Path) -> None:
    company_id = linked(home)
    shown = rutter_ap(home, "connections", "list", "--all", "--json")
    found = json.loads(shown.stdout)
    assert [row["id"] for row in found["connections"]][1] == company_id
    # The story's other companies are the organisation's, and nobody connected them here.
    assert {row["platform"] for row in found["elsewhere"]} >= {"XERO", "NETSUITE"}
    assert company_id not in {row["id"] for row in found["elsewhere"]}
    for (token,) in in_books(home, "SELECT access_token FROM companies"):
        assert token not in shown.stdout + shown.stderr
    said = rutter_ap(home, "connections", "list", "--all").stdout
    assert f"{company_id}  active" in said
    assert "(only at Rutter)" in said


def test_one_that_rutter_has_already_is_taken_up_by_its_id(home: Path) -> None:
    found = json.loads(rutter_ap(home, "connections", "list", "--all", "--json").stdout)["elsewhere"]
    taken = rutter_ap(home, "connect", "--connection", found[0]["id"], "--json")
    assert taken.returncode == 0, taken.stderr
    assert json.loads(taken.stdout)["status"] == "connected"
    assert audited(home) == ["connection_adopted"]
    unknown = rutter_ap(home, "connect", "--connection", "no-such-connection")
    assert (unknown.returncode, "not_found" in unknown.stderr) == (1, True)


def test_a_connection_is_called_something_else_here_and_at_rutter(home: Path) -> None:
    company_id = linked(home)
    renamed = rutter_ap(home, "connections", "rename", "Second", "Fjord Books")
    assert renamed.returncode == 0, renamed.stderr
    assert in_books(home, "SELECT name FROM companies WHERE id = ?", company_id) == [("Fjord Books",)]
    assert in_store(home, "SELECT name FROM connections") == [("Fjord Books",)]
    for wrong in ("x" * 31, "", "Harbor & Pine Ltd"):
        refused = rutter_ap(home, "connections", "rename", company_id, wrong)
        assert (refused.returncode, "bad_input" in refused.stderr) == (1, True)
    settings = rutter_ap(home, "connections", "rename", "Harbor & Pine Ltd", "Mine")
    assert (settings.returncode, "connection.from_settings" in settings.stderr) == (1, True)


def test_a_connection_is_removed_only_once_a_person_said_yes(home: Path) -> None:
    company_id = linked(home)
    unsaid = rutter_ap(home, "connections", "remove", "Second")
    assert (unsaid.returncode, "Nothing was removed" in unsaid.stderr) == (1, True)
    assert in_books(home, "SELECT COUNT(*) FROM companies WHERE id = ?", company_id) == [(1,)]

    removed = rutter_ap(home, "connections", "remove", company_id, passcode="yes")
    assert removed.returncode == 0, removed.stderr
    assert in_books(home, "SELECT COUNT(*) FROM companies WHERE id = ?", company_id) == [(0,)]
    assert in_store(home, "SELECT status FROM connections") == [("removed",)]
    assert in_store(home, "SELECT COUNT(*) FROM secrets") == [(0,)]
    assert audited(home)[-1] == "connection_removed"
    again = rutter_ap(home, "connections", "remove", company_id, "--yes")
    assert (again.returncode, "company.unknown" in again.stderr) == (1, True)


def test_a_removal_that_stopped_half_way_can_be_done_again(home: Path) -> None:
    company_id = linked(home)
    # It is gone at Rutter, and the process died before it was gone here.
    in_books(home, "DELETE FROM companies WHERE id = ?", company_id)
    assert rutter_ap(home, "connections", "remove", "Second", "--yes", "--json").returncode == 0
    assert in_store(home, "SELECT status FROM connections") == [("removed",)]


@pytest.mark.anyio
async def test_a_company_with_a_write_that_is_not_settled_is_not_removed(home: Path) -> None:
    company_id = linked(home)
    async with serving(home) as (client, app):
        accounts = (await done(client, "find_records", kind="account", company="Second"))["records"]
        made = await done(
            client,
            "create_bill",
            company="Second",
            vendor="First Vendor",
            issue_date=app.clock.today().isoformat(),
            currency="USD",
            document_number="U-1",
            lines=[{"amount": "10.00", "account": next(a["id"] for a in accounts if a["account_type"] == "expense")}],
        )
    in_store(home, "UPDATE proposals SET state = 'unknown' WHERE id = ?", made["proposal_id"])
    refused = rutter_ap(home, "connections", "remove", company_id, "--yes")
    assert (refused.returncode, "connection.unsettled" in refused.stderr) == (1, True)
    assert made["proposal_id"] in refused.stderr
    assert in_books(home, "SELECT COUNT(*) FROM companies WHERE id = ?", company_id) == [(1,)]


def test_stored_tokens_are_sealed_anew_under_the_first_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = new_key().reveal(), new_key().reveal()
    monkeypatch.setenv("RUTTER_AP_SECRET_KEYS", old)
    company_id = linked(home)
    monkeypatch.setenv("RUTTER_AP_SECRET_KEYS", f"{new},{old}")
    resealed = rutter_ap(home, "connections", "reseal", "--json")
    assert json.loads(resealed.stdout) == {"resealed": 1}
    monkeypatch.setenv("RUTTER_AP_SECRET_KEYS", new)
    rows = json.loads(rutter_ap(home, "connections", "list", "--json").stdout)["connections"]
    assert rows[1]["health"] == "active"
    monkeypatch.setenv("RUTTER_AP_SECRET_KEYS", old)
    wrong = rutter_ap(home, "connections", "reseal")
    assert (wrong.returncode, "cannot be opened" in wrong.stderr) == (1, True)
    lost = rutter_ap(home, "connect", "--connection", company_id)
    assert lost.returncode == 0, "an operator gets a company back whose key is lost"
    monkeypatch.setenv("RUTTER_AP_SECRET_KEYS", f"{new},4711-not-a-key")
    refused = rutter_ap(home, "connections", "list")
    assert (refused.returncode, "key 2 of 2" in refused.stderr, "4711" in refused.stderr) == (2, True, False)
