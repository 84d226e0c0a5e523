"""A stale read gives the books as they were before the last write, in every list, filter and balance."""

from __future__ import annotations

from support.sandbox.client import Caller, calling

STALE = "stale_read"


async def _paid(caller: Caller, number: str, amount: str) -> str:
    made = await caller.post("/accounting/bill_payments", await caller.payment_of(number, amount))
    return str(made["bill_payment"]["id"])


async def test_a_payment_is_not_seen_on_its_bill_in_lists_or_balance() -> None:
    async with calling() as caller:
        before, bank = await caller.bill("FT-778"), await caller.account()
        payment_id = await _paid(caller, "FT-778", "12480.00")
        single = await caller.get(f"/accounting/bills/{before['id']}", fault=STALE)
        assert single["bill"] == before
        assert (await caller.send("GET", f"/accounting/bill_payments/{payment_id}", fault=STALE)).status_code == 410
        assert payment_id not in [one["id"] for one in await caller.every("bill_payments", fault=STALE)]
        listed = await caller.every("accounts", fault=STALE)
        assert next(one for one in listed if one["id"] == bank["id"])["balance"] == bank["balance"]


async def test_a_filter_finds_the_bill_under_its_old_status() -> None:
    async with calling() as caller:
        await _paid(caller, "FT-778", "12480.00")
        numbers = {
            fault: [one["document_number"] for one in await caller.every("bills", filter='status="open"', fault=fault)]
            for fault in ("", STALE)
        }
        assert "FT-778" not in numbers[""]
        assert "FT-778" in numbers[STALE]


async def test_only_the_last_write_is_hidden_and_only_for_one_read() -> None:
    async with calling() as caller:
        first, second = await _paid(caller, "FT-778", "100.00"), await _paid(caller, "FT-802", "100.00")
        seen = [one["id"] for one in await caller.every("bill_payments", fault=STALE)]
        assert first in seen
        assert second not in seen
        fresh = [one["id"] for one in await caller.every("bill_payments")]
        assert {first, second} <= set(fresh)


async def test_a_stale_read_without_a_recent_write_is_ordinary() -> None:
    async with calling() as caller:
        await _paid(caller, "FT-778", "100.00")
        bill = await caller.bill("NW-2291")
        assert (await caller.get(f"/accounting/bills/{bill['id']}", fault=STALE))["bill"] == bill
