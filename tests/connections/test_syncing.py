"""Bringing a company up to date: how old it is, a bounded wait, and progress for whoever asked to be told."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from support.connect_flow import NEVER_ENDS, in_books, link_company
from support.serving import done, failed, serving

pytestmark = pytest.mark.anyio
FIRST = "Harbor & Pine Ltd"


async def test_a_sync_is_requested_and_the_age_of_the_data_told(home: Path) -> None:
    async with serving(home) as (client, _):
        await done(client, "list_bills")
        in_books(home, "UPDATE companies SET last_sync_completed_at = '2026-01-01T00:00:00.000Z' WHERE number = 1")
        asked = await done(client, "sync_ledger")
        assert asked["status"] == "queued"
        assert asked["last_synced_at"] == "2026-01-01T00:00:00Z"
        assert asked["age_seconds"] > 86_400
        assert asked["company"]["name"] == FIRST
        ((after,),) = in_books(home, "SELECT last_sync_completed_at FROM companies WHERE number = 1")
        assert after > "2026-01-01", "Rutter was really asked"


async def test_with_time_to_wait_the_end_is_told(home: Path) -> None:
    async with serving(home) as (client, _):
        before = (await done(client, "sync_ledger"))["last_synced_at"]
        ended = await done(client, "sync_ledger", wait_seconds=20)
        assert ended["status"] == "synced"
        assert datetime.fromisoformat(ended["last_synced_at"]) > datetime.fromisoformat(before)
        assert ended["age_seconds"] < 60


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_slow_sync_reports_progress_and_says_it_is_running(home: Path, mode: str) -> None:
    told: list[tuple[float, float | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total))

    async with serving(home, mode=mode) as (client, _):
        await done(client, "list_bills")
        in_books(home, NEVER_ENDS)
        result = await client.call_tool("sync_ledger", {"wait_seconds": 2}, progress_callback=on_progress)
        assert not result.is_error
        assert result.structured_content is not None
        assert result.structured_content["status"] == "still_running"
        assert len(told) >= 2
        assert [done_ for done_, _ in told] == sorted({done_ for done_, _ in told}), "it only ever grows"
        assert {total for _, total in told} == {2}


async def test_a_company_that_needs_a_person_is_not_synchronised(home: Path) -> None:
    async with serving(home) as (client, _):
        company_id = await link_company(client)
        in_books(home, "UPDATE companies SET status = 'needs_reauth' WHERE id = ?", company_id)
        error = await failed(client, "sync_ledger", company="Second", wait_seconds=5)
        assert (error["code"], error["who"]) == ("connection_needs_sign_in", "person")
        assert (await done(client, "sync_ledger", company=FIRST))["status"] == "queued"


@pytest.mark.parametrize("seconds", [-1, 121, "5"])
async def test_nobody_waits_for_longer_than_is_bearable(home: Path, seconds: object) -> None:
    async with serving(home) as (client, _):
        assert (await failed(client, "sync_ledger", wait_seconds=seconds))["code"] == "bad_input"


async def test_it_is_a_read_that_a_server_which_may_only_read_offers(home: Path) -> None:
    async with serving(home, environ={"RUTTER_AP_READ_ONLY": "true"}) as (client, _):
        assert (await done(client, "sync_ledger"))["status"] == "queued"
