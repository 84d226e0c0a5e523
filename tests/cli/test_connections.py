"""Connecting a company from a terminal: its page is served while the command waits, and stopping loses nothing."""

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

import anyio

from rutter_ap_server.store.secrets import new_key
from support.connect_flow import audited, in_books, in_store, link_company
from support.serving import done, serving
from support.terminal import Terminal


@contextmanager
def connecting(home: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`rutter-ap connect` in a process of its own, which waits for a person."""
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


def consent(link: str, platform: str = "XERO", ledger: str = "") -> None:
    """What a browser sends when a person submits the page."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(link, timeout=20) as page:
        assert b"<form" in page.read()
    form = urllib.parse.urlencode({"consent": "yes", "platform": platform, "ledger": ledger}).encode()
    with opener.open(link, data=form, timeout=20) as linked:
        assert b"Linked." in linked.read()


def connected(home: Path, name: str = "Second", **settings: str) -> str:
    """A company that was connected before; its id."""

    async def connect() -> str:
        async with serving(home, environ=settings) as (client, _):
            return await link_company(client, name)

    return anyio.run(connect)


def test_a_company_is_connected_while_the_command_waits(home: Path, rutter_ap: Terminal) -> None:
    with connecting(home, "--name", "Second", "--wait", "60") as process:
        consent(link_in(process.stdout), "NETSUITE")
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out == "Connected: Second (NETSUITE).\n"
    rows = rutter_ap("connections", "list", "--json").json["connections"]
    assert [(row["name"], row["health"]) for row in rows] == [("Harbor & Pine Ltd", "active"), ("Second", "active")]
    assert audited(home) == ["connection_started", "connection_linked"]


def test_a_stopped_command_continues_with_the_same_link(home: Path) -> None:
    """Interrupted with Ctrl-C, killed, and then left to finish with --json: one connection, begun once."""
    links = []
    for way in (signal.SIGINT, signal.SIGKILL):
        with connecting(home, "--name", "Second") as process:
            links.append(link_in(process.stdout))
            process.send_signal(way)
            _, err = process.communicate(timeout=60)
            assert process.returncode == (130 if way is signal.SIGINT else -signal.SIGKILL)
            assert "Traceback" not in err
            assert ("Nothing is lost" in err) == (way is signal.SIGINT)
    with connecting(home, "--name", "Second", "--json") as process:
        # With --json the link is on stderr, and stdout is one JSON value.
        links.append(link_in(process.stderr))
        consent(links[-1])
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
    shown = json.loads(out)
    assert (shown["status"], shown["platform"], shown["company"]["name"]) == ("connected", "XERO", "Second")
    assert len({link.partition("/link/")[2] for link in links}) == 1
    assert in_books(home, "SELECT COUNT(*) FROM companies WHERE platform IS NULL") == [(0,)]


def test_a_ledger_linked_twice_is_said_in_the_terminal(home: Path, rutter_ap: Terminal) -> None:
    own = rutter_ap("connections", "list", "--json").json["connections"][0]["id"]
    with connecting(home, "--name", "Again", "--wait", "60") as process:
        consent(link_in(process.stdout), ledger=own)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    said = "the ledger of this connection is already connected"
    assert said in err
    assert f"rutter-ap connections remove {own}" in err
    assert said in rutter_ap("connections", "list").out
    examined = rutter_ap("doctor").out
    assert said in examined.replace("\n", " ")
    assert "Harbor & Pine Ltd (QUICKBOOKS) can be reached" in examined
    assert rutter_ap("connections", "remove", "Again", "--yes").status == 0
    assert said not in rutter_ap("connections", "list").out


def test_two_terminals_at_once_begin_one_connection(home: Path, rutter_ap: Terminal) -> None:
    assert rutter_ap("connections", "list").status == 0
    words = ("--name", "Second", "--wait", "0", "--json")
    with connecting(home, *words) as one, connecting(home, *words) as other:
        shown = [json.loads(process.communicate(timeout=60)[0]) for process in (one, other)]
    assert shown[0]["company"]["id"] == shown[1]["company"]["id"]
    assert in_books(home, "SELECT COUNT(*) FROM companies WHERE platform IS NULL") == [(1,)]


def test_without_waiting_the_link_is_printed(rutter_ap: Terminal) -> None:
    ended = rutter_ap("connect", "--wait", "0", "--json")
    assert (ended.status, ended.json["status"]) == (0, "waiting")
    waiting = ended.json["company"]["id"]
    listed = rutter_ap("connections", "list").out
    assert f"{waiting}  waiting" in listed
    assert f"rutter-ap connect --connection {waiting}" in listed
    late = rutter_ap("connect", "--wait", "1")
    assert (late.status, "continue with the same link" in late.err) == (1, True)


def test_connections_at_rutter_alone_are_listed_too(home: Path, rutter_ap: Terminal) -> None:
    company_id = connected(home)
    shown = rutter_ap("connections", "list", "--all", "--json")
    assert [row["id"] for row in shown.json["connections"]][1] == company_id
    # The practice organisation has other companies, which nobody connected here.
    assert {row["platform"] for row in shown.json["elsewhere"]} >= {"XERO", "NETSUITE"}
    assert company_id not in {row["id"] for row in shown.json["elsewhere"]}
    for (token,) in in_books(home, "SELECT access_token FROM companies"):
        assert token not in shown.out + shown.err
    lines = rutter_ap("connections", "list", "--all").out
    assert f"{company_id}  active" in lines
    assert "(only at Rutter)" in lines


def test_a_connection_rutter_has_is_added_by_its_id(home: Path, rutter_ap: Terminal) -> None:
    found = rutter_ap("connections", "list", "--all", "--json").json["elsewhere"]
    added = rutter_ap("connect", "--connection", found[0]["id"], "--json")
    assert added.status == 0, added.err
    assert added.json["status"] == "connected"
    assert audited(home) == ["connection_adopted"]
    unknown = rutter_ap("connect", "--connection", "no-such-connection")
    assert (unknown.status, "not_found" in unknown.err) == (1, True)


def test_a_connection_is_renamed_here_and_at_rutter(home: Path, rutter_ap: Terminal) -> None:
    company_id = connected(home)
    renamed = rutter_ap("connections", "rename", "Second", "Fjord Books")
    assert renamed.status == 0, renamed.err
    assert in_books(home, "SELECT name FROM companies WHERE id = ?", company_id) == [("Fjord Books",)]
    assert in_store(home, "SELECT name FROM connections") == [("Fjord Books",)]
    for wrong in ("x" * 31, "", "Harbor & Pine Ltd"):
        refused = rutter_ap("connections", "rename", company_id, wrong)
        assert (refused.status, "bad_input" in refused.err) == (1, True)
    settings = rutter_ap("connections", "rename", "Harbor & Pine Ltd", "Mine")
    assert (settings.status, "connection.from_settings" in settings.err) == (1, True)


def test_a_connection_is_removed_once_confirmed(home: Path, rutter_ap: Terminal) -> None:
    company_id = connected(home)
    unconfirmed = rutter_ap("connections", "remove", "Second")
    assert (unconfirmed.status, "Nothing was removed" in unconfirmed.err) == (1, True)
    assert in_books(home, "SELECT COUNT(*) FROM companies WHERE id = ?", company_id) == [(1,)]

    removed = rutter_ap("connections", "remove", company_id, typed="yes")
    assert removed.status == 0, removed.err
    assert in_books(home, "SELECT COUNT(*) FROM companies WHERE id = ?", company_id) == [(0,)]
    assert in_store(home, "SELECT status FROM connections") == [("removed",)]
    assert in_store(home, "SELECT COUNT(*) FROM secrets") == [(0,)]
    assert audited(home)[-1] == "connection_removed"
    again = rutter_ap("connections", "remove", company_id, "--yes")
    assert (again.status, "company.unknown" in again.err) == (1, True)


def test_a_removal_that_stopped_half_way_is_done_again(home: Path, rutter_ap: Terminal) -> None:
    company_id = connected(home)
    # It is gone at Rutter, and the process died before it was gone here.
    in_books(home, "DELETE FROM companies WHERE id = ?", company_id)
    assert rutter_ap("connections", "remove", "Second", "--yes", "--json").status == 0
    assert in_store(home, "SELECT status FROM connections") == [("removed",)]


def test_a_company_with_an_unsettled_write_is_not_removed(home: Path, rutter_ap: Terminal) -> None:
    company_id = connected(home)

    async def enter_bill() -> str:
        async with serving(home) as (client, app):
            accounts = (await done(client, "find_records", kind="account", company="Second"))["records"]
            expense = next(one["id"] for one in accounts if one["account_type"] == "expense")
            entered = await done(
                client,
                "create_bill",
                company="Second",
                vendor="First Vendor",
                issue_date=app.clock.today().isoformat(),
                currency="USD",
                document_number="U-1",
                lines=[{"amount": "10.00", "account": expense}],
            )
            proposal_id: str = entered["proposal_id"]
            return proposal_id

    proposal_id = anyio.run(enter_bill)
    in_store(home, "UPDATE proposals SET state = 'unknown' WHERE id = ?", proposal_id)
    refused = rutter_ap("connections", "remove", company_id, "--yes")
    assert (refused.status, "connection.unsettled" in refused.err) == (1, True)
    assert proposal_id in refused.err
    assert in_books(home, "SELECT COUNT(*) FROM companies WHERE id = ?", company_id) == [(1,)]


def test_stored_tokens_are_encrypted_with_a_new_key(home: Path, rutter_ap: Terminal) -> None:
    old, new = new_key().reveal(), new_key().reveal()
    company_id = connected(home, RUTTER_AP_SECRET_KEYS=old)
    resealed = rutter_ap("connections", "reseal", "--json", RUTTER_AP_SECRET_KEYS=f"{new},{old}")
    assert resealed.json == {"resealed": 1}
    rows = rutter_ap("connections", "list", "--json", RUTTER_AP_SECRET_KEYS=new).json["connections"]
    assert rows[1]["health"] == "active"
    wrong = rutter_ap("connections", "reseal", RUTTER_AP_SECRET_KEYS=old)
    assert (wrong.status, "RUTTER_AP_SECRET_KEYS" in wrong.err) == (1, True)
    lost = rutter_ap("connect", "--connection", company_id, RUTTER_AP_SECRET_KEYS=old)
    assert lost.status == 0, "an operator gets a company back whose key is lost"
    refused = rutter_ap("connections", "list", RUTTER_AP_SECRET_KEYS=f"{new},4711-not-a-key")
    assert (refused.status, "key 2 of 2" in refused.err, "4711" in refused.err) == (2, True, False)
