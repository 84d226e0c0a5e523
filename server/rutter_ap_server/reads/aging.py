"""The arithmetic of what is owed: aging, cash needed by date, vendors, possible duplicates. Exact, and no I/O."""

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
    """A bill, as far as sums need it. `unpaid` is False for one that only stands for comparing."""

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
    """Bills that are about as late as each other."""

    name: str
    bills: int
    due: Money


@dataclass(frozen=True, slots=True)
class CashPoint:
    """What must be paid after the point before and by this day, and all that must be paid by it."""

    by: date
    due: Money
    cumulative: Money


@dataclass(frozen=True, slots=True)
class VendorOwed:
    """What one vendor is owed in one currency."""

    vendor_id: str
    bills: int
    due: Money
    overdue: Money


@dataclass(frozen=True, slots=True)
class Pair:
    """Two bills of one vendor that may be one: they share their number, their total and time, or both."""

    first: Owed
    second: Owed
    same_number: bool
    same_total: bool


def bucket_of(due_date: date | None, as_of: date) -> str:
    """Which of BUCKETS a bill belongs to. A bill is not late on the day it is due."""
    if due_date is None:
        return "no_due_date"
    late = (as_of - due_date).days
    if late <= 0:
        return "not_due"
    return "1-30" if late <= 30 else "31-60" if late <= 60 else "61-90" if late <= 90 else "over_90"


def is_overdue(bill: Owed, as_of: date) -> bool:
    """Whether it was due before that day."""
    return bill.due_date is not None and bill.due_date < as_of


def sum_due(bills: Iterable[Owed], currency: str) -> Money:
    """What is due on bills that are all in one currency."""
    return Money.total((bill.due for bill in bills), currency)


def aging(bills: Iterable[Owed], as_of: date, currency: str) -> list[Bucket]:
    """Every bucket, empty ones too, but the last only where it is needed. They share the bills out exactly."""
    grouped = _grouped(bills, lambda bill: bucket_of(bill.due_date, as_of))
    names = [name for name in BUCKETS if name in grouped or name != "no_due_date"]
    return [Bucket(name, len(grouped.get(name, ())), sum_due(grouped.get(name, ()), currency)) for name in names]


def cash_needed(bills: Iterable[Owed], as_of: date, days: int, currency: str) -> list[CashPoint]:
    """What must be paid within the horizon, week by week; the first point holds what is late or due that very day.

    Weeks in which nothing falls due are left out. The last `cumulative` is all that is due by the horizon's end.
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
    # Compared as numbers of days, since the last week may reach past the last day there is.
    return date.fromordinal(min(as_of.toordinal() + weeks * _DAYS_A_WEEK, end.toordinal()))


def by_vendor(bills: Iterable[Owed], as_of: date, currency: str) -> list[VendorOwed]:
    """What each vendor is owed, the most first."""
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
    """Neighbours in time that share a number, or a total within two weeks; of each pair one is unpaid at least.

    Of several bills alike each stands beside the next one, so that none is missed and few pairs say it all.
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
