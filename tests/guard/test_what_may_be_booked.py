"""What may be booked counts and is never done again, until the ledger would show it; then a person can settle it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.interaction import NO_INTERACTION, Interaction
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_tools.bills import CreateBill
from rutter_ap_tools.errors import ApError, Refused
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.payments import PayBill
from rutter_ap_tools.wire import WriteArguments
from support.bench import PASSCODE, Bench, a_bench, codes
from support.lagging import photographed, up_to_date
from support.ledger_rewrites import rewrite, vendor_of
from support.people import accepts

ALLOW = '[tools]\npay_bill = "allow"\ncreate_credit = "allow"\napply_credit = "allow"\nupdate_bill = "allow"\n'
BILL = "NW-2291"


async def settle(bench: Bench, proposal_id: str | None, outcome: str) -> str:
    """An approver says what became of it; "not settled" if that is not taken."""
    try:
        settled = await bench.app.approvals.settle_by_hand(
            proposal_id or "", outcome, by=Proof("Ana", PASSCODE), channel="terminal", company=bench.company
        )
    except ApError:
        return "not settled"
    return settled.state


async def status(bench: Bench, write: WriteArguments, interaction: Interaction = NO_INTERACTION) -> str:
    """What becomes of a write; "refused" if a rule or the platform refuses it."""
    try:
        return (await bench.submit(write, interaction)).status
    except Refused:
        return "refused"


async def found(bench: Bench, write: WriteArguments) -> list[str]:
    """The codes of all that is found of it."""
    try:
        return codes(await bench.submit(write))
    except Refused as refused:
        return [one.code for one in refused.findings if isinstance(one, Finding)]


def payment(bill: Bill, amount: str = "", **more: Any) -> PayBill:
    return PayBill(bill_id=bill.id, account="Operating Checking", amount=amount, **more)


def invoice(vendor: str, number: str, **more: Any) -> CreateBill:
    made = {"vendor": vendor, "issue_date": "2026-03-01", "currency": "USD", "document_number": number}
    return CreateBill.model_validate(made | {"lines": [{"amount": "55.00", "account": "Utilities"}]} | more)


def same_as(bill: Bill, number: str) -> CreateBill:
    """The invoice behind that bill, under that number."""
    assert bill.issue_date is not None
    lines = [{"amount": f"{bill.total_amount:.2f}", "account": "Utilities"}]
    return invoice(bill.vendor_id or "", number, issue_date=bill.issue_date.date().isoformat(), lines=lines)


async def lost_and_unseen(bench: Bench) -> str | None:
    """A payment of 300.00 that was booked, its answer lost, on a bill that shows nothing of it yet."""
    await bench.approver("Ana")
    start = await photographed(bench, f"/bills/{(await bench.bill(BILL)).id}")
    bench.wire.faults = ["lost after"]
    lost = await bench.pay(BILL, "300.00")
    assert lost.status == "unknown"
    start()
    return lost.proposal_id


async def refused_and_unseen(bench: Bench, amount: str) -> Bill:
    """A payment that the platform refused and booked, on a bill that shows nothing of it yet."""
    bill = await bench.bill(BILL)
    start = await photographed(bench, f"/bills/{bill.id}")
    await bench.submit(payment(bill, dry_run=True))
    start()
    bench.wire.faults = ["turned down after"]
    assert await status(bench, payment(bill, amount)) == "refused"
    return bill


async def test_what_a_person_settled_failed_in_a_lag_is_paid_once(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        lost = await lost_and_unseen(bench)
        await settle(bench, lost, "failed")

        await status(bench, payment(await bench.bill(BILL), "300.00"))

        up_to_date(bench)
        assert await bench.paid(BILL) == [Decimal("300.00")]


async def test_what_was_settled_failed_in_a_lag_counts_once_it_shows(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        lost = await lost_and_unseen(bench)
        await settle(bench, lost, "failed")
        up_to_date(bench)
        await bench.app.recover()

        assert ((await bench.proposal(lost)).state, await bench.spent()) == ("posted", "300.00")


async def test_a_payment_whose_job_runs_is_not_settled_as_failed(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        await bench.approver("Ana")
        start = await photographed(bench, f"/bills/{(await bench.bill(BILL)).id}")
        await bench.submit(payment(await bench.bill(BILL), dry_run=True))
        start()
        bench.wire.write_fault = "job_never_ends"
        lost = await bench.pay(BILL, "300.00")
        attempt = await bench.app.store.read(lambda tx: tx.attempts.last(lost.proposal_id or ""))
        assert attempt is not None
        assert attempt.job_id is not None

        assert await settle(bench, lost.proposal_id, "failed") == "not settled"


async def test_what_was_refused_and_may_be_booked_fills_a_limit(home: Path) -> None:
    async with a_bench(home, ALLOW + '[currencies.USD]\nday_limit = "800.00"\n') as bench:
        await refused_and_unseen(bench, "500.00")

        other = await status(bench, payment(await bench.bill("FT-802"), "400.00"))

        up_to_date(bench)
        assert (other, await bench.paid(BILL)) == ("held", [Decimal("500.00")])


async def test_what_was_refused_and_may_be_booked_fills_a_tier(home: Path) -> None:
    async with a_bench(home, ALLOW + '[currencies.USD]\napprove_above = "500.00"\n') as bench:
        bill = await refused_and_unseen(bench, "300.00")

        assert "amount.approver" in await found(bench, payment(bill, "300.00", memo="again"))


async def test_a_chat_alone_does_not_pay_what_was_refused_and_booked(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bill = await refused_and_unseen(bench, "300.00")

        await status(bench, payment(bill, "300.00", memo="again"), accepts())

        up_to_date(bench)
        assert await bench.paid(BILL) == [Decimal("300.00")]


async def test_a_bill_refused_and_booked_is_entered_once(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        vendor = await vendor_of(bench, BILL)
        start = await photographed(bench, "/accounting/bills")
        await bench.submit(invoice(vendor, "NW-9002", dry_run=True))
        start()
        bench.wire.faults = ["turned down after"]
        assert await status(bench, invoice(vendor, "NW-9002")) == "refused"

        await status(bench, invoice(vendor, "NW-9002", memo="again"))

        up_to_date(bench)
        assert len([one async for one in bench.company.rutter.bills.walk() if one.document_number == "NW-9002"]) == 1


async def test_a_void_bill_is_not_taken_for_the_new_one(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        vendor, old = await vendor_of(bench, BILL), await bench.bill("NW-2304")
        same = {"document_number": "NW-9001", "issue_date": "2026-03-01T00:00:00.000Z", "vendor_id": vendor}
        rewrite(bench, "bill", old.id, status="void", total_amount=55.0, sub_total=55.0, **same)
        bench.wire.faults = ["lost before"]
        lost = await bench.submit(invoice(vendor, "NW-9001"))
        await bench.app.recover()

        record = (await bench.proposal(lost.proposal_id)).record or {}
        assert record.get("id") != old.id


async def test_a_lost_payment_of_a_deleted_bill_can_be_settled(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        await bench.approver("Ana")
        bill = await bench.bill(BILL)
        bench.wire.faults = ["lost before"]
        lost = await bench.pay(BILL, "300.00")
        await bench.company.rutter.bills.delete(bill.id)
        await bench.app.recover()

        assert await settle(bench, lost.proposal_id, "failed") == "failed"


@pytest.mark.parametrize("changed", [{"amount_due": None}, {"currency_code": None}])
async def test_a_lost_payment_of_an_unusable_bill_can_be_settled(home: Path, changed: dict[str, Any]) -> None:
    async with a_bench(home, ALLOW) as bench:
        await bench.approver("Ana")
        bill = await bench.bill(BILL)
        bench.wire.faults = ["lost after"]
        lost = await bench.pay(BILL, "300.00")
        rewrite(bench, "bill", bill.id, **changed)
        await bench.app.recover()

        if (await bench.proposal(lost.proposal_id)).state == "unknown":
            assert await settle(bench, lost.proposal_id, "posted") == "posted"
