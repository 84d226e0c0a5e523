"""What the page of bill payments says of platforms and of answers that are no single object."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from rutter_ap_server.rutter import Done, Rejected, Unknown
from support.surface.books import ledger
from support.surface.entries import open_bill, payment_of
from support.tour import key

pytestmark = pytest.mark.anyio


async def _records_of_a_payment_of_two(platform: str) -> list[list[Decimal]]:
    """What each record that one payment of two bills became allocates."""
    async with ledger() as books:
        company = books.company(platform)
        bills = [await open_bill(company, amount) for amount in ("10.01", "20.02")]
        draft = await payment_of(company, *bills, amount="10.01")
        outcome = await company.bill_payments.create(draft, idempotency_key=key())
        assert isinstance(outcome, Done)
        return [[link.allocated_amount for link in one.linked_bills] for one in outcome.records]


async def test_a_payment_of_two_bills_is_one_record() -> None:
    assert await _records_of_a_payment_of_two("QUICKBOOKS") == [[Decimal("10.01")] * 2]


async def test_on_xero_a_payment_of_two_bills_is_two_records() -> None:
    assert await _records_of_a_payment_of_two("XERO") == [[Decimal("10.01")]] * 2


async def test_business_central_lists_payments_with_its_extension() -> None:
    """Without it the bills that were paid show so, and none of their payments is there to be read."""
    async with ledger() as books:
        lists = {}
        for connection in books.sandbox.connections:
            if connection.platform == "DYNAMICS365":
                company = books.client.connection(connection.access_token)
                payments = (await company.bill_payments.list(limit=500)).items
                bills = (await company.bills.list(limit=500)).items
                assert "paid" in {bill.status for bill in bills}
                lists[bool(payments)] = [len(bill.linked_payments) > 0 for bill in bills if bill.status == "paid"]
        with_it, without = sorted(lists, reverse=True)
        assert (with_it, without) == (True, False)
        assert all(lists[True])
        assert not any(lists[False])


@pytest.mark.parametrize(("fault", "outcome", "booked"), [("errors_beside", Unknown, 1), ("errors_alone", Rejected, 0)])
async def test_errors_beside_a_payment_or_alone_are_no_success(
    fault: str, outcome: type[Unknown] | type[Rejected], booked: int
) -> None:
    async with ledger(admin=True) as books:
        company = books.company()
        bill = await open_bill(company)
        draft = await payment_of(company, bill, amount="10.01")
        await books.switch("faults", {"rules": [{"fault": fault, "method": "POST", "times": 1}]})
        answered = await company.bill_payments.create(draft, idempotency_key=key())
        assert isinstance(answered, outcome)
        written = max(number for number, one in enumerate(books.wire.requests) if one.method == "POST")
        assert json.loads(books.wire.answers[written])["errors"]
        assert len((await company.bills.get(bill.id)).linked_payments) == booked
