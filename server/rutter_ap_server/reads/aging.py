"""Payables arithmetic: aging, cash needed by date, totals per vendor, possible duplicates. Exact, and no I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Context, Decimal, Inexact
from itertools import pairwise
from typing import TypeVar

from rutter_ap_tools.money import Money
from rutter_ap_tools.text import normal_number

K = TypeVar("K")
V = TypeVar("V")
BUCKETS = ("not_due", "1-30", "31-60", "61-90", "over_90", "no_due_date")
SIMILAR_DAYS = 14
_DAYS_A_WEEK = 7
_EXACT = Context(prec=60, traps=[Inexact])


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


class Tally:
    """What is owed in one currency, added up bill by bill: it grows with days and vendors, not with bills."""

    def __init__(self, currency: str, as_of: date) -> None:
        self.currency = currency
        self._as_of = as_of
        self._days: dict[date | None, _Sum] = {}
        self._vendors: dict[str, tuple[_Sum, _Sum]] = {}

    @classmethod
    def of(cls, bills: Iterable[Owed], currency: str, as_of: date) -> Tally:
        """The tally of bills that are all in one currency."""
        tally = cls(currency, as_of)
        for bill in bills:
            tally.add(bill)
        return tally

    def add(self, bill: Owed) -> None:
        """Counts an unpaid bill. Raises `ValueError` for one in another currency."""
        if bill.due.currency != self.currency:
            raise ValueError("amounts in different currencies cannot be added")
        amount, day = bill.due.amount, bill.due_date
        if day not in self._days:
            self._days[day] = _Sum()
        self._days[day].add(amount)
        if bill.vendor_id not in self._vendors:
            self._vendors[bill.vendor_id] = (_Sum(), _Sum())
        due, overdue = self._vendors[bill.vendor_id]
        due.add(amount)
        if self._is_overdue(day):
            overdue.add(amount)

    def _is_overdue(self, day: date | None) -> bool:
        return day is not None and day < self._as_of

    @property
    def bills(self) -> int:
        """How many bills there are."""
        return sum(one.bills for one in self._days.values())

    @property
    def undated(self) -> int:
        """How many have no due date."""
        return self._days[None].bills if None in self._days else 0

    @property
    def due(self) -> Money:
        """The total due."""
        return self._money(self._days.values())

    @property
    def overdue(self) -> Money:
        """The total that was due before the day of the tally."""
        return self._money(one for day, one in self._days.items() if self._is_overdue(day))

    def aging(self) -> list[Bucket]:
        """Every bucket, including empty ones; `no_due_date` only if a bill needs it. Each bill is in exactly one."""
        grouped = _grouped(self._days.items(), lambda each: bucket_of(each[0], self._as_of))
        names = [name for name in BUCKETS if name in grouped or name != "no_due_date"]
        sums = {name: [one for _, one in grouped.get(name, ())] for name in names}
        return [Bucket(name, sum(one.bills for one in of), self._money(of)) for name, of in sums.items()]

    def cash_needed(self, days: int) -> list[CashPoint]:
        """The cash needed within the horizon, week by week; the first point holds what is overdue or due on the day.

        Weeks in which nothing falls due are omitted. The last `cumulative` is the total due by the end of the horizon.
        """
        end = self._as_of + timedelta(days=days)
        dated = [(day, one) for day, one in self._days.items() if day is not None and day <= end]
        grouped = _grouped(dated, lambda each: _end_of_week(each[0], self._as_of, end))
        points: list[CashPoint] = []
        cumulative = Money.zero(self.currency)
        for by, due_then in sorted(grouped.items()):
            due = self._money(one for _, one in due_then)
            cumulative += due
            points.append(CashPoint(by, due, cumulative))
        return points

    def by_vendor(self) -> list[VendorOwed]:
        """The amount owed to each vendor, largest first."""
        rows = [
            VendorOwed(vendor_id, due.bills, self._money([due]), self._money([overdue]))
            for vendor_id, (due, overdue) in self._vendors.items()
        ]
        return sorted(rows, key=lambda row: (-row.due.amount, row.vendor_id))

    def _money(self, sums: Iterable[_Sum]) -> Money:
        return Money.total((Money(one.due, self.currency) for one in sums), self.currency)


class _Sum:
    """A number of bills and what is due on them; exact, because a lost digit raises."""

    __slots__ = ("bills", "due")

    def __init__(self) -> None:
        self.bills = 0
        self.due = Decimal(0)

    def add(self, due: Decimal) -> None:
        self.bills += 1
        self.due = _EXACT.add(self.due, due)


def _end_of_week(due_date: date, as_of: date, end: date) -> date:
    weeks = max(0, -(-(due_date - as_of).days // _DAYS_A_WEEK))
    # Compared as ordinals, because the end of the last week may lie beyond date.max.
    return date.fromordinal(min(as_of.toordinal() + weeks * _DAYS_A_WEEK, end.toordinal()))


class Pairs:
    """The pairs of bills that look alike, of which the first few are kept and all are counted."""

    def __init__(self, kept_max: int) -> None:
        self._kept_max = kept_max
        self.kept: list[Pair] = []
        self.count = 0

    def add(self, pairs: list[Pair]) -> None:
        """Counts pairs; the same are kept in whatever order they come."""
        self.count += len(pairs)
        if pairs:
            self.kept = sorted([*self.kept, *pairs], key=_order_of)[: self._kept_max]


def possible_duplicates(bills: Iterable[Owed]) -> list[Pair]:
    """Pairs of bills that share a number, or a total within two weeks; at least one of each pair is unpaid.

    When several bills are alike, each is paired only with the next: none is missed and the list stays short.
    """
    known = sorted(bills, key=_issued)
    numbers = {bill.id: normal_number(bill.number) for bill in known}
    numbered = _grouped((b for b in known if numbers[b.id]), lambda b: (b.vendor_id, numbers[b.id]))
    priced = _grouped((b for b in known if b.total.amount > 0), lambda b: (b.vendor_id, b.total))
    same_number = {(a.id, b.id): (a, b) for a, b in _neighbours(numbered.values())}
    same_total = {(a.id, b.id): (a, b) for a, b in _neighbours(priced.values()) if _are_near(a, b)}
    found = [
        Pair(*pair, same_number=key in same_number, same_total=key in same_total)
        for key, pair in (same_number | same_total).items()
    ]
    return sorted(found, key=_order_of)


def _issued(bill: Owed) -> tuple[date, str]:
    return (bill.issue_date or date.min, bill.id)


def _order_of(pair: Pair) -> tuple[bool, tuple[date, str], tuple[date, str]]:
    """Those of one number first: that says more than an amount."""
    return (not pair.same_number, _issued(pair.first), _issued(pair.second))


def _neighbours(groups: Iterable[list[Owed]]) -> Iterator[tuple[Owed, Owed]]:
    for group in groups:
        yield from ((a, b) for a, b in pairwise(group) if a.unpaid or b.unpaid)


def _are_near(a: Owed, b: Owed) -> bool:
    return (
        a.issue_date is not None
        and b.issue_date is not None
        and abs(a.issue_date - b.issue_date) <= timedelta(days=SIMILAR_DAYS)
    )


def _grouped(items: Iterable[V], key: Callable[[V], K]) -> dict[K, list[V]]:
    groups: defaultdict[K, list[V]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return dict(groups)
