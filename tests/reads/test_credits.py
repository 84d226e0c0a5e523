"""Listing credit memos: what is left of them, and which bills the rest went to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.companies.company import Company, CompanyIdentity
from rutter_ap_server.reads.credits import list_credits
from rutter_ap_server.rutter.errors import NotSupportedHere
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.models.credits import (
    BillCreditApplicationCreate,
    BillCreditMemo,
    BillCreditMemoCreate,
    CreditLineDraft,
)
from rutter_ap_server.rutter.models.payments import AllocationDraft
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_tools.credits import CreditRow, ListCredits
from rutter_ap_tools.errors import Ambiguous, BadInput
from rutter_ap_tools.wire import MoneyShape
from support.practice_company import practice
from support.serving import done, serving, text_of

pytestmark = pytest.mark.anyio
PLATFORMS = ("QUICKBOOKS", "XERO", "NETSUITE", "SAGE_INTACCT")


async def everything(company: Company, **question: Any) -> list[CreditRow]:
    """Every page of a question, one after the other."""
    rows: list[CreditRow] = []
    cursor = ""
    while True:
        page = await list_credits(company, ListCredits(**question, cursor=cursor))
        rows += page.credits
        if page.next_cursor is None:
            return rows
        cursor = page.next_cursor


async def open_bill(company: Company) -> Bill:
    """A bill on which much is due."""
    bills = [bill async for bill in company.rutter.bills.walk()]
    return next(bill for bill in bills if bill.status == "open" and (bill.amount_due or 0) > 200)


async def enter(company: Company, bill_id: str, amount: str, key: str) -> BillCreditMemo:
    """A credit of a bill's vendor, in its currency."""
    bill = await company.rutter.bills.get(bill_id)
    assert bill.vendor_id
    line = CreditLineDraft(account_id=bill.line_items[0].account_id or "", total_amount=Decimal(amount))
    draft = BillCreditMemoCreate(
        vendor_id=bill.vendor_id,
        issue_date=datetime(2026, 11, 1 + len(key), tzinfo=UTC),
        currency_code=bill.currency_code,
        line_items=(line,),
    )
    outcome = await company.rutter.bill_credit_memos.create(draft, idempotency_key=key)
    assert isinstance(outcome, Done)
    return outcome.record


async def apply(company: Company, credit: BillCreditMemo, bill_id: str, amount: str) -> None:
    assert credit.vendor_id
    application = BillCreditApplicationCreate(
        bill_credit_memo_id=credit.id,
        vendor_id=credit.vendor_id,
        transaction_date=datetime(2026, 11, 20, tzinfo=UTC),
        currency_code=credit.currency_code or "",
        linked_bills=(AllocationDraft(id=bill_id, allocated_amount=Decimal(amount)),),
    )
    outcome = await company.rutter.bill_credit_applications.apply(application, idempotency_key=f"{credit.id}{amount}")
    assert isinstance(outcome, Done)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_only_what_is_left_is_open_and_used_credit_names_bills(platform: str, tmp_path: Path) -> None:
    async with practice(tmp_path, platform) as (company, _):
        before = {row.id for row in await everything(company)}
        bill = await open_bill(company)
        whole, part, used = [await enter(company, bill.id, "60.00", key) for key in ("a", "bb", "ccc")]
        await apply(company, part, bill.id, "45.50")
        await apply(company, used, bill.id, "60.00")
        opened = {row.id: row for row in await everything(company, limit=1)}
        assert set(opened) - before == {whole.id, part.id}
        every = {row.id: row for row in await everything(company, limit=2, status="any")}
        assert set(every) == {c.id async for c in company.rutter.bill_credit_memos.walk()}
        currency = bill.currency_code
        row = every[part.id]
        assert row.remaining == MoneyShape(amount="14.50", currency=currency)
        assert row.total == MoneyShape(amount="60.00", currency=currency)
        assert [(a.bill_id, a.amount.amount) for a in row.applied] == [(bill.id, "45.50")]
        assert (row.status, every[used.id].status, every[whole.id].status) == ("partially_paid", "paid", "open")
        assert every[used.id].remaining.amount == "0.00"
        assert every[whole.id].applied == []
        theirs = await everything(company, vendor=bill.vendor_id, status="any")
        assert {row.id for row in theirs} == {r.id for r in every.values() if r.vendor.id == bill.vendor_id}


@pytest.mark.parametrize("platform", ["QUICKBOOKS", "SAGE_INTACCT"])
async def test_the_latest_credit_comes_first(platform: str, tmp_path: Path) -> None:
    async with practice(tmp_path, platform, page_objects_max=1) as (company, _):
        bill = await open_bill(company)
        entered = [(await enter(company, bill.id, "5.00", key)).id for key in ("a", "bb", "ccc")]
        rows = [row.id for row in await everything(company, limit=2) if row.id in entered]
        assert rows == entered[::-1]


async def test_the_storys_credit_as_an_assistant_reads_it(home: Path) -> None:
    async with serving(home) as (client, _):
        found = await done(client, "list_credits", vendor="Acme Office Supply")
        said = text_of(await client.call_tool("list_credits", {"vendor": "Acme Office Supply"}))
        nothing = text_of(await client.call_tool("list_credits", {"vendor": "Fjord Timber AS"}))
    (credit,) = found["credits"]
    assert credit["document_number"] == "CM-0117"
    assert credit["vendor"]["name"] == "Acme Office Supply"
    assert credit["remaining"] == credit["total"] == {"amount": "120.00", "currency": "USD"}
    assert date.fromisoformat(credit["issue_date"])
    assert (
        f"{credit['id']} | CM-0117 | Acme Office Supply | open | {credit['issue_date']} | 120.00 USD | 120.00 | "
        in said
    )
    assert nothing.endswith("No credits match.")


async def test_a_credit_without_a_usable_currency_is_left_out_by_name(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, wire):
        wire.replaced = {b'"currency_code":"USD","memo":"Credit': b'"currency_code":null,"memo":"Credit'}
        page = await list_credits(company, ListCredits())
    assert page.credits == []
    (note,) = page.notes
    assert "was left out: the ledger has no currency for its credit total" in note


async def test_a_platform_without_credit_memos_is_not_even_asked(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, wire):
        identity = CompanyIdentity(company.id, company.name, "DYNAMICS365", "embedded")
        with pytest.raises(NotSupportedHere):
            await list_credits(replace(company, identity=identity), ListCredits())
        assert wire.asked == []


async def test_a_wrong_cursor_and_an_ambiguous_vendor_are_refused(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, _):
        bill = await open_bill(company)
        for key in ("a", "bb"):
            await enter(company, bill.id, "5.00", key)
        first = await list_credits(company, ListCredits(limit=1))
        assert first.next_cursor
        with pytest.raises(BadInput, match="cursor"):
            await list_credits(company, ListCredits(limit=1, status="any", cursor=first.next_cursor))
        with pytest.raises(Ambiguous):
            await list_credits(company, ListCredits(vendor="Acme"))
