"""Stopping a server process in the middle of a payment: the outcome is recorded or found out, never paid again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from crash.campaign import POLICY, compare, payable_bills, sandbox, set_faults, settings_of

pytestmark = pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda s: s.name)


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n"


def test_a_server_stopped_during_a_payment_leaves_matching_books(told: signal.Signals, home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "policy.toml").write_text(POLICY)
    with sandbox(bills=0) as found:
        environ = settings_of(found, home)
        bill_id, _ = next(b for b in anyio.run(payable_bills, environ) if b[1] == "684.20")
        # Rutter takes a second to answer the payment, so that the signal arrives while it is on its way.
        set_faults(found, {"rules": [{"fault": "slow", "method": "POST", "path": "bill_payments"}]})
        process = subprocess.Popen(
            [sys.executable, "-m", "rutter_ap_server", "stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | environ,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with process.stdin, process.stdout, process.stderr:
            hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
            process.stdin.write(_line({"id": 0, "method": "initialize", "params": hello}))
            process.stdin.write(_line({"method": "notifications/initialized"}))
            call = {"name": "pay_bill", "arguments": {"bill_id": bill_id}}
            process.stdin.write(_line({"id": 1, "method": "tools/call", "params": call}))
            process.stdin.flush()
            process.stdout.readline()
            _wait_for_the_attempt(home)
            process.send_signal(told)
            assert process.wait(timeout=30) == (-signal.SIGKILL if told is signal.SIGKILL else 0)
            assert b"Traceback" not in process.stderr.read()
        set_faults(found, {"rules": []})
        outcome = anyio.run(compare, environ, 1)
        assert outcome.problems == ()
        assert outcome.posted == 1


def _wait_for_the_attempt(home: Path) -> None:
    """Until the payment is journalled: the request leaves right after."""
    import sqlite3

    for _ in range(2000):
        try:
            with sqlite3.connect(f"file:{home / 'rutter-ap.db'}?mode=ro", uri=True, timeout=5) as database:
                if database.execute("select count(*) from attempts where outcome is null").fetchone()[0]:
                    database.execute("select 1")
                    return
        except sqlite3.OperationalError:
            continue
        finally:
            anyio.run(anyio.sleep, 0.01)
    raise AssertionError("the payment was never journalled")
