"""A vendor with more bills than can be read: they are asked for by number and by date, and a person is the last resort.

The bound is twenty pages. Pages of two bills reach it with a story that is quickly told.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_tools.bills import CreateBill
from rutter_ap_tools.errors import Refused
from rutter_ap_tools.payments import PayBill
from rutter_sandbox import load, open_sandbox
from support.bench import START, Bench, codes
from support.people import accepts

VENDOR = "Load Vendor 000"
BILLS = 45


@asynccontextmanager
async def busy_bench(home: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """A bench whose generated bills are all one vendor's, more than twenty pages of them."""
    monkeypatch.setattr(load, "_BILLS_PER_VENDOR", 1000)
    # All were issued and entered 90 days before that day.
    sandbox = open_sandbox(today=START.date() - timedelta(days=10), bills=BILLS)
    bench = Bench(home, sandbox, FixedClock(START))
    bench.wire.page_bills_max = 2
    try:
        yield bench
    finally:
        await bench.app.aclose()
        sandbox.close()


def a_bill(number: str, **changed: Any) -> CreateBill:
    """A bill of the busy vendor."""
    made = {"vendor": VENDOR, "issue_date": "2026-03-01", "currency": "USD", "document_number": number}
    lines = [{"amount": "4321.09", "account": "Office Supplies"}]
    return CreateBill.model_validate(made | {"lines": lines} | changed)


async def test_a_bill_of_a_vendor_with_very_many_is_entered(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with busy_bench(home, monkeypatch) as bench:
        posted = await bench.submit(a_bill("LOAD-9999"))

        assert (posted.status, codes(posted)) == ("posted", [])


async def test_a_duplicate_among_very_many_bills_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with busy_bench(home, monkeypatch) as bench:
        first = await bench.bill("LOAD-17")
        assert first.issue_date is not None
        day, lines = first.issue_date.date(), [{"amount": f"{first.total_amount:.2f}", "account": "Office Supplies"}]

        with pytest.raises(Refused, match=first.id):
            await bench.submit(a_bill("load 0017", issue_date=str(day), lines=lines))


async def test_an_amount_among_very_many_bills_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with busy_bench(home, monkeypatch) as bench:
        assert (await bench.submit(a_bill("X-1"))).status == "posted"

        held = await bench.submit(a_bill("X-2", issue_date="2026-02-28"), accepts())

        assert (held.status, codes(held)) == ("held", ["bill.similar"])


async def test_a_bill_among_very_many_is_paid(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with busy_bench(home, monkeypatch) as bench:
        bill = await bench.bill("LOAD-44")

        paid = await bench.submit(PayBill(bill_id=bill.id, account="Operating Checking"), accepts())

        assert (paid.status, "bill.duplicate" in codes(paid)) == ("posted", False)


async def test_bills_due_much_later_do_not_stand_in_the_way(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with busy_bench(home, monkeypatch) as bench:
        entry = a_bill("", issue_date="2025-09-25")

        assert "ledger.unusable" not in codes(await bench.submit(entry, accepts()))


async def test_a_person_decides_where_nothing_narrows_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All bills are of the time of the new one, and it has no number."""
    async with busy_bench(home, monkeypatch) as bench:
        held = await bench.submit(a_bill("", issue_date="2025-11-22", due_date="2026-03-30"))

        assert (held.status, "ledger.unusable" in codes(held)) == ("held", True)
        assert "more documents of this vendor than can be read" in "; ".join(one.message for one in held.findings)
