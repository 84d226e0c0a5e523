"""The dates of writes, from the rule's edge to the ledger: what is mistyped waits for an approver, and says why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.guard.writes.registry import write_named
from rutter_ap_server.rutter.models.bills import BillUpdate
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.bills import CreateBill, NewBillLine, UpdateBill
from rutter_ap_tools.credits import ApplyCredit, CreateCredit, NewCreditLine
from rutter_ap_tools.errors import Refused
from rutter_ap_tools.payments import PayBill
from rutter_ap_tools.wire import WriteResult
from support.bench import PASSCODE, START, Bench, a_bench, codes
from support.bench_client import client_at_bench
from support.facts import a_bill, a_prepared_write, usd
from support.people import accepts
from support.practice_company import practice
from support.refusals import refused_for
from support.runs import run_of

# Payments that no other rule holds, so that the dates alone decide.
FREE = '[tools]\npay_bill = "allow"\nupdate_bill = "allow"\napply_credit = "allow"\n'


def held_for(result: WriteResult | Proposal, *expected: str) -> None:
    """It waits for an approver, because of these codes."""
    assert (result.status if isinstance(result, WriteResult) else result.state) == "held"
    assert {f"{code} approve" for code in expected} <= {f"{one.code} {one.severity.word}" for one in result.findings}


@pytest.mark.parametrize("field", ["issued", "due_on"])
def test_an_approval_is_bound_to_the_dates_of_the_bill(field: str) -> None:
    changed: dict[str, Any] = {field: date(2026, 2, 2)}
    assert a_bill().binding != a_bill(**changed).binding
    assert a_bill(**{field: None}).binding != a_bill(**changed).binding


async def pay(bench: Bench, number: str, day: str) -> WriteResult:
    bill = await bench.bill(number)
    return await bench.submit(PayBill(bill_id=bill.id, account="Business Account", date=day), accepts())


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2019-03-02", ("payment.before_bill", "payment.other_year")),
        ("2031-03-02", ("payment.future_dated", "payment.other_year")),
        ("2026-02-20", ("payment.before_bill",)),
        ("2026-03-04", ("payment.future_dated",)),
    ],
)
async def test_a_payment_of_another_time_waits_for_an_approver(home: Path, day: str, expected: tuple[str, ...]) -> None:
    async with client_at_bench(home, FREE, platform="NETSUITE") as (_, bench):
        waiting = await pay(bench, "HS-3", day)

        held_for(waiting, *expected)
        assert bench.wire.writes == []
        released = await bench.approve(waiting.proposal_id)
        assert released.state == "posted"
        [payment_id] = [link.id for link in (await bench.bill("HS-3")).linked_payments]
        assert payment_id is not None
        made = (await bench.company.rutter.bill_payments.get(payment_id)).transaction_date
        assert made is not None
        assert made.date().isoformat() == day


@pytest.mark.parametrize("day", ["", "2026-03-01", "2026-03-03", "2026-02-21"])
async def test_a_payment_of_these_days_needs_no_approver(home: Path, day: str) -> None:
    async with client_at_bench(home, FREE, platform="NETSUITE") as (_, bench):
        made = await pay(bench, "HS-3", day)

        assert made.status == "posted"
        assert not any(code.startswith("payment.") for code in codes(made))


async def test_a_run_of_last_year_waits_for_an_approver(home: Path) -> None:
    async with client_at_bench(home, FREE, platform="NETSUITE") as (_, bench):
        run = await run_of(bench, "HS-3", "QL-3", account="Business Account", date="2025-12-31", interaction=accepts())

        held_for(run, "payment.before_bill", "payment.other_year")
        messages = {one.code: one.message for one in run.findings}
        assert messages["payment.other_year"].count("2025-12-31") == 1
        assert "bill HS-3" in messages["payment.before_bill"]
        assert "bill QL-3" in messages["payment.before_bill"]
        assert bench.wire.writes == []


async def test_a_due_date_of_2099_waits_for_an_approver(home: Path) -> None:
    async with a_bench(home, FREE) as bench:
        await bench.approver("Ana")
        bill = await bench.bill("NW-2291")

        held = await bench.submit(UpdateBill(bill_id=bill.id, due_date="2099-03-01"), accepts())

        held_for(held, "bill.distant_date")
        assert "would be due 2099-03-01, more than a year after today (2026-03-02)" in str(held.findings)
        assert bench.wire.writes == []
        assert (await bench.approve(held.proposal_id)).state == "posted"


async def test_an_issue_date_moved_far_away_waits_too(home: Path) -> None:
    async with a_bench(home, FREE) as bench:
        bill = await bench.bill("NW-2291")
        moved = UpdateBill(bill_id=bill.id, issue_date="2027-03-04", due_date="2027-04-04", dry_run=True)
        tried = await bench.submit(moved)

        assert tried.verdict == "approve"
        assert codes(tried).count("bill.distant_date") == 2
        assert "bill.future_dated" in codes(tried)


@pytest.mark.parametrize(
    ("issued", "due", "held"),
    [
        ("2026-03-01", "2027-03-03", 0),
        ("2026-03-01", "2027-03-04", 1),
        ("2025-03-01", "", 0),
        ("2025-02-28", "", 1),
        ("2025-02-28", "2025-02-28", 2),
        ("2026-03-01", "", 0),
    ],
)
async def test_a_bill_dated_more_than_a_year_away_is_held(home: Path, issued: str, due: str, held: int) -> None:
    async with client_at_bench(home, FREE, platform="NETSUITE") as (_, bench):
        line = NewBillLine(amount="10.01", account="General Expenses")
        entered = CreateBill(
            vendor="Halden Steel", issue_date=issued, due_date=due, currency="USD", document_number="D-1", lines=[line]
        )
        result = await bench.submit(entered)

        assert codes(result).count("bill.distant_date") == held
        assert (result.status == "held") is (held > 0)


async def test_a_credit_dated_years_ago_is_held(home: Path) -> None:
    async with client_at_bench(home, platform="NETSUITE") as (_, bench):
        line = NewCreditLine(amount="10.01", account="General Expenses")
        old = CreateCredit(
            vendor="Halden Steel", issue_date="2019-03-01", currency="USD", document_number="C-1", lines=[line]
        )
        held_for(await bench.submit(old, accepts()), "bill.distant_date")


async def test_a_credit_used_before_it_was_issued_waits(home: Path) -> None:
    async with a_bench(home, FREE) as bench:
        await bench.approver("Ana")
        walked = bench.company.rutter.bill_credit_memos.walk()
        [credit] = [one async for one in walked if one.document_number == "CM-0117"]
        bill = await bench.bill("INV-1051")
        assert credit.issue_date is not None
        early = (credit.issue_date.date() - timedelta(days=1)).isoformat()

        held = await bench.submit(ApplyCredit(credit_id=credit.id, bill_id=bill.id, date=early), accepts())

        held_for(held, "credit.not_yet_issued")
        assert f"before credit CM-0117 was issued on {credit.issue_date.date()}" in str(held.findings)
        assert bench.wire.writes == []
        assert (await bench.approve(held.proposal_id)).state == "posted"


async def test_what_was_approved_for_another_due_date_is_not_paid(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        waiting = await bench.pay("NW-2291")
        seen = await bench.app.approvals.preview(str(waiting.proposal_id), bench.company)
        bill = await bench.bill("NW-2291")
        assert bill.due_date is not None
        later = bill.due_date + timedelta(days=9)
        draft = BillUpdate(due_date=later)
        assert isinstance(await bench.company.rutter.bills.update(bill.id, draft, idempotency_key="by hand"), Done)

        with refused_for("approval.facts_moved"):
            await bench.app.approvals.approve(seen, bench.company, by=Proof("Ana", PASSCODE), channel="terminal")

        assert await bench.paid("NW-2291") == []
        assert (await bench.approve(waiting.proposal_id)).state == "posted"


@pytest.mark.parametrize(
    ("zone", "day"),
    [("Pacific/Kiritimati", "2026-03-02"), ("Etc/GMT+12", "2026-03-01"), ("Europe/Berlin", "2026-03-02")],
)
async def test_a_payment_without_a_date_is_made_on_the_companys_day(home: Path, zone: str, day: str) -> None:
    async with a_bench(home, zone=ZoneInfo(zone)) as bench:
        bench.clock.instant = datetime(2026, 3, 2, 0, 30, tzinfo=UTC)

        held = await bench.pay("NW-2291")

        proposal = await bench.proposal(held.proposal_id)
        assert proposal.fields["date"] == day
        assert "payment.future_dated" not in codes(held)


async def test_the_same_payment_on_the_next_day_is_the_same_proposal(home: Path) -> None:
    """Midnight passes at the company, though not in UTC: the date we filled in is no part of what was asked for."""
    async with a_bench(home, zone=ZoneInfo("Asia/Tokyo")) as bench:
        bench.clock.instant = datetime(2026, 3, 2, 14, 59, tzinfo=UTC)
        first = await bench.pay("NW-2291")
        bench.clock.instant += timedelta(minutes=2)
        assert bench.company.clock.today() > bench.clock.today()

        assert (await bench.pay("NW-2291")).proposal_id == first.proposal_id


async def test_the_future_begins_after_the_companys_tomorrow(home: Path) -> None:
    tomorrow = (START + timedelta(days=2)).date().isoformat()
    for zone, held in (("Pacific/Kiritimati", False), ("Etc/GMT+12", True)):
        async with a_bench(home / zone.replace("/", "-"), zone=ZoneInfo(zone)) as bench:
            bench.clock.instant = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)
            tried = await bench.pay("NW-2291", date=tomorrow, dry_run=True)
            assert ("payment.future_dated" in codes(tried)) is held


async def test_a_closed_year_stays_closed_to_a_payment_of_2019(home: Path) -> None:
    async with a_bench(home) as bench:
        with pytest.raises(Refused) as refused:
            await bench.pay("NW-2291", date="2019-03-02")
        said = {one.code for one in refused.value.findings}
        assert {"bill.closed_period", "payment.before_bill", "payment.other_year"} <= said


@pytest.mark.parametrize("offset", [b"Z", b"-08:00", b"+14:00"])
async def test_a_lost_document_is_found_whatever_its_ledgers_offset(offset: bytes, tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, wire):
        bill = next(one for one in [b async for b in company.rutter.bills.walk()] if one.document_number == "NW-2291")
        walked = company.rutter.bill_credit_memos.walk()
        credit = next(one for one in [c async for c in walked] if one.document_number == "CM-0117")
        wire.replaced[b"T00:00:00.000Z"] = b"T00:00:00" + offset
        for tool, one, known in (("create_bill", bill, "bills"), ("create_credit", credit, "credits")):
            assert one.issue_date is not None
            fields = {
                "vendor_id": one.vendor_id,
                "document_number": one.document_number,
                "issue_date": one.issue_date.date().isoformat(),
                "currency": one.currency_code,
                "lines": [{"amount": str(one.total_amount), "account": ""}],
            }
            prepared = a_prepared_write(
                usd(str(one.total_amount)), tool=tool, fields=fields, vendor_id=one.vendor_id, bill_id=None
            )
            found_again = await write_named(tool).find(prepared, company, {known: []})
            assert [record.id for record in found_again] == [one.id]
            other_day = replace(prepared, fields=fields | {"issue_date": "2026-01-01"})
            assert await write_named(tool).find(other_day, company, {known: []}) == ()
