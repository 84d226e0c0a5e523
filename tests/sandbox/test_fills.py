"""The practice companies fill every documented field, have every documented status, and add up in every figure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from rutter_ap_server.rutter.models import accounts, bills, customers, dimensions, items, payments, terms, vendors
from rutter_ap_server.rutter.models import company as companies
from rutter_ap_server.rutter.models import purchase_orders as orders
from support.fills import TODAY, fills, fills_of, practice_books, values

MAIN, WEEKS = "Harbor & Pine", "Saltmarsh Bakery"

# What no company can fill, and why.
NEVER_FILLED = {("currency", "platform_id"): "Rutter documents no such field for currencies; the model shares it."}

DOCUMENTED: list[tuple[str, str, tuple[str | None, ...]]] = [
    ("bill", "status", bills.BILL_STATUSES),
    ("bill_credit_memo", "status", bills.BILL_STATUSES),
    ("bill_payment", "status", (*payments.BILL_PAYMENT_STATUSES, None)),
    ("account", "status", accounts.ACCOUNT_STATUSES),
    ("account", "account_type", accounts.ACCOUNT_TYPES),
    ("account", "category", accounts.ACCOUNT_CATEGORIES),
    ("vendor", "status", vendors.VENDOR_STATUSES),
    ("customer", "status", customers.CUSTOMER_STATUSES),
    ("item", "status", items.ITEM_STATUSES),
    ("item", "type", items.ITEM_TYPES),
    ("class", "status", dimensions.DIMENSION_STATUSES),
    ("department", "status", dimensions.DIMENSION_STATUSES),
    ("location", "status", dimensions.DIMENSION_STATUSES),
    ("task", "status", dimensions.TASK_STATUSES),
    ("tax_rate", "status", terms.TAX_RATE_STATUSES),
    ("subsidiary", "status", companies.SUBSIDIARY_STATUSES),
    ("purchase_order", "status", orders.PURCHASE_ORDER_STATUSES),
]


def test_every_documented_field_is_filled_somewhere() -> None:
    empty = {(kind, field) for kind, counts in fills().items() for field, count in counts.items() if not count}
    assert empty == set(NEVER_FILLED)


def test_a_field_is_counted_in_the_objects_that_hold_it() -> None:
    """The measure itself: what it says of a few fields is counted here by hand."""
    found = fills_of(MAIN)
    books = practice_books()[MAIN]
    assert found["bill"]["*"] == len(books["bill"])
    assert found["bill"]["memo"] == sum(one["memo"] is not None for one in books["bill"]) == 1
    taxed = [one for one in books["bill"] if any(line["tax_amount"] for line in one["line_items"])]
    assert found["bill"]["line_items.tax_amount"] == len(taxed) == 1
    assert found["bill"]["line_items.location_id"] == 0
    assert fills()["bill"]["*"] == sum(len(one["bill"]) for one in practice_books().values())


@pytest.mark.parametrize(("kind", "field", "documented"), DOCUMENTED, ids=[f"{row[0]}.{row[1]}" for row in DOCUMENTED])
def test_every_documented_status_occurs_and_no_other(kind: str, field: str, documented: tuple[str | None, ...]) -> None:
    assert set(values(kind, field)) == set(documented)


def _every(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for company, books in practice_books().items():
        yield from ((company, one) for one in books.get(kind, []))


def _sum(rows: list[dict[str, Any]], name: str) -> Decimal:
    return sum((Decimal(row[name] or 0) for row in rows), Decimal(0))


def test_net_tax_and_discount_of_a_bill_are_those_of_its_lines() -> None:
    within = beside = 0
    for _, bill in _every("bill"):
        lines = bill["line_items"]
        assert bill["sub_total"] == _sum(lines, "sub_total")
        assert bill["tax_amount"] == _sum(lines, "tax_amount")
        assert bill["total_discount"] == _sum(lines, "discount_amount")
        assert bill["total_amount"] == bill["sub_total"] + bill["tax_amount"]
        for line in lines:
            net, tax, stated = line["sub_total"], line["tax_amount"], line["total_amount"]
            assert stated in {net, net + tax}
            within += bool(tax) and stated == net + tax
            beside += bool(tax) and stated == net
    assert within >= 1, "a bill with the tax within its lines"
    assert beside >= 4, "bills with the tax on top of their lines"


def test_a_line_of_an_item_is_its_quantity_times_its_price() -> None:
    lines = [line for _, bill in _every("bill") for line in bill["line_items"] if line["item"]]
    assert len(lines) >= 6
    for line in lines:
        bought = line["item"]["quantity"] * line["item"]["unit_amount"]
        assert bought == line["total_amount"] + (line["discount_amount"] or 0)


def test_a_discount_is_shown_as_an_amount_and_as_a_percentage() -> None:
    lines = [line for _, bill in _every("bill") for line in bill["line_items"] if line["discount_amount"]]
    assert len(lines) >= 2
    for line in lines:
        before = line["total_amount"] + line["discount_amount"]
        assert abs(line["discount_percentage"] - line["discount_amount"] * 100 / before) < Decimal("0.0001")


def test_orders_are_billed_in_part_in_whole_and_not_at_all() -> None:
    shares = set()
    for company, order in _every("purchase_order"):
        billed = [
            bill["total_amount"]
            for bill in practice_books()[company]["bill"]
            if {"id": order["id"]} in bill["linked_purchase_orders"]
        ]
        share = "none" if not billed else "whole" if sum(billed) >= order["total_amount"] else "part"
        shares.add((share, order["status"]))
        assert (order["status"] == "closed") == (share == "whole")
    # An order that is billed in part waits for the rest on NetSuite, and is simply open elsewhere.
    assert shares >= {("none", "open"), ("part", "open"), ("part", "pending_bill"), ("whole", "closed")}


def test_some_terms_have_a_discount_for_paying_sooner() -> None:
    found = {
        (term["due_days"], term["discount_days"], term["discount_percent"])
        for _, term in _every("payment_term")
        if term["discount_days"]
    }
    assert {(30, 10, 2), (15, 10, 1)} <= found
    main = practice_books()[MAIN]
    named = {term["id"]: term["term_name"] for term in main["payment_term"]}
    offered = [bill for bill in main["bill"] if named.get(bill["payment_terms_id"]) == "2/10 Net 30"]
    assert [bill["document_number"] for bill in offered] == ["FT-802"]


def test_a_journal_entry_offsets_a_bill_together_with_a_payment() -> None:
    books = practice_books()[WEEKS]
    (bill,) = [one for one in books["bill"] if one.get("additional_fields", {}).get("linked_journal_entries")]
    (journal,) = bill["additional_fields"]["linked_journal_entries"]
    (payment,) = [one for one in books["bill_payment"] if "additional_fields" in one]
    assert payment["additional_fields"]["linked_journal_entries"] == [journal]
    paid = _sum(bill["linked_payments"], "allocated_amount")
    assert (journal["amount"], bill["status"], bill["amount_due"]) == ("30.00", "paid", 0)
    assert bill["total_amount"] == paid + Decimal(journal["amount"])


def test_a_credit_is_used_within_a_payment() -> None:
    books = practice_books()[WEEKS]
    (payment,) = [one for one in books["bill_payment"] if one["linked_credit_memos"]]
    (used,) = payment["linked_credit_memos"]
    (bill,) = [one for one in books["bill"] if one["id"] == payment["linked_bills"][0]["id"]]
    (credit,) = [one for one in books["bill_credit_memo"] if one["id"] == used["id"]]
    assert bill["linked_credit_memos"] == [used]
    assert (bill["amount_due"], credit["remaining_amount"]) == (0, Decimal("15.00"))


def _weeks_of(days: list[str]) -> set[int]:
    """In which weeks, counted from today, dates lie: 0 is the coming week, -1 the one that ended today."""
    return {(date.fromisoformat(day[:10]) - TODAY).days // 7 for day in days}


def test_thirteen_weeks_of_cash_can_be_foreseen() -> None:
    books = practice_books()[WEEKS]
    unpaid = [one for one in books["bill"] if one["status"] in {"open", "partially_paid"}]
    assert _weeks_of([one["due_date"] for one in unpaid]) >= set(range(13))
    assert _weeks_of([one["transaction_date"] for one in books["bill_payment"]]) >= set(range(-13, 0))
    banks = [one for one in books["account"] if one["account_type"] == "bank" and one["status"] == "active"]
    assert {one["name"] for one in banks if one["balance"] > 0} == {"Main Checking", "Reserve", "Wages Checking"}
    # Recurring: the same vendor every week behind, and every month ahead.
    by_vendor: dict[str, list[str]] = {}
    for one in unpaid:
        by_vendor.setdefault(one["vendor_id"], []).append(one["due_date"])
    assert sum(len(dues) >= 3 for dues in by_vendor.values()) >= 4
    horizon = (TODAY + timedelta(weeks=13)).isoformat()
    need = sum(one["amount_due"] for one in unpaid if one["due_date"] < horizon)
    assert 0 < need < sum(one["balance"] for one in banks)
