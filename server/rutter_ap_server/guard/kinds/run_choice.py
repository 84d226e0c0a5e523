"""Which bills go into a payment run: what is due, in one currency, as far as the cash goes. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rutter_ap_server.guard.kinds.parties import PAYABLE
from rutter_ap_tools.money import Money


@dataclass(frozen=True, slots=True)
class Candidate:
    """A bill that may go into a run; `due` is None where the ledger's figures cannot be used."""

    bill_id: str
    number: str
    vendor_id: str | None
    vendor_name: str
    status: str
    due_date: str
    due: Money | None


@dataclass(frozen=True, slots=True)
class Choice:
    """The bills of a run in their order, and the others with the reason why not."""

    chosen: tuple[Candidate, ...]
    left_out: tuple[tuple[Candidate, str], ...]

    def total(self, currency: str) -> Money:
        """What the run pays."""
        return Money.total((one.due for one in self.chosen if one.due is not None), currency)


def choose(candidates: Iterable[Candidate], currency: str, cash: Money | None, lines_max: int) -> Choice:
    """Takes each bill in turn that can be paid and still fits; a smaller one after it may fit where it did not."""
    chosen: list[Candidate] = []
    left_out: list[tuple[Candidate, str]] = []
    total = Money.zero(currency)
    for one in candidates:
        reason = _unfit(one, currency)
        if reason is None and len(chosen) == lines_max:
            reason = f"a run has at most {lines_max} bills"
        if reason is None and cash is not None and one.due is not None and total + one.due > cash:
            reason = f"{one.due} does not fit: {cash - total} of the cash is left"
        if reason is not None or one.due is None:
            left_out.append((one, reason or ""))
            continue
        chosen.append(one)
        total += one.due
    return Choice(tuple(chosen), tuple(left_out))


def _unfit(one: Candidate, currency: str) -> str | None:
    if one.status not in PAYABLE:
        return f"it is {one.status}"
    if one.vendor_id is None:
        return "it names no vendor"
    if one.due is None:
        return "its amounts cannot be used; look at it in the accounting platform"
    if one.due.currency != currency:
        return f"it is in {one.due.currency}, and the funding account pays {currency}"
    return "nothing is due on it" if one.due.amount <= 0 else None
