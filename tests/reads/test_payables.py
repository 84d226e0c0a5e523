"""The arithmetic of payables as properties: nothing is lost between buckets, days and vendors, nothing counts twice."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rutter_ap_server.reads.aging import (
    SIMILAR_DAYS,
    Owed,
    Pairs,
    Tally,
    bucket_of,
    possible_duplicates,
)
from rutter_ap_tools.money import Money
from rutter_ap_tools.text import normal_number

TODAY = date(2026, 11, 20)
_DIGITS = {"USD": -2, "JPY": 0, "KWD": -3}


def money(minor: int, currency: str = "USD") -> Money:
    return Money.of(Decimal(minor).scaleb(_DIGITS[currency]), currency)


def sum_due(bills: Iterable[Owed], currency: str) -> Money:
    return Money.total((bill.due for bill in bills), currency)


def is_overdue(bill: Owed, as_of: date) -> bool:
    return bill.due_date is not None and bill.due_date < as_of


_days = st.dates(min_value=date(2026, 7, 1), max_value=date(2027, 12, 31))


@st.composite
def books(draw: st.DrawFn, currency: str = "USD") -> list[Owed]:
    """Bills of a few vendors, with numbers, totals and dates that often meet."""
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["v1", "v2", "v3"]),
                st.sampled_from(["", "-", "INV-1", "inv 1", "INV1", "INV-2", "A/7"]),
                st.one_of(st.sampled_from([0, 100, 31845]), st.integers(min_value=0, max_value=10**9)),
                st.one_of(st.none(), st.dates(min_value=TODAY - timedelta(days=40), max_value=TODAY)),
                st.one_of(st.none(), _days),
                st.booleans(),
            ),
            max_size=14,
        )
    )
    return [
        Owed(f"b{at}", vendor, number, money(total, currency), money(total, currency), issued, due, unpaid)
        for at, (vendor, number, total, issued, due, unpaid) in enumerate(rows)
    ]


_currencies = st.sampled_from(["USD", "JPY", "KWD"])


@given(st.data(), _currencies, _days)
def test_the_buckets_share_the_bills_out_exactly(data: st.DataObject, currency: str, as_of: date) -> None:
    bills = data.draw(books(currency))
    tally = Tally.of(bills, currency, as_of)
    buckets = tally.aging()
    assert sum(bucket.bills for bucket in buckets) == tally.bills == len(bills)
    assert (tally.due, tally.undated) == (sum_due(bills, currency), sum(1 for b in bills if b.due_date is None))
    assert Money.total((bucket.due for bucket in buckets), currency) == sum_due(bills, currency)
    late = [bucket.due for bucket in buckets if bucket.name not in ("not_due", "no_due_date")]
    overdue = sum_due((b for b in bills if is_overdue(b, as_of)), currency)
    assert Money.total(late, currency) == tally.overdue == overdue


@pytest.mark.parametrize(
    ("days_late", "bucket"),
    [
        *((-1, "not_due"), (0, "not_due"), (1, "1-30"), (30, "1-30"), (31, "31-60"), (60, "31-60")),
        *((61, "61-90"), (90, "61-90"), (91, "over_90"), (4000, "over_90")),
    ],
)
def test_a_bucket_ends_on_the_day_its_name_says(days_late: int, bucket: str) -> None:
    assert bucket_of(TODAY - timedelta(days=days_late), TODAY) == bucket
    assert bucket_of(None, TODAY) == "no_due_date"


@given(books(), _days, st.integers(min_value=1, max_value=365))
def test_cash_needed_grows_to_all_that_is_due_in_the_horizon(bills: list[Owed], as_of: date, days: int) -> None:
    points = Tally.of(bills, "USD", as_of).cash_needed(days)
    end = as_of + timedelta(days=days)
    within = [bill for bill in bills if bill.due_date is not None and bill.due_date <= end]
    assert (points[-1].cumulative if points else money(0)) == sum_due(within, "USD")
    assert all(a.by < b.by and a.cumulative <= b.cumulative for a, b in pairwise(points))
    assert all(as_of <= point.by <= end for point in points)
    for point in points:
        by_then = (bill for bill in within if bill.due_date is not None and bill.due_date <= point.by)
        assert point.cumulative == sum_due(by_then, "USD")


def test_the_last_day_there_is_can_be_the_end_of_the_horizon() -> None:
    as_of = date.max - timedelta(days=3)
    bill = Owed("b", "v", "", money(5), money(5), None, date.max)
    (point,) = Tally.of([bill], "USD", as_of).cash_needed(3)
    assert (point.by, point.cumulative) == (date.max, money(5))


@given(books(), _days)
def test_vendors_share_the_bills_exactly_most_owed_first(bills: list[Owed], as_of: date) -> None:
    rows = Tally.of(bills, "USD", as_of).by_vendor()
    assert len({row.vendor_id for row in rows}) == len(rows)
    assert sum(row.bills for row in rows) == len(bills)
    assert Money.total((row.due for row in rows), "USD") == sum_due(bills, "USD")
    overdue = sum_due((b for b in bills if is_overdue(b, as_of)), "USD")
    assert Money.total((row.overdue for row in rows), "USD") == overdue
    assert all(a.due >= b.due for a, b in pairwise(rows))


def are_alike(a: Owed, b: Owed) -> tuple[bool, bool]:
    """Whether two bills share their number, and their total at about the same time: said once more, plainly."""
    if a.vendor_id != b.vendor_id:
        return False, False
    number = normal_number(a.number)
    near = (
        a.issue_date is not None
        and b.issue_date is not None
        and abs((a.issue_date - b.issue_date).days) <= SIMILAR_DAYS
    )
    return bool(number) and number == normal_number(b.number), near and a.total == b.total and a.total.amount > 0


@given(books())
def test_every_unpaid_duplicate_is_found_and_every_pair_alike(bills: list[Owed]) -> None:
    pairs = possible_duplicates(bills)
    for pair in pairs:
        same_number, same_total = are_alike(pair.first, pair.second)
        assert pair.same_number or pair.same_total
        assert same_number or not pair.same_number
        assert same_total or not pair.same_total
        assert pair.first.unpaid or pair.second.unpaid
        assert pair.first.id != pair.second.id
    assert len({frozenset((p.first.id, p.second.id)) for p in pairs}) == len(pairs)
    reported = {bill.id for pair in pairs for bill in (pair.first, pair.second)}
    for a, b in combinations(bills, 2):
        if any(are_alike(a, b)):
            assert {one.id for one in (a, b) if one.unpaid} <= reported


@given(books())
def test_pairs_do_not_depend_on_the_order_the_ledger_answers_in(bills: list[Owed]) -> None:
    def told(found: list[Owed]) -> set[tuple[str, str, bool, bool]]:
        return {(p.first.id, p.second.id, p.same_number, p.same_total) for p in possible_duplicates(found)}

    assert told(bills) == told(bills[::-1])


@given(books(), st.integers(min_value=0, max_value=4))
def test_the_first_pairs_are_kept_vendor_by_vendor_or_at_once(bills: list[Owed], kept: int) -> None:
    at_once, in_parts = Pairs(kept), Pairs(kept)
    at_once.add(possible_duplicates(bills))
    for vendor in ("v3", "v1", "v2"):
        in_parts.add(possible_duplicates(bill for bill in bills if bill.vendor_id == vendor))
    assert (in_parts.kept, in_parts.count) == (at_once.kept, at_once.count)
    assert at_once.kept == possible_duplicates(bills)[:kept]


def test_a_tally_refuses_a_bill_in_another_currency() -> None:
    with pytest.raises(ValueError, match="different currencies"):
        Tally("USD", TODAY).add(Owed("b", "v", "", money(5, "JPY"), money(5, "JPY"), None, None))
