"""Facts that lack what this store wrote a moment ago are no facts, and no record is two proposals' outcome."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.guard.own_writes import LAG_MAX
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.bills import CreateBill, NewBillLine
from rutter_ap_tools.credits import ApplyCredit, CreateCredit, RemoveCredit
from rutter_ap_tools.errors import Refused
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.vendors import SaveVendor
from support.bench import Bench, a_bench, codes
from support.lagging import photographed
from support.refusals import refused_for

ALLOW = '[tools]\npay_bill = "allow"\ncreate_bill = "allow"\napply_credit = "allow"\nsave_vendor = "allow"\n'


async def test_a_balance_from_before_a_payment_pays_nothing(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bill = await bench.bill("NW-2291")
        assert (await bench.pay("NW-2291", "100.00")).status == "posted"
        bench.wire.read_faults = {f"/bills/{bill.id}": "stale_read"}

        with pytest.raises(Refused, match="does not show yet") as refused:
            await bench.pay("NW-2291")
        assert [one.code for one in refused.value.findings if one.code.startswith("ledger")] == ["ledger.behind"]
        bench.wire.read_faults = {}
        assert await bench.paid("NW-2291") == [Decimal("100.00")]


async def test_a_ledger_that_catches_up_in_time_is_waited_for(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bill = await bench.bill("NW-2291")
        assert (await bench.pay("NW-2291", "100.00")).status == "posted"
        bench.wire.read_faults = {f"/bills/{bill.id}": "stale_read"}
        looks = 0

        async def catches_up(_seconds: float) -> None:
            nonlocal looks
            looks += 1
            bench.wire.read_faults = {}

        bench.app.dispatcher._sleep = catches_up
        # Repeating a payment needs an approver: it is judged, and on the books as they are.
        assert (await bench.pay("NW-2291", "50.00")).status == "held"
        assert looks == 1


async def test_what_a_person_voided_is_not_waited_for(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        paid = await bench.pay("NW-2291", "100.00")
        assert paid.record is not None
        await bench.company.rutter.bill_payments.void(paid.record.id, idempotency_key="by hand")

        assert (await bench.pay("NW-2291")).status == "held"


async def test_what_is_missing_for_long_was_removed_there(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bill = await bench.bill("NW-2291")
        assert (await bench.pay("NW-2291", "100.00")).status == "posted"
        bench.wire.read_faults = {f"/bills/{bill.id}": "stale_read"}
        bench.clock.instant += LAG_MAX + timedelta(seconds=1)

        assert (await bench.pay("NW-2291", "50.00")).status == "held"


async def entered(bench: Bench, number: str) -> str:
    vendor = next(iter((await bench.company.directory.vendors()).values()))
    line = NewBillLine(amount="55.00", account="Office Supplies")
    asked = CreateBill(vendor=vendor.id, issue_date="2026-03-01", currency="USD", document_number=number, lines=[line])
    return (await bench.submit(asked)).status


@pytest.mark.parametrize("fault", ["missing_from_list", "stale_list"])
async def test_a_bill_a_list_does_not_show_yet_is_not_entered_twice(home: Path, fault: str) -> None:
    async with a_bench(home, ALLOW) as bench:
        assert await entered(bench, "LAG-1") == "posted"
        bench.wire.read_faults = {"/accounting/bills": fault}

        with refused_for("ledger.behind"):
            await entered(bench, "LAG 1")
        bench.wire.read_faults = {}
        assert len([one async for one in bench.company.rutter.bills.walk() if one.document_number == "LAG-1"]) == 1


async def test_a_vendor_a_list_does_not_show_yet_is_not_made_twice(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        assert (await bench.submit(SaveVendor(name="Brand New Traders", currency="USD"))).status == "posted"
        bench.wire.read_faults = {"/accounting/vendors": "missing_from_list"}

        with refused_for("ledger.behind"):
            await bench.submit(SaveVendor(name="Brand-New Traders", currency="USD"))


async def test_a_credit_from_before_it_was_used_settles_nothing(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        memos = [one async for one in bench.company.rutter.bill_credit_memos.walk()]
        credit = next(one for one in memos if (one.remaining_amount or 0) > 60)
        bills = [
            one
            async for one in bench.company.rutter.bills.walk()
            if one.vendor_id == credit.vendor_id and one.amount_due and one.amount_due > 60
        ]
        first = await bench.submit(ApplyCredit(credit_id=credit.id, bill_id=bills[0].id, amount="50.00"))
        assert first.status == "posted"
        bench.wire.read_faults = {f"/bill_credit_memos/{credit.id}": "stale_read"}

        with pytest.raises(Refused, match="does not show yet"):
            await bench.submit(ApplyCredit(credit_id=credit.id, bill_id=bills[0].id, amount="10.00"))


async def test_a_record_is_the_outcome_of_one_proposal_only(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["lost before"]
        lost = await bench.pay("NW-2291", "100.00", date="2026-03-02")
        before = await bench.app.store.read(lambda tx: tx.attempts.last(lost.proposal_id or ""))
        assert before is not None
        # A person pays the same amount; then the record is somebody else's by the store's own account.
        by_hand = await bench.pay_by_hand("NW-2291", "100.00")
        other = await bench.pay("FT-802", "10.00")

        assert other.proposal_id is not None
        paid_by = other.proposal_id

        def claims(tx: Tx) -> None:
            tx.attempts.settle(paid_by, "posted", upstream_id=by_hand, job_id=None, reason=None)

        await bench.app.store.write(claims)
        await bench.app.recover()
        assert (await bench.proposal(lost.proposal_id)).state == "unknown"


async def test_two_records_where_one_was_sent_are_said_to_be_two(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["lost after"]
        lost = await bench.pay("NW-2291", "100.00")
        await bench.pay_by_hand("NW-2291", "100.00")
        await bench.app.recover()

        assert (await bench.proposal(lost.proposal_id)).state == "unknown"
        attempt = await bench.app.store.read(lambda tx: tx.attempts.last(lost.proposal_id or ""))
        assert attempt is not None
        assert "shows 2 that may be it" in str(attempt.reason)


async def refusal(bench: Bench, number: str, **more: Any) -> list[str]:
    with pytest.raises(Refused) as refused:
        await bench.pay(number, **more)
    return [one.code for one in refused.value.findings if isinstance(one, Finding) and one.severity.word == "refuse"]


CREDITS = '[tools]\ncreate_credit = "allow"\npay_bill = "allow"\n'


async def test_a_credit_a_list_does_not_show_yet_is_waited_for(home: Path) -> None:
    async with a_bench(home, CREDITS) as bench:
        bill = await bench.bill("NW-2291")
        lines = [{"amount": "200.00", "account": "Utilities"}]
        made = {"vendor": bill.vendor_id, "issue_date": "2026-03-01", "currency": "USD", "document_number": "NC-77"}
        assert (await bench.submit(CreateCredit.model_validate(made | {"lines": lines}))).status == "posted"
        assert "credit.available" in codes(await bench.pay("NW-2291", dry_run=True))
        bench.wire.read_faults = {"/bill_credit_memos": "missing_from_list"}

        assert await refusal(bench, "NW-2291") == ["ledger.behind"]
        # A payment to somebody else is judged without it.
        assert (await bench.pay("FT-802", "10.00")).status == "posted"


async def test_a_credit_used_up_is_not_waited_for(home: Path) -> None:
    async with a_bench(home, CREDITS) as bench:
        bill = await bench.bill("NW-2291")
        lines = [{"amount": "20.00", "account": "Utilities"}]
        made = {"vendor": bill.vendor_id, "issue_date": "2026-03-01", "currency": "USD", "document_number": "NC-77"}
        credit = (await bench.submit(CreateCredit.model_validate(made | {"lines": lines}))).record
        assert credit is not None
        assert (await bench.submit(ApplyCredit(credit_id=credit.id, bill_id=bill.id))).status == "posted"

        assert (await bench.pay("NW-2291", "10.00")).status == "posted"


async def credit_and_bill(bench: Bench) -> tuple[str, str, str]:
    """A credit with something remaining, and a bill of its vendor: its id and its number."""
    memos = [one async for one in bench.company.rutter.bill_credit_memos.walk()]
    credit = next(one for one in memos if (one.remaining_amount or 0) > 60)
    bills = [one async for one in bench.company.rutter.bills.walk()]
    bill = next(one for one in bills if one.vendor_id == credit.vendor_id and (one.amount_due or 0) > 60)
    return credit.id, bill.id, bill.document_number or ""


async def applied_and_removed(bench: Bench, credit_id: str, bill_id: str) -> None:
    applied = await bench.submit(ApplyCredit(credit_id=credit_id, bill_id=bill_id, amount="50.00"))
    await bench.approver("Ana")
    removal = await bench.submit(RemoveCredit(credit_id=credit_id, bill_id=bill_id))
    removed = await bench.approve(removal.proposal_id)
    assert (applied.status, removed.state) == ("posted", "posted")


async def test_a_credit_used_again_after_a_removal_is_waited_for(home: Path) -> None:
    async with a_bench(home, CREDITS) as bench:
        credit_id, bill_id, number = await credit_and_bill(bench)
        start = await photographed(bench, f"/bills/{bill_id}")
        await applied_and_removed(bench, credit_id, bill_id)
        again = await bench.submit(ApplyCredit(credit_id=credit_id, bill_id=bill_id, amount="40.00"))
        assert again.status == "posted"
        start()

        assert "ledger.behind" in codes(await bench.pay(number, dry_run=True))


async def test_a_credit_taken_off_one_bill_is_looked_for_on_another(home: Path) -> None:
    async with a_bench(home, CREDITS) as bench:
        credit_id, bill_id, number = await credit_and_bill(bench)
        vendor_id = (await bench.company.rutter.bills.get(bill_id)).vendor_id or ""
        line = NewBillLine(amount="55.00", account="Office Supplies")
        made = CreateBill(
            vendor=vendor_id, issue_date="2026-03-01", currency="USD", document_number="N-1", lines=[line]
        )
        other = (await bench.submit(made)).record
        assert other is not None
        start = await photographed(bench, f"/bills/{bill_id}")
        await bench.pay(number, dry_run=True)
        assert (
            await bench.submit(ApplyCredit(credit_id=credit_id, bill_id=bill_id, amount="40.00"))
        ).status == "posted"
        await applied_and_removed(bench, credit_id, other.id)
        start()

        assert "ledger.behind" in codes(await bench.pay(number, dry_run=True))


async def test_a_removed_credit_is_not_waited_for(home: Path) -> None:
    async with a_bench(home, CREDITS) as bench:
        credit_id, bill_id, number = await credit_and_bill(bench)
        await applied_and_removed(bench, credit_id, bill_id)

        assert "ledger.behind" not in codes(await bench.pay(number, dry_run=True))
