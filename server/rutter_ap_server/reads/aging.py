"""Payables arithmetic: aging, cash needed by date, totals per vendor, possible duplicates. Exact, and no I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import TypeVar

from rutter_ap_tools.money import Money
from rutter_ap_tools.text import normal_number

K = TypeVar("K")
BUCKETS = ("not_due", "1-30", "31-60", "61-90", "over_90", "no_due_date")
SIMILAR_DAYS = 14
_DAYS_A_WEEK = 7


@dataclass(frozen=True, slots=True)
class Owed:
    """The fields of a bill that the arithmetic needs. `unpaid` is False for a bill kept only for comparison."""

    id: str
    vendor_id: str
    number: str
    total: Money
    due: Money
    issue_date: date | None
    due_date: date | None
    unpaid: bool = True


@dataclass(frozen=True, slots=True)
class Bucket:
    """The unpaid bills in one aging bucket."""

    name: str
    bills: int
    due: Money


@dataclass(frozen=True, slots=True)
class CashPoint:
    """The amount that falls due after the previous point and by this date, and the running total by this date."""

    by: date
    due: Money
    cumulative: Money


@dataclass(frozen=True, slots=True)
class VendorOwed:
    """The amount owed to one vendor in one currency."""

    vendor_id: str
    bills: int
    due: Money
    overdue: Money


@dataclass(frozen=True, slots=True)
class Pair:
    """Two bills from one vendor that may be the same bill: same number, same total within two weeks, or both."""

    first: Owed
    second: Owed
    same_number: bool
    same_total: bool


def bucket_of(due_date: date | None, as_of: date) -> str:
    """The aging bucket of a due date, one of BUCKETS. A bill is not overdue on its due date."""
    if due_date is None:
        return "no_due_date"
    late = (as_of - due_date).days
    if late <= 0:
        return "not_due"
    return "1-30" if late <= 30 else "31-60" if late <= 60 else "61-90" if late <= 90 else "over_90"


def is_overdue(bill: Owed, as_of: date) -> bool:
    """Whether the bill was due before `as_of`."""
    return bill.due_date is not None and bill.due_date < as_of


def sum_due(bills: Iterable[Owed], currency: str) -> Money:
    """The total due on bills that are all in one currency."""
    return Money.total((bill.due for bill in bills), currency)


def aging(bills: Iterable[Owed], as_of: date, currency: str) -> list[Bucket]:
    """Every bucket, including empty ones; `no_due_date` only when a bill needs it. Each bill is in exactly one."""
    grouped = _grouped(bills, lambda bill: bucket_of(bill.due_date, as_of))
    names = [name for name in BUCKETS if name in grouped or name != "no_due_date"]
    return [Bucket(name, len(grouped.get(name, ())), sum_due(grouped.get(name, ()), currency)) for name in names]


def cash_needed(bills: Iterable[Owed], as_of: date, days: int, currency: str) -> list[CashPoint]:
    """The cash needed within the horizon, week by week; the first point holds what is overdue or due on `as_of`.

    Weeks in which nothing falls due are omitted. The last `cumulative` is the total due by the end of the horizon.
    """
    end = as_of + timedelta(days=days)
    grouped = _grouped(
        (bill for bill in bills if bill.due_date is not None and bill.due_date <= end),
        lambda bill: _end_of_week(bill.due_date or as_of, as_of, end),
    )
    points: list[CashPoint] = []
    cumulative = Money.zero(currency)
    for by, due_then in sorted(grouped.items()):
        due = sum_due(due_then, currency)
        cumulative += due
        points.append(CashPoint(by, due, cumulative))
    return points


def _end_of_week(due_date: date, as_of: date, end: date) -> date:
    weeks = max(0, -(-(due_date - as_of).days // _DAYS_A_WEEK))
    # Compared as ordinals, because the end of the last week may lie beyond date.max.
    return date.fromordinal(min(as_of.toordinal() + weeks * _DAYS_A_WEEK, end.toordinal()))


def by_vendor(bills: Iterable[Owed], as_of: date, currency: str) -> list[VendorOwed]:
    """The amount owed to each vendor, largest first."""
    rows = [
        VendorOwed(
            vendor_id,
            len(theirs),
            sum_due(theirs, currency),
            sum_due((bill for bill in theirs if is_overdue(bill, as_of)), currency),
        )
        for vendor_id, theirs in _grouped(bills, lambda bill: bill.vendor_id).items()
    ]
    return sorted(rows, key=lambda row: (-row.due.amount, row.vendor_id))


def possible_duplicates(bills: Iterable[Owed]) -> list[Pair]:
    """Pairs of bills that share a number, or a total within two weeks; at least one of each pair is unpaid.

    When several bills are alike, each is paired only with the next: none is missed and the list stays short.
    """
    known = sorted(bills, key=lambda bill: (bill.issue_date or date.min, bill.id))
    numbers = {bill.id: normal_number(bill.number) for bill in known}
    numbered = _grouped((b for b in known if numbers[b.id]), lambda b: (b.vendor_id, numbers[b.id]))
    priced = _grouped((b for b in known if b.total.amount > 0), lambda b: (b.vendor_id, b.total))
    same_number = {(a.id, b.id): (a, b) for a, b in _neighbours(numbered.values())}
    same_total = {(a.id, b.id): (a, b) for a, b in _neighbours(priced.values()) if _are_near(a, b)}
    return [
        Pair(*pair, same_number=key in same_number, same_total=key in same_total)
        for key, pair in (same_number | same_total).items()
    ]


def _neighbours(groups: Iterable[list[Owed]]) -> Iterator[tuple[Owed, Owed]]:
    for group in groups:
        yield from ((a, b) for a, b in pairwise(group) if a.unpaid or b.unpaid)


def _are_near(a: Owed, b: Owed) -> bool:
    return (
        a.issue_date is not None
        and b.issue_date is not None
        and abs(a.issue_date - b.issue_date) <= timedelta(days=SIMILAR_DAYS)
    )


def _grouped(bills: Iterable[Owed], key: Callable[[Owed], K]) -> dict[K, list[Owed]]:
    groups: defaultdict[K, list[Owed]] = defaultdict(list)
    for bill in bills:
        groups[key(bill)].append(bill)
    return dict(groups)
