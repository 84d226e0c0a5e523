"""A release is bound to the lines and files of a bill, and to the documents that are like it, not to its sums alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from rutter_ap_server.guard.approvals import NotReleased, Preview
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.rutter.models.bills import BillLineDraft, BillUpdate
from rutter_ap_tools.bills import CreateBill, DeleteBill, NewBillLine, UpdateBill
from rutter_ap_tools.credits import CreateCredit
from rutter_ap_tools.wire import WriteArguments
from support.bench import PASSCODE, Bench, a_bench
from support.meanwhile import changed_since
from support.people import accepts
from support.runs import ROOMY, run_of

Change = Callable[[Bench, str], Awaitable[None]]


async def moved_to_repairs(bench: Bench, number: str) -> None:
    """Every line of the bill moves to another account, at the same amount and in the same words."""
    bill, other = await bench.bill(number), await bench.company.directory.account("Repairs")
    lines = tuple(
        BillLineDraft(
            account_id=other.id, total_amount=line.total_amount or Decimal(0), description=line.description or ""
        )
        for line in bill.line_items
    )
    await bench.company.rutter.bills.update(bill.id, BillUpdate(line_items=lines), idempotency_key=f"to {number}")
    assert (await bench.bill(number)).line_items[0].account_id == other.id


async def a_file_more(bench: Bench, number: str) -> None:
    """Somebody puts a file on the bill."""
    bill = await bench.bill(number)
    await bench.company.rutter.attachments.upload(bill.id, "credit note.pdf", b"%PDF-1.7 x", idempotency_key="f")


async def files_unreadable(bench: Bench, number: str) -> None:
    """The bill's files cannot be read any more."""

    def fails(request: httpx.Request) -> bool:
        if "attachments" in request.url.path:
            raise httpx.ConnectError("nobody answers")
        return False

    bench.wire.gate(fails)


async def look(bench: Bench, proposal_id: str | None) -> Preview:
    """What an approver is shown."""
    return await bench.app.approvals.preview(proposal_id or "", bench.company)


async def assert_void(bench: Bench, seen: Preview) -> None:
    """What was shown cannot be released any more."""
    with pytest.raises(NotReleased) as moved:
        await bench.app.approvals.approve(seen, bench.company, by=Proof("Ana", PASSCODE), channel="terminal")
    assert moved.value.error_code == "approval.facts_moved"


@pytest.mark.parametrize("change", [moved_to_repairs, a_file_more, files_unreadable])
async def test_a_payment_is_bound_to_lines_and_files(home: Path, change: Change) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        seen = await look(bench, (await bench.pay("FT-778")).proposal_id)
        await change(bench, "FT-778")

        await assert_void(bench, seen)
        assert await bench.paid("FT-778") == []


async def test_a_run_is_bound_to_the_lines_of_its_bills(home: Path) -> None:
    async with a_bench(home, ROOMY) as bench:
        await bench.approver("Ana")
        seen = await look(bench, (await run_of(bench, "NW-2291", "BH-5520")).proposal_id)
        await moved_to_repairs(bench, "BH-5520")

        await assert_void(bench, seen)


async def test_a_deletion_is_bound_to_the_lines(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        held = await bench.submit(DeleteBill(bill_id=(await bench.bill("NW-2291")).id))
        seen = await look(bench, held.proposal_id)
        await moved_to_repairs(bench, "NW-2291")

        await assert_void(bench, seen)


async def test_where_a_bill_is_booked_is_shown(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana", "Bo")
        held = await bench.pay("FT-802")
        await bench.approve(held.proposal_id, "Ana")
        await moved_to_repairs(bench, "FT-802")
        await look(bench, held.proposal_id)

        (said,) = [one for one in await changed_since(bench, held.proposal_id or "") if "Lines of the bill" in one]
        assert "Repairs" in said.split(" | ")[2]


def a_bill(vendor_id: str, day: str, number: str) -> WriteArguments:
    """A bill of 684.20 USD."""
    line = NewBillLine(amount="684.20", account="Repairs")
    return CreateBill(vendor=vendor_id, issue_date=day, currency="USD", document_number=number, lines=[line])


def a_credit(vendor_id: str, day: str, number: str) -> WriteArguments:
    """A credit of 684.20 USD."""
    line = {"amount": "684.20", "account": "Repairs"}
    asked = {"vendor": vendor_id, "issue_date": day, "currency": "USD", "document_number": number, "lines": [line]}
    return CreateCredit.model_validate(asked)


@pytest.mark.parametrize("document", [a_bill, a_credit])
async def test_a_twin_entered_meanwhile_voids_a_release(
    home: Path, document: Callable[[str, str, str], WriteArguments]
) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana", "Bo")
        bill = await bench.bill("NW-2291")
        assert bill.issue_date is not None
        assert bill.vendor_id is not None
        days = [(bill.issue_date + timedelta(days=more)).date().isoformat() for more in range(3)]
        first = await bench.submit(document(bill.vendor_id, days[0], "X-0"), accepts())
        if first.status == "held":
            await bench.approve(first.proposal_id)
        seen = await look(bench, (await bench.submit(document(bill.vendor_id, days[1], "X-1"))).proposal_id)
        other = await bench.submit(document(bill.vendor_id, days[2], "X-2"))
        assert (await bench.approve(other.proposal_id)).state == "posted"

        await assert_void(bench, seen)


async def test_a_twin_entered_meanwhile_voids_a_change(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        bill = await bench.bill("NW-2304")
        line = NewBillLine(amount="684.20", account="Repairs")
        seen = await look(bench, (await bench.submit(UpdateBill(bill_id=bill.id, lines=[line]))).proposal_id)
        other = await bench.submit(a_bill(bill.vendor_id or "", "2026-02-20", "X-2"))
        if other.status == "held":
            await bench.approve(other.proposal_id)

        await assert_void(bench, seen)
