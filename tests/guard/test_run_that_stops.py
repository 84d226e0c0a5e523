"""A run that must stop, or whose policy changes, while payments that are read already wait for their turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.long_runs import PLENTY, LongRun, long_run

BILLS = 8
ANOTHER = PLENTY.format("USD") + '\n[currencies.EUR]\napprove_above = "1.00"\n'


async def states(run: LongRun, run_id: str | None) -> list[str]:
    lines = await run.lines(run_id)
    return [lines[one.id].state.value for one in run.bills]


async def test_what_waits_is_judged_by_the_policy_of_its_turn(home: Path) -> None:
    async with long_run(home, BILLS, 1) as run:
        held = await run.propose()

        async def edited() -> None:
            run.bench.policy(ANOTHER)

        run.wire.at[3] = edited
        await run.release(held.proposal_id)
        assert await states(run, held.proposal_id) == ["posted"] * BILLS
        assert await run.paid() == run.due()


async def test_what_waits_is_not_sent_once_the_process_stops(home: Path) -> None:
    async with long_run(home, BILLS, 1) as run:
        held = await run.propose()

        async def stops() -> None:
            run.bench.app.dispatcher.is_stopping = True

        run.wire.at[3] = stops
        await run.release(held.proposal_id)
        assert await states(run, held.proposal_id) == ["posted"] * 3 + ["released"] * (BILLS - 3)
        assert len(run.wire.payments_sent) == 3

        run.bench.app.dispatcher.is_stopping = False
        await run.bench.app.recover()
        assert await run.paid() == run.due()


@pytest.mark.parametrize("vendors", [0, 1])
async def test_what_waits_is_not_sent_after_some_in_doubt(home: Path, vendors: int) -> None:
    async with long_run(home, BILLS, vendors) as run:
        held = await run.propose()
        run.wire.faults_at = dict.fromkeys(range(3, 100), "cut_after_commit")
        await run.release(held.proposal_id)
        assert await run.disagreements(held.proposal_id) == []
        if vendors:
            released = ["released"] * (BILLS - 4)
            assert await states(run, held.proposal_id) == ["posted", "posted", "unknown", "unknown", *released]

        run.wire.faults_at.clear()
        for _ in range(3):
            await run.bench.app.recover()
        assert await run.paid() == run.due()
