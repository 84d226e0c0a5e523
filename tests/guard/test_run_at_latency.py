"""Runs over an upstream that is slow, slows down, turns calls away or ignores filters: each bill is paid once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.rutter.request import Limits
from rutter_ap_tools.payments import ProposePaymentRun, RunResult
from support.bench import PASSCODE
from support.bench_client import client_at_bench
from support.long_runs import PLENTY, LongRun, long_run

QUICK = Limits(attempt_seconds=1.0, read_seconds=1.0, call_seconds=3.0, job_wait_seconds=1.0)


async def recovers(run: LongRun) -> None:
    """Later the upstream is well again, and what was left open is taken up."""
    run.wire.delay_seconds = run.wire.answer_seconds = 0.0
    for _ in range(4):
        run.bench.clock.instant += timedelta(minutes=5)
        await run.bench.app.recover()


@pytest.mark.parametrize("vendors", [0, 1, 3])
async def test_a_run_over_a_slow_wire_pays_each_bill_once(home: Path, vendors: int) -> None:
    async with long_run(home, 12, vendors) as run:
        run.wire.delay_seconds = 0.005
        held = await run.propose()
        assert (await run.release(held.proposal_id)).state == "posted"
        assert await run.paid() == run.due()
        assert len(set(run.wire.payments_sent)) == len(run.wire.payments_sent) == 12
        assert await run.disagreements(held.proposal_id) == []


@pytest.mark.parametrize("vendors", [1, 3])
async def test_payments_to_one_vendor_leave_in_order(home: Path, vendors: int) -> None:
    async with long_run(home, 9, vendors) as run:
        run.wire.delay_seconds = 0.005
        held = await run.propose()
        await run.release(held.proposal_id)
        bills = {one.id: one for one in run.bills}
        lines = {one.id: bills[str(bill_id)] for bill_id, one in (await run.lines(held.proposal_id)).items()}
        sent = [lines[key] for key in run.wire.payments_sent]
        for vendor_id in {one.vendor_id for one in run.bills}:
            of_vendor = [one.id for one in run.bills if one.vendor_id == vendor_id]
            assert [one.id for one in sent if one.vendor_id == vendor_id] == of_vendor


@pytest.mark.parametrize("place", ["delay_seconds", "answer_seconds"])
@pytest.mark.parametrize("vendors", [0, 1])
async def test_an_upstream_that_slows_leaves_true_outcomes(home: Path, place: str, vendors: int) -> None:
    """Before a payment was carried out, or after it."""
    async with long_run(home, 8, vendors, limits=QUICK) as run:
        held = await run.propose()

        async def slows() -> None:
            setattr(run.wire, place, 30.0)

        run.wire.at[3] = slows
        ended = await run.release(held.proposal_id)
        run.wire.delay_seconds = run.wire.answer_seconds = 0.0

        assert ended.state in ("dispatching", "unknown", "posted")
        assert await run.disagreements(held.proposal_id) == []
        await recovers(run)
        assert (await run.bench.proposal(held.proposal_id)).state == "posted"
        assert await run.paid() == run.due()
        assert await run.disagreements(held.proposal_id) == []


@pytest.mark.parametrize("fault", ["status_429", "retry_after_seconds=1"])
@pytest.mark.parametrize("vendors", [0, 1])
async def test_calls_turned_away_in_the_middle_pay_each_once(home: Path, fault: str, vendors: int) -> None:
    async with long_run(home, 10, vendors) as run:
        run.wire.faults_at = dict.fromkeys((4, 5, 8), fault)
        held = await run.propose()
        await run.release(held.proposal_id)
        await recovers(run)
        assert (await run.bench.proposal(held.proposal_id)).state == "posted"
        assert await run.paid() == run.due()
        assert await run.disagreements(held.proposal_id) == []


@pytest.mark.parametrize("fault", ["no_answer_after_commit=0", "status_503_after_commit", "status_450_after_commit"])
async def test_answers_lost_in_the_middle_pay_each_once(home: Path, fault: str) -> None:
    async with long_run(home, 8, limits=QUICK) as run:
        run.wire.faults_at = {3: fault, 6: fault}
        held = await run.propose()
        await run.release(held.proposal_id)
        assert await run.disagreements(held.proposal_id) == []
        await recovers(run)
        assert await run.paid() == run.due()
        assert await run.disagreements(held.proposal_id) == []


@pytest.mark.parametrize(
    ("company", "currency", "numbers"),
    [("Cedar Health", "USD", ["MM-2", "MM-3", "MM-4"]), ("Tamar Pottery", "GBP", ["CM-2", "GC-2", "CM-3", "CM-4"])],
)
async def test_where_filters_are_ignored_each_bill_is_paid_once(
    home: Path, company: str, currency: str, numbers: list[str]
) -> None:
    async with client_at_bench(home, PLENTY.format(currency), named=company) as (_, bench):
        bills = {one.document_number: one async for one in bench.company.rutter.bills.walk()}
        ids = [bills[number].id for number in numbers]
        held = await bench.submit(ProposePaymentRun(bill_ids=ids, account="Business Account"))
        assert isinstance(held, RunResult)
        assert len(held.lines) == len(numbers)
        seen = await bench.app.approvals.preview(str(held.proposal_id), bench.company)

        done = await bench.app.approvals.approve(seen, bench.company, by=Proof("Ana", PASSCODE), channel="terminal")

        assert done.state == "posted"
        for number in numbers:
            now = await bench.company.rutter.bills.get(bills[number].id)
            assert [link.allocated_amount for link in now.linked_payments] == [bills[number].amount_due]
