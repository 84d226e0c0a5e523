"""Listing bills: one question, whatever filters the platform has; pages that lose nothing and repeat nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.companies.company import Company, CompanyIdentity
from rutter_ap_server.companies.directory import Directory
from rutter_ap_server.documents.files import Documents
from rutter_ap_server.reads.bills import list_bills
from rutter_ap_server.rutter import Credentials, RutterClient
from rutter_ap_tools.bills import BillRow, ListBills
from rutter_ap_tools.errors import Ambiguous, BadInput, NotFound
from support.seeded import seeded_sandbox

pytestmark = pytest.mark.anyio
TODAY = date(2026, 11, 20)
PLATFORMS = ("QUICKBOOKS", "XERO", "NETSUITE", "SAGE_INTACCT")


@asynccontextmanager
async def a_company(platform: str, tmp_path: Path) -> AsyncIterator[Company]:
    """The seeded company on that platform."""
    sandbox = seeded_sandbox(today=TODAY)
    connection = next(c for c in sandbox.connections if c.platform == platform)
    client = RutterClient(
        Credentials(sandbox.client_id, sandbox.client_secret),
        base_url="http://sandbox/versioned",
        transport=httpx.ASGITransport(sandbox.asgi),
    )
    clock = FixedClock(datetime(2026, 11, 20, 12, tzinfo=UTC))
    books = client.connection(connection.access_token)
    try:
        yield Company(
            identity=CompanyIdentity(connection.id, connection.name, platform, "embedded"),
            rutter=books,
            directory=Directory(books, clock),
            documents=Documents((), tmp_path / "uploads"),
            clock=clock,
        )
    finally:
        await client.aclose()
        sandbox.close()


async def everything(company: Company, **question: Any) -> list[BillRow]:
    """Every page of a question, one after the other."""
    rows: list[BillRow] = []
    cursor = ""
    while True:
        page = await list_bills(company, ListBills(**question, cursor=cursor))
        rows += page.bills
        if page.next_cursor is None:
            return rows
        cursor = page.next_cursor


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("sort", ["due_date", "-due_date", "updated_at", "-updated_at"])
async def test_pages_of_any_size_hold_every_unpaid_bill_once_in_order(platform: str, sort: str, tmp_path: Path) -> None:
    async with a_company(platform, tmp_path) as company:
        unpaid = {b.id async for b in company.rutter.bills.walk() if b.status in ("open", "partially_paid")}
        for limit in (1, 3, 200):
            rows = await everything(company, limit=limit, sort=sort)
            assert len(rows) == len(unpaid)
            assert {row.id for row in rows} == unpaid
            if sort == "due_date" and platform != "SAGE_INTACCT":
                due = [row.due_date for row in rows if row.due_date]
                assert due == sorted(due)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_each_question_answers_exactly_the_bills_that_fit_it(platform: str, tmp_path: Path) -> None:
    async with a_company(platform, tmp_path) as company:
        bills = [b async for b in company.rutter.bills.walk()]
        vendor_id = next(b.vendor_id for b in bills if b.vendor_id)

        def expected(fits: Any) -> set[str]:
            return {b.id for b in bills if fits(b)}

        async def asked(**question: Any) -> set[str]:
            return {row.id for row in await everything(company, limit=7, **question)}

        assert await asked(status="any") == expected(lambda b: True)
        assert await asked(status="paid") == expected(lambda b: b.status == "paid")
        assert await asked(status="any", vendor=vendor_id) == expected(lambda b: b.vendor_id == vendor_id)
        unpaid = ("open", "partially_paid")
        late = expected(lambda b: b.status in unpaid and b.due_date and b.due_date.date() < TODAY)
        assert await asked(overdue=True) == late
        from_day, to_day = date(2026, 11, 10), date(2026, 12, 5)
        window = expected(
            lambda b: b.status in unpaid and b.due_date is not None and from_day <= b.due_date.date() <= to_day
        )
        assert await asked(due_from="2026-11-10", due_to="2026-12-05") == window
        number = next(b.document_number for b in bills if b.document_number)
        assert await asked(status="any", document_number=number) == expected(lambda b: b.document_number == number)


async def test_days_overdue_and_amounts_are_exact(tmp_path: Path) -> None:
    async with a_company("QUICKBOOKS", tmp_path) as company:
        page = await list_bills(company, ListBills(document_number="NW-2291"))
        (bill,) = page.bills
        assert bill.due.model_dump() == {"amount": "684.20", "currency": "USD"}
        assert bill.due_date is not None
        assert bill.days_overdue == (TODAY - bill.due_date).days > 0


async def test_a_cursor_serves_only_the_question_it_came_from(tmp_path: Path) -> None:
    async with a_company("QUICKBOOKS", tmp_path) as company:
        first = await list_bills(company, ListBills(limit=2))
        assert first.next_cursor
        with pytest.raises(BadInput, match="cursor"):
            await list_bills(company, ListBills(limit=2, status="any", cursor=first.next_cursor))
        for broken in ("x", first.next_cursor[:-4], "W10", "bnVsbA"):
            with pytest.raises(BadInput, match="cursor"):
                await list_bills(company, ListBills(limit=2, cursor=broken))


async def test_a_name_that_means_several_vendors_is_never_guessed_at(tmp_path: Path) -> None:
    async with a_company("QUICKBOOKS", tmp_path) as company:
        with pytest.raises(Ambiguous) as several:
            await company.directory.vendor("Acme")
        assert [name for _, name in several.value.candidates] == ["Acme Office Supply", "Acme Packaging"]
        with pytest.raises(NotFound):
            await company.directory.vendor("Nobody at all")
        found = await company.directory.vendor("  acme OFFICE supply ")
        assert found.vendor_name == "Acme Office Supply"
        by_id = await company.directory.vendor(found.id)
        assert by_id.id == found.id
