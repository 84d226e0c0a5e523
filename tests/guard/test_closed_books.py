"""What the ledger itself says of closed books holds before anything is sent, whether the policy knows of it or not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from rutter_ap_server.guard.gathering import gather_facts
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.store_facts import linked_accounts
from rutter_ap_server.guard.writes.base import Facts
from rutter_ap_server.guard.writes.registry import write_named
from rutter_ap_tools.bills import CreateBill, NewBillLine
from rutter_ap_tools.errors import Refused
from rutter_ap_tools.payments import ProposePaymentRun
from support.bench import Bench, a_bench, codes


async def closed(bench: Bench) -> date:
    day = await bench.company.directory.closed_up_to()
    assert day is not None
    return day


def a_bill_of(day: date) -> CreateBill:
    line = NewBillLine(amount="10.01", account="Utilities")
    return CreateBill(
        vendor="Northwind Utilities",
        issue_date=day.isoformat(),
        currency="USD",
        document_number="OLD-1",
        lines=[line],
        dry_run=True,
    )


async def test_a_bill_dated_on_the_last_closed_day_is_refused(home: Path) -> None:
    async with a_bench(home) as bench:
        last = await closed(bench)

        refused = await bench.submit(a_bill_of(last))
        taken = await bench.submit(a_bill_of(last + timedelta(days=1)))

        assert "bill.closed_period" in codes(refused)
        assert refused.verdict == "refuse"
        assert "bill.closed_period" not in codes(taken)
        assert bench.wire.writes == []


async def test_payments_and_runs_into_closed_books_are_refused_unsent(home: Path) -> None:
    async with a_bench(home) as bench:
        last = (await closed(bench)).isoformat()
        bill = await bench.bill("NW-2291")

        with pytest.raises(Refused) as one:
            await bench.pay("NW-2291", date=last)
        with pytest.raises(Refused) as many:
            await bench.submit(ProposePaymentRun(bill_ids=[bill.id], account="Operating Checking", date=last))

        for refused in (one, many):
            assert "bill.closed_period" in [f.code for f in refused.value.findings]
        assert bench.wire.writes == []


async def test_where_the_ledger_says_nothing_it_is_not_asked(home: Path) -> None:
    async with a_bench(home) as bench:
        elsewhere = replace(bench.company, identity=replace(bench.company.identity, platform="XERO"))
        kind = write_named("create_bill")
        prepared = await kind.prepare(a_bill_of(date(2020, 1, 1)), elsewhere, linked_accounts(bench.app.store, "c"))
        facts = await gather_facts(kind, prepared, elsewhere)
        assert isinstance(facts, Facts)
        assert facts.closed_up_to is None


def test_the_later_of_both_days_counts() -> None:
    early, late = date(2026, 1, 31), date(2026, 2, 28)

    assert Policy(closing_date=early).closed(late).closing_date == late
    assert Policy(closing_date=late).closed(early).closing_date == late
    assert Policy(closing_date=early).closed(None).closing_date == early
    assert Policy().closed(late).closing_date == late
    assert Policy().closed(None).closing_date is None
