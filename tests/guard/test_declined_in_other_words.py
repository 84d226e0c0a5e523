"""A no is an answer to whatever would bring about the same: another bill, a run, or a vendor with a like name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from rutter_ap_tools.bills import CreateBill, NewBillLine
from rutter_ap_tools.vendors import SaveVendor
from rutter_ap_tools.wire import WriteResult
from support.bench import START, Bench, a_bench, codes
from support.people import accepts, declines
from support.runs import ROOMY, run_of


async def enter(bench: Bench, number: str, amount: str) -> WriteResult:
    """The assistant enters another bill of the vendor of NW-2291, dated long before."""
    bill = await bench.bill("NW-2291")
    issued = (START.date() - timedelta(days=120)).isoformat()
    line = NewBillLine(amount=amount, account=bill.line_items[0].account_id or "")
    return await bench.submit(
        CreateBill(vendor=bill.vendor_id or "", issue_date=issued, currency="USD", document_number=number, lines=[line])
    )


@pytest.mark.parametrize("amount", ["684.20", "600.00"])
async def test_a_declined_payment_is_not_paid_by_a_new_bill(home: Path, amount: str) -> None:
    async with a_bench(home) as bench:
        assert (await bench.pay("NW-2291", "", declines())).status == "declined"
        bench.clock.instant += timedelta(hours=1)
        assert (await enter(bench, "NW-2291/B", amount)).status == "posted"

        again = await bench.pay("NW-2291/B", "", accepts())

        assert (again.status, await bench.paid("NW-2291/B")) == ("held", [])
        (said,) = [one.message for one in again.findings if one.code == "proposal.declined"]
        assert "for bill NW-2291 from" in said


async def test_a_bill_there_before_is_bound_by_its_amount(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.pay("NW-2291", "77.00", declines())

        assert "proposal.declined" in codes(await bench.pay("NW-2304", "77.00", dry_run=True))
        assert "proposal.declined" not in codes(await bench.pay("NW-2304", "78.00", dry_run=True))
        assert "proposal.declined" not in codes(await bench.pay("BH-5520", "77.00", dry_run=True))


async def test_a_declined_run_binds_each_vendor_and_amount(home: Path) -> None:
    async with a_bench(home, ROOMY) as bench:
        assert (await run_of(bench, "NW-2291", "BH-5520", interaction=declines())).status == "declined"
        bench.clock.instant += timedelta(hours=1)
        await enter(bench, "NW-2291/B", "684.20")

        assert "proposal.declined" in codes(await bench.pay("NW-2291/B", dry_run=True))
        in_run = await run_of(bench, "NW-2291/B", "FT-778", interaction=accepts())
        assert (in_run.status, "proposal.declined" in codes(in_run)) == ("held", True)


@pytest.mark.parametrize("name", ["Quill and Co.", "QUILL LTD", "Quil & Co", "Quill Holdings"])
async def test_a_declined_vendor_binds_names_that_are_alike(home: Path, name: str) -> None:
    async with a_bench(home) as bench:
        asked = SaveVendor(name="Quill & Co", currency="USD", email="a@quill.example")
        assert (await bench.submit(asked, declines())).status == "declined"

        again = await bench.submit(SaveVendor(name=name, currency="USD"), accepts())

        assert (again.status, "proposal.declined" in codes(again)) == ("held", True)


async def test_a_declined_vendor_binds_its_email(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.submit(SaveVendor(name="Quill & Co", currency="USD", email="a@quill.example"), declines())

        same = await bench.submit(SaveVendor(name="Zephyr", currency="USD", email="A@quill.example"), accepts())
        other = await bench.submit(SaveVendor(name="Mistral", currency="USD", email="m@mistral.example"), accepts())

        assert (same.status, other.status) == ("held", "posted")


async def test_a_no_has_its_own_time(home: Path) -> None:
    async with a_bench(home, "[proposals]\nexpire_hours = 1\ndeclined_hours = 5\n") as bench:
        assert (await bench.pay("NW-2291", "", declines())).status == "declined"
        bench.clock.instant += timedelta(hours=4)
        assert "proposal.declined" in codes(await bench.pay("NW-2291", dry_run=True))
        bench.clock.instant += timedelta(hours=1)
        assert "proposal.declined" not in codes(await bench.pay("NW-2291", dry_run=True))
