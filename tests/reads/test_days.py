"""Days: what is overdue follows the company's own date, and a ledger's date is the day it was written as."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.companies.company import Company
from rutter_ap_server.reads.bills import list_bills
from rutter_ap_server.reads.payables import summarize_payables
from rutter_ap_server.rutter import wire
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_tools.bills import ListBills
from rutter_ap_tools.payables import SummarizePayables
from support.practice_company import practice

pytestmark = pytest.mark.anyio
EASTMOST, WESTMOST = ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Etc/GMT+12")
# It is the 20th in the far west, and already the 21st in the far east.
INSTANT = datetime(2026, 11, 20, 23, tzinfo=UTC)


def in_zone(company: Company, zone: ZoneInfo) -> Company:
    return replace(company, clock=FixedClock(INSTANT).in_zone(zone))


async def test_a_bill_is_overdue_once_its_day_is_over_there(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, _):
        west = await list_bills(in_zone(company, WESTMOST), ListBills())
        east = await list_bills(in_zone(company, EASTMOST), ListBills())
        assert (west.today, east.today) == (date(2026, 11, 20), date(2026, 11, 21))
        late = {bill.id: bill.days_overdue for bill in west.bills if bill.days_overdue}
        assert late
        assert {bill.id: bill.days_overdue for bill in east.bills if bill.id in late} == {
            bill_id: days + 1 for bill_id, days in late.items()
        }


async def test_aging_is_counted_from_the_companys_date(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, _):
        west = await summarize_payables(in_zone(company, WESTMOST), SummarizePayables())
        east = await summarize_payables(in_zone(company, EASTMOST), SummarizePayables())
        assert (west.as_of, east.as_of) == (date(2026, 11, 20), date(2026, 11, 21))


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-01",
        "2026-03-01T00:00:00",
        "2026-03-01T00:00:00.000Z",
        "2026-03-01T00:00:00-08:00",
        "2026-03-01T00:00:00.000+00:00",
        "2026-03-01T00:00:00+14:00",
        "2026-03-01T23:00:00Z",
        "2026-03-01T23:59:59-12:00",
        "2026-03-01T00:00:00+0530",
    ],
)
def test_a_ledgers_date_is_the_day_it_was_written_as(written: str) -> None:
    bill = {"id": "b", "amount_due": 1, "total_amount": 1, "currency_code": "USD", "status": "open"}
    due = wire.decode(json.dumps(bill | {"due_date": written}).encode(), Bill).due_date
    assert due is not None
    assert due.tzinfo is not None
    assert due.date() == date(2026, 3, 1)


@pytest.mark.parametrize("offset", [b"-12:00", b"-08:00", b"+05:30", b"+14:00"])
async def test_midnight_in_another_zone_is_still_that_day(offset: bytes, tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, wire_to_it):
        usual = await list_bills(company, ListBills())
        wire_to_it.replaced[b"T00:00:00.000Z"] = b"T00:00:00.000" + offset
        moved = await list_bills(company, ListBills())
        assert moved.bills == usual.bills
        assert any(bill.days_overdue for bill in moved.bills)
