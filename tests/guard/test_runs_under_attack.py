"""A run between its release and its last line: whoever or whatever changes, nothing leaves that was not released."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from rutter_ap_server.guard.approvals import NotReleased
from rutter_ap_server.rutter.models.vendors import VendorUpdate
from rutter_ap_tools.errors import Refused
from rutter_ap_tools.proposals import GetProposal
from support.bench import Bench, a_bench, codes
from support.people import accepts
from support.refusals import refused_for
from support.runs import FIRST, PLAIN, ROOMY, SECOND, THIRD, lines_of, once_each, paid_on, run_of, states_of


async def in_the_middle(
    bench: Bench,
    work: Callable[[], Coroutine[Any, Any, Any]],
    meanwhile: Callable[[], Any],
    where: Callable[[httpx.Request], bool] = lambda request: request.method == "POST",
) -> None:
    """While the first payment is on the wire, or wherever else, something happens."""
    gate = bench.wire.gate(where)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await gate.reached.wait()
        happened = meanwhile()
        if happened is not None:
            await happened
        gate.go.set()


async def test_a_chat_release_waits_once_the_policy_wants_an_approver(home: Path) -> None:
    async with a_bench(home, ROOMY) as bench:
        await bench.approver("Ana")

        async def release() -> None:
            await run_of(bench, *PLAIN, interaction=accepts())

        stricter = ROOMY.replace('approve_above = "5000.00"', 'approve_above = "300.00"')
        await in_the_middle(bench, release, lambda: bench.policy(stricter))

        run = next(p for p in await bench.proposals() if p.tool == "propose_payment_run")
        assert await states_of(bench, run.id) == ["posted", "held", "posted"]
        line = (await lines_of(bench, run.id))[SECOND]
        assert "amount.approver" in codes(line)
        assert await bench.paid(SECOND) == []
        await bench.app.recover()
        assert await bench.paid(SECOND) == []

        assert (await bench.approve(line.id)).state == "posted"
        assert await paid_on(bench, PLAIN) == once_each()


async def test_a_payee_that_changes_during_a_run_is_checked_again(home: Path) -> None:
    async with a_bench(home, ROOMY) as bench:
        await bench.approver("Ana")

        async def release() -> None:
            await run_of(bench, *PLAIN, interaction=accepts())

        async def hijack() -> None:
            vendor = await bench.company.directory.vendor("Brightline Hosting")
            change = VendorUpdate(email="billing@brightline-h0sting.example")
            await bench.company.rutter.vendors.update(vendor.id, change, idempotency_key="a thief")

        await in_the_middle(bench, release, hijack)

        run = next(p for p in await bench.proposals() if p.tool == "propose_payment_run")
        assert await states_of(bench, run.id) == ["posted", "posted", "held"]
        assert "vendor.changed" in codes((await lines_of(bench, run.id))[THIRD])
        assert await bench.paid(THIRD) == []


async def test_two_approvers_of_the_total_are_enough_for_every_line(home: Path) -> None:
    two = ROOMY.replace('"50000.00"', '"1563.19"').replace('"5000.00"', '"300.00"')
    async with a_bench(home, two) as bench:
        await bench.approver("Ana", "Bo")
        held = await run_of(bench, *PLAIN)
        assert "amount.two_approvers" in codes(held)

        assert (await bench.approve(held.proposal_id, "Ana")).state == "held"
        with refused_for("approval.same_person"):
            await bench.approve(held.proposal_id, "Ana")
        assert bench.wire.writes == []
        assert (await bench.approve(held.proposal_id, "Bo")).state == "posted"

        assert await paid_on(bench, PLAIN) == once_each()
        for line in (await lines_of(bench, held.proposal_id)).values():
            given = await bench.app.store.read(lambda tx, of=line.id: tx.proposals.approvals(of))  # type: ignore[misc]
            assert {one.approver for one in given} == {"Ana", "Bo"}


@pytest.mark.parametrize("gone", ["Ana", "Bo"])
async def test_a_line_needs_as_many_approvers_as_its_run(home: Path, gone: str) -> None:
    """A line does not leave with one approver where its run needed two."""
    async with a_bench(home, ROOMY.replace('"50000.00"', '"1563.19"').replace('"5000.00"', '"1000.00"')) as bench:
        await bench.approver("Ana", "Bo")
        held = await run_of(bench, *PLAIN)
        await bench.approve(held.proposal_id, "Ana")

        async def release() -> None:
            await bench.approve(held.proposal_id, "Bo")

        await in_the_middle(bench, release, lambda: bench.remove_approver(gone))

        assert await states_of(bench, held.proposal_id) == ["posted", "held", "held"]
        assert len(bench.wire.payments_sent) == 1
        # By itself each of them is small, and whoever is left may release it after another look.
        left = {"Ana": "Bo", "Bo": "Ana"}[gone]
        for number in (SECOND, THIRD):
            await bench.approve((await lines_of(bench, held.proposal_id))[number].id, left)
        assert await paid_on(bench, PLAIN) == once_each()


@pytest.mark.parametrize("how", ["removed", "not named by the policy any more", "bounded by the policy"])
async def test_a_removed_approver_has_released_nothing_still_unsent(home: Path, how: str) -> None:
    """Who may no longer release has released nothing that was not sent yet."""
    async with a_bench(home) as bench:
        await bench.approver("Ana", "Bo")
        held = await run_of(bench, *PLAIN)

        async def release() -> None:
            await bench.approve(held.proposal_id)

        def lose() -> Any:
            if how == "removed":
                return bench.remove_approver("Ana")
            bound = '[approvers.Ana.max]\nUSD = "1.00"\n' if how == "bounded by the policy" else ""
            return bench.policy(f"{bound}[approvers.Bo]\n")

        await in_the_middle(bench, release, lose)

        # The ordinary tier asks for each, and nobody who counts has answered.
        assert await states_of(bench, held.proposal_id) == ["posted", "held", "held"]
        assert (await bench.approve((await lines_of(bench, held.proposal_id))[THIRD].id, "Bo")).state == "posted"
        assert await bench.paid(SECOND) == []


async def test_an_approvers_bound_applies_to_the_total_not_each_line(home: Path) -> None:
    bounds = '[approvers.Ana.max]\nUSD = "1563.19"\n[approvers.Bo]\ntools = ["pay_bill"]\n[approvers.Cy.max]\n'
    async with a_bench(home, bounds + 'USD = "1563.20"\n') as bench:
        await bench.approver("Ana", "Bo", "Cy")
        held = await run_of(bench, *PLAIN)

        for name in ("Ana", "Bo"):
            with pytest.raises(NotReleased) as refused:
                await bench.approve(held.proposal_id, name)
            assert refused.value.error_code == "approval.not_theirs"
        assert bench.wire.writes == []
        assert (await bench.approve(held.proposal_id, "Cy")).state == "posted"
        assert await paid_on(bench, PLAIN) == once_each()


async def test_a_right_to_release_runs_covers_their_lines(home: Path) -> None:
    async with a_bench(home, '[approvers.Ana]\ntools = ["propose_payment_run"]\n') as bench:
        await bench.approver("Ana")
        held = await run_of(bench, *PLAIN)
        assert (await bench.approve(held.proposal_id)).state == "posted"
        assert await paid_on(bench, PLAIN) == once_each()


async def test_lines_a_run_had_no_time_for_can_be_proposed_anew(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        held = await run_of(bench, *PLAIN)

        async def release() -> None:
            await bench.approve(held.proposal_id)

        def days_pass() -> None:
            bench.clock.instant += timedelta(hours=73)

        await in_the_middle(bench, release, days_pass)
        await bench.app.recover()

        assert await states_of(bench, held.proposal_id) == ["posted", "expired", "expired"]
        assert len(bench.wire.payments_sent) == 1
        again = await run_of(bench, SECOND, THIRD)
        await bench.approve(again.proposal_id)
        assert await paid_on(bench, PLAIN) == once_each()


async def test_a_freeze_in_the_middle_holds_the_rest_for_release(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        held = await run_of(bench, *PLAIN)

        async def release() -> None:
            await bench.approve(held.proposal_id)

        await in_the_middle(bench, release, lambda: bench.app.store.write(lambda tx: tx.controls.freeze("Bo")))

        lines = await lines_of(bench, held.proposal_id)
        assert [lines[number].state for number in PLAIN] == ["posted", "held", "held"]
        for _ in range(2):
            await bench.app.recover()
        with pytest.raises(NotReleased, match="cannot be released now"):
            await bench.approve(lines[SECOND].id)
        assert len(bench.wire.payments_sent) == 1
        run = await bench.proposal(held.proposal_id)
        assert run.record is not None
        assert (run.state, run.record["amount"]["amount"]) == ("posted", "684.20")

        await bench.app.store.write(lambda tx: tx.controls.unfreeze())
        for number in (SECOND, THIRD):
            assert (await bench.approve(lines[number].id)).state == "posted"
        assert await paid_on(bench, PLAIN) == once_each()
        run = await bench.proposal(held.proposal_id)
        assert run.record is not None
        assert run.record["amount"]["amount"] == "1563.20"


async def test_a_freeze_before_the_first_line_leaves_nothing_lost(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        held = await run_of(bench, *PLAIN)

        async def release() -> None:
            await bench.approve(held.proposal_id)

        def opened(_request: httpx.Request) -> bool:
            return bool(bench.app.store.read_now(lambda tx: tx.proposals.of_run(str(held.proposal_id))))

        await in_the_middle(bench, release, lambda: bench.app.store.write(lambda tx: tx.controls.freeze("Bo")), opened)
        assert await states_of(bench, held.proposal_id) == ["held", "held", "held"]
        assert bench.wire.writes == []
        await bench.app.store.write(lambda tx: tx.controls.unfreeze())

        lines = await lines_of(bench, held.proposal_id)
        assert (await bench.approve(lines[FIRST].id)).state == "posted"
        run = await bench.proposal(held.proposal_id)
        assert run.record is not None
        assert (run.state, run.record["amount"]["amount"]) == ("posted", "684.20")
        again = await run_of(bench, SECOND, THIRD)
        await bench.approve(again.proposal_id)
        assert [(await bench.proposal(lines[n].id)).state for n in (SECOND, THIRD)] == ["superseded"] * 2
        assert await paid_on(bench, PLAIN) == once_each()


async def test_a_bill_deleted_in_the_middle_does_not_block_the_others(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        held = await run_of(bench, *PLAIN)
        bill = await bench.bill(SECOND)

        async def release() -> None:
            await bench.approve(held.proposal_id)

        await in_the_middle(bench, release, lambda: bench.company.rutter.bills.delete(bill.id))

        assert await bench.paid(FIRST) == [Decimal("684.20")]
        assert await bench.paid(THIRD) == [Decimal("249.00")]
        await bench.backend().read(GetProposal(proposal_id=str(held.proposal_id)))
        bench.clock.instant += timedelta(hours=73)
        await bench.app.recover()
        assert Counter(await states_of(bench, held.proposal_id)) == {"posted": 2, "expired": 1}
        assert (await bench.proposal(held.proposal_id)).state == "posted"


async def test_a_payment_a_run_took_over_during_a_question_says_so(home: Path) -> None:
    async with a_bench(home, ROOMY) as bench:

        async def meanwhile() -> None:
            await run_of(bench, *PLAIN, interaction=accepts())

        with pytest.raises(Refused, match="run"):
            await bench.pay(FIRST, interaction=accepts(meanwhile))
        assert await paid_on(bench, PLAIN) == once_each()
