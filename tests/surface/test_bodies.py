"""Every documented field that is written: sent as documented, kept by the sandbox, and read back to the last digit."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import anyio
import pytest
from msgspec import UNSET

from rutter_ap_server.rutter import CompanyClient, Done, equal, errors
from rutter_ap_server.rutter.models.bills import (
    Bill,
    BillCreate,
    BillLineDraft,
    BillUpdate,
    LineItemDraft,
)
from rutter_ap_server.rutter.models.credits import BillCreditApplicationCreate
from rutter_ap_server.rutter.models.payments import AllocationDraft, BillPaymentUpdate
from rutter_ap_server.rutter.resources import ResponseMode
from support.surface.books import TODAY, first_at, ledger
from support.surface.entries import first, open_bill, payment_of
from support.surface.rows import Row, by_name, fields_of_body
from support.tour import done, key

pytestmark = pytest.mark.anyio
BILL, PAYMENT = fields_of_body("bills", "bill"), fields_of_body("bill_payments", "bill_payment")
Written = tuple[Any, Any, Any]
"""A body as it was sent, the object in the answer, and the object as it is read afterwards."""


async def draft_of_a_bill(company: CompanyClient, *, foreign: bool) -> BillCreate:
    """A bill with every field of the printed example; where there are subsidiaries, with one, and a line of an item."""
    currency = "EUR" if foreign else "USD"
    vendor = next(v for v in (await company.vendors.list(limit=500)).items if currency in v.currency_codes)
    item = LineItemDraft(id=(await first(company.items)).id, quantity=Decimal(3), unit_amount=Decimal("25.69"))
    line = BillLineDraft(
        account_id=(await first(company.accounts, filter=equal("account_type", "expense"))).id,
        tax_rate_id=(await first(company.tax_rates)).id,
        total_amount=Decimal("77.07"),
        description="Three of them, at 25.69",
        item=item,
    )
    return BillCreate(
        subsidiary_id=UNSET if foreign else (await company.subsidiaries.list()).items[-1].id,
        vendor_id=vendor.id,
        due_date=date(2026, 12, 16),
        issue_date=date(2026, 11, 16),
        currency_code=currency,
        currency_rate=Decimal("1.0825") if foreign else UNSET,
        line_items=(line,) if foreign else (BillLineDraft(account_id=line.account_id, total_amount=Decimal("77.07")),),
    )


async def _entered(platform: str) -> Written:
    """A bill entered there."""
    async with ledger() as books:
        company = books.company(platform)
        draft = await draft_of_a_bill(company, foreign=platform == "QUICKBOOKS")
        bill = done(await company.bills.create(draft, idempotency_key=key()))
        sent, answered = books.wire.body, books.wire.answer
        assert set(answered) == {"bill"}
        await company.bills.get(bill.id)
        return sent["bill"], answered["bill"], books.wire.answer["bill"]


@pytest.fixture(scope="module")
def entered() -> dict[str, Written]:
    """A bill with a rate and an item, and one with a subsidiary."""
    return {platform: anyio.run(_entered, platform) for platform in ("QUICKBOOKS", "NETSUITE")}


@pytest.mark.parametrize("row", BILL, ids=by_name)
def test_a_bill_is_entered_with_it(row: Row, entered: dict[str, Written]) -> None:
    name = row.item.name.removeprefix("bill.")
    sent, answered, kept = entered["NETSUITE" if name == "subsidiary_id" else "QUICKBOOKS"]
    value = first_at(sent, name)
    if isinstance(value, list | dict):
        assert [len(first_at(one, name)) > 0 for one in (sent, answered, kept)] == [True] * 3
        return
    if name == "currency_rate":
        # Sent as a number, and read as the text that the books keep.
        value = str(value)
    assert first_at(answered, name) == first_at(kept, name) == value
    expected = {
        "due_date": "2026-12-16T00:00:00.000Z",
        "issue_date": "2026-11-16T00:00:00.000Z",
        "currency_code": "EUR",
        "currency_rate": "1.0825",
        "line_items.total_amount": Decimal("77.07"),
        "line_items.description": "Three of them, at 25.69",
        "line_items.item.quantity": 3,
        "line_items.item.unit_amount": Decimal("25.69"),
    }
    assert value == expected.get(name, value)


async def _paid() -> Written:
    """A payment of a bill in euro."""
    async with ledger() as books:
        company = books.company()
        bill = done(await company.bills.create(await draft_of_a_bill(company, foreign=True), idempotency_key=key()))
        draft = await payment_of(
            company, bill, amount="12.34", memo="For three of them", currency_rate=Decimal("1.0950")
        )
        payment = done(await company.bill_payments.create(draft, idempotency_key=key()))
        sent, answered = books.wire.body, books.wire.answer
        await company.bill_payments.get(payment.id)
        return sent["bill_payment"], answered["bill_payment"], books.wire.answer["bill_payment"]


@pytest.fixture(scope="module")
def paid() -> Written:
    """A payment with every field of the printed example."""
    return anyio.run(_paid)


@pytest.mark.parametrize("row", PAYMENT, ids=by_name)
def test_a_payment_is_entered_with_it(row: Row, paid: Written) -> None:
    name = row.item.name.removeprefix("bill_payment.")
    sent, answered, kept = paid
    value = first_at(sent, name)
    if isinstance(value, list):
        assert [len(first_at(one, name)) for one in (sent, answered, kept)] == [1, 1, 1]
        return
    if name == "currency_rate":
        assert Decimal(first_at(answered, name)) == Decimal(first_at(kept, name)) == value == Decimal("1.095")
        return
    assert first_at(answered, name) == first_at(kept, name) == value
    expected = {
        "transaction_date": "2026-11-18T00:00:00.000Z",
        "currency_code": "EUR",
        "memo": "For three of them",
        "linked_bills.allocated_amount": Decimal("12.34"),
    }
    assert value == expected.get(name, value)


async def test_a_payment_lowers_what_is_due_and_its_void_restores_it() -> None:
    async with ledger() as books:
        company = books.company()
        bills = [await open_bill(company, amount) for amount in ("100.07", "20.02")]
        draft = await payment_of(company, *bills, amount="20.01")
        payment = done(await company.bill_payments.create(draft, idempotency_key=key()))
        assert (payment.total_amount, payment.status) == (Decimal("40.02"), "active")
        assert [link.id for link in payment.linked_bills] == [bill.id for bill in bills]
        after = [await company.bills.get(bill.id) for bill in bills]
        assert [bill.amount_due for bill in after] == [Decimal("80.06"), Decimal("0.01")]
        assert [link.id for bill in after for link in bill.linked_payments] == [payment.id] * 2
        change = BillPaymentUpdate(status="void")
        void = done(await company.bill_payments.update(payment.id, change, idempotency_key=key()))
        assert books.wire.body == {"bill_payment": {"status": "void"}}
        assert void.status == (await company.bill_payments.get(payment.id)).status == "void"
        # What was not named stays.
        assert (void.memo, void.account_id, void.transaction_date) == (
            payment.memo,
            payment.account_id,
            payment.transaction_date,
        )
        assert [(await company.bills.get(bill.id)).amount_due for bill in bills] == [
            Decimal("100.07"),
            Decimal("20.02"),
        ]


async def test_payments_and_credits_both_lower_what_is_due() -> None:
    async with ledger() as books:
        company = books.company()
        credit = next(one for one in (await company.bill_credit_memos.list()).items if one.remaining_amount)
        found = await company.bills.list(filter=equal("vendor_id", credit.vendor_id or ""), limit=500)
        bill = next(one for one in found.items if one.status == "open" and one.currency_code == credit.currency_code)
        paid = await payment_of(company, bill, amount="0.03")
        done(await company.bill_payments.create(paid, idempotency_key=key()))
        applied = BillCreditApplicationCreate(
            bill_credit_memo_id=credit.id,
            vendor_id=credit.vendor_id or "",
            transaction_date=TODAY,
            currency_code=bill.currency_code,
            linked_bills=(AllocationDraft(id=bill.id, allocated_amount=Decimal("0.04")),),
        )
        assert done(await company.bill_credit_applications.apply(applied, idempotency_key=key())).success
        after = await company.bills.get(bill.id)
        assert after.amount_due == (bill.amount_due or 0) - Decimal("0.07")
        assert after.total_amount == bill.total_amount
        assert [(link.id, link.allocated_amount) for link in after.linked_credit_memos] == [
            (credit.id, Decimal("0.04"))
        ]


async def test_a_change_keeps_what_it_does_not_name() -> None:
    async with ledger() as books:
        company = books.company()
        draft = await draft_of_a_bill(company, foreign=True)
        bill = done(await company.bills.create(draft, idempotency_key=key()))
        changed = done(await company.bills.update(bill.id, BillUpdate(memo="Example"), idempotency_key=key()))
        assert books.wire.body == {"bill": {"memo": "Example"}}
        assert books.wire.requests[-1].method == "PATCH"
        assert changed.memo == "Example"
        before, after = (_values(one) for one in (bill, changed))
        assert {name for name in before if before[name] != after[name]} <= {"memo", "updated_at", "last_synced_at"}


def _values(bill: Bill) -> dict[str, Any]:
    return {name: getattr(bill, name) for name in Bill.__struct_fields__}


async def test_a_changed_list_takes_the_place_of_the_old_one() -> None:
    async with ledger() as books:
        company = books.company()
        draft = await draft_of_a_bill(company, foreign=True)
        bill = done(await company.bills.create(draft, idempotency_key=key()))
        account = draft.line_items[0].account_id
        lines = tuple(BillLineDraft(account_id=account, total_amount=Decimal(one)) for one in ("70.02", "8.06"))
        done(await company.bills.update(bill.id, BillUpdate(line_items=lines), idempotency_key=key()))
        after = await company.bills.get(bill.id)
        assert [line.total_amount for line in after.line_items] == [Decimal("70.02"), Decimal("8.06")]
        # Nothing of the old line is left on the new ones, and the rest of the bill is as it was.
        assert {(line.item, line.tax_rate_id, line.description) for line in after.line_items} == {(None, None, None)}
        assert after.total_amount == Decimal("78.08")
        assert (after.due_date, after.currency_rate) == (bill.due_date, bill.currency_rate)


Write = Callable[[CompanyClient, ResponseMode | None], Any]


async def _create(company: CompanyClient, mode: ResponseMode | None) -> Any:
    draft = await draft_of_a_bill(company, foreign=True)
    return await company.bills.create(draft, idempotency_key=key(), response_mode=mode)


async def _update(company: CompanyClient, mode: ResponseMode | None) -> Any:
    bill = await open_bill(company)
    return await company.bills.update(bill.id, BillUpdate(memo="m"), idempotency_key=key(), response_mode=mode)


@pytest.mark.parametrize("mode", ["async", "prefer_sync", None])
@pytest.mark.parametrize("write", [_create, _update], ids=["create", "update"])
async def test_the_mode_of_a_response_is_asked_for(write: Write, mode: ResponseMode | None) -> None:
    """Asynchronous, a job answers first, and the client follows it to its end; otherwise the object comes at once."""
    async with ledger() as books:
        outcome = await write(books.company(), mode)
        assert isinstance(outcome, Done)
        sent = max(n for n, one in enumerate(books.wire.requests) if one.method in ("POST", "PATCH"))
        assert json.loads(books.wire.requests[sent].content).get("response_mode") == mode
        assert set(json.loads(books.wire.answers[sent])) == ({"async_response"} if mode == "async" else {"bill"})
        assert (len(books.wire.requests) - 1 > sent) == (mode == "async")


async def test_a_deletion_says_so_and_may_be_repeated() -> None:
    async with ledger() as books:
        company = books.company()
        bill = await open_bill(company)
        gone = done(await company.bills.delete(bill.id))
        assert books.wire.answer == {"code": "deleted", "success": True}
        assert (gone.code, gone.success) == ("deleted", True)
        assert books.wire.requests[-1].method == "DELETE"
        assert done(await company.bills.delete(bill.id)).code == "not_found"
        with pytest.raises(errors.NotFoundUpstream):
            await company.bills.get(bill.id)


@pytest.mark.parametrize("mode", ["async", "prefer_sync"])
async def test_the_mode_of_a_deletion_is_asked_for(mode: ResponseMode) -> None:
    async with ledger() as books:
        company = books.company()
        bill = await open_bill(company)
        delete: Any = company.bills.delete
        assert done(await delete(bill.id, response_mode=mode)).success
        sent = max(number for number, one in enumerate(books.wire.requests) if one.method == "DELETE")
        assert json.loads(books.wire.requests[sent].content) == {"response_mode": mode}
        assert ("async_response" in json.loads(books.wire.answers[sent])) == (mode == "async")
        with pytest.raises(errors.NotFoundUpstream):
            await company.bills.get(bill.id)


async def test_the_ledgers_payables_account_stands_in_for_none() -> None:
    async with ledger() as books:
        company = books.company()
        payables = [
            one.id for one in (await company.accounts.list(filter=equal("account_type", "accounts_payable"))).items
        ]
        bill = await open_bill(company)
        assert "account_id" not in books.wire.body["bill"]
        assert bill.account_id in payables


async def test_a_date_alone_is_midnight_in_utc() -> None:
    async with ledger() as books:
        for bill in (await books.company().bills.list(limit=500)).items:
            for moment in (bill.issue_date, bill.due_date):
                assert moment is not None
                assert moment == datetime.fromisoformat(f"{moment:%Y-%m-%d}T00:00:00+00:00")
