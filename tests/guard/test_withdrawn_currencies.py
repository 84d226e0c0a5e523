"""Withdrawn currencies: old bills in one are read and compared, and nothing new is entered or paid in it."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.writes.create_bill import CreateBillWrite
from rutter_ap_server.guard.writes.create_credit import CreateCreditWrite
from rutter_ap_server.guard.writes.pay_bill import PayBillWrite
from rutter_ap_server.rutter.models.bills import BillCreate, BillLineDraft
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_tools.bills import CreateBill
from rutter_ap_tools.credits import CreateCredit
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.payments import PayBill
from support.practice_company import practice

pytestmark = pytest.mark.anyio
VENDOR, ACCOUNT = "Marrow Medical", "General Expenses"


async def no_account(role: str) -> str | None:
    return None


async def an_old_bill(company: Company) -> str:
    """A bill in kuna, which Croatia gave up in January 2023."""
    draft = BillCreate(
        vendor_id=(await company.directory.vendor(VENDOR)).id,
        issue_date=date(2022, 11, 3),
        currency_code="HRK",
        document_number="OLD-1",
        line_items=(
            BillLineDraft(total_amount=Decimal("75.30"), account_id=(await company.directory.account(ACCOUNT)).id),
        ),
    )
    outcome = await company.rutter.bills.create(draft, idempotency_key="by hand")
    assert isinstance(outcome, Done)
    return outcome.record.id


def new_document(currency: str) -> dict[str, object]:
    line = {"amount": "10.00", "account": ACCOUNT}
    return {"vendor": VENDOR, "issue_date": "2026-03-01", "currency": currency, "lines": [line]}


async def test_an_old_bill_is_compared_with_a_new_one(tmp_path: Path) -> None:
    async with practice(tmp_path, "SAGE_INTACCT") as (company, _):
        old = await an_old_bill(company)
        write = CreateBillWrite()

        prepared = await write.prepare(CreateBill.model_validate(new_document("USD")), company, no_account)
        gathered = await write.gather(prepared, company)
        assert [str(bill.total) for bill in gathered.seen.earlier if bill.id == old] == ["75.30 HRK"]


async def test_nothing_new_is_entered_or_paid_in_it(tmp_path: Path) -> None:
    async with practice(tmp_path, "SAGE_INTACCT") as (company, _):
        old = await an_old_bill(company)
        bank = next(one for one in (await company.directory.accounts()).values() if one.account_type == "bank")
        bill = CreateBill.model_validate(new_document("HRK"))
        credit = CreateCredit.model_validate(new_document("HRK"))
        refused = [
            await refusal(CreateBillWrite().prepare(bill, company, no_account)),
            await refusal(CreateCreditWrite().prepare(credit, company, no_account)),
            await refusal(PayBillWrite().prepare(PayBill(bill_id=old, account=bank.id), company, no_account)),
        ]
    assert [error.error_code for error in refused] == ["currency.withdrawn"] * 3
    assert all("HRK was withdrawn in 2023-01" in error.message for error in refused)


async def refusal(preparing: Awaitable[object]) -> BadInput:
    with pytest.raises(BadInput) as refused:
        await preparing
    return refused.value
