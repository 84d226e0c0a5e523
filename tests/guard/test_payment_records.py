"""Which payment in the ledger is the one that was to be recorded, and how it is shown."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.pay_bill import PayBillWrite
from rutter_ap_tools.payments import PayBill
from rutter_ap_tools.wire import MoneyShape, Named, Record
from support.bench import Bench, a_bench
from support.facts import usd
from support.spoiled import spoil

PAY = PayBillWrite()
NOTHING: dict[str, Any] = {"payments": []}


async def prepared_and_paid(bench: Bench) -> tuple[PreparedWrite, str]:
    """A payment of 100.00 as it was prepared, and the id of the one that stands in the ledger."""
    bill = await bench.bill("NW-2291")
    request = PayBill(bill_id=bill.id, amount="100.00", account="Operating Checking")

    async def no_account(role: str) -> str | None:
        return None

    prepared = await PAY.prepare(request, bench.company, no_account)
    return prepared, await bench.pay_by_hand("NW-2291", "100.00")


async def found_ids(bench: Bench, prepared: PreparedWrite, before: dict[str, Any] = NOTHING) -> list[str]:
    return [one.id for one in await PAY.find(prepared, bench.company, before)]


@pytest.mark.parametrize(
    ("changes", "may_be"),
    [
        ({}, True),
        ({"status": "void"}, False),
        ({"status": None}, True),
        ({"account_id": "another"}, False),
        ({"account_id": None}, True),
        ({"vendor_id": "another"}, False),
        ({"vendor_id": None}, True),
        ({"currency_code": "EUR"}, False),
        ({"transaction_date": None}, True),
        ({"transaction_date": "2026-03-01T00:00:00.000Z"}, False),
        # Midnight of this day, elsewhere.
        ({"transaction_date": "2026-03-01T13:00:00.000Z"}, True),
        ({"total_amount": "many"}, False),
    ],
)
async def test_a_payment_is_recognised_by_all_that_is_shown_of_it(
    home: Path, changes: dict[str, Any], may_be: bool
) -> None:
    async with a_bench(home) as bench:
        prepared, payment_id = await prepared_and_paid(bench)
        spoil(bench.sandbox, payment_id, **changes)

        assert await found_ids(bench, prepared) == ([payment_id] if may_be else [])
        # A person may say that it is the one, whatever it shows.
        named = await PAY.named(prepared, bench.company, payment_id, NOTHING)
        assert named is not None
        assert named.id == payment_id


async def test_only_a_new_payment_of_exactly_this_amount_is_found(home: Path) -> None:
    async with a_bench(home) as bench:
        prepared, payment_id = await prepared_and_paid(bench)
        other_id = await bench.pay_by_hand("NW-2291", "100.01", "another")
        bill_id, before = prepared.fields["bill_id"], {"payments": [payment_id]}

        assert await found_ids(bench, prepared) == [payment_id]
        assert await found_ids(bench, prepared, before) == []
        assert await PAY.named(prepared, bench.company, payment_id, before) is None
        assert await PAY.named(prepared, bench.company, "nowhere", before) is None
        other = await PAY.named(prepared, bench.company, other_id, before)
        assert other is not None
        assert other.amount == MoneyShape.of(usd("100.01"))
        spoil(bench.sandbox, bill_id, linked_payments=[{"id": None, "allocated_amount": 100}])
        assert await found_ids(bench, prepared) == []


async def test_the_payment_that_was_named_comes_first_and_alone_counts(home: Path) -> None:
    async with a_bench(home) as bench:
        prepared, first = await prepared_and_paid(bench)
        second = await bench.pay_by_hand("NW-2291", "100.00", "another")

        for sent, other in ((first, second), (second, first)):
            read = await PAY.read_back(prepared, bench.company, SimpleNamespace(id=sent), NOTHING)
            assert [one.id for one in read] == [sent, other]
        unseen = SimpleNamespace(id="not shown yet")
        assert await PAY.read_back(prepared, bench.company, unseen, NOTHING) == ()


async def test_a_payment_is_shown_with_its_bill_as_it_is_now(home: Path) -> None:
    async with a_bench(home) as bench:
        prepared, payment_id = await prepared_and_paid(bench)
        bill_id = prepared.fields["bill_id"]
        assert prepared.vendor_id is not None
        shown = Record(
            kind="bill_payment",
            id=payment_id,
            vendor=Named(id=prepared.vendor_id, name="Northwind Utilities"),
            bill_id=bill_id,
            amount=MoneyShape.of(usd("100.00")),
            bill_due=MoneyShape.of(usd("584.20")),
            bill_status="partially_paid",
        )
        assert await PAY.find(prepared, bench.company, NOTHING) == (shown,)

        # What else is on the bill, or cannot be read of it, says nothing of the payment.
        half, rest = {"id": payment_id, "allocated_amount": 50}, {"id": "another", "allocated_amount": 7}
        spoil(bench.sandbox, bill_id, amount_due=None, linked_payments=[half, rest, half])
        nobodys = PreparedWrite(**{name: getattr(prepared, name) for name in prepared.__slots__} | {"vendor_id": None})
        named = await PAY.named(nobodys, bench.company, payment_id, NOTHING)
        assert named == shown.model_copy(update={"vendor": None, "bill_due": None})


async def test_it_is_said_if_the_memo_is_kept_otherwise(home: Path) -> None:
    async with a_bench(home) as bench:
        prepared, payment_id = await prepared_and_paid(bench)
        spoil(bench.sandbox, payment_id, memo="somebody else's")

        [found] = await PAY.find(prepared, bench.company, NOTHING)
        assert found.text_difference is not None
        assert "‹somebody else's›" in found.text_difference


async def test_an_answer_to_a_second_sending_proves_less(home: Path) -> None:
    async with a_bench(home) as bench:
        prepared, _ = await prepared_and_paid(bench)
        draft = await PAY.draft(prepared, bench.company)
        bench.wire.faults = ["turned down", "turned down"]

        outcomes = [await PAY.send(prepared, draft, bench.company, "key", again=again) for again in (False, True)]

        assert bench.wire.payments_sent == ["key", "key"]
        assert [type(one).__name__ for one in outcomes] == ["Rejected", "Unknown"]
