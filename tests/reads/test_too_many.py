"""Where a platform filters nothing and has more than can be read, those changed last are shown, and it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from rutter_ap_server.reads import history
from support.bench_client import client_at_bench
from support.spoiled import multiply

OLD = dict.fromkeys(("created_at", "updated_at", "issue_date", "due_date"), "2019-01-15T00:00:00.000Z")


async def test_the_latest_are_shown_and_it_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "WALK_PAGES_MAX", 1)
    async with client_at_bench(home, platform="SAGE_INTACCT") as (client, bench):
        real = [bill.id async for bill in bench.company.rutter.bills.walk()]
        assert real
        multiply(bench.sandbox, real[0], 600, **OLD)
        answer = await client.call_tool("list_bills", {"status": "any", "limit": 200})
        assert not answer.is_error
        page = answer.structured_content
        assert page is not None
        assert {row["id"] for row in page["bills"]} == set(real)
        assert page["notes"] == ["There are more than can be read: only those changed since 2024-03-02 are shown."]


async def test_the_last_resort_says_what_a_person_can_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "WALK_PAGES_MAX", 1)
    async with client_at_bench(home, platform="SAGE_INTACCT") as (client, bench):
        real = [bill.id async for bill in bench.company.rutter.bills.walk()]
        multiply(bench.sandbox, real[0], 600, updated_at="2026-03-01T00:00:00.000Z")
        answer = await client.call_tool("list_bills", {"status": "any"})
        assert answer.is_error
        assert "A person can look in the accounting platform." in str(answer.content)
