"""A run that must stop, or whose policy changes, while payments that are read already wait for their turn."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from rutter_ap_server.guard import lease
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.errors import ApError
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
            # One that was paid before them may be read back between the first two.
            assert (await states(run, held.proposal_id)).count("unknown") <= 3

        run.wire.faults_at.clear()
        for _ in range(3):
            await run.bench.app.recover()
        assert await run.paid() == run.due()


async def test_a_run_taken_up_again_stays_its_own_for_long(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes longer than its lease, which is renewed meanwhile."""
    passed, renewed = 0.0, 0
    renew = lease.Lease.renew

    def counted(its: lease.Lease, tx: Tx) -> bool:
        nonlocal renewed
        renewed += its.proposal_id == held.proposal_id
        return renew(its, tx)

    monkeypatch.setattr(lease, "elapsed_seconds", lambda: passed)
    monkeypatch.setattr(lease.Lease, "renewed_every_seconds", 0.0)
    monkeypatch.setattr(lease.Lease, "renew", counted)

    async def stops() -> None:
        run.bench.app.dispatcher.is_stopping = True

    async def time_passes() -> None:
        nonlocal passed
        passed += lease.LEASE_SECONDS * 0.7
        # Leases take turns at the store, so the run's second renewal follows one of each line under way.
        seen = renewed
        while renewed < seen + 2:
            await anyio.lowlevel.checkpoint()

    async with long_run(home, BILLS, 1) as run:
        held = await run.propose()
        run.wire.at |= {1: stops, 3: time_passes, 5: time_passes, 7: time_passes}
        await run.release(held.proposal_id)
        run.bench.app.dispatcher.is_stopping = False

        await run.bench.app.recover()

        assert await run.paid() == run.due()
        assert (await run.bench.proposal(held.proposal_id)).state == "posted"


async def test_a_look_that_failed_is_not_remembered(home: Path) -> None:
    """A run is read whole again once Rutter answers."""
    async with long_run(home, BILLS) as run:
        held = await run.propose()
        later = run.bench.another()
        later.wire.read_faults["/bills"] = "status_400"
        with pytest.raises(ApError):
            await later.app.approvals.preview(str(held.proposal_id), later.company)
        later.wire.read_faults.clear()
        seen = await later.app.approvals.preview(str(held.proposal_id), later.company)
        assert seen.proposal.state == "held"
        await later.app.aclose()
