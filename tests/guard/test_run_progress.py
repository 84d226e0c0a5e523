"""A run says how far it is: from before its first payment on, never backwards, and to the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.long_runs import PLENTY, Counts, long_run


@pytest.mark.parametrize("vendors", [0, 1])
async def test_progress_begins_before_the_first_payment(home: Path, vendors: int) -> None:
    async with long_run(home, 8, vendors) as run:
        held = await run.propose()
        told = Counts(run.wire)
        await run.release(held.proposal_id, told)
        done = [one for one, _ in told.told]
        assert (done[0], told.arrived[0]) == (0, 0)
        assert done == sorted(done)
        assert {total for _, total in told.told} == {8}
        assert (done[-1], told.arrived[-1]) == (8, 8)


async def test_no_payment_counts_before_it_has_an_outcome(home: Path) -> None:
    async with long_run(home, 8) as run:
        held = await run.propose()
        told = Counts(run.wire)
        await run.release(held.proposal_id, told)
        assert all(done <= arrived for (done, _), arrived in zip(told.told, told.arrived, strict=True))


async def test_a_run_that_is_sent_from_the_chat_says_so_too(home: Path) -> None:
    async with long_run(home, 3) as run:
        run.bench.policy(PLENTY.format("USD").replace('"approve"', '"ask"'))
        told = Counts(run.wire)
        assert (await run.propose(interaction=told)).status == "posted"
        done = [one for one, _ in told.told]
        assert (done[0], done[-1], done) == (0, 3, sorted(done))
