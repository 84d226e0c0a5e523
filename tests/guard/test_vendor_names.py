"""A vendor that the ledger knows by its display or contact name only is found, shown and judged by that name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.guard.writes.parties import vendor_fact
from rutter_ap_server.rutter.models.vendors import Vendor
from rutter_ap_tools.bills import CreateBill, GetBill, ListBills, NewBillLine
from rutter_ap_tools.credits import ListCredits
from rutter_ap_tools.errors import Ambiguous, BadInput, Refused
from rutter_ap_tools.payments import ListPayments
from rutter_ap_tools.records import FindRecords
from rutter_ap_tools.vendors import SaveVendor
from support.bench import Bench, a_bench, codes
from support.ledger_rewrites import rewrite_vendor, second_record, vendor_of

pytestmark = pytest.mark.anyio
NUMBER = "NW-2291"
NAME = "Harborside Linen"
# What a ledger may keep in place of a vendor's name.
UNNAMED: dict[str, dict[str, Any]] = {
    "no name": {"vendor_name": None, "display_name": NAME, "contact_name": "Somebody Else"},
    "an empty one": {"vendor_name": "", "display_name": NAME, "contact_name": None},
    "blanks": {"vendor_name": "  ", "display_name": NAME, "contact_name": None},
    "nothing visible": {"vendor_name": "\u200b", "display_name": NAME, "contact_name": None},
    "a contact alone": {"vendor_name": None, "display_name": None, "contact_name": NAME},
}
every_way = pytest.mark.parametrize("fields", UNNAMED.values(), ids=UNNAMED)


async def named_so(bench: Bench, fields: dict[str, Any]) -> str:
    """The vendor of the bill gets these names; its id."""
    vendor_id = await vendor_of(bench, NUMBER)
    rewrite_vendor(bench, vendor_id, **fields)
    return vendor_id


def a_bill(vendor: str, number: str) -> CreateBill:
    line = NewBillLine(amount="10.01", account="Office Supplies")
    return CreateBill(vendor=vendor, issue_date="2026-03-01", currency="USD", document_number=number, lines=[line])


@every_way
async def test_every_read_finds_it_by_that_name_and_shows_it(home: Path, fields: dict[str, Any]) -> None:
    async with a_bench(home) as bench:
        vendor_id = await named_so(bench, fields)
        ask = bench.backend().read
        [found] = (await ask(FindRecords(kind="vendor", name="linen"))).records
        assert (found.id, found.name) == (vendor_id, NAME)
        bills = (await ask(ListBills(vendor=NAME.upper(), status="any"))).bills
        assert {(one.vendor.id, one.vendor.name) for one in bills} == {(vendor_id, NAME)}
        assert (await ask(GetBill(bill_id=bills[0].id))).bill.vendor.name == NAME
        payments = (await ask(ListPayments(vendor=NAME))).payments
        assert {one.vendor.name for one in payments if one.vendor} <= {NAME}
        assert (await ask(ListCredits(vendor=NAME))).credits == []


@every_way
async def test_a_bill_is_entered_and_paid_under_that_name(home: Path, fields: dict[str, Any]) -> None:
    async with a_bench(home) as bench:
        vendor_id = await named_so(bench, fields)
        entered = await bench.submit(a_bill(NAME, "HL-1"))
        assert entered.status == "posted"
        assert entered.record is not None
        assert entered.record.vendor is not None
        assert (entered.record.vendor.id, entered.record.vendor.name) == (vendor_id, NAME)
        paid = await bench.pay(NUMBER, "1.00")
        assert NAME in paid.summary


@every_way
async def test_no_second_vendor_takes_that_name(home: Path, fields: dict[str, Any]) -> None:
    async with a_bench(home) as bench:
        vendor_id = await named_so(bench, fields)
        with pytest.raises(Refused, match=f"already has a vendor with that name \\({vendor_id}\\)"):
            await bench.submit(SaveVendor(name=NAME.lower(), currency="USD"))
        alike = await bench.submit(SaveVendor(name="Harb0rside Linen GmbH", currency="USD"))
        assert "vendor.similar" in codes(alike)
        with pytest.raises(BadInput, match="already has all of these values"):
            await bench.submit(SaveVendor(vendor_id=vendor_id, name=NAME))


async def test_a_blocked_vendor_is_blocked_by_that_name(home: Path) -> None:
    async with a_bench(home, f'[vendors]\nblocked = ["{NAME}"]') as bench:
        await named_so(bench, UNNAMED["no name"])
        with pytest.raises(Refused, match="blocks this vendor"):
            await bench.pay(NUMBER, "1.00")


@every_way
async def test_records_of_that_name_are_one_payee(home: Path, fields: dict[str, Any]) -> None:
    async with a_bench(home) as bench:
        vendor_id = await named_so(bench, fields)
        other = await second_record(bench, f"{NAME} Inc")
        assert (await bench.submit(a_bill(other, "HL-2"))).status == "posted"
        with pytest.raises(Refused, match="the same vendor under another record"):
            await bench.submit(a_bill(vendor_id, "HL-2"))


async def test_a_vendor_is_also_found_by_a_display_name_that_differs(home: Path) -> None:
    async with a_bench(home) as bench:
        vendor_id = await named_so(bench, {"display_name": NAME})
        assert (await bench.company.directory.vendor(NAME)).id == vendor_id
        assert (await bench.company.directory.vendor("Northwind Utilities")).id == vendor_id
        with pytest.raises(Refused, match="already has a vendor with that name"):
            await bench.submit(SaveVendor(name=NAME, currency="USD"))
        await second_record(bench, NAME)
        with pytest.raises(Ambiguous):
            await bench.company.directory.vendor(NAME)


def test_a_new_display_name_is_a_change_of_the_name() -> None:
    before, after = (vendor_fact(Vendor(id="v1", display_name=name)) for name in (NAME, "Somebody Else"))
    assert {part for (part, was), (_, now) in zip(before.parts, after.parts, strict=True) if was != now} == {"name"}
