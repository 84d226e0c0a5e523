"""What the tests of the documented surface enter: a bill that is open, and a payment of bills."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from rutter_ap_server.rutter import CompanyClient, equal
from rutter_ap_server.rutter.models.bills import Bill, BillCreate, BillLineDraft
from rutter_ap_server.rutter.models.payments import AllocationDraft, BillPaymentCreate
from support.surface.books import TODAY
from support.tour import done, key


async def first(kind: Any, **how: Any) -> Any:
    """The first record of a list."""
    return (await kind.list(limit=500, **how)).items[0]


async def open_bill(company: CompanyClient, amount: str = "100.07") -> Bill:
    """A bill of one line, in the currency of the first expense account."""
    account = await first(company.accounts, filter=equal("account_type", "expense"))
    currency = account.currency_code
    vendor = next(v for v in (await company.vendors.list(limit=500)).items if currency in v.currency_codes)
    line = BillLineDraft(account_id=account.id, total_amount=Decimal(amount))
    draft = BillCreate(vendor_id=vendor.id, issue_date=TODAY, currency_code=currency, line_items=(line,))
    return done(await company.bills.create(draft, idempotency_key=key()))


async def payment_of(company: CompanyClient, *bills: Bill, amount: str, **more: Any) -> BillPaymentCreate:
    """So much for each of these bills, out of a bank account in their currency."""
    banks = (await company.accounts.list(filter=equal("account_type", "bank"), limit=500)).items
    return BillPaymentCreate(
        account_id=next(one.id for one in banks if one.currency_code == bills[0].currency_code),
        transaction_date=date(2026, 11, 18),
        vendor_id=bills[0].vendor_id or "",
        currency_code=bills[0].currency_code,
        linked_bills=tuple(AllocationDraft(id=bill.id, allocated_amount=Decimal(amount)) for bill in bills),
        **more,
    )
