"""Bringing a company up to date: how old its data is, a synchronisation asked for, and a bounded wait for its end."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import anyio

from rutter_ap_server.rutter.errors import WriteOutcomeUnknown
from rutter_ap_tools.connections import SyncLedger, SyncResult
from rutter_ap_tools.errors import RetryError

if TYPE_CHECKING:
    from rutter_ap_server.companies.company import Company

_FIRST_PAUSE_SECONDS = 0.5
_PAUSE_SECONDS_MAX = 5.0
_PAUSE_GROWTH = 1.5


@runtime_checkable
class Reporter(Protocol):
    """Who is told how far a call is, where somebody wants to know."""

    async def report_progress(self, done: float, total: float, message: str) -> None:
        """So much of so much, with a few words."""
        ...


class NoReporter:
    """Nobody wants to know."""

    async def report_progress(self, done: float, total: float, message: str) -> None:
        """It is not said."""


async def sync_ledger(company: Company, query: SyncLedger, reporter: Reporter) -> SyncResult:
    """Asks for a synchronisation and waits as long as the caller wants (Rutter docs: Incremental sync).

    It has ended once the time of the last one moves on. Raises `NeedsReauth` and its like where a person must do
    something first.
    """
    before = (await company.rutter.detail()).last_sync_completed_at
    try:
        await company.rutter.incremental_sync()
    except WriteOutcomeUnknown:
        raise RetryError(
            "Rutter did not say whether it began to synchronise",
            code="sync.no_answer",
            next_step="Call sync_ledger again: a second synchronisation does no harm.",
        ) from None
    if not query.wait_seconds:
        return _result(company, "queued", before)
    after = await _moved_on(company, before, query.wait_seconds, reporter)
    if after is None:
        return _result(company, "still_running", before)
    company.directory.forget()
    return _result(company, "synced", after)


async def _moved_on(
    company: Company, before: datetime | None, wait_seconds: int, reporter: Reporter
) -> datetime | None:
    """When the synchronisation ended, or None when it did not in this time."""
    start = anyio.current_time()
    pause = _FIRST_PAUSE_SECONDS
    with anyio.move_on_after(wait_seconds):
        while True:
            try:
                last = (await company.rutter.detail()).last_sync_completed_at
            except RetryError:
                # Rutter being slow for a moment says nothing about the synchronisation.
                last = before
            if last is not None and last != before:
                return last
            # Tenths of a second: a progress must grow from one report to the next.
            waited = round(anyio.current_time() - start + 0.1, 1)
            await reporter.report_progress(waited, wait_seconds, "waiting for the synchronisation to end")
            await anyio.sleep(pause)
            pause = min(pause * _PAUSE_GROWTH, _PAUSE_SECONDS_MAX)
    return None


_NEXT = {
    "queued": "Rutter is fetching what changed. Look again in a minute, or call with wait_seconds.",
    "synced": "Lists now show what the accounting platform showed at that time.",
    "still_running": "It has not ended yet, which can take minutes. Call again later; do not enter anything twice.",
}


def _result(company: Company, status: str, last: datetime | None) -> SyncResult:
    age = None if last is None else max(0, math.floor((company.clock.now() - last).total_seconds()))
    return SyncResult.model_validate(
        {
            "company": company.named,
            "environment": company.environment,
            "status": status,
            "last_synced_at": last,
            "age_seconds": age,
            "next_step": _NEXT[status],
        }
    )
