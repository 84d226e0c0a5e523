"""The `sync_ledger` tool: how old a company's data is, a request to sync it, and a bounded wait for the result."""

from __future__ import annotations

import math
from datetime import datetime

import anyio

from rutter_ap_server.companies.company import Company
from rutter_ap_server.interaction import Interaction
from rutter_ap_server.rutter.errors import WriteOutcomeUnknown
from rutter_ap_tools.connections import SyncLedger, SyncResult
from rutter_ap_tools.errors import RetryError

_FIRST_PAUSE_SECONDS = 0.5
_PAUSE_SECONDS_MAX = 5.0
_PAUSE_GROWTH = 1.5


async def sync_ledger(company: Company, query: SyncLedger, interaction: Interaction) -> SyncResult:
    """Starts a sync and waits as long as the caller asked (Rutter docs: Incremental sync).

    It has finished once the time of the last sync changes. Raises `NeedsReauth` and similar errors when a person must
    act first.
    """
    before = (await company.rutter.detail()).last_sync_completed_at
    try:
        await company.rutter.incremental_sync()
    except WriteOutcomeUnknown:
        raise RetryError(
            "Rutter did not confirm that the sync started",
            code="sync.no_answer",
            next_step="Call sync_ledger again; a second sync does no harm.",
        ) from None
    if not query.wait_seconds:
        return _result(company, "queued", before)
    after = await _moved_on(company, before, query.wait_seconds, interaction)
    if after is None:
        return _result(company, "still_running", before)
    company.directory.forget()
    return _result(company, "synced", after)


async def _moved_on(
    company: Company, before: datetime | None, wait_seconds: int, interaction: Interaction
) -> datetime | None:
    """When the sync finished, or None if it did not finish in time."""
    start = anyio.current_time()
    pause = _FIRST_PAUSE_SECONDS
    with anyio.move_on_after(wait_seconds):
        while True:
            try:
                last = (await company.rutter.detail()).last_sync_completed_at
            except RetryError:
                # A slow response from Rutter says nothing about the sync.
                last = before
            if last is not None and last != before:
                return last
            # Tenths of a second, because progress must increase with every report.
            waited = round(anyio.current_time() - start + 0.1, 1)
            await interaction.report_progress(waited, wait_seconds, "waiting for the sync to finish")
            await anyio.sleep(pause)
            pause = min(pause * _PAUSE_GROWTH, _PAUSE_SECONDS_MAX)
    return None


_NEXT = {
    "queued": "Rutter is fetching the changes. Check again in a minute, or call with wait_seconds.",
    "synced": "Lists now show the accounting platform's data as of that time.",
    "still_running": "The sync has not finished; it can take minutes. Call again later; do not enter anything twice.",
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
