"""The rules for the sums of a document: its tax rates can be used, and its lines come to its total."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import approve, ask, finding, refuse
from rutter_ap_server.guard.writes.sums import ExpectedSums, TaxFact, is_same_amount, total_of
from rutter_ap_server.store.documents import Document
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.money import Money
from rutter_ap_tools.numbers import number_key
from rutter_ap_tools.wire import Record


class SumFacts(Protocol):
    """What the ledger says of a document's tax; `sums` is None where no lines are written."""

    @property
    def sums(self) -> ExpectedSums | None: ...
    @property
    def rates(self) -> tuple[TaxFact, ...]: ...


def alike_ids(
    earlier: Iterable[Document], ours: ExpectedSums, total: Money | None, numbers: Iterable[str | None]
) -> list[str]:
    """The other documents of one amount or number, whenever issued: who was shown one has not seen one entered since.

    A release is bound to them, so that it does not depend on the days within which the policy calls two alike.
    """
    wanted = {number_key(number) for number in numbers} - {""}
    return sorted(
        one.id for one in earlier if is_same_amount(ours, total, one.total, one.net) or number_key(one.number) in wanted
    )


def amount_words(total: Money | None) -> str:
    """The amount of another document, or that it cannot be read."""
    return f"for {total}" if total is not None else "for an amount that cannot be read"


def kind_of(prepared: PreparedWrite) -> str:
    """The first part of the codes of findings about this document."""
    return "credit" if prepared.tool == "create_credit" else "bill"


def sums_or_money(prepared: PreparedWrite, sums: ExpectedSums | None) -> ExpectedSums:
    """The document's sums, or else the amount it was prepared with as its net."""
    return sums or ExpectedSums(prepared.money, None, None, "")


def tax_inactive(prepared: PreparedWrite, facts: SumFacts, policy: Policy) -> Finding | None:
    """A tax rate that is no longer in use is not on a new document."""
    for rate in facts.rates:
        if rate.status == "inactive":
            return refuse("tax.inactive", f"the tax rate {rate.name} is inactive in the ledger")
    return None


def tax_changed(prepared: PreparedWrite, facts: SumFacts, policy: Policy) -> Finding | None:
    """The summary that people read states the sums, so it must still be right."""
    said = ExpectedSums.of(prepared)
    if said is None or facts.sums is None or said == facts.sums:
        return None
    return refuse("tax.changed", "what the tax comes to has changed since this was proposed; propose it again")


def total_differs(prepared: PreparedWrite, facts: SumFacts, policy: Policy) -> Finding | None:
    """A total that the lines do not come to means that a line, a tax rate or the total is wrong."""
    total, sums = total_of(prepared), facts.sums
    if total is None or sums is None:
        return None
    code = f"{kind_of(prepared)}.total_differs"
    if sums.gross is not None and total != sums.gross:
        return approve(code, f"the document's total is {total}, but its lines come to {sums.gross} with tax")
    if sums.gross is None and sums.net is not None and total < sums.net:
        return approve(code, f"the document's total is {total}, but its lines come to {sums.net} even before tax")
    return None


def total_unchecked(prepared: PreparedWrite, facts: SumFacts, policy: Policy) -> Finding | None:
    """Whether the lines and an unknown tax come to the total is for a person to see, unless there is no tax in it."""
    total, sums = total_of(prepared), facts.sums
    if total is None or sums is None or sums.net is None or sums.gross is not None or total <= sums.net:
        return None
    words = f"the document's total of {total} cannot be checked against its lines of {sums.net}: {sums.unknown}"
    return ask(f"{kind_of(prepared)}.total_unchecked", words)


def what_was_kept(record: Record) -> tuple[Finding, ...]:
    """What a posted write says when the ledger did not book what was released, or keeps its texts otherwise."""
    found = []
    if record.difference is not None:
        code = f"{'bill' if record.kind == 'bill' else 'credit'}.booked_differently"
        found.append(approve(code, record.difference))
    if record.text_difference is not None:
        found.append(ask("text.differs", record.text_difference))
    if record.tidied is not None:
        found.append(finding("text.tidied", Severity.ALLOW, record.tidied))
    return tuple(found)


def remember_booking(tx: Tx, prepared: PreparedWrite, record: Record) -> None:
    """Keeps what was released for a bill: its payments are held against it, since its total may change later as well.

    What the ledger booked counts as released where the two differ by nothing but the rounding of tax.
    """
    if prepared.money is None or record.amount is None:
        return
    booked: Money = record.amount.money
    released = booked if record.difference is None else prepared.money
    tx.bookings.remember(prepared.company_id, record.id, released=released, booked=booked)
