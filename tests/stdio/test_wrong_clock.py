"""A clock here that is not Rutter's stops every write and no read, and the doctor says by how much."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from support.reconcile import compare, payable_bills, paying_home
from support.sandbox_server import sandbox_server, set_faults
from support.stdio_server import StdioServer, in_our_environment, stdio_server, tool_call


def off(seconds: int) -> dict[str, Any]:
    """Rutter's clock is that far ahead of ours."""
    return {"fault": "date_off", "seconds": seconds}


def called(server: StdioServer, tool: str, **arguments: Any) -> Any:
    server.send(tool_call(1, tool, **arguments))
    return server.result()


def looked(environ: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "rutter_ap_server", "doctor", "--json"]
    done = subprocess.run(command, env=in_our_environment(environ), capture_output=True, timeout=60, check=False)
    return next(check for check in json.loads(done.stdout)["checks"] if check["name"] == "clock")


@pytest.mark.parametrize("seconds", [600, -600])
def test_a_clock_ten_minutes_off_stops_writes_and_no_reads(seconds: int, home: Path) -> None:
    with sandbox_server() as announced:
        environ = paying_home(announced, home)
        bill_id, _ = anyio.run(payable_bills, environ)[0]
        with stdio_server(in_our_environment(environ)) as server:
            server.greet()
            set_faults(announced, off(seconds))
            for tool, arguments in (
                ("pay_bill", {"bill_id": bill_id}),
                ("propose_payment_run", {"bill_ids": [bill_id]}),
                ("update_bill", {"bill_id": bill_id, "memo": "checked"}),
                ("link_account", {"role": "expense", "account": "Utilities"}),
            ):
                refused = called(server, tool, **arguments)["structuredContent"]
                assert [one["code"] for one in refused["findings"] if one["severity"] == "refuse"] == ["clock.skewed"]
                assert "the operator sets it" in refused["message"]
            assert called(server, "list_bills")["structuredContent"]["bills"]
            check = looked(environ)
            assert check["status"] == "fail"
            assert ("behind" if seconds > 0 else "ahead of") in check["detail"]
            set_faults(announced, off(seconds // 10))
            assert called(server, "pay_bill", bill_id=bill_id)["structuredContent"]["status"] == "posted"
            assert looked(environ)["status"] == "ok"
            assert server.end_input() == 0
        set_faults(announced)
        outcome = anyio.run(compare, environ)
        assert (outcome.posted, outcome.booked, outcome.problems) == (1, 1, ())


def test_no_policy_silences_a_wrong_clock(home: Path) -> None:
    with sandbox_server() as announced:
        environ = paying_home(announced, home)
        bill_id, _ = anyio.run(payable_bills, environ)[0]
        policy = home / "policy.toml"
        policy.write_text(policy.read_text() + '"clock.skewed" = "off"\n')
        with stdio_server(in_our_environment(environ)) as server:
            server.greet()
            assert called(server, "pay_bill", bill_id=bill_id)["structuredContent"]["code"] == "policy.broken"
