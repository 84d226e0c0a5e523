"""A bill is not given another issue date without a person, nor under a payment or into another year by the chat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.guard.date_rules import issue_date_moved
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.writes.base import Write
from rutter_ap_server.guard.writes.update_bill import UpdateBillWrite
from rutter_ap_server.guard.writes.update_bill_rules import ChangeFacts
from rutter_ap_tools.bills import UpdateBill
from rutter_ap_tools.findings import Severity
from support.bench import Bench, a_bench, codes
from support.facts import a_bill, a_prepared_write, some_facts, stored, usd
from support.people import accepts
from support.runs import run_of

WRITE: Write[Any] = UpdateBillWrite()


async def redate(bench: Bench, day: str = "2026-01-02") -> list[tuple[str, str]]:
    """What stands against that issue date when a person in the chat would agree to it; nothing if it is posted."""
    result = await bench.submit(UpdateBill(bill_id=(await bench.bill("NW-2291")).id, issue_date=day), accepts())
    assert (result.status == "held") is any(one.severity is Severity.APPROVE for one in result.findings)
    return [(one.code, one.severity.word) for one in result.findings]


async def test_a_bill_is_redated_by_a_person(home: Path) -> None:
    async with a_bench(home) as bench:
        bill = await bench.bill("NW-2291")
        assert (await bench.submit(UpdateBill(bill_id=bill.id, issue_date="2026-01-02"))).status == "held"
        assert await redate(bench) == [("bill.issue_date_moved", "ask")]


async def test_into_another_year_only_by_an_approver(home: Path) -> None:
    async with a_bench(home) as bench:
        assert await redate(bench, "2025-12-30") == [("bill.issue_date_moved", "approve")]


async def test_under_an_open_payment_only_by_an_approver(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.pay("NW-2291", "10.00")
        assert await redate(bench) == [("bill.issue_date_moved", "approve")]


async def test_under_an_open_run_only_by_an_approver(home: Path) -> None:
    async with a_bench(home) as bench:
        await run_of(bench, "NW-2291", "BH-5520")
        assert await redate(bench) == [("bill.issue_date_moved", "approve")]


async def test_under_a_posted_payment_only_by_an_approver(home: Path) -> None:
    async with a_bench(home) as bench:
        assert (await bench.pay("NW-2291", "10.00", accepts())).status == "posted"
        assert await redate(bench) == [("bill.issue_date_moved", "approve")]


async def test_a_date_moved_first_hides_no_early_payment(home: Path) -> None:
    async with a_bench(home) as bench:
        bill = await bench.bill("NW-2291")
        await bench.submit(UpdateBill(bill_id=bill.id, issue_date="2026-01-02"))

        assert "payment.before_bill" in codes(await bench.pay("NW-2291", date="2026-01-05", dry_run=True))


@pytest.mark.parametrize(
    ("bill", "day", "expected"),
    [
        ({}, "2026-02-01", []),
        ({}, "2026-02-02", ["ask"]),
        ({}, "2026-01-01", ["ask"]),
        ({}, "2025-12-31", ["approve"]),
        ({"issued": None}, "2026-02-02", ["ask"]),
        ({"status": "draft"}, "2025-12-31", []),
        ({"due": usd("99.99")}, "2026-02-02", ["approve"]),
    ],
)
def test_it_speaks_exactly_at_its_edge(bill: dict[str, Any], day: str, expected: list[str]) -> None:
    seen = ChangeFacts(bill=a_bill(**bill), is_shown=False, accounts=(), others=(), now={})
    prepared = a_prepared_write(tool="update_bill", fields={"changes": {"issue_date": day}})

    found = issue_date_moved(WRITE, prepared, some_facts(seen=seen), stored(), Policy())

    assert isinstance(found, list)
    assert [one.severity.word for one in found] == expected
