"""A run beside other payments, callers and people: whoever looks, gives up or settles, each bill is paid once."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from rutter_ap_server.guard.approvals import NotReleased
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.errors import ApError, Refused
from rutter_ap_tools.proposals import GetProposal
from support.bench import PASSCODE, Bench, a_bench
from support.people import HearsProgress, accepts
from support.refusals import refused_for
from support.runs import (
    ALLOW,
    FIRST,
    PLAIN,
    ROOMY,
    SECOND,
    THIRD,
    lines_of,
    once_each,
    paid_on,
    paid_once_each,
    run_of,
    states_of,
    the_run,
)

POLICY = ALLOW + ROOMY


async def test_a_bill_in_two_runs_and_a_payment_is_paid_once(home: Path) -> None:
    async with a_bench(home, ROOMY) as bench:
        await bench.approver("Ana", "Bo", "Cy")
        others = [bench.another(), bench.another()]
        one = await run_of(bench, FIRST, SECOND)
        # Another note makes it another intent, so that not even the digest is the same.
        two = await run_of(others[0], SECOND, THIRD, memo="second run")
        single = await others[1].pay(SECOND, "100.00")

        async def release(process: Bench, proposal_id: str | None, name: str) -> None:
            with suppress(ApError):
                await process.approve(proposal_id, name)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(release, bench, one.proposal_id, "Ana")
            tasks.start_soon(release, others[0], two.proposal_id, "Bo")
            tasks.start_soon(release, others[1], single.proposal_id, "Cy")
        for process in (bench, *others):
            await process.app.recover()
        # Each of two may have seen the other's release first, so that people are asked about both again.
        assert await bench.paid(SECOND) in ([], [Decimal("630.00")], [Decimal("100.00")])
        for held in [p for p in await bench.proposals() if p.state == "held"]:
            await release(bench, held.id, "Ana")

        assert await bench.paid(SECOND) in ([Decimal("630.00")], [Decimal("100.00")])
        booked = sum((sum(paid) for paid in (await paid_on(bench, PLAIN)).values()), Decimal(0))
        assert Decimal(await bench.spent()) == booked
        assert not [p for p in await bench.proposals() if p.state in ("released", "dispatching", "unknown")]
        for other in others:
            await other.app.aclose()


async def test_looking_at_a_run_from_another_process_sends_nothing(home: Path) -> None:
    async with a_bench(home, POLICY) as bench:
        other = bench.another()
        gate = bench.wire.gate(lambda request: request.method == "POST")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_of, bench, *PLAIN)
            await gate.reached.wait()
            run = await the_run(bench)
            for _ in range(2):
                answer = await other.backend().read(GetProposal(proposal_id=run.id))
                assert (answer.proposal.state, answer.proposal.record) == ("dispatching", None)
                await other.app.recover()
            again = await run_of(other, *PLAIN)
            assert (again.status, again.proposal_id) == ("unknown", run.id)
            assert other.wire.writes == []
            gate.go.set()
        await paid_once_each(bench, other)
        await other.app.aclose()


async def test_a_cancelled_call_still_pays_what_was_released(home: Path) -> None:
    async with a_bench(home, POLICY) as bench:
        gate = bench.wire.gate(lambda request: request.method == "POST")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_of, bench, *PLAIN)
            await gate.reached.wait()
            tasks.cancel_scope.cancel()
            gate.go.set()
        await bench.app.dispatcher.idle()
        await paid_once_each(bench)


async def test_a_client_gone_during_progress_does_not_stop_a_run(home: Path) -> None:
    async with a_bench(home, POLICY) as bench:
        client = HearsProgress({1: anyio.ClosedResourceError(), 2: anyio.BrokenResourceError()})
        assert (await run_of(bench, *PLAIN, interaction=client)).status == "posted"
        assert client.told == [(0, 3), (1, 3), (2, 3), (3, 3)]
        await paid_once_each(bench)


async def test_a_stopped_process_ends_its_line_and_another_the_run(home: Path) -> None:
    """Another process pays the rest once."""
    async with a_bench(home, POLICY) as bench:
        gate = bench.wire.gate(lambda request: request.method == "POST")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_of, bench, *PLAIN)
            await gate.reached.wait()
            tasks.start_soon(bench.app.dispatcher.drain)
            while not bench.app.dispatcher.is_stopping:
                await anyio.lowlevel.checkpoint()
            gate.go.set()
        run = await the_run(bench)
        assert await states_of(bench, run.id) == ["posted", "released", "released"]
        # It gave its lease back, so that nobody waits for it.
        other = bench.another()
        await other.app.recover()
        await paid_once_each(bench, other)
        await other.app.aclose()


async def test_recovery_does_not_send_where_a_run_would_have_stopped(home: Path) -> None:
    async with a_bench(home, POLICY) as bench:
        await bench.approver("Ana")
        result = await run_of(bench, *PLAIN, "GR-88", "AP-310")

        async def states() -> list[str]:
            lines = await bench.app.store.read(lambda tx: tx.proposals.of_run(str(result.proposal_id)))
            return sorted(line.state for line in lines)

        bench.wire.faults = ["lost before"] * 20
        assert (await bench.approve(result.proposal_id)).state == "unknown"
        assert await states() == ["released"] * 3 + ["unknown"] * 2
        await bench.app.recover()
        assert await states() == ["released"] + ["unknown"] * 4

        bench.wire.faults = []
        for _ in range(2):
            await bench.app.recover()
        assert (await bench.proposal(result.proposal_id)).state == "posted"
        assert all([len(await bench.paid(n)) == 1 for n in (*PLAIN, "GR-88", "AP-310")])


async def test_a_payment_being_resent_cannot_be_settled_as_failed(home: Path) -> None:
    async with a_bench(home, POLICY) as bench:
        await bench.approver("Ana")
        bench.wire.faults = ["lost before"]
        result = await bench.pay(FIRST, "100.00")
        leaving = bench.wire.gate(lambda request: request.method == "POST")

        async def resolve() -> Proposal:
            return await bench.app.approvals.settle_by_hand(
                str(result.proposal_id),
                "failed",
                by=Proof("Ana", PASSCODE),
                channel="terminal",
                company=bench.company,
            )

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bench.app.recover)
            await leaving.reached.wait()
            with pytest.raises(NotReleased) as busy:
                await resolve()
            assert busy.value.error_code == "approval.busy"
            leaving.go.set()

        assert (await bench.proposal(result.proposal_id)).state == "posted"
        assert (await bench.spent(), await bench.paid(FIRST)) == ("100.00", [Decimal("100.00")])


async def test_an_id_prefix_names_a_run_and_never_one_of_its_lines(home: Path) -> None:
    async with a_bench(home, POLICY) as bench:
        result = await run_of(bench, *PLAIN)
        ids = [p.id for p in await bench.proposals()]
        assert len(ids) == 4
        for one in ids:
            assert (await bench.app.proposal(one)).id == one
        start = next(n for n in range(1, 37) if len({i[:n] for i in ids}) == 4)
        assert (await bench.app.proposal(str(result.proposal_id)[:start])).id == result.proposal_id
        for nothing in ("%", "_" * 36, str(result.proposal_id)[:-1] + "_"):
            with refused_for("not_found"):
                await bench.app.proposal(nothing)
        with refused_for("ambiguous"):
            await bench.app.proposal("")


async def test_a_run_whose_bills_another_run_is_paying_pays_nothing(home: Path) -> None:
    """And says why."""
    overlapping = '[rules.severity]\n"bill.overlap" = "off"\n'
    async with a_bench(home, ROOMY + overlapping) as bench:
        other = bench.another()
        leaving = bench.wire.gate(lambda request: request.method == "POST")

        async def the_other_begins() -> None:
            tasks.start_soon(run_of, bench, *PLAIN)
            await leaving.reached.wait()

        async with anyio.create_task_group() as tasks:

            async def meanwhile() -> None:
                bench.policy(ALLOW + ROOMY + overlapping)
                await the_other_begins()

            with pytest.raises(Refused, match="by another proposal"):
                await run_of(other, SECOND, THIRD, interaction=accepts(meanwhile))
            assert other.wire.writes == []
            leaving.go.set()
        for number, amounts in once_each().items():
            assert await bench.paid(number) == amounts
        await other.app.aclose()


async def test_who_may_release_payments_may_release_a_held_line(home: Path) -> None:
    people = '[approvers.Ana]\n[approvers.Bo]\ntools = ["pay_bill"]\n'
    async with a_bench(home, people) as bench:
        await bench.approver("Ana", "Bo")
        held = await run_of(bench, *PLAIN)
        gate = bench.wire.gate(lambda request: request.method == "POST")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bench.approve, held.proposal_id)
            await gate.reached.wait()
            await bench.remove_approver("Ana")
            gate.go.set()

        assert await states_of(bench, held.proposal_id) == ["posted", "held", "held"]
        for number in (SECOND, THIRD):
            line = (await lines_of(bench, held.proposal_id))[number]
            assert (await bench.approve(line.id, "Bo")).state == "posted"
        await paid_once_each(bench)


async def test_trying_a_run_writes_nothing_at_all(home: Path) -> None:
    async with a_bench(home, ALLOW + ROOMY) as bench:
        await bench.pay("GR-88", "10.00", interaction=accepts())
        before = everything_in(home)
        assert before["proposals"]
        tried = await run_of(bench, *PLAIN, dry_run=True)

        assert (tried.status, tried.proposal_id) == ("dry_run", None)
        assert everything_in(home) == before
        assert len(bench.wire.payments_sent) <= 1


def everything_in(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with closing(sqlite3.connect(home / "rutter-ap.db")) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: database.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in tables}
