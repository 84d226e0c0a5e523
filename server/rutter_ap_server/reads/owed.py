"""What a bill says of what is owed, judged the same wherever it was read; and what all bills say together. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date

from rutter_ap_server.reads.aging import Owed, Pairs, Tally, possible_duplicates
from rutter_ap_server.reads.amounts import (
    LedgerDataError,
    SetAside,
    is_unclear,
    ledger_money,
    require_clear,
    require_usable,
    rounding_words,
)
from rutter_ap_server.reads.bills import UNPAID
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_tools.money import Money

_PAIRS_MAX = 20


@dataclass(frozen=True, slots=True)
class Judged:
    """A bill that counts: what is owed on it, or the trouble for which that cannot be told, and what was rounded."""

    owed: Owed | None
    trouble: str = ""
    rounded: str = ""


def judged(bill: Bill) -> Judged | None:
    """What a bill says of what is owed; None for one that nobody owes anything on, and that none is compared with."""
    # Of a bill whose status cannot be read, it is not known whether anything is owed.
    may_be_unpaid = bill.status in UNPAID or is_unclear(bill.status)
    if bill.status != "paid" and not may_be_unpaid:
        return None
    try:
        if may_be_unpaid:
            require_clear(bill, bill.status)
        owed = _owed(bill)
    except LedgerDataError as error:
        return Judged(None, trouble=error.message) if may_be_unpaid else None
    amounts = (("total", bill.total_amount, owed.total), ("amount due", bill.amount_due, owed.due))
    return Judged(owed, rounded=rounding_words(amounts) if owed.unpaid else "")


def _owed(bill: Bill) -> Owed:
    require_usable(bill)
    return Owed(
        id=bill.id,
        vendor_id=bill.vendor_id or "",
        number=bill.document_number or "",
        total=ledger_money(bill.total_amount, bill.currency_code, "total"),
        due=ledger_money(bill.amount_due, bill.currency_code, "amount due"),
        issue_date=bill.issue_date.date() if bill.issue_date else None,
        due_date=bill.due_date.date() if bill.due_date else None,
        unpaid=bill.status in UNPAID,
    )


@dataclass(slots=True)
class Payables:
    """What is owed as a whole, and open credits as (vendor id, amount remaining).

    `complete` refers to unpaid bills only; `bills` counts all that were summed or compared.
    """

    as_of: date
    tallies: dict[str, Tally] = field(default_factory=dict)
    pairs: Pairs = field(default_factory=lambda: Pairs(_PAIRS_MAX))
    bills: int = 0
    credits: list[tuple[str, Money]] = field(default_factory=list)
    complete: bool = True
    notes: list[str] = field(default_factory=list)
    bills_aside: SetAside = field(default_factory=lambda: SetAside("Bill"))
    credits_aside: SetAside = field(default_factory=lambda: SetAside("Credit"))
    rounded: list[str] = field(default_factory=list)

    @property
    def all_notes(self) -> list[str]:
        """What was left out or rounded, and why the figures may not be complete."""
        return [*self.bills_aside.notes, *self.credits_aside.notes, *self.rounded, *self.notes]

    def copy(self) -> Payables:
        """The same sums, to which a caller may add notes and credits of its own."""
        aside = replace(self.bills_aside, why=dict(self.bills_aside.why))
        notes, rounded = list(self.notes), list(self.rounded)
        return replace(self, bills_aside=aside, notes=notes, rounded=rounded, credits=list(self.credits))

    def add_vendor(self, bills: list[Owed]) -> None:
        """Adds all bills of one vendor."""
        for bill in bills:
            self.bills += 1
            if bill.unpaid:
                currency = bill.due.currency
                self.tallies.setdefault(currency, Tally(currency, self.as_of)).add(bill)
        self.pairs.add(possible_duplicates(bills))

    def add_every(self, bills: Iterable[Owed]) -> None:
        """Adds all bills there are, in any order."""
        vendors: dict[str, list[Owed]] = {}
        for bill in bills:
            vendors.setdefault(bill.vendor_id, []).append(bill)
        for theirs in vendors.values():
            self.add_vendor(theirs)

    def note_rounding(self, bill_id: str, words: str) -> None:
        """Notes what was rounded of a bill."""
        self.rounded.append(f"Bill {bill_id}: {words}.")

    def set_aside(self, bill: Bill, error: LedgerDataError) -> None:
        """Names a bill that may be unpaid and cannot be used: what is owed is more than the figures say."""
        self.complete = False
        self.bills_aside.add(bill, error)
