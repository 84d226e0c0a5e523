"""Stopping a server process in the middle of a run: the next one pays the rest, and no bill twice."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from crash.campaign import POLICY, compare, payable_bills, sandbox, set_faults, settings_of

BILLS = 5


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n"


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGKILL], ids=lambda s: s.name)
def test_a_run_cut_by_a_signal_is_finished_once_by_the_next(told: signal.Signals, home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "policy.toml").write_text(POLICY)
    with sandbox(bills=20) as found:
        environ = settings_of(found, home)
        bill_ids = [bill_id for bill_id, _ in anyio.run(payable_bills, environ)][:BILLS]
        # Rutter takes a second over each payment, so that the signal arrives in the middle of the run.
        set_faults(found, {"rules": [{"fault": "slow", "method": "POST", "path": "bill_payments"}]})
        process = _started(environ)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with process.stdin, process.stdout, process.stderr:
            call = {"name": "propose_payment_run", "arguments": {"bill_ids": bill_ids}}
            process.stdin.write(_line({"id": 1, "method": "tools/call", "params": call}))
            process.stdin.flush()
            _wait_for(home, "select count(*) from proposals where run_id is not null and state = 'posted'", 1)
            process.send_signal(told)
            assert process.wait(timeout=30) == (-signal.SIGKILL if told is signal.SIGKILL else 0)
            assert b"Traceback" not in process.stderr.read()

        before = _counted(home)
        assert 1 <= before.get("posted", 0) < BILLS
        if told is signal.SIGTERM:
            # It ended after its present line, of which everything is known.
            assert set(before) == {"posted", "released"}
        assert sum(before.values()) == BILLS
        set_faults(found, {"rules": []})
        outcome = anyio.run(compare, environ, 1)
        assert outcome.problems == ()
        assert (outcome.posted, outcome.in_runs, outcome.booked) == (BILLS, BILLS, BILLS)


def _started(environ: dict[str, str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "rutter_ap_server", "stdio"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | environ,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    process.stdin.write(_line({"id": 0, "method": "initialize", "params": hello}))
    process.stdin.write(_line({"method": "notifications/initialized"}))
    process.stdin.flush()
    process.stdout.readline()
    return process


def _counted(home: Path) -> dict[str, int]:
    """How many lines are in which state."""
    with closing(sqlite3.connect(home / "rutter-ap.db", timeout=5)) as database:
        rows = database.execute("select state, count(*) from proposals where run_id is not null group by state")
        return {str(state): int(count) for state, count in rows}


def _wait_for(home: Path, query: str, least: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with closing(sqlite3.connect(f"file:{home / 'rutter-ap.db'}?mode=ro", uri=True, timeout=5)) as database:
            try:
                if database.execute(query).fetchone()[0] >= least:
                    return
            except sqlite3.OperationalError:
                pass
        time.sleep(0.02)
    raise AssertionError("the run never came so far")
