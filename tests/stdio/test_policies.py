"""Real servers and the policy file: two that disagree, one that lost its file, and a pipe that nobody writes to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anyio
from mcp.client import Client

from support.seeded import practice_home
from support.serving import bill_numbered, done, failed, link_funding, over_stdio
from support.terminal import in_a_process

STRICT = '[tools]\npay_bill = "approve"\n'
LOOSE = '[tools]\npay_bill = "allow"\n'


def a_policy(home: Path, text: str, name: str) -> dict[str, str]:
    file = home / name
    file.write_text(text)
    return {"RUTTER_AP_POLICY": str(file)}


async def stopped(client: Client) -> str:
    """The code with which a payment is stopped."""
    bill = await bill_numbered(client, "NW-2291")
    error: dict[str, Any] = await failed(client, "pay_bill", bill_id=bill["id"], account="Operating Checking")
    return str(error["code"])


async def test_two_servers_pay_only_once_they_agree(home: Path) -> None:
    practice_home(home)
    strict, loose = a_policy(home, STRICT, "strict.toml"), a_policy(home, LOOSE, "loose.toml")
    async with over_stdio(home, environ=loose) as one:
        await link_funding(one)
        async with over_stdio(home, environ=strict) as other:
            assert await stopped(other) == "policy.differs"
            assert await stopped(one) == "policy.differs"
            assert "policy.toml" not in (await failed(other, "link_account", role="funding"))["message"]
        bill = await bill_numbered(one, "NW-2291")
        assert (await done(one, "pay_bill", bill_id=bill["id"]))["status"] == "posted"


async def test_a_server_started_without_its_policy_writes_nothing(home: Path) -> None:
    practice_home(home)
    async with over_stdio(home, environ=a_policy(home, STRICT, "strict.toml")) as before:
        assert (await done(before, "list_bills"))["bills"]
    async with over_stdio(home) as after:
        assert await stopped(after) == "policy.gone"
        assert (await done(after, "list_bills"))["bills"]

    shown, looked = in_a_process(home, "policy", "show"), in_a_process(home, "doctor")
    assert (shown.status, "policy.gone" in shown.err, "rutter-ap policy reset" in shown.err) == (1, True, True)
    assert "the policy file that was in force is gone" in looked.out
    assert in_a_process(home, "policy", "reset").status == 0
    async with over_stdio(home) as reset:
        await link_funding(reset)
        bill = await bill_numbered(reset, "NW-2291")
        assert (await done(reset, "pay_bill", bill_id=bill["id"]))["status"] == "held"


async def test_a_pipe_as_policy_keeps_no_call_waiting(home: Path) -> None:
    practice_home(home)
    os.mkfifo(home / "policy.toml")
    with anyio.fail_after(60):
        async with over_stdio(home) as client:
            assert await stopped(client) == "policy.broken"
            assert (await done(client, "list_bills"))["bills"]
