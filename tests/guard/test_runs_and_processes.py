"""A run whose process ends, stalls, is stopped or is given up: each bill is paid once, and none is lost."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import anyio
import httpx
import pytest

from rutter_ap_server.guard.authorize import release_lease
from rutter_ap_server.guard.lease import LEASE_SECONDS, Lease
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from support.bench import Bench, PowerCut, a_bench
from support.people import HearsProgress, accepts
from support.refusals import refused_for
from support.runs import ALLOW, FIRST, PLAIN, ROOMY, SECOND, THIRD, paid_once_each, run_of, states_of, the_run

POLICY = ALLOW + ROOMY


async def released_but_unsent(bench: Bench) -> Proposal:
    """A run that was released while Rutter was out of reach."""

    async def ends() -> None:
        bench.wire.is_down = True

    with refused_for("rutter_unavailable"):
        await run_of(bench, *PLAIN, interaction=accepts(ends))
    bench.wire.is_down = False
    found = await the_run(bench)
    assert found.state == "released"
    return found


async def recovered(bench: Bench, rounds: int = 3) -> Bench:
    """Another process, after the leases ran out."""
    other = bench.another()
    bench.clock.instant += timedelta(seconds=LEASE_SECONDS + 1)
    for _ in range(rounds):
        await other.app.recover()
    await other.app.aclose()
    return other


async def test_a_process_ended_before_its_lines_sent_nothing(home: Path) -> None:
    """It ended between its claim of the run and its lines; another process pays."""
    async with a_bench(home, ROOMY) as bench:
        run = await released_but_unsent(bench)
        assert await bench.app.store.write(lambda tx: tx.proposals.claim(run.id, "a process that is gone", 120))

        await bench.app.recover()
        assert (await bench.proposal(run.id)).state == "dispatching"
        await paid_once_each(bench, await recovered(bench))


@pytest.mark.parametrize("tool", ["propose_payment_run", "pay_bill"])
async def test_an_open_run_that_never_sent_anything_is_taken_up(home: Path, tool: str) -> None:
    async with a_bench(home, ROOMY) as bench:
        if tool == "propose_payment_run":
            waiting = await released_but_unsent(bench)
        else:

            async def ends() -> None:
                bench.wire.is_down = True

            with refused_for("rutter_unavailable"):
                await bench.pay(FIRST, "100.00", accepts(ends))
            bench.wire.is_down = False
            [waiting] = await bench.proposals()
        # The store failed whoever looked into it, so that all it could still say was that it does not know.
        lease = Lease(waiting.id, "first")
        assert await bench.app.store.write(lease.claim)
        await bench.app.store.write(lambda tx: release_lease(tx, lease))
        assert (await bench.proposal(waiting.id)).state == "unknown"

        for _ in range(2):
            await bench.app.recover()
        assert (await bench.proposal(waiting.id)).state == "posted"


async def test_a_late_look_takes_no_lease_from_its_owner(home: Path) -> None:
    async with a_bench(home, ROOMY) as bench:
        run = await released_but_unsent(bench)
        await bench.app.store.write(lambda tx: tx.proposals.claim(run.id, "sends", 120))
        await bench.app.store.write(lambda tx: release_lease(tx, Lease(run.id, "looked")))

        current = await bench.proposal(run.id)
        assert (current.state, current.lease_owner) == ("dispatching", "sends")


async def test_a_process_ended_after_opening_lines_has_paid_nothing(
    home: Path,
) -> None:
    """Another process pays them."""
    async with a_bench(home, POLICY) as bench:

        def opened(_request: httpx.Request) -> bool:
            if bench.app.store.read_now(
                lambda tx: [p for p in tx.proposals.in_states([State.DISPATCHING]) if p.run_id]
            ):
                raise PowerCut
            return False

        bench.wire.gate(opened)
        # It cuts everything that is read for the line at that time.
        with pytest.raises(BaseExceptionGroup) as cut:
            await run_of(bench, *PLAIN)
        assert cut.value.split(PowerCut)[1] is None
        bench.wire.gates.clear()
        assert bench.wire.writes == []
        assert await states_of(bench, (await the_run(bench)).id) == ["dispatching", "released", "released"]

        await paid_once_each(bench, await recovered(bench))


async def test_a_process_ended_after_its_last_line_left_a_settled_run(
    home: Path,
) -> None:
    async with a_bench(home, POLICY) as bench:
        with pytest.raises(PowerCut):
            await run_of(bench, *PLAIN, interaction=HearsProgress({3: PowerCut()}))
        assert (await the_run(bench)).state == "dispatching"

        other = await recovered(bench, rounds=1)
        assert other.wire.payments_sent == []
        await paid_once_each(bench, other)


@pytest.mark.parametrize("cut", ["power cut before", "power cut after"])
async def test_many_processes_resuming_a_run_pay_each_bill_once(home: Path, cut: str) -> None:
    async with a_bench(home, POLICY) as bench:
        bench.wire.faults = [cut]
        with pytest.raises(PowerCut):
            await run_of(bench, *PLAIN)
        bench.clock.instant += timedelta(seconds=LEASE_SECONDS + 1)
        others = [bench.another() for _ in range(4)]
        for _ in range(3):
            async with anyio.create_task_group() as tasks:
                for other in others:
                    tasks.start_soon(other.app.recover)
        await paid_once_each(bench, *others)
        carried = [key for one in (bench, *others) for key in one.wire.carried_out]
        assert len(carried) == len(set(carried)) == 3
        for other in others:
            await other.app.aclose()


async def test_a_run_whose_lease_ends_on_a_slow_line_pays_each_once(home: Path) -> None:
    async with a_bench(home, POLICY) as bench:
        other = bench.another()
        slow = bench.wire.gate(lambda request: request.method == "POST")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_of, bench, *PLAIN)
            await slow.reached.wait()
            bench.clock.instant += timedelta(seconds=LEASE_SECONDS + 1)
            await other.app.recover()
            await other.app.recover()
            slow.go.set()
        await other.app.recover()
        await paid_once_each(bench, other)
        await other.app.aclose()


@pytest.mark.parametrize("hours", [1, 26])
async def test_a_clock_set_back_in_the_middle_of_a_run_changes_nothing(home: Path, hours: int) -> None:
    async with a_bench(home, POLICY) as bench:
        gate = bench.wire.gate(lambda request: request.method == "POST")
        bench.wire.faults = ["none", "lost after"]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_of, bench, *PLAIN)
            await gate.reached.wait()
            bench.clock.instant -= timedelta(hours=hours)
            other = bench.another()
            await other.app.recover()
            assert other.wire.payments_sent == []
            await other.app.aclose()
            gate.go.set()
        await bench.app.recover()
        await paid_once_each(bench)


async def test_a_process_whose_run_was_taken_over_sends_nothing(home: Path) -> None:
    async with a_bench(home, POLICY) as bench:
        other = bench.another()

        def claimed(_request: httpx.Request) -> bool:
            return bool(bench.app.store.read_now(lambda tx: tx.proposals.in_states([State.DISPATCHING])))

        slow = bench.wire.gate(claimed)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_of, bench, *PLAIN)
            await slow.reached.wait()
            assert (await the_run(bench)).state == "dispatching"
            bench.clock.instant += timedelta(seconds=LEASE_SECONDS + 1)
            for _ in range(2):
                await other.app.recover()
            slow.go.set()

        assert (bench.wire.payments_sent, len(other.wire.payments_sent)) == ([], 3)
        await paid_once_each(bench, other)
        await other.app.aclose()


async def test_a_policy_that_breaks_mid_run_stops_it_until_repaired(home: Path) -> None:
    async with a_bench(home, POLICY) as bench:
        gate = bench.wire.gate(lambda request: request.method == "POST")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_of, bench, *PLAIN)
            await gate.reached.wait()
            bench.policy("day_limit =")
            gate.go.set()
        run = await the_run(bench)
        for _ in range(2):
            assert await states_of(bench, run.id) == ["posted", "released", "released"]
            await bench.app.recover()

        bench.policy(POLICY)
        await bench.app.recover()
        await paid_once_each(bench)


async def test_a_run_cut_off_from_rutter_resumes_when_it_is_back(home: Path) -> None:
    async with a_bench(home, POLICY) as bench:
        gate = bench.wire.gate(lambda request: request.method == "POST")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_of, bench, *PLAIN)
            await gate.reached.wait()
            bench.wire.is_down = True
            gate.go.set()
        run = await the_run(bench)
        for _ in range(2):
            assert await states_of(bench, run.id) == ["unknown", "released", "released"]
            await bench.app.recover()
        assert await bench.spent() == "684.20"

        bench.wire.is_down = False
        await bench.app.recover()
        await paid_once_each(bench)


async def test_two_missing_bills_do_not_block_those_behind_them(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        held = await run_of(bench, FIRST, SECOND, THIRD, "GR-88")
        gone = [(await bench.bill(number)).id for number in (SECOND, THIRD)]
        gate = bench.wire.gate(lambda request: request.method == "POST")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bench.approve, held.proposal_id)
            await gate.reached.wait()
            for bill_id in gone:
                await bench.company.rutter.bills.delete(bill_id)
            gate.go.set()

        assert [len(await bench.paid(number)) for number in (FIRST, "GR-88")] == [1, 1]
        assert len(bench.wire.payments_sent) == 2
