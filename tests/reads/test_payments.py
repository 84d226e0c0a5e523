"""Listing payments: exactly those that fit, whatever the platform filters, each once over pages of any size."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.companies.company import Company
from rutter_ap_server.reads.payments import list_payments
from rutter_ap_server.rutter.models.payments import AllocationDraft, BillPayment, BillPaymentCreate
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.payments import LIST_PAYMENTS, ListPayments, PaymentRow
from support.practice_company import NOON, TODAY, practice
from support.serving import bill_numbered, done, failed, serving, text_of

pytestmark = pytest.mark.anyio
PLATFORMS = ("QUICKBOOKS", "XERO", "NETSUITE", "SAGE_INTACCT")


async def everything(company: Company, **question: Any) -> list[PaymentRow]:
    """Every page of a question, one after the other."""
    rows: list[PaymentRow] = []
    cursor = ""
    while True:
        page = await list_payments(company, ListPayments(**question, cursor=cursor))
        rows += page.payments
        if page.next_cursor is None:
            return rows
        cursor = page.next_cursor


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_pages_of_any_size_hold_every_payment_once_latest_first(platform: str, tmp_path: Path) -> None:
    async with practice(tmp_path, platform, page_objects_max=4) as (company, _):
        known = {p.id: p async for p in company.rutter.bill_payments.walk()}
        for limit in (1, 3, 200):
            rows = await everything(company, limit=limit)
            assert sorted(row.id for row in rows) == sorted(known)
            by_date = platform == "SAGE_INTACCT"
            moments = [str(known[row.id].transaction_date if by_date else known[row.id].created_at) for row in rows]
            assert moments == sorted(moments, reverse=True)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_each_question_answers_exactly_the_payments_that_fit_it(platform: str, tmp_path: Path) -> None:
    async with practice(tmp_path, platform, page_objects_max=4) as (company, _):
        known = [p async for p in company.rutter.bill_payments.walk()]
        vendors = await company.directory.vendors()
        vendor_id = known[0].vendor_id
        assert vendor_id
        days = sorted(p.transaction_date.date() for p in known if p.transaction_date)
        first, last = days[0], days[len(days) // 2]

        async def check(fits: Callable[[BillPayment], bool], **question: Any) -> None:
            rows = await everything(company, limit=2, **question)
            assert sorted(row.id for row in rows) == sorted(p.id for p in known if fits(p))

        def paid(payment: BillPayment) -> date:
            assert payment.transaction_date
            return payment.transaction_date.date()

        await check(lambda p: p.vendor_id == vendor_id, vendor=vendor_id)
        await check(lambda p: p.vendor_id == vendor_id, vendor=vendors[vendor_id].vendor_name)
        await check(lambda p: paid(p) > first, date_from=date.fromordinal(first.toordinal() + 1).isoformat())
        await check(lambda p: paid(p) <= last, date_to=last.isoformat())
        await check(lambda p: paid(p) == first, date_from=first.isoformat(), date_to=first.isoformat())
        bill_id = known[-1].linked_bills[0].id
        await check(lambda p: any(link.id == bill_id for link in p.linked_bills), bill_id=bill_id)
        await check(lambda p: False, bill_id=bill_id, date_to="2001-01-01")


async def test_a_payment_names_its_vendor_account_and_bills(home: Path) -> None:
    async with serving(home) as (client, _):
        bill = await bill_numbered(client, "FT-791")
        found = await done(client, "list_payments", bill_id=bill["id"])
        said = text_of(await client.call_tool("list_payments", {"bill_id": bill["id"]}))
    (payment,) = found["payments"]
    paid = {"amount": "2400.00", "currency": "USD"}
    assert payment["amount"] == paid
    assert payment["bills"] == [{"id": bill["id"], "amount": paid}]
    assert payment["vendor"] == bill["vendor"]
    assert payment["account"]["name"] == "Operating Checking"
    assert payment["status"] == "active"
    assert "next_cursor" not in found
    row = f"{payment['id']} | {payment['date']} | Fjord Timber AS | Operating Checking |  | 2400.00 USD | active | "
    assert row + bill["id"] in said


async def test_a_void_payment_is_shown_as_void_and_settles_nothing(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, _):
        first = (await everything(company))[0]
        outcome = await company.rutter.bill_payments.void(first.id, idempotency_key="never mind")
        assert isinstance(outcome, Done)
        again = {row.id: row for row in await everything(company)}[first.id]
        assert (again.status, again.bills) == ("void", [])
        assert await everything(company, bill_id=first.bills[0].id) == []


async def test_where_a_platform_knows_no_status_none_is_made_up(tmp_path: Path) -> None:
    async with practice(tmp_path, "SAGE_INTACCT") as (company, _):
        page = await list_payments(company, ListPayments())
    assert {row.status for row in page.payments} == {None}
    assert "active" not in LIST_PAYMENTS.render(page)


async def test_a_payment_changed_between_pages_is_not_lost_or_repeated(tmp_path: Path) -> None:
    async with practice(tmp_path, page_objects_max=3) as (company, _):
        known = [p.id async for p in company.rutter.bill_payments.walk()]
        first = await list_payments(company, ListPayments(limit=4))
        assert first.next_cursor
        # One of a later page changes: in the order of changes it would come first now.
        later = (await everything(company))[7]
        outcome = await company.rutter.bill_payments.void(later.id, idempotency_key="between pages")
        assert isinstance(outcome, Done)
        rows, cursor = list(first.payments), first.next_cursor
        while cursor:
            page = await list_payments(company, ListPayments(limit=4, cursor=cursor))
            rows += page.payments
            cursor = page.next_cursor or ""
        assert sorted(row.id for row in rows) == sorted(known)


async def test_a_search_past_the_bound_continues_from_its_cursor(tmp_path: Path) -> None:
    async with practice(tmp_path, page_objects_max=1) as (company, _):
        known = [p async for p in company.rutter.bill_payments.walk()]
        last = min(p.transaction_date.date() for p in known if p.transaction_date)
        page = await list_payments(company, ListPayments(date_to=last.isoformat()))
        assert page.payments == []
        assert [note.split(":")[0] for note in page.notes] == [
            "The search is not complete yet; call again with the cursor to continue."
        ]
        rows = await everything(company, date_to=last.isoformat())
        assert rows
        assert {row.date for row in rows} == {last}


async def test_a_payment_with_an_unusable_amount_is_left_out_by_name(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, wire):
        wire.replaced = {b"2400.00": b"2400.005"}
        page = await list_payments(company, ListPayments(vendor="Fjord Timber AS"))
        assert len(page.payments) == 4
        (note,) = page.notes
        assert "2400.005 is not valid in" in note


async def test_a_full_last_page_promises_no_more_when_sorted_here(tmp_path: Path) -> None:
    async with practice(tmp_path, "SAGE_INTACCT") as (company, _):
        (first,) = [p async for p in company.rutter.bill_payments.walk()]
        bill = next(b for b in [b async for b in company.rutter.bills.walk()] if b.status == "open")
        draft = BillPaymentCreate(
            account_id=first.account_id or "",
            transaction_date=NOON,
            linked_bills=(AllocationDraft(id=bill.id, allocated_amount=Decimal("5.00")),),
        )
        assert isinstance(await company.rutter.bill_payments.create(draft, idempotency_key="a second one"), Done)
        page = await list_payments(company, ListPayments(limit=1))
        assert ([row.date for row in page.payments], bool(page.next_cursor)) == ([TODAY], True)
        page = await list_payments(company, ListPayments(limit=1, date_from=TODAY.isoformat()))
        assert ([row.date for row in page.payments], bool(page.next_cursor)) == ([TODAY], False)


async def test_a_cursor_serves_only_the_question_it_came_from(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, _):
        first = await list_payments(company, ListPayments(limit=2))
        assert first.next_cursor
        with pytest.raises(BadInput, match="cursor"):
            await list_payments(company, ListPayments(limit=2, date_from="2026-01-01", cursor=first.next_cursor))
        with pytest.raises(BadInput, match="cursor"):
            await list_payments(company, ListPayments(limit=2, cursor="x"))


async def test_a_question_that_cannot_be_answered_says_what_is_wrong(home: Path) -> None:
    async with serving(home) as (client, _):
        error = await failed(client, "list_payments", date_from="2026-02-01", date_to="2026-01-31")
        assert (error["code"], "`date_from`" in error["message"]) == ("bad_input", True)
        error = await failed(client, "list_payments", vendor="Acme")
        assert error["code"] == "ambiguous"
        error = await failed(client, "list_payments", bill_id="00000000-0000-4000-8000-000000000000")
        assert error["who"] == "assistant"
        error = await failed(client, "list_payments", date_from="soon")
        assert "YYYY-MM-DD" in error["message"]
        nothing = await client.call_tool("list_payments", {"date_from": "2099-01-01"})
        assert text_of(nothing).endswith("No payments match.")
