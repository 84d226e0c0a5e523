"""A vendor's details are new until they have been known for the cooling period, whatever was shown before."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.guard.writes.parties import vendor_fact
from rutter_ap_server.rutter.models.vendors import VendorUpdate
from rutter_ap_tools.vendors import SaveVendor
from support.bench import PASSCODE, Bench, a_bench, codes
from support.lagging import photographed
from support.ledger_rewrites import rewrite_vendor, vendor_of
from support.people import accepts
from support.refusals import refused_for

ALLOW = '[tools]\npay_bill = "allow"\n'
CHANGED = "vendor.changed"
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
        await bench.approver("Ana")
        assert (await bench.approve(again.proposal_id)).state == "posted"


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


OTHER = ["tax_number", "phone", "contact_name", "registration_number", "website"]


@pytest.mark.parametrize("field", OTHER)
async def test_a_vendors_other_details_changed_void_a_release(home: Path, field: str) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        held = await bench.pay("FT-778")
        seen = await bench.app.approvals.preview(held.proposal_id or "", bench.company)
        await change_vendor(bench, "x", of="FT-778", **{field: "5551234"})

        with refused_for("approval.facts_moved"):
            await bench.app.approvals.approve(seen, bench.company, by=Proof("Ana", PASSCODE), channel="terminal")


@pytest.mark.parametrize("field", OTHER)
async def test_a_later_payment_notices_a_changed_detail(home: Path, field: str) -> None:
    """The statement of `save_vendor` promises it for all it can change."""
    async with a_bench(home, ALLOW) as bench:
        assert (await bench.pay("NW-2291", "10.00")).status == "posted"
        await change_vendor(bench, "1", **{field: "555-0199"})

        held = await bench.pay("NW-2304", "11.00")

        assert codes(held) == ["vendor.changed"]
        assert (
            f"vendor's {field.replace('_', ' ').replace('phone', 'phone number')} changed" in held.findings[0].message
        )


async def seen_by_an_earlier_program(bench: Bench, number: str) -> None:
    """The vendor as it was seen when fewer of its details were looked at."""
    vendor = vendor_fact(await bench.company.rutter.vendors.get((await bench.bill(number)).vendor_id or ""))
    parts = {
        name: part for name, part in vendor.parts if name in ("name", "e-mail", "bank account number", "addresses")
    }
    company = bench.company.id
    await bench.app.store.write(lambda tx: tx.observations.record_sighting(company, vendor.id, "f" * 64, parts))


async def test_what_an_earlier_program_did_not_see_is_no_change(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        await seen_by_an_earlier_program(bench, "NW-2291")

        paid = await bench.pay("NW-2291", "10.00")
        await change_vendor(bench, "1", phone="555-0199")
        held = await bench.pay("NW-2304", "11.00")

        assert (paid.status, codes(held)) == ("posted", ["vendor.changed"])
        assert "vendor's phone number changed" in held.findings[0].message


async def test_what_an_earlier_program_saw_is_compared(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        await seen_by_an_earlier_program(bench, "NW-2291")
        await change_vendor(bench, "1", email=SWINDLE, phone="555-0199")

        held = await bench.pay("NW-2291", "10.00")

        assert codes(held) == ["vendor.changed"]
        assert "vendor's e-mail changed" in held.findings[0].message


async def rewritten(bench: Bench, account: str | None) -> None:
    """Somebody changes the bank account in the ledger."""
    bench.clock.instant += timedelta(hours=1)
    rewrite_vendor(bench, await vendor_of(bench, "NW-2291"), bank_account_number=account)


A, B = "20-00-00 11111111", "20-00-00 22222222"


async def known_with(bench: Bench, account: str | None) -> None:
    """The vendor is paid with this account, a cooling period after it got it."""
    await rewritten(bench, account)
    bench.clock.instant += timedelta(days=15)
    assert (await bench.pay("NW-2291", "10.00")).status == "posted"
    bench.clock.instant += timedelta(days=15)


async def test_an_account_that_was_seen_to_change_back_is_a_change(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        await known_with(bench, A)
        await rewritten(bench, B)
        assert codes(await bench.pay("NW-2304", "11.00")) == ["vendor.changed"]
        bench.clock.instant += timedelta(days=30)
        assert (await bench.pay("NW-2304", "12.00")).status == "posted"
        await rewritten(bench, A)

        back = await bench.pay("NW-2304", "13.00")
        bench.clock.instant += timedelta(days=13)
        later = await bench.pay("NW-2304", "14.00")
        bench.clock.instant += timedelta(days=2)
        cooled = await bench.pay("NW-2304", "15.00")

        assert [CHANGED in codes(one) for one in (back, later, cooled)] == [True, True, False]


@pytest.mark.parametrize("account", [A, None])
async def test_an_account_that_changed_back_unseen_is_a_change(home: Path, account: str | None) -> None:
    """The other account was there while nobody looked; where none is shown, it may be there still."""
    async with a_bench(home, ALLOW) as bench:
        await known_with(bench, account)
        await rewritten(bench, B)
        await rewritten(bench, account)

        back = await bench.pay("NW-2304", "13.00")
        bench.clock.instant += timedelta(days=13)
        later = await bench.pay("NW-2304", "14.00")
        bench.clock.instant += timedelta(days=2)
        cooled = await bench.pay("NW-2304", "15.00")

        assert [CHANGED in codes(one) for one in (back, later, cooled)] == [True, True, False]


def without_stamps(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    """A ledger that says of no vendor when it changed."""
    if "/vendors" not in request.url.path:
        return response
    body = re.sub(rb'"updated_at":"[^"]*"', b'"updated_at":null', response.content)
    return httpx.Response(response.status_code, headers={"content-type": "application/json"}, content=body)


@pytest.mark.parametrize(("account", "asked"), [(None, [True, True, True]), (A, [True, False, True])])
async def test_a_vendor_without_stamp_and_account_is_not_known(
    home: Path, account: str | None, asked: list[bool]
) -> None:
    """With an account shown it is known once it was seen so for the cooling period, and not for ever."""
    async with a_bench(home, ALLOW) as bench:
        bench.wire.answers = without_stamps
        rewrite_vendor(bench, await vendor_of(bench, "NW-2291"), bank_account_number=account)
        found = []
        await bench.pay("NW-2291", "10.00")
        for days in (0, 10, 30):
            bench.clock.instant += timedelta(days=days)
            found.append("vendor.unverified" in codes(await bench.pay("NW-2304", f"{11 + days}.00")))
            bench.clock.instant += timedelta(days=5)
            await bench.pay("NW-2304", f"{60 + days}.00")

        assert found == asked


async def test_a_person_in_the_chat_may_answer_for_it(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.answers = without_stamps

        paid = await bench.pay("NW-2291", "10.00", accepts())

        assert (paid.status, codes(paid)) == ("posted", ["vendor.unverified"])


CHANGES = [{"email": SWINDLE}, {"name": "Northwind Utilities (new)"}, {"phone": "+1 555 0199"}, {"city": "Elsewhere"}]


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: next(iter(one)))
async def test_a_change_made_here_counts_before_the_ledger_shows_it(home: Path, change: dict[str, str]) -> None:
    async with a_bench(home, ALLOW) as bench:
        await bench.approver("Ana")
        vendor_id = await vendor_of(bench, "NW-2291")
        start = await photographed(bench, f"/vendors/{vendor_id}")
        assert (await bench.pay("NW-2304", "10.00")).status == "posted"
        held = await bench.submit(SaveVendor.model_validate({"vendor_id": vendor_id, **change}))
        assert (await bench.approve(held.proposal_id)).state == "posted"
        assert CHANGED in codes(await bench.pay("NW-2291", dry_run=True))
        start()

        lagging = await bench.pay("NW-2291", "10.00")
        assert (lagging.status, CHANGED in codes(lagging)) == ("held", True)
