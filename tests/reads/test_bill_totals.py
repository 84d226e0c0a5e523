"""Totals of a list of bills: of the whole match or not at all; and what a page of bills costs to read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rutter_ap_server.reads.bills import list_bills, sums_of
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_tools.bills import LIST_BILLS, BillList, BillTotal, ListBills
from rutter_ap_tools.money import Money
from support.practice_company import practice
from support.serving import done, serving, text_of

pytestmark = pytest.mark.anyio
PLATFORMS = ("QUICKBOOKS", "XERO", "NETSUITE", "SAGE_INTACCT")
BYTES_A_TOKEN = 4


def exact(totals: list[BillTotal] | None) -> dict[str, tuple[int, str, str]]:
    """Totals by currency: how many, total, due."""
    assert totals is not None
    assert all(one.total.currency == one.due.currency for one in totals)
    return {one.total.currency: (one.bills, one.total.amount, one.due.amount) for one in totals}


def added_up(bills: Iterable[Bill]) -> dict[str, tuple[int, str, str]]:
    """The same, added up by hand from the ledger's own bills."""
    sums: dict[str, list[Decimal]] = {}
    for bill in bills:
        of = sums.setdefault(bill.currency_code, [Decimal(0), Decimal("0.00"), Decimal("0.00")])
        of[0], of[1], of[2] = of[0] + 1, of[1] + (bill.total_amount or 0), of[2] + (bill.amount_due or 0)
    return {currency: (int(count), f"{total}", f"{due}") for currency, (count, total, due) in sums.items()}


def lists_asked(asked: list[str]) -> int:
    """How many pages of bills were asked for."""
    return sum(1 for one in asked if one.endswith("/accounting/bills"))


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("limit", [1, 7, 200])
async def test_the_first_page_totals_the_whole_match_and_no_other(platform: str, limit: int, tmp_path: Path) -> None:
    async with practice(tmp_path, platform, page_objects_max=25) as (company, _):
        bills = [b async for b in company.rutter.bills.walk()]
        questions: list[tuple[dict[str, Any], Any]] = [
            ({}, lambda b: b.status in ("open", "partially_paid")),
            ({"status": "any", "sort": "-updated_at"}, lambda b: True),
            ({"status": "paid"}, lambda b: b.status == "paid"),
            ({"status": "any", "vendor": bills[0].vendor_id}, lambda b: b.vendor_id == bills[0].vendor_id),
        ]
        for question, fits in questions:
            page = await list_bills(company, ListBills(**question, limit=limit))
            assert exact(page.totals) == added_up(b for b in bills if fits(b))
            assert not page.notes
            rows = list(page.bills)
            while page.next_cursor:
                page = await list_bills(company, ListBills(**question, limit=limit, cursor=page.next_cursor))
                assert page.totals is None
                assert not page.notes
                rows += page.bills
            assert {row.id for row in rows} == {b.id for b in bills if fits(b)}


async def test_two_currencies_are_never_added_together(home: Path) -> None:
    async with serving(home) as (client, _):
        found = await done(client, "list_bills")
        said = text_of(await client.call_tool("list_bills", {}))
    assert [(one["bills"], one["due"], one["total"]) for one in found["totals"]] == [
        (2, {"amount": "2195.50", "currency": "EUR"}, {"amount": "2195.50", "currency": "EUR"}),
        (13, {"amount": "50405.85", "currency": "USD"}, {"amount": "52805.85", "currency": "USD"}),
    ]
    assert "EUR: 2 bills match, 2195.50 due of 2195.50 total" in said
    # Where rows differ in currency each amount carries its own.
    assert " | due | total\n" in said
    assert " | 875.00 EUR | 875.00 EUR\n" in said
    assert " | 684.20 USD | 684.20 USD\n" in said


async def test_nothing_that_matches_has_no_totals_and_needs_no_note(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, _):
        page = await list_bills(company, ListBills(document_number="no such number"))
    assert (page.bills, page.totals, page.notes, page.next_cursor) == ([], [], [], None)


async def test_a_page_that_holds_the_whole_match_promises_no_more(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, _):
        late = len((await list_bills(company, ListBills(overdue=True))).bills)
        assert late > 1
        # Bills that are not late follow in the same stream, so that it has not ended when the page is full.
        assert (await list_bills(company, ListBills(overdue=True, limit=late))).next_cursor is None
        assert (await list_bills(company, ListBills(overdue=True, limit=late - 1))).next_cursor is not None


