"""What an approver sees at a real terminal: all of it, fitted to its width, with nothing that outsiders could fake."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from rich.cells import cell_len

from rutter_ap_server.cli.layout import visible
from rutter_ap_server.cli.proposal_table import show_books
from rutter_ap_server.cli.screen import show_statement
from rutter_ap_server.clock import Clock
from rutter_ap_server.guard.statement import CHANGED
from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.states import State
from rutter_ap_tools.money import Money
from rutter_ap_tools.statement import Section, Statement
from support.approvers import add_approver
from support.real_terminal import CTRL_C, CTRL_D, RealTerminal, at_terminal
from support.seeded import STORE
from support.serving import PASSCODE, app_in, bill_numbered, done, link_funding, serving
from support.store_rows import START, a_proposal, put
from support.terminal import Terminal

BILL, LARGE_BILL, ID = "NW-2291", "FT-802", re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
AMOUNT = re.compile(r"\d[\d,]*\.\d\d USD")
HOSTILE = (
    "\x1b[2J\x1b[31mred\u202egnp\n!!! REFUSED  all is well [bold]x[/] :smile: 日本語日本語日本語日本語日本語日本語"
)


def proposed(home: Path, tool: str = "pay_bill", number: str = BILL, **arguments: Any) -> str:
    """A held payment, or a payment run of all bills, and Dana and Sam, who may release it."""

    async def propose() -> str:
        async with serving(home) as (client, app):
            await link_funding(client)
            await add_approver(app.store, "Dana", PASSCODE)
            await add_approver(app.store, "Sam", f"{PASSCODE}, and Sam")
            if tool == "pay_bill":
                arguments["bill_id"] = (await bill_numbered(client, number))["id"]
            held = await done(client, tool, **arguments)
            assert held["status"] == "held"
            return str(held["proposal_id"])

    return anyio.run(propose)


def state_of(home: Path, proposal_id: str) -> State:
    """What the store says, whatever was shown."""

    async def look() -> State:
        app = app_in(home)
        try:
            return (await app.proposal(proposal_id)).state
        finally:
            await app.aclose()

    return anyio.run(look)


def everything_in(statement: dict[str, Any]) -> tuple[set[str], list[str]]:
    """The ids and the amounts of a statement."""
    text = " ".join(cell for section in statement["sections"] for row in section["rows"] for cell in row)
    return set(ID.findall(text)), AMOUNT.findall(text)


@pytest.mark.parametrize("columns", [80, 100, 140])
@pytest.mark.parametrize("tool", ["pay_bill", "propose_payment_run"])
def test_a_statement_is_shown_whole_and_fits(tool: str, columns: int, home: Path, rutter_ap: Terminal) -> None:
    more = {"due_to": "2027-12-31"} if tool == "propose_payment_run" else {}
    proposal_id = proposed(home, tool, **more)
    ids, amounts = everything_in(rutter_ap("proposals", "show", proposal_id, "--json").json["statement"])

    shown = at_terminal(home, "proposals", "show", proposal_id[:8], columns=columns).shown

    assert [line for line in shown.splitlines() if cell_len(line) > columns or line != line.rstrip()] == []
    assert [one for one in ids if one not in shown] == []
    as_people_write = {f"{Money.parse(one.replace(',', '').split()[0], 'USD').grouped}" for one in amounts}
    assert [one for one in as_people_write if one not in shown] == []
    titles = [
        "HELD: Pay",
        "  Environment",
        "to record",
        "What follows",
        "\nFindings\n",
        "Checks\n",
        "Limits",
        "Prepared",
    ]
    places = [shown.index(title) for title in [*titles, "Release\n", "Identified by", "Next:"]]
    assert places == sorted(places)
    if tool == "propose_payment_run":
        assert "  ?   COULD NOT BE MADE: amount unusual for vendor" in shown
        assert "? checks that" in shown


def test_what_changed_since_a_void_release_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    sections = [
        Section(title="Proposal", rows=[["Action", "Pay 1.00 USD"], ["Id", "1"]]),
        Section(title="Payment to record", rows=[["Amount", "1.00 USD"]]),
        Section(title=CHANGED, columns=["what", "was", "is now"], rows=[["Payment to record: Bill", "open", "paid"]]),
    ]
    show_statement(Statement(digest="", sections=sections))
    assert capsys.readouterr().out.splitlines()[:5] == [
        "Pay 1.00 USD",
        "  Findings  !! changed since it was released: 1",
        "!! CHANGED SINCE IT WAS RELEASED",
        "  what                     was   is now",
        "  Payment to record: Bill  open  paid",
    ]


def test_in_a_pipe_every_row_is_one_line_without_colour(home: Path, rutter_ap: Terminal) -> None:
    proposal_id = proposed(home, memo=HOSTILE)
    piped = rutter_ap("proposals", "show", proposal_id).out
    assert "\x1b" not in piped
    assert [line for line in piped.splitlines() if line != line.rstrip()] == []
    assert "  !   needs confirmation: every call of this tool must be confirmed by a person [policy.ask]\n" in piped
    (row,) = [line for line in rutter_ap("proposals", "list").out.splitlines() if proposal_id[:8] in line]
    for said in ("held", "684.20 USD", "0 of 1", "in 2 d", "(embedded)", "Pay 684.20 USD to", "assistant (mcp)"):
        assert said in row


@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}])
def test_without_colour_severity_is_still_marked(settings: dict[str, str], home: Path) -> None:
    proposal_id = proposed(home, number=LARGE_BILL)
    plain = at_terminal(home, "proposals", "show", proposal_id, columns=80, **settings)
    assert "\x1b" not in plain.raw
    severe = [line for line in plain.shown.splitlines() if line.startswith("  !")]
    assert severe == [
        "  !!  NEEDS AN APPROVER  amount.two_approvers",
        "  !!  NEEDS AN APPROVER  amount.unusual_for_vendor",
        "  !   NEEDS CONFIRMATION  policy.ask",
    ]
    assert "  Findings     !! needs an approver: 2, ! needs confirmation: 1\n" in plain.shown
    assert at_terminal(home, "proposals", "show", proposal_id).shown == plain.shown


def test_no_text_by_outsiders_moves_colours_or_fakes_anything(home: Path, rutter_ap: Terminal) -> None:
    proposal_id = proposed(home, memo=HOSTILE)
    shown = at_terminal(home, "proposals", "show", proposal_id)
    assert set(re.findall(r"\x1b(?!\[[\d;]*m)", shown.raw)) == set()
    assert "\x1b[31m" not in shown.raw
    assert "\u202e" not in shown.raw
    assert [line for line in shown.shown.splitlines() if line.startswith("  !!!")] == []
    assert all(cell_len(line) <= 80 for line in shown.shown.splitlines())
    flat = re.sub(r"\s+", " ", shown.shown)
    assert "[bold]x[/] :smile:" in flat
    assert visible("\x1b") in flat


def test_a_long_name_cannot_start_a_line_of_ours() -> None:
    name = "Acme " * 11 + "Findings none " * 12
    said = [["Action", f"Pay 1.00 USD to {name}"], ["Company", name], ["Id", "1"]]
    heading = Section(title="Proposal", rows=said)
    found = Section(title="Findings", columns=["requires", "finding", "code"], rows=[["refused", name, "a.b"]])
    others = Section(title="Other", columns=["id", "what"], rows=[["x" * 30, name]])
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as terminal:
        show_statement(Statement(digest="", sections=[heading, found, others]), terminal)
    shown = re.sub(r"\x1b\[[\d;]*m", "", os.read(master, 65536).decode()).splitlines()
    os.close(master)
    ours = [line for line in shown if not line.startswith("    ")]
    assert [line for line in ours if line.startswith("Findings")] == ["Findings"]
    assert [line for line in ours if line.lstrip().startswith(("Acme", "none"))] == []


def test_the_list_fits_and_never_mixes_real_and_practice_books(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    long = "Pay 1234.50 USD to " + "日本商事 " * 20
    rows = [a_proposal(id=f"{n:08}-x", state=State.HELD, environment=where, summary=long, approvals_needed=2)
            for n, where in enumerate(["embedded", "production", "sandbox"])]  # fmt: skip
    show_books(rows, {"00000001-x": 1}, START + timedelta(hours=3))
    out = capsys.readouterr().out
    places = [
        out.index(one) for one in ("PRODUCTION: real", "00000001", "test books", "00000002", "not real", "00000000")
    ]
    assert places == sorted(places)
    assert re.search(r"00000001 .* 1 of 2 .* 3 h .* in 2 d .*\(production\).* Pay 1,234\.50 USD", out)

    proposal_id = proposed(home, number=LARGE_BILL)
    listed = at_terminal(home, "proposals", "list", "--all").shown
    assert all(cell_len(line) <= 80 for line in listed.splitlines())
    assert re.search(rf"{proposal_id[:8]}  held +27,350\.00 USD  0 of 2 +0 min  in 2 d\n", listed)
    assert "Harbor & Pine Ltd (embedded), prepared by assistant (mcp)" in listed
    waiting, _, unasked = listed.partition("Written without asking anyone")
    assert "Link Operating Checking" in unasked
    assert "0 of 2" in waiting
    assert "0 of 2" not in unasked


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D])
@pytest.mark.parametrize(
    ("words", "question"),
    [
        (("approve", "--as", "dana"), "Passcode for Dana: "),
        (("decline", "--as", "Sam"), "hears this: "),
        (("decline", "--as", "Sam", "--reason", "no"), "Passcode for Sam: "),
    ],
)
def test_a_question_left_unanswered_changes_nothing(
    words: tuple[str, ...], question: str, key: str, home: Path
) -> None:
    proposal_id = proposed(home)
    with RealTerminal(home, "proposals", words[0], proposal_id, *words[1:]) as terminal:
        terminal.until(question)
        assert "Released by     nobody yet" in terminal.shown
        terminal.type(key)
        assert terminal.ended() == (130 if key == CTRL_C else 1)
    assert "Traceback" not in terminal.shown
    assert ("nothing was released, declined or changed" in terminal.shown) is (key == CTRL_D)
    assert state_of(home, proposal_id) == State.HELD


def test_a_person_approves_and_reads_what_became_of_it(home: Path) -> None:
    proposal_id = proposed(home)
    with RealTerminal(home, "proposals", "approve", proposal_id[:6].upper(), "--as", "Dana") as terminal:
        terminal.until("Passcode for Dana: ")
        before = len(terminal.shown)
        terminal.type(f"{PASSCODE}\n")
        assert terminal.ended() == 0
    said = terminal.shown[before:].split()
    assert " ".join(said).startswith("POSTED: Pay 684.20 USD to Northwind Utilities for bill NW-2291")
    assert "record: bill_payment" in " ".join(said)
    assert PASSCODE not in terminal.raw


def test_after_a_run_its_outcome_is_told_in_a_few_lines(home: Path, rutter_ap: Terminal) -> None:
    proposal_id = proposed(home, "propose_payment_run", due_to="2027-12-31")
    first = rutter_ap("proposals", "approve", proposal_id, "--as", "Dana", typed=PASSCODE)
    assert "Released by Dana: 1 of 2. Nothing was sent yet; another approver must release it too." in first.out
    assert "payments posted" not in first.out
    second = rutter_ap("proposals", "approve", proposal_id, "--as", "Sam", typed=f"{PASSCODE}, and Sam")
    assert second.status == 0
    assert second.out.startswith("POSTED: Pay 13 bills totaling 50,405.85 USD")
    # One bill of the thirteen is in the ledger twice: once the other one is paid, people are asked again about it.
    told = second.out.splitlines()
    assert told[-3] == "12 of 13 payments posted"
    assert "INV1043" in told[-1]
    assert told[-1].endswith("status paid")
    assert rutter_ap("proposals", "show", proposal_id).out.count("  posted\n") == 12


@pytest.mark.parametrize(
    ("case", "code", "step"),
    [
        ("declined", "approval.not_waiting", "ask the assistant to propose it again"),
        ("expired", "approval.not_waiting", "ask the assistant to propose it again"),
        ("frozen", "approval.refused_now", "Try again once this no longer applies"),
        ("not theirs", "approval.not_theirs", "Ask another approver"),
        ("theirs already", "approval.same_person", "Another approver must release it"),
        ("unknown name", "approver.unknown", "The approvers are: Dana, Sam."),
    ],
)
def test_what_cannot_be_released_asks_for_no_passcode(
    case: str, code: str, step: str, home: Path, rutter_ap: Terminal
) -> None:
    proposal_id = proposed(home, number=LARGE_BILL)
    name = "Ghost" if case == "unknown name" else "Dana"
    if case == "declined":
        assert rutter_ap("proposals", "decline", proposal_id, "--as", "Sam", typed=f"{PASSCODE}, and Sam").status == 0
    elif case == "expired":
        subprocess.run(
            [sys.executable, "-c", "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute("
             "\"update proposals set expires_at = '2020-01-01T00:00:00.000000Z' where id = ?\", [sys.argv[2]]);"
             "c.commit()", str(home / STORE), proposal_id],
            check=True,
        )  # fmt: skip
    elif case == "frozen":
        assert rutter_ap("freeze").status == 0
    elif case == "not theirs":
        (home / "policy.toml").write_text('[approvers.Dana]\nmax = { USD = "1.00" }\n[approvers.Sam]\n')
    elif case == "theirs already":
        first = rutter_ap("proposals", "approve", proposal_id, "--as", "Dana", typed=PASSCODE)
        assert "1 of 2" in first.out

    # Nothing is typed: a question for the passcode would end in `input.ended`.
    refused = rutter_ap("proposals", "approve", proposal_id, "--as", name)

    assert (refused.status, refused.out) == (1, "")
    assert f"{code}: " in refused.err
    assert step in refused.err
    assert "27,350.00 USD" in refused.err
    if case in ("declined", "expired"):
        for words in (("decline",), ("withdraw",), ("resolve", "posted")):
            other = rutter_ap("proposals", words[0], proposal_id, *words[1:])
            assert (other.status, "approval.not_waiting" in other.err) == (1, True)


def test_its_first_characters_name_a_proposal_everywhere(home: Path, tmp_path: Path, rutter_ap: Terminal) -> None:
    proposal_id = proposed(home)
    short = proposal_id[:7]
    for words in (
        ("proposals", "show", short),
        ("policy", "explain", "--proposal", short),
        ("evidence", short, "--out", str(tmp_path)),
        ("proposals", "withdraw", short, "--reason", "a mistake"),
    ):
        assert rutter_ap(*words).status == 0, words
    assert state_of(home, proposal_id) == State.WITHDRAWN

    store = Store(f"sqlite:///{home / STORE}", Clock())
    twins = [put(store, id=f"abcdef{n}0-0000-4000-8000-00000000000{n}", summary=f"Pay {n}") for n in (1, 2)]
    store.close()
    for typed in (
        "proposals show abcdef",
        "proposals approve abcdef",
        "proposals decline abcdef",
        "proposals withdraw abcdef",
        "proposals resolve abcdef posted",
        "evidence abcdef",
        "policy explain --proposal abcdef",
    ):
        ended = rutter_ap(*typed.split())
        assert (ended.status, ended.err.splitlines()[0].partition(":")[0]) == (1, "ambiguous"), typed
        assert all(f"  {one.id}  {one.summary}" in ended.err for one in twins)


@pytest.mark.parametrize("words", [("list",), ("show",)])
def test_a_reader_that_leaves_early_causes_no_traceback(words: tuple[str, ...], home: Path) -> None:
    proposal_id = proposed(home, "propose_payment_run", due_to="2027-12-31")
    reads, writes = os.pipe()
    os.close(reads)
    try:
        ended = subprocess.run(
            [
                sys.executable,
                "-m",
                "rutter_ap_server",
                "proposals",
                *words,
                *([proposal_id] if "show" in words else []),
            ],
            stdout=writes,
            stderr=subprocess.PIPE,
            env=os.environ | {"RUTTER_AP_HOME": str(home)},
            timeout=60,
            check=False,
        )
    finally:
        os.close(writes)
    assert (ended.returncode, ended.stderr) == (1, b"")
