"""An assistant waits for a person's decision in one call, and for no longer than it asked for."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client

from rutter_ap_server.app import App
from rutter_ap_server.guard.approvers import Proof
from support.serving import PASSCODE, bill_numbered, done, link_funding, serving

pytestmark = pytest.mark.anyio


async def held(client: Client, app: App) -> str:
    await app.approvals.add_approver("Dana", PASSCODE, channel="terminal")
    await link_funding(client)
    bill = await bill_numbered(client, "NW-2291")
    return str((await done(client, "pay_bill", bill_id=bill["id"]))["proposal_id"])


async def test_the_call_ends_with_the_decision(home: Path) -> None:
    async with serving(home) as (client, app):
        proposal_id = await held(client, app)
        company = await app.company_of(await app.proposal(proposal_id))
        seen = await app.approvals.preview(proposal_id, company)
        answers = list[dict[str, Any]]()

        async def wait() -> None:
            answers.append(await done(client, "get_proposal", proposal_id=proposal_id, wait_seconds=40))

        began = time.monotonic()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await app.approvals.approve(seen, company, by=Proof("Dana", PASSCODE), channel="terminal")
        assert time.monotonic() - began < 30
        assert answers[0]["proposal"]["state"] == "posted"


async def test_without_a_decision_it_ends_when_it_said(home: Path) -> None:
    async with serving(home) as (client, app):
        proposal_id = await held(client, app)
        began = time.monotonic()
        answer = await done(client, "get_proposal", proposal_id=proposal_id, wait_seconds=1)
        assert 1 <= time.monotonic() - began < 10
        assert answer["proposal"]["state"] == "held"
