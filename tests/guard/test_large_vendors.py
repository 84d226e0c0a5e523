"""A vendor with more documents than can be read is still entered and paid: the ledger is asked narrower."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.guard.writes import propose_payment_run
from rutter_ap_server.reads import history
from rutter_ap_server.reads.history import bills_to_compare
from support.bench import PASSCODE, Bench, codes
from support.bench_client import client_at_bench
from support.spoiled import multiply

POLICY = '[tools]\npay_bill = "allow"\n'
LONG_AGO = "2019-01-15T00:00:00.000Z"
PAID_LONG_AGO = {"status": "paid", "created_at": LONG_AGO, "due_date": LONG_AGO, "issue_date": LONG_AGO}


@asynccontextmanager
async def beside(home: Path, count: int, **changes: str) -> AsyncIterator[tuple[Client, Bench]]:
    """The bill NW-2291 among so many more of its vendor."""
    async with client_at_bench(home, POLICY) as (client, bench):
        multiply(bench.sandbox, (await bench.bill("NW-2291")).id, count, **changes)
        yield client, bench


async def called(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    found: dict[str, Any] | None = answer.structured_content
    assert found is not None
    return found


def codes_of(answer: dict[str, Any]) -> list[str]:
    return [one["code"] for one in answer["findings"]]


def a_bill(vendor_id: str | None, number: str, day: str = "2026-03-01", amount: str = "61.20") -> dict[str, Any]:
    lines = [{"amount": amount, "account": "Utilities"}]
    return {"vendor": vendor_id, "currency": "USD", "issue_date": day, "document_number": number, "lines": lines}


async def test_a_vendor_with_ten_thousand_bills_is_entered_and_paid(home: Path) -> None:
    async with beside(home, 10_006, **PAID_LONG_AGO) as (client, bench):
        bill = await bench.bill("NW-2291")
        made = await called(client, "create_bill", **a_bill(bill.vendor_id, "NW-9001"))
        assert made["status"] == "posted"
        paid = await called(client, "pay_bill", bill_id=bill.id, account="Operating Checking")
        assert paid["status"] == "posted"
        changed = await called(client, "update_bill", bill_id=made["record"]["id"], document_number="NW-9002")
        assert changed["status"] == "posted"
        for taken in ("copy-7-z", "COPY 9999 Z", "nw 2291"):
            held = await called(client, "create_bill", **a_bill(bill.vendor_id, taken))
            assert (held["status"], "bill.duplicate" in codes_of(held)) == ("held", True), taken
        like = await called(client, "create_bill", **a_bill(bill.vendor_id, "NW-9003", "2026-03-02"))
        assert set(codes_of(like)) == {"bill.similar"}
        page = await called(client, "list_bills", vendor=bill.vendor_id, status="any", limit=5, sort="-updated_at")
        assert len(page["bills"]) == 5
        assert (await called(client, "summarize_payables", vendor=bill.vendor_id))["complete"] is True


async def test_a_lost_entry_among_too_many_is_found_once(home: Path, few: None) -> None:
    async with beside(home, 1100, **PAID_LONG_AGO) as (client, bench):
        vendor_id = (await bench.bill("NW-2291")).vendor_id
        bench.wire.faults = ["lost after"]
        made = await called(client, "create_bill", **a_bill(vendor_id, "NW-9001"))
        assert made["status"] == "unknown"
        await bench.app.recover()
        assert (await bench.proposal(made["proposal_id"])).state == "posted"
        assert len(bench.wire.writes) == 1


async def test_too_many_payments_and_credits_stop_no_payment(home: Path, few: None) -> None:
    async with client_at_bench(home, POLICY) as (client, bench):
        bill = await bench.bill("NW-2291")
        made = [one async for one in bench.company.rutter.bill_payments.walk() if one.vendor_id == bill.vendor_id]
        multiply(bench.sandbox, made[0].id, 1100)
        paid = await called(client, "pay_bill", bill_id=bill.id, account="Operating Checking")
        assert paid["status"] == "posted"
        acme = await bench.bill("INV-1051")
        (credit,) = [one async for one in bench.company.rutter.bill_credit_memos.walk()]
        assert credit.vendor_id == acme.vendor_id
        multiply(bench.sandbox, credit.id, 1100, prefix="credit", status="paid")
        held = await called(client, "pay_bill", bill_id=acme.id, amount="1.00", account="Operating Checking")
        (found,) = [one for one in held["findings"] if one["code"] == "ledger.unusable"]
        assert "more documents of this vendor than can be read" in found["message"]


async def test_where_even_the_recent_are_too_many_a_person_is_asked(home: Path, few: None) -> None:
    async with beside(home, 1100) as (client, bench):
        vendor_id = (await bench.bill("NW-2291")).vendor_id
        made = await called(client, "create_bill", **a_bill(vendor_id, "NW-9001"))
        assert (made["status"], made["verdict"]) == ("held", "ask")
        assert "ledger.unusable" in codes_of(made)
        seen = await bench.app.approvals.preview(made["proposal_id"], bench.company)
        await bench.app.approvals.approve(seen, bench.company, by=Proof("Ana", PASSCODE), channel="terminal")
        posted = await bench.proposal(made["proposal_id"])
        assert posted.state == "posted", codes(posted)


async def test_only_what_matters_is_asked_for_after_the_first_time(home: Path, few: None) -> None:
    async with beside(home, 1100, **PAID_LONG_AGO) as (_, bench):
        bill = await bench.bill("NW-2291")
        assert bill.vendor_id is not None
        assert bill.issue_date is not None
        sure = []
        for _time in range(2):
            found = await bills_to_compare(bench.company, [bill.vendor_id], ["copy-7-z"], bill.issue_date.date())
            sure.append(
                (found.whole, found.sure, {one.document_number for one in found.records} >= {"COPY-7-Z", "NW-2291"})
            )
        assert sure == [(False, True, True)] * 2
        assert len(found.records) < 600


async def test_a_run_of_too_many_bills_reads_those_that_are_due(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propose_payment_run, "_PAGES_MAX", 1)
    later = "2026-11-15T00:00:00.000Z"
    async with beside(home, 600, due_date=later) as (client, _):
        run = await called(client, "propose_payment_run", due_to="2026-02-28", account="Operating Checking")
        assert "NW-2291" in {line["document_number"] for line in run["lines"]}
        answer = await client.call_tool(
            "propose_payment_run", {"due_to": "2026-12-01", "account": "Operating Checking"}
        )
        assert answer.is_error
        assert "Pass an earlier due_to, a vendor, or the bills themselves in bill_ids." in str(answer.content)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most a thousand records are read of one vendor."""
    monkeypatch.setattr(history, "HISTORY_PAGES_MAX", 2)
