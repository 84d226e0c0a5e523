"""What is known of a payment: each fact as the ledger shows it, and what it does not show left open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.untrusted import account_argument, amount_argument
from rutter_ap_server.guard.writes.base import Dated, Dates, Gathered, Touched, Used
from rutter_ap_server.guard.writes.compared import Compared
from rutter_ap_server.guard.writes.parties import Contents
from rutter_ap_server.guard.writes.pay_bill import PayBillWrite
from rutter_ap_server.guard.writes.pay_bill_facts import (
    bills_of_number,
    files_on,
    line_sums,
    other_bill,
    paid_amount,
    paid_on,
    vendor_past,
)
from rutter_ap_server.guard.writes.pay_bill_rules import RULES, FileOnBill, OtherBill, PaymentFacts
from rutter_ap_server.guard.writes.pay_bill_signals import SIGNALS
from rutter_ap_server.guard.writes.sums import ExpectedSums
from rutter_ap_server.reads import history
from rutter_ap_server.rutter.models.base import Allocation
from rutter_ap_server.rutter.models.bills import Bill, BillLine
from rutter_ap_server.rutter.models.payments import AllocationDraft, BillPayment, BillPaymentCreate
from rutter_ap_server.store.documents import Document
from rutter_ap_tools.errors import AssistantError
from rutter_ap_tools.money import Money
from rutter_ap_tools.payments import PayBill
from support.bench import START, Bench, a_bench
from support.facts import a_bill, a_prepared_write, payment_facts, usd
from support.spoiled import multiply, spoil

PAY = PayBillWrite()
EMPTY = Money.zero("USD")


@pytest.fixture
async def bench(home: Path) -> AsyncIterator[Bench]:
    """A ledger to read from; nothing is written."""
    async with a_bench(home) as opened:
        yield opened


async def no_account(role: str) -> str | None:
    return None


async def prepared_for(bench: Bench, number: str, **asked: str) -> PreparedWrite:
    bill = await bench.bill(number)
    made: dict[str, Any] = {"account": "Operating Checking"} | asked
    request = PayBill(bill_id=bill.id, **made)
    return await PAY.prepare(request, bench.company, no_account)


async def gathered_for(bench: Bench, number: str, **asked: str) -> Gathered[PaymentFacts]:
    return await PAY.gather(await prepared_for(bench, number, **asked), bench.company)


def a_ledger_bill(**changed: Any) -> Bill:
    made: dict[str, Any] = {"id": "b1", "currency_code": "USD", "status": "open", "amount_due": Decimal("1000.00")}
    return Bill(**made | {"total_amount": Decimal("1000.00")} | changed)


def a_payment(**changed: Any) -> BillPayment:
    return BillPayment(**{"id": "p1", "currency_code": "USD"} | changed)


def links(*amounts: str) -> tuple[Allocation, ...]:
    return tuple(Allocation(id=f"p{at}", allocated_amount=Decimal(one)) for at, one in enumerate(amounts))


def lines(*amounts: tuple[str, str | None]) -> tuple[BillLine, ...]:
    return tuple(
        BillLine(total_amount=Decimal(amount), tax_amount=Decimal(tax) if tax else None) for amount, tax in amounts
    )


@pytest.mark.parametrize(
    ("payment", "amount"),
    [
        (a_payment(total_amount=Decimal("80.00"), linked_bills=links("50.00")), usd("80.00")),
        (a_payment(linked_bills=links("50.00", "25.01")), usd("75.01")),
        (a_payment(total_amount=Decimal("9.345")), None),
        (a_payment(total_amount=Decimal("9.34"), currency_code="XBT"), None),
    ],
)
def test_a_payment_comes_to_its_total_or_its_parts(payment: BillPayment, amount: Money) -> None:
    assert paid_amount(payment) == amount


def test_a_bill_counts_by_its_number_without_an_amount() -> None:
    assert other_bill(a_ledger_bill()) == OtherBill("b1", "open", usd("1000.00"))
    assert other_bill(a_ledger_bill(total_amount=None)) == OtherBill("b1", "open", None)


def test_what_was_paid_on_a_bill_has_its_day_if_that_is_shown() -> None:
    dated = Allocation(id="p1", allocated_amount=Decimal("2.50"), allocated_date=datetime(2026, 2, 3, tzinfo=UTC))
    undated = Allocation(id="p2", allocated_amount=Decimal(1))

    paid = paid_on(a_ledger_bill(linked_payments=(dated, undated)))

    assert paid == ((usd("2.50"), date(2026, 2, 3)), (usd("1.00"), None))


@pytest.mark.parametrize(
    ("bill", "sums"),
    [
        (
            {"tax_amount": Decimal(7), "total_discount": Decimal(-10)},
            ["100.00", "90.00", "103.00", "93.00", "107.00", "97.00"],
        ),
        ({}, ["100.00", "100.00", "103.00", "103.00", "100.00", "100.00"]),
        ({"total_amount": Decimal("102.98")}, ["102.98"]),
        ({"total_amount": Decimal("103.02")}, ["103.02"]),
        ({"total_amount": Decimal("103.03")}, ["100.00", "100.00", "103.00", "103.00", "100.00", "100.00"]),
    ],
)
def test_lines_come_to_each_sum_their_platform_may_mean(bill: dict[str, Any], sums: list[str]) -> None:
    found = a_ledger_bill(line_items=lines(("60.00", "3.00"), ("40.00", None)), **bill)

    assert line_sums(found, Money.of(found.total_amount or 0, "USD")) == tuple(map(usd, sums))


@pytest.mark.parametrize(
    "unusable", [(), (*lines(("1000.00", None)), BillLine()), lines(("60.005", None))], ids=["none", "part", "decimals"]
)
def test_lines_that_cannot_be_added_up_say_nothing(unusable: tuple[BillLine, ...]) -> None:
    assert line_sums(a_ledger_bill(line_items=unusable), usd("1000.00")) == ()


def test_lines_of_nothing_come_to_nothing() -> None:
    assert line_sums(a_ledger_bill(line_items=lines(("0.00", None))), usd("1000.00")) == (EMPTY,) * 6


CREDIT = "Credit {id} (‹CM-0117›) was left out: "


@pytest.mark.parametrize(
    ("changes", "owed", "why"),
    [
        ({}, "120.00", None),
        ({"currency_code": "EUR"}, "0.00", None),
        ({"currency_code": "EUR", "remaining_amount": None}, "0.00", None),
        ({"currency_code": None}, "0.00", "the ledger has no currency for its remaining credit."),
        ({"remaining_amount": None}, "0.00", "the ledger has no remaining credit."),
        ({"status": "unknown"}, "0.00", "its status ‹unknown› does not say whether it is unpaid."),
        ({"status": "void"}, "0.00", None),
    ],
)
async def test_open_credits_are_counted_or_named(
    bench: Bench, changes: dict[str, Any], owed: str, why: str | None
) -> None:
    [credit] = [one async for one in bench.company.rutter.bill_credit_memos.walk()]
    assert credit.vendor_id is not None
    spoil(bench.sandbox, credit.id, **changes)

    past = await vendor_past(bench.company, credit.vendor_id, "USD")

    assert past.open_credits == usd(owed)
    assert past.unusable == ((f"{CREDIT.format(id=credit.id)}{why}",) if why else ())
    assert [one.id for one in past.credits.records] == [credit.id]


async def test_a_credit_in_another_currency_hides_none_behind_it(bench: Bench) -> None:
    [credit] = [one async for one in bench.company.rutter.bill_credit_memos.walk()]
    assert credit.vendor_id is not None
    # One before it, and one after it, however the ledger sorts them.
    for prefix in ("0", "z"):
        multiply(bench.sandbox, credit.id, 1, prefix=prefix, currency_code="EUR")

    assert (await vendor_past(bench.company, credit.vendor_id, "USD")).open_credits == usd("120.00")


async def test_earlier_payments_are_those_made_and_readable(bench: Bench) -> None:
    vendor_id = (await bench.bill("FT-802")).vendor_id
    assert vendor_id is not None
    made = [one async for one in bench.company.rutter.bill_payments.walk() if one.vendor_id == vendor_id]
    by_amount = {f"{one.total_amount:.2f}": one.id for one in made}
    assert sorted(by_amount) == ["2400.00", "4820.00", "5990.00", "6115.00", "7350.00"]
    spoil(bench.sandbox, by_amount["4820.00"], status="void")
    spoil(bench.sandbox, by_amount["5990.00"], transaction_date="soon")
    spoil(bench.sandbox, by_amount["6115.00"], total_amount="json:6115.005")

    past = await vendor_past(bench.company, vendor_id, "USD")
    assert past.paid_before
    assert sorted(one.text for one in past.earlier_payments) == ["2400.00", "7350.00"]
    for amount in ("2400.00", "7350.00"):
        spoil(bench.sandbox, by_amount[amount], status="void")
    one_without_amount = await vendor_past(bench.company, vendor_id, "USD")
    assert (one_without_amount.paid_before, one_without_amount.earlier_payments) == (True, ())
    spoil(bench.sandbox, by_amount["6115.00"], status="void")
    assert not (await vendor_past(bench.company, vendor_id, "USD")).paid_before


async def test_bills_of_one_number_are_found_in_any_spelling_but_dead(bench: Bench) -> None:
    bill, other = await bench.bill("INV-1043"), await bench.bill("INV1043")
    assert bill.vendor_id is not None
    for status in ("void", "rejected", "paid"):
        multiply(bench.sandbox, other.id, 1, prefix=status, status=status, document_number="inv 1043")
    multiply(bench.sandbox, other.id, 1, prefix="a", document_number="")

    found, unread = await bills_of_number(bench.company, a_bill(id=bill.id, number="INV-1043"), [bill.vendor_id])
    assert [one.id for one in found] == sorted([other.id, "paid-0"])
    assert unread == ""
    unnumbered = a_bill(id=bill.id, number=" ")
    assert await bills_of_number(bench.company, unnumbered, [bill.vendor_id]) == ((), "")


@pytest.mark.parametrize(("number", "unread"), [("NW-2291", False), ("22", True)])
async def test_of_too_many_bills_a_missing_number_is_said(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, number: str, unread: bool
) -> None:
    monkeypatch.setattr(history, "HISTORY_PAGES_MAX", 1)
    bench.wire.page_bills_max = 2
    bill = await bench.bill("NW-2291")
    assert bill.vendor_id is not None

    found = await bills_of_number(bench.company, a_bill(id=bill.id, number=number), [bill.vendor_id])
    spoil(bench.sandbox, bill.id, document_number=number)
    prepared = await PAY.prepare(PayBill(bill_id=bill.id, account="Operating Checking"), bench.company, no_account)
    gathered = await PAY.gather(prepared, bench.company)

    said = "the ledger has more documents of this vendor than can be read" if unread else ""
    assert found == ((), said)
    assert gathered.seen.unread == said


async def test_credits_that_could_not_all_be_read_are_doubted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "HISTORY_PAGES_MAX", 1)
    [credit] = [one async for one in bench.company.rutter.bill_credit_memos.walk()]
    assert credit.vendor_id is not None
    multiply(bench.sandbox, credit.id, 600, status="paid")

    past = await vendor_past(bench.company, credit.vendor_id, "USD")

    assert past.unusable == ("the ledger has more documents of this vendor than can be read",)


async def test_files_are_read_or_said_to_be_unread(bench: Bench) -> None:
    bill = await bench.bill("NW-2291")
    assert await files_on(bench.company, bill.id) == ()
    await bench.company.rutter.attachments.upload(bill.id, "a.pdf", b"%PDF-1.7 a", idempotency_key="a")
    [file] = await bench.company.rutter.attachments.list(bill.id)
    assert await files_on(bench.company, bill.id) == (FileOnBill(file.id, "a.pdf"),)
    bench.wire.is_down = True
    assert await files_on(bench.company, bill.id) is None


async def test_a_payment_is_prepared_as_it_was_asked_for(bench: Bench) -> None:
    bill = await bench.bill("INV-1043")
    account = await bench.company.directory.account("Operating Checking")
    company = replace(bench.company, identity=replace(bench.company.identity, ledger_id="ledger"))
    asked = PayBill(
        bill_id=bill.id, amount="100.5", account="Operating Checking", date="2026-03-01", memo="three lamps"
    )

    prepared = await PAY.prepare(asked, company, no_account)

    assert replace(prepared, digest="") == PreparedWrite(
        tool="pay_bill",
        company_id="ledger",
        connection_id=bench.company.id,
        fields={
            "bill_id": bill.id,
            "vendor_id": bill.vendor_id,
            "amount": "100.50",
            "currency": "USD",
            "account_id": account.id,
            "date": "2026-03-01",
            "memo": "three lamps",
        },
        digest="",
        summary="Pay 100.50 USD to Acme Office Supply for bill INV-1043 from Operating Checking, dated 2026-03-01",
        money=usd("100.50"),
        vendor_id=bill.vendor_id,
        vendor_name="Acme Office Supply",
        bill_id=bill.id,
    )


async def test_without_amount_and_date_the_balance_is_paid_today(bench: Bench) -> None:
    first = await prepared_for(bench, "INV-1043")
    named = await prepared_for(bench, "INV-1043", date="2026-03-02")
    bench.clock.instant = datetime(2026, 3, 3, 12, tzinfo=UTC)
    next_day = await prepared_for(bench, "INV-1043")

    assert (first.money, first.fields["date"]) == (usd("318.45"), "2026-03-02")
    assert next_day.fields["date"] == "2026-03-03"
    assert first.digest == next_day.digest != named.digest


async def test_the_account_is_the_named_one_or_else_the_linked_one(bench: Bench) -> None:
    card = await bench.company.directory.account("Company Credit Card")
    asked: list[str] = []

    async def linked(role: str) -> str | None:
        asked.append(role)
        return card.id

    bill_id = (await bench.bill("INV-1043")).id
    by_link = await PAY.prepare(PayBill(bill_id=bill_id), bench.company, linked)
    assert (by_link.fields["account_id"], asked) == (card.id, ["funding"])
    by_name = await PAY.prepare(PayBill(bill_id=bill_id, account="Operating Checking"), bench.company, linked)
    assert by_name.fields["account_id"] != card.id
    with pytest.raises(AssistantError) as refused:
        await PAY.prepare(PayBill(bill_id=bill_id), bench.company, no_account)
    assert refused.value.error_code == "account.not_linked"


async def test_every_fact_of_a_payment_is_gathered(bench: Bench) -> None:
    bill, other, checking = (
        await bench.bill("INV-1043"),
        await bench.bill("INV1043"),
        await bench.company.directory.account("Operating Checking"),
    )
    supplies = await bench.company.directory.account("Office Supplies")
    [credit] = [one async for one in bench.company.rutter.bill_credit_memos.walk()]
    assert bill.vendor_id is not None
    await bench.pay_by_hand("INV-1043", "18.45")
    [paid] = (await bench.bill("INV-1043")).linked_payments
    assert paid.id is not None
    for name in ("b.pdf", "a.pdf"):
        await bench.company.rutter.attachments.upload(bill.id, name, name.encode(), idempotency_key=name)
    files = [FileOnBill(one.id, one.file_name) for one in await bench.company.rutter.attachments.list(bill.id)]
    spoil(bench.sandbox, credit.id, remaining_amount=None)

    found = await gathered_for(bench, "INV-1043", amount="100.00")

    seen, vendor = found.seen, found.vendor
    assert vendor is not None
    assert [seen.bill.id, vendor.id, seen.account.id] == [bill.id, bill.vendor_id, checking.id]
    assert seen == PaymentFacts(
        bill=seen.bill,
        vendor=vendor,
        account=seen.account,
        open_credits=EMPTY,
        paid_before=True,
        earlier_payments=seen.earlier_payments,
        other_bills=(OtherBill(other.id, "open", usd("318.45")),),
        paid_on_bill=((usd("18.45"), START.date()),),
        line_sums=(usd("318.45"),),
        files=tuple(files),
        today=START.date(),
        booked=((supplies.id, "318.45"),),
        unread="",
        unusable=seen.unusable,
        every_file_listed=False,
    )
    amounts = sorted(one.text for one in seen.earlier_payments)
    assert amounts == ["18.45", "187.95", "212.40", "231.75", "264.00", "298.30", "305.10"]
    assert "has no remaining credit" in seen.unusable[0]
    assert found.binding == {
        "bill": seen.bill.binding,
        "vendor": vendor.binding,
        "account": seen.account.binding,
        "amount": "100.00 USD",
        "other_bills": [[other.id, "318.45 USD"]],
        "lines": found.binding["lines"],
        "files": sorted([one.id, one.name] for one in files),
    }
    assert found.before == {"payments": [paid.id], "due": "300.00", "total": "318.45"}
    shown, twin = (
        Document("bill", one.id, bill.vendor_id, number, one.issue_date.date(), usd("318.45"), net=usd("318.45"))
        for one, number in ((bill, "INV-1043"), (other, "INV1043"))
        if one.issue_date is not None
    )
    assert found.remembers == (shown,)
    assert found.compared == Compared(
        shown, ExpectedSums(shown.net, None, usd("318.45"), ""), usd("318.45"), (twin,), by_amount=False
    )
    assert found.contents == {
        Touched("bill", bill.id): Contents(frozenset({paid.id}), "318.45", usd("300.00")),
        Touched("credits_of_vendor", bill.vendor_id): Contents(frozenset({credit.id})),
    }
    assert found.names == {supplies.id: "Office Supplies"}
    assert found.arguments == (amount_argument(usd("100.00")), account_argument("Operating Checking"))
    assert found.texts == (
        ("a line of bill INV-1043", "Desk lamps"),
        ("the number of bill INV-1043", "INV-1043"),
        ("the vendor's name", "Acme Office Supply"),
    )


async def test_the_amount_is_nobodys_choice_when_it_is_the_balance(bench: Bench) -> None:
    found = await gathered_for(bench, "INV-1043")

    assert found.arguments == (account_argument("Operating Checking"),)


async def test_a_bill_of_nobody_tells_only_of_itself(bench: Bench) -> None:
    bill = await bench.bill("INV-1043")
    numberless = {"vendor_id": None, "linked_payments": [{"id": "p", "allocated_amount": 1}, {"allocated_amount": 2}]}
    spoil(bench.sandbox, bill.id, **numberless)
    bench.wire.read_faults = {"/attachments": "not_found"}

    prepared = await prepared_for(bench, "INV-1043")
    found = await PAY.gather(prepared, bench.company)

    assert (prepared.vendor_id, prepared.vendor_name) == (None, "an unnamed vendor")
    assert (found.vendor, found.binding["vendor"], found.binding["files"]) == (None, None, None)
    assert (found.seen.paid_before, found.seen.open_credits, found.seen.other_bills) == (False, EMPTY, ())
    assert [where for where, _ in found.texts] == ["a line of bill INV-1043", "the number of bill INV-1043"]
    assert set(found.contents) == {Touched("bill", bill.id)}
    assert found.before["payments"] == ["", "p"]


async def test_a_bill_of_a_twin_with_the_number_is_found(bench: Bench) -> None:
    bill, of_twin = await bench.bill("INV-1043"), await bench.bill("AP-310")
    assert of_twin.vendor_id is not None
    spoil(bench.sandbox, of_twin.vendor_id, vendor_name="ACME Office-Supply")
    spoil(bench.sandbox, of_twin.id, document_number="INV-1043")
    bench_bill = await PAY.prepare(PayBill(bill_id=bill.id, account="Operating Checking"), bench.company, no_account)

    found = await PAY.gather(bench_bill, bench.company)

    assert of_twin.id in [one.id for one in found.seen.other_bills]


async def test_a_bill_without_a_number_is_compared_by_its_amount(bench: Bench) -> None:
    bill = await bench.bill("NW-2291")
    prepared = await prepared_for(bench, "NW-2291")
    spoil(bench.sandbox, bill.id, document_number=None)

    found = await PAY.gather(prepared, bench.company)

    assert found.compared is not None
    assert found.compared.by_amount


@pytest.mark.parametrize("issued", [date(2026, 2, 1), None])
def test_a_payment_is_posted_and_used_on_its_own_day(issued: date | None) -> None:
    day = date(2026, 3, 2)

    assert PAY.dates(a_prepared_write(), payment_facts(bill=a_bill(issued=issued))) == Dates(
        posted=(Dated("the payment is dated", day),),
        documents=(Dated("bill INV-1 is dated", issued),) if issued else (),
        entered=(),
        used=(Used("the payment is dated", day, "payment.before_bill", (("bill INV-1", issued),)),),
    )


def test_a_payment_is_judged_by_all_of_its_rules_and_counted() -> None:
    assert PAY.rules == (*RULES, *SIGNALS)
    assert PAY.counts_against_limits


@pytest.mark.parametrize("memo", ["", "three lamps"])
async def test_what_is_sent_is_what_was_prepared(bench: Bench, memo: str) -> None:
    prepared = await prepared_for(bench, "INV-1043", amount="100.50", date="2026-03-01", memo=memo)

    draft = await PAY.draft(prepared, bench.company)

    assert draft == BillPaymentCreate(
        account_id=prepared.fields["account_id"],
        vendor_id=prepared.fields["vendor_id"],
        currency_code="USD",
        transaction_date=datetime(2026, 3, 1, tzinfo=UTC),
        linked_bills=(AllocationDraft(id=prepared.fields["bill_id"], allocated_amount=Decimal("100.50")),),
        memo=memo or UNSET,
    )