async def test_a_match_past_the_bound_is_not_totalled_and_says_so(tmp_path: Path) -> None:
    async with practice(tmp_path, page_objects_max=3) as (company, wire):
        page = await list_bills(company, ListBills(status="any", limit=3))
        assert page.totals is None
        (note,) = page.notes
        assert note.startswith("No totals: too many bills match. Narrow the filters to get totals; summarize_payables")
        assert page.next_cursor
        assert lists_asked(wire.asked) == 2
        narrowed = await list_bills(company, ListBills(limit=3, vendor="Kestrel Freight"))
        assert narrowed.totals is not None


async def test_a_page_not_filled_within_the_bound_is_not_totalled(tmp_path: Path) -> None:
    async with practice(tmp_path, page_objects_max=1) as (company, wire):
        page = await list_bills(company, ListBills(status="any", limit=200))
        assert page.totals is None
        assert [note.split(":")[0] for note in page.notes] == [
            "The search is not complete yet; call again with the cursor to continue.",
            "No totals",
        ]
        assert lists_asked(wire.asked) == 20


async def test_what_was_read_for_the_page_is_not_read_again_for_totals(tmp_path: Path) -> None:
    async with practice(tmp_path, page_objects_max=7) as (company, wire):
        statuses = [b.status async for b in company.rutter.bills.walk()]
        pages = sum(-(-statuses.count(status) // 7) for status in ("open", "partially_paid"))
        for limit in (3, 200):
            wire.asked.clear()
            page = await list_bills(company, ListBills(limit=limit))
            assert page.totals is not None
            assert lists_asked(wire.asked) == pages


async def test_totals_say_which_bills_they_do_not_include(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, wire):
        whole = sum(one.bills for one in (await list_bills(company, ListBills(limit=1))).totals or ())
        # The latest of the unpaid bills shows more digits than its currency has.
        wire.replaced = {b"27350.00": b"27350.005"}
        for limit in (2, 200):
            page = await list_bills(company, ListBills(limit=limit))
            assert page.totals
            assert sum(one.bills for one in page.totals) == whole - 1
            assert "was left out: the ledger's total of 27350.005 is not valid in USD" in page.notes[0]
            assert page.notes[-1] == "The totals do not include 1 bill that cannot be used."


async def test_a_page_of_fifty_bills_is_small_beside_what_rutter_sends(tmp_path: Path) -> None:
    async with practice(tmp_path, bills=600) as (company, _):
        page = await list_bills(company, ListBills(limit=50))
        raw = {bill.id: bill.raw or b"" async for bill in company.rutter.bills.walk()}
    assert len(page.bills) == 50
    assert page.totals
    assert page.next_cursor
    text = len(LIST_BILLS.render(page).encode())
    upstream = sum(len(raw[row.id]) for row in page.bills)
    assert text // BYTES_A_TOKEN <= 3000
    assert text * 100 <= upstream * 15
    # The typed rows carry every name and currency again: the price of a shape that programs can rely on.
    assert len(typed(page)) * 100 <= upstream * 35


def typed(page: BillList) -> bytes:
    """The structured content of an answer as it stands on the wire."""
    return json.dumps(page.model_dump(mode="json", exclude_none=True), separators=(",", ":")).encode()


_CENTS = st.integers(min_value=0, max_value=10**12)
_AMOUNTS = st.lists(st.tuples(st.sampled_from(["USD", "JPY", "KWD"]), _CENTS, _CENTS), max_size=40)


@given(_AMOUNTS, st.integers(min_value=0, max_value=40))
def test_sums_of_any_two_parts_add_up_to_the_sum_of_the_whole(amounts: list[tuple[str, int, int]], cut: int) -> None:
    bills = [(_money(total, currency), _money(due, currency)) for currency, total, due in amounts]
    whole, first, second = (by_currency(sums_of(part)) for part in (bills, bills[:cut], bills[cut:]))
    assert set(whole) == set(first) | set(second)
    for currency, (count, total, due) in whole.items():
        nothing = (0, Money.zero(currency), Money.zero(currency))
        a, b = first.get(currency, nothing), second.get(currency, nothing)
        assert (count, total, due) == (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def by_currency(totals: list[BillTotal]) -> dict[str, tuple[int, Money, Money]]:
    return {one.total.currency: (one.bills, one.total.money, one.due.money) for one in totals}


def _money(minor: int, currency: str) -> Money:
    return Money.of(Decimal(minor).scaleb({"USD": -2, "JPY": 0, "KWD": -3}[currency]), currency)
