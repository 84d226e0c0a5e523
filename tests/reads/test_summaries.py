"""What is owed as a whole: against the ledger itself, on every platform, and honest where it was not read whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec import UNSET

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.companies.company import Company, CompanyIdentity
from rutter_ap_server.reads.payables import summarize_payables
from rutter_ap_server.rutter.models.bills import Bill, BillCreate, BillLineDraft
from rutter_ap_server.rutter.models.credits import BillCreditMemoCreate, CreditLineDraft
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_tools.payables import SUMMARIZE_PAYABLES, CurrencyPayables, PayablesSummary, SummarizePayables
from rutter_ap_tools.render import NOT_KNOWN
from rutter_ap_tools.wire import MoneyShape
from support.practice_company import NOON, TODAY, practice
from support.serving import done, failed, serving, text_of

pytestmark = pytest.mark.anyio
PLATFORMS = ("QUICKBOOKS", "XERO", "NETSUITE", "SAGE_INTACCT")


def due(bills: Iterable[Bill], currency: str) -> MoneyShape:
    """What is due on bills, added up by hand."""
    return MoneyShape(amount=str(sum((b.amount_due or Decimal(0) for b in bills), Decimal("0.00"))), currency=currency)


def day(bill: Bill) -> date:
    assert bill.due_date
    return bill.due_date.date()


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_every_figure_agrees_with_the_ledgers_own_bills(platform: str, tmp_path: Path) -> None:
    async with practice(tmp_path, platform, page_objects_max=7) as (company, _):
        bills = [b async for b in company.rutter.bills.walk() if b.status in ("open", "partially_paid")]
        found = await summarize_payables(company, SummarizePayables(days=10))
        assert (found.complete, found.notes, found.as_of) == (True, [], TODAY)
        assert [one.currency for one in found.currencies] == sorted({b.currency_code for b in bills})
        for one in found.currencies:
            theirs = [b for b in bills if b.currency_code == one.currency]
            late = [b for b in theirs if day(b) < TODAY]
            assert (one.bills, one.due) == (len(theirs), due(theirs, one.currency))
            assert one.overdue == due(late, one.currency)
            not_due = one.aging[0]
            assert (not_due.bucket, not_due.bills) == ("not_due", len(theirs) - len(late))
            assert not_due.due == due((b for b in theirs if day(b) >= TODAY), one.currency)
            soon = [b for b in theirs if day(b) <= TODAY + timedelta(days=10)]
            assert (one.cash_needed[-1].cumulative if soon else None) == (due(soon, one.currency) if soon else None)
            assert {row.vendor.id: (row.bills, row.due) for row in one.vendors} == {
                vendor: (len(owed), due(owed, one.currency))
                for vendor in {b.vendor_id for b in theirs}
                for owed in [[b for b in theirs if b.vendor_id == vendor]]
            }


async def test_the_story_as_an_assistant_reads_it(home: Path) -> None:
    async with serving(home) as (client, _):
        found = await done(client, "summarize_payables")
        said = text_of(await client.call_tool("summarize_payables", {}))
        bills = (await done(client, "list_bills"))["totals"]
    assert found["complete"] is True
    euro, dollar = found["currencies"]
    assert [{"bills": c["bills"], "due": c["due"]} for c in (euro, dollar)] == [
        {"bills": t["bills"], "due": t["due"]} for t in bills
    ]
    assert dollar["open_credits"] == {"amount": "120.00", "currency": "USD"}
    assert "open_credits" not in euro
    acme = next(row for row in dollar["vendors"] if row["vendor"]["name"] == "Acme Office Supply")
    assert acme["open_credits"] == {"amount": "120.00", "currency": "USD"}
    assert dollar["vendors"][0]["vendor"]["name"] == "Fjord Timber AS"
    (pair,) = found["possible_duplicates"]
    assert pair["reason"] == "same_number"
    assert [bill["document_number"] for bill in pair["bills"]] == ["INV-1043", "INV1043"]
    assert "USD: 13 bills, due 50405.85, overdue 13482.65, open credits 120.00" in said
    assert "possible duplicate, same number: Acme Office Supply INV-1043 (" in said
    assert "INCOMPLETE" not in said


async def test_one_vendor_and_another_day_narrow_and_move_the_figures(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, _):
        found = await summarize_payables(company, SummarizePayables(vendor="Kestrel Freight", as_of="2027-01-20"))
    (euro,) = found.currencies
    assert (euro.currency, euro.bills, euro.open_credits) == ("EUR", 2, None)
    assert euro.overdue == euro.due == MoneyShape(amount="2195.50", currency="EUR")
    assert {bucket.bucket: bucket.bills for bucket in euro.aging if bucket.bills} == {"31-60": 1, "61-90": 1}
    assert found.possible_duplicates == []
    assert found.notes == ["Only the aging is as of that date; the amounts are those due today."]


async def test_vendors_past_the_limit_are_counted_and_summed_in_a_note(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, _):
        found = await summarize_payables(company, SummarizePayables(limit=2))
        whole = await summarize_payables(company, SummarizePayables())
    assert [len(one.vendors) for one in found.currencies] == [1, 2]
    assert found.notes == ["USD: 5 more vendors, owed 4725.85 USD in total, are not shown."]
    assert [one.due for one in found.currencies] == [one.due for one in whole.currencies]
    assert whole.notes == []


@pytest.mark.parametrize("platform", ["QUICKBOOKS", "SAGE_INTACCT"])
async def test_what_was_not_read_whole_is_never_passed_off_as_whole(platform: str, tmp_path: Path) -> None:
    async with practice(tmp_path, platform, page_objects_max=1, bills=80) as (company, _):
        if platform == "SAGE_INTACCT":
            like = await a_bill(company)
            for number in range(45):
                await enter(company, f"MANY-{number}", "1.00", date(2026, 9, 1) + timedelta(days=number), like)
        found = await summarize_payables(company, SummarizePayables())
        said = SUMMARIZE_PAYABLES.render(found)
        bills = [b async for b in company.rutter.bills.walk(page_size=500) if b.status in ("open", "partially_paid")]
    assert found.complete is False
    assert "There are more unpaid bills than can be read; filter by vendor." in found.notes
    assert "INCOMPLETE: the figures below are too low." in said
    assert sum(one.bills for one in found.currencies) < len(bills)


async def test_an_unusable_amount_makes_the_summary_incomplete_by_name(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, wire):
        wire.replaced = {b"27350.00": b"27350.005"}
        found = await summarize_payables(company, SummarizePayables())
    assert found.complete is False
    (note,) = found.notes
    assert "was left out: the ledger's total of 27350.005 is not valid in USD" in note


async def test_credits_that_cannot_be_read_are_not_shown_as_none(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, wire):
        wire.missing = {"bill_credit_memos"}
        found = await summarize_payables(company, SummarizePayables())
        refused = "Rutter does not offer the bill credit memos of this company"
        look = "A person can look in the accounting platform."
        assert found.notes == [f"{NOT_KNOWN}whether there are open credits. {refused}. {look}"]
        assert all(one.open_credits is None for one in found.currencies)
        identity = CompanyIdentity(company.id, company.name, "DYNAMICS365", "embedded")
        there = await summarize_payables(replace(company, identity=identity), SummarizePayables())
        assert [note.startswith(f"{NOT_KNOWN}whether there are open credits") for note in there.notes] == [True]


async def test_a_credit_in_a_currency_without_bills_is_still_shown(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, wire):
        wire.replaced = {b'"currency_code":"USD","memo":"Credit': b'"currency_code":"GBP","memo":"Credit'}
        found = await summarize_payables(company, SummarizePayables())
    pounds = next(one for one in found.currencies if one.currency == "GBP")
    assert (pounds.bills, pounds.due.amount, pounds.vendors) == (0, "0.00", [])
    assert pounds.open_credits == MoneyShape(amount="120.00", currency="GBP")
    assert "GBP: 0 bills, due 0.00, overdue 0.00, open credits 120.00" in SUMMARIZE_PAYABLES.render(found)


@pytest.mark.parametrize("platform", ["QUICKBOOKS", "SAGE_INTACCT"])
async def test_an_unpaid_bill_like_a_recently_paid_one_is_flagged(platform: str, tmp_path: Path) -> None:
    async with practice(tmp_path, platform) as (company, _):
        paid = [b async for b in company.rutter.bills.walk() if b.status == "paid" and b.issue_date][-1]
        assert paid.issue_date
        again = await enter(company, "ANOTHER", str(paid.total_amount), paid.issue_date.date(), like=paid)
        same = await enter(company, f" {paid.document_number} ".lower(), "3.00", TODAY, like=paid)
        found = await summarize_payables(company, SummarizePayables(vendor=paid.vendor_id or ""))
    told = {(p.reason, frozenset(b.id for b in p.bills)) for p in found.possible_duplicates}
    assert {("same_total", frozenset((paid.id, again))), ("same_number", frozenset((paid.id, same)))} <= told
    unpaid = {bill.id: bill.unpaid for pair in found.possible_duplicates for bill in pair.bills}
    assert (unpaid[paid.id], unpaid[again], unpaid[same]) == (False, True, True)


async def test_a_bill_paid_long_ago_is_not_compared_with(tmp_path: Path) -> None:
    for platform in ("QUICKBOOKS", "SAGE_INTACCT"):
        async with practice(tmp_path, platform) as (company, _):
            paid = [b async for b in company.rutter.bills.walk() if b.status == "paid"][-1]
            await enter(company, paid.document_number or "", "3.00", TODAY, like=paid)
            ask = SummarizePayables(vendor=paid.vendor_id or "")
            assert len((await summarize_payables(company, ask)).possible_duplicates) == 1
            later = replace(company, clock=FixedClock(NOON + timedelta(days=200)))
            assert (await summarize_payables(later, ask)).possible_duplicates == []


async def test_two_credits_of_one_vendor_are_added_up(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, _):
        (credit,) = [c async for c in company.rutter.bill_credit_memos.walk()]
        line = CreditLineDraft(account_id=credit.line_items[0].account_id or "", total_amount=Decimal("30.25"))
        draft = BillCreditMemoCreate(
            vendor_id=credit.vendor_id or "", issue_date=NOON, currency_code="USD", line_items=(line,)
        )
        assert isinstance(await company.rutter.bill_credit_memos.create(draft, idempotency_key="second"), Done)
        one = dollars(await summarize_payables(company, SummarizePayables()))
    assert one.open_credits == MoneyShape(amount="150.25", currency="USD")
    assert [row.open_credits for row in one.vendors if row.vendor.id == credit.vendor_id] == [one.open_credits]


async def test_a_bill_without_a_due_date_is_owed_but_not_cash_needed(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, _):
        kept = await summarize_payables(company, SummarizePayables(days=365))
        await enter(company, "NO-DAY", "77.00", None)
        found = await summarize_payables(company, SummarizePayables(days=365))
    before, after = dollars(kept), dollars(found)
    assert Decimal(after.due.amount) - Decimal(before.due.amount) == 77
    assert (after.aging[-1].bucket, after.aging[-1].bills) == ("no_due_date", 1)
    assert after.cash_needed == before.cash_needed
    assert found.notes == ["USD: bills without a due date, not included in the cash needed: 1."]


async def test_what_cannot_be_asked_is_refused_in_words(home: Path) -> None:
    async with serving(home) as (client, _):
        assert (await failed(client, "summarize_payables", as_of="9999-12-31"))["code"] == "bad_input"
        assert (await failed(client, "summarize_payables", days=366))["code"] == "bad_input"
        assert (await failed(client, "summarize_payables", vendor="Acme"))["code"] == "ambiguous"
        nothing = text_of(await client.call_tool("summarize_payables", {"vendor": "Old Mill Printing"}))
    assert nothing.endswith("There are no unpaid bills.")


def dollars(found: PayablesSummary) -> CurrencyPayables:
    return next(one for one in found.currencies if one.currency == "USD")


async def a_bill(company: Company) -> Bill:
    """A bill in dollars."""
    return [b async for b in company.rutter.bills.walk() if b.currency_code == "USD"][-1]


async def enter(company: Company, number: str, amount: str, due_date: date | None, like: Bill | None = None) -> str:
    """A bill of the vendor and on the account of another one, issued on the day it is due, or today."""
    like = like or await a_bill(company)
    assert like.vendor_id
    line = BillLineDraft(account_id=like.line_items[0].account_id or "", total_amount=Decimal(amount))
    issued = datetime.combine(due_date or TODAY, datetime.min.time(), tzinfo=UTC)
    draft = BillCreate(
        vendor_id=like.vendor_id,
        issue_date=issued,
        currency_code=like.currency_code,
        document_number=number,
        line_items=(line,),
        due_date=issued if due_date else UNSET,
    )
    outcome = await company.rutter.bills.create(draft, idempotency_key=number)
    assert isinstance(outcome, Done)
    return outcome.record.id
