"""A vendor's details are new until they have been known for the cooling period, whatever was shown before."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from rutter_ap_server.rutter.models.vendors import VendorUpdate
from support.bench import Bench, a_bench, codes

ALLOW = '[tools]\npay_bill = "allow"\n'
SWINDLE = "pay-here@swindle.example"


async def change_vendor(bench: Bench, key: str, of: str = "NW-2291", **values: Any) -> None:
    """Somebody changes the vendor of that bill in the accounting platform."""
    vendor_id = (await bench.bill(of)).vendor_id
    assert vendor_id is not None
    await bench.company.rutter.vendors.update(vendor_id, VendorUpdate(**values), idempotency_key=key)


async def email_of(bench: Bench, number: str) -> str:
    return (await bench.company.rutter.vendors.get((await bench.bill(number)).vendor_id or "")).email or ""


async def shown_once(bench: Bench) -> str:
    """The vendor is known, then shows other details, and takes them back at once; returns its own e-mail address."""
    assert (await bench.pay("NW-2291", "10.00")).status == "posted"
    before = await email_of(bench, "NW-2291")
    await change_vendor(bench, "1", email=SWINDLE)
    assert codes(await bench.pay("NW-2304", "11.00")) == ["vendor.changed"]
    await change_vendor(bench, "2", email=before)
    return before


async def test_details_that_come_back_need_an_approver_again(home: Path) -> None:
    """Swindlers show their details once, take them back, and use them when the cooling period is over."""
    async with a_bench(home, ALLOW) as bench:
        await shown_once(bench)
        bench.clock.instant += timedelta(days=15)
        await change_vendor(bench, "3", email=SWINDLE)

        paid, again = await bench.pay("NW-2304", "12.00"), await bench.pay("NW-2304", "13.00")

        assert (paid.status, codes(paid)) == ("held", ["vendor.changed"])
        assert "after it was last seen here with these details" in paid.findings[0].message
        assert "vendor.changed" in codes(again)


async def test_details_that_come_back_after_others_are_a_change(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        await shown_once(bench)
        bench.clock.instant += timedelta(days=15)
        back = await bench.pay("NW-2304", "12.00")
        bench.clock.instant += timedelta(days=15)
        cooled = await bench.pay("NW-2304", "13.00", dry_run=True)
        await change_vendor(bench, "3", email=SWINDLE)

        swindled = await bench.pay("NW-2304", "14.00")

        assert (codes(back), codes(cooled), codes(swindled)) == (["vendor.changed"], [], ["vendor.changed"])


async def test_new_details_that_stay_are_known_after_a_while(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        assert (await bench.pay("NW-2291", "10.00")).status == "posted"
        await change_vendor(bench, "1", email="new@northwind.example")
        # The sandbox dates a change by its own clock, which begins at noon.
        bench.clock.instant += timedelta(hours=5)
        assert codes(await bench.pay("NW-2304", "11.00")) == ["vendor.changed"]
        bench.clock.instant += timedelta(days=15)

        assert (await bench.pay("NW-2304", "12.00")).status == "posted"
