"""Stopping a server process while it pays: what became of it is recorded or found out, and nothing is paid twice."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from support.reconcile import compare, payable_bills, paying_home
from support.sandbox_server import sandbox_server, set_faults
from support.stdio_server import in_our_environment, stdio_server, tool_call

# Rutter takes a second over each payment, so that the signal arrives while one is on its way.
SLOW = {"fault": "slow", "method": "POST", "path": "bill_payments"}
BILLS = 5


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda s: s.name)
def test_a_server_stopped_during_a_payment_leaves_matching_books(told: signal.Signals, home: Path) -> None:
    with sandbox_server() as announced:
        environ = paying_home(announced, home)
        bill_id, _ = next(b for b in anyio.run(payable_bills, environ) if b[1] == "684.20")
        set_faults(announced, SLOW)
        with stdio_server(in_our_environment(environ)) as server:
            server.greet()
            server.send(tool_call(1, "pay_bill", bill_id=bill_id))
            # Once its attempt is journalled the request leaves.
            _wait_for_one(home, "select count(*) from attempts where outcome is null")
            assert server.stop(told) == (-signal.SIGKILL if told is signal.SIGKILL else 0)
            assert "Traceback" not in server.log()
        set_faults(announced)
        outcome = anyio.run(compare, environ)
        assert outcome.problems == ()
        assert outcome.posted == 1


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGKILL], ids=lambda s: s.name)
def test_a_run_cut_by_a_signal_is_finished_once_by_the_next(told: signal.Signals, home: Path) -> None:
    with sandbox_server(bills=20) as announced:
        environ = paying_home(announced, home)
        bill_ids = [bill_id for bill_id, _ in anyio.run(payable_bills, environ)][:BILLS]
        set_faults(announced, SLOW)
        with stdio_server(in_our_environment(environ)) as server:
            server.greet()
            server.send(tool_call(1, "propose_payment_run", bill_ids=bill_ids))
            _wait_for_one(home, "select count(*) from proposals where run_id is not null and state = 'posted'")
            assert server.stop(told) == (-signal.SIGKILL if told is signal.SIGKILL else 0)
            assert "Traceback" not in server.log()

        before = _lines_by_state(home)
        assert 1 <= before.get("posted", 0) < BILLS
        if told is signal.SIGTERM:
            # It ended after its present line, of which everything is known.
            assert set(before) == {"posted", "released"}
        assert sum(before.values()) == BILLS
        set_faults(announced)
        outcome = anyio.run(compare, environ)
        assert outcome.problems == ()
        assert (outcome.posted, outcome.in_runs, outcome.booked) == (BILLS, BILLS, BILLS)


def _lines_by_state(home: Path) -> dict[str, int]:
    """How many lines of a run are in which state."""
    with closing(sqlite3.connect(home / "rutter-ap.db", timeout=5)) as database:
        rows = database.execute("select state, count(*) from proposals where run_id is not null group by state")
        return {str(state): int(count) for state, count in rows}


def _wait_for_one(home: Path, count: str) -> None:
    """Until the query counts something in the store of that home, which another process writes."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with closing(sqlite3.connect(f"file:{home / 'rutter-ap.db'}?mode=ro", uri=True, timeout=5)) as database:
            try:
                if database.execute(count).fetchone()[0]:
                    return
            except sqlite3.OperationalError:
                pass
        time.sleep(0.02)
    raise AssertionError("it never came so far")
