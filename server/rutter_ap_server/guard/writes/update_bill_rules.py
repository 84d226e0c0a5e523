"""The rules for changing a bill: nothing that has been paid, and no second bill with the same number."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Rule, Unchecked, approve, ask, refuse
from rutter_ap_server.guard.writes.bill_lines import Booked
from rutter_ap_server.guard.writes.compared import Compared
from rutter_ap_server.guard.writes.document_rules import account_not_for_expenses
from rutter_ap_server.guard.writes.duplicates import amount_repeated, number_repeated, others_unusable
from rutter_ap_server.guard.writes.parties import PAYABLE, AccountFact, BillFact, bill_words
from rutter_ap_server.guard.writes.pay_bill_rules import payments_unknown
from rutter_ap_server.guard.writes.sums import ExpectedSums, TaxFact, total_of
from rutter_ap_server.guard.writes.sums_rules import (
    sums_or_money,
    tax_changed,
    tax_inactive,
    total_differs,
    total_unchecked,
)
from rutter_ap_server.rutter.abilities import Doubt
from rutter_ap_server.store.documents import Document
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.money import Money
from rutter_ap_tools.numbers import number_key
from rutter_ap_tools.text import clean

# A bill in one of these states is not approved and not payable.
NOT_YET = ("draft", "rejected")
# What a bill can be submitted or opened from, and what the ledger may show of it afterwards: once open, it may be paid.
FROM = {"submitted": ("draft",), "open": ("draft", "submitted")}
REACHED = {"submitted": ("submitted", "pending_approval"), "open": (*PAYABLE, "paid")}


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """What the ledger shows about a bill to change; `others` are its vendor's other bills, as far as they were
    read: `doubt` says why not all were, and `sure` whether those that may be the same document were.

    `is_shown` is True if it already has all of the new values; `now` is the present value of everything that would
    change. `net` is what it is without tax, None if the ledger does not show it; `sums` and `rates` are those of its
    new lines, if it gets any. `unlisted` says why it may have payments that are not listed. `booked` are the accounts
    its lines are booked to, if it is submitted or opened.
    """

    bill: BillFact
    is_shown: bool
    accounts: tuple[AccountFact, ...]
    others: tuple[Document, ...]
    now: dict[str, Any]
    net: Money | None = None
    sums: ExpectedSums | None = None
    rates: tuple[TaxFact, ...] = ()
    doubt: str = ""
    sure: bool = True
    unlisted: Doubt | None = None
    booked: Booked = ()

    @property
    def is_settled(self) -> bool:
        """Whether anything was paid or credited on it."""
        return self.bill.status in ("paid", "partially_paid") or bool(self.settled.amount)

    @property
    def settled(self) -> Money:
        """The amount paid or credited on it."""
        return self.bill.total - self.bill.due


def _changes(prepared: PreparedWrite) -> dict[str, Any]:
    changes: dict[str, Any] = prepared.fields["changes"]
    return changes


# What a bill is recognised by when the same document comes again.
_IDENTITY = {"document_number": "number", "issue_date": "issue date", "due_date": "due date", "lines": "lines"}


def identity_changes(prepared: PreparedWrite, without: Collection[str]) -> str:
    """What would change of that by which a bill is recognised, in words; empty if nothing."""
    if prepared.tool == "delete_bill":
        return "whole entry"
    if prepared.tool != "update_bill":
        return ""
    changed = _changes(prepared).keys() - set(without)
    return " and ".join(words for name, words in _IDENTITY.items() if name in changed)


def day_of(prepared: PreparedWrite, name: str) -> date | None:
    """The new value of that date, if it changes."""
    text = _changes(prepared).get(name)
    return date.fromisoformat(text) if text else None


def no_change(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | None:
    """Someone may have made the change in the meantime."""
    if facts.is_shown:
        return refuse("write.no_change", f"{bill_words(facts.bill)} already has all of these values")
    return None


def amount_not_positive(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | None:
    """The total of a bill must be above zero."""
    if prepared.money is not None and prepared.money.amount <= 0:
        return refuse("amount.not_positive", "the new lines add up to zero")
    return None


def bill_void(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | None:
    """A void bill cannot be changed."""
    if facts.bill.status == "void":
        return refuse("bill.void", f"{bill_words(facts.bill)} is void and cannot be changed")
    return None


def bill_settled(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | None:
    """The lines of a paid bill cannot change, and a total must not fall below what was paid or credited."""
    if prepared.money is None:
        return None
    name = bill_words(facts.bill)
    if facts.bill.status == "paid":
        return refuse("bill.settled", f"{name} is paid, so its lines cannot be changed")
    if prepared.money.currency == facts.settled.currency and prepared.money < facts.settled:
        words = f"{facts.settled} of {name} has been paid or credited, more than the new total of {prepared.money}"
        return refuse("bill.settled", words)
    return None


def bill_payments_unknown(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | None:
    """Where payments cannot be seen, what a paid bill comes to or is recognised by must not change unasked."""
    return payments_unknown(facts.bill, facts.unlisted) if identity_changes(prepared, {"due_date"}) else None


def bill_lines_replaced(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | None:
    """A change of what is owed needs a person; if part of it is already paid, an approver."""
    if prepared.money is None or (facts.bill.status in NOT_YET and "status" not in _changes(prepared)):
        return None
    words = f"this replaces all lines: the new total would be {prepared.money} instead of {facts.bill.total}"
    if facts.settled.amount:
        return approve("bill.lines_replaced", f"{words}, and {facts.settled} is already paid or credited")
    return ask("bill.lines_replaced", words)


def bill_not_draft(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | None:
    """Only what is no more than a draft is submitted or opened: what the ledger decided of a bill is not undone."""
    wanted = _changes(prepared).get("status")
    if wanted is None or facts.bill.status in (wanted, *FROM[wanted]):
        return None
    words = f"{bill_words(facts.bill)} is {clean(facts.bill.status, 30)}, so it cannot be made {wanted}"
    return refuse("bill.not_draft", f"{words}: that can only be done to a bill that is {' or '.join(FROM[wanted])}")


def bill_status_moved(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | None:
    """What makes a bill payable needs a person; if the ledger waits for an approval of its own, an approver."""
    wanted = _changes(prepared).get("status")
    if wanted in (None, facts.bill.status):
        return None
    words = f"this makes {bill_words(facts.bill)} of {prepared.money or facts.bill.total} {wanted}"
    if facts.bill.status == "submitted":
        return approve("bill.status_moved", f"{words}, past the approval it waits for in the accounting platform")
    return ask("bill.status_moved", words if wanted == "submitted" else f"{words}, so that it can be paid")


def compared_after(prepared: PreparedWrite, facts: ChangeFacts) -> Compared:
    """The bill as it would be, beside the others of its vendor."""
    changes = _changes(prepared)
    ours = ExpectedSums(facts.net, None, facts.bill.total, "")
    if prepared.money is not None:
        ours = sums_or_money(prepared, facts.sums)
    document = Document(
        kind="bill",
        id=facts.bill.id,
        vendor_id=facts.bill.vendor_id or "",
        number=changes.get("document_number") or facts.bill.number,
        issued=day_of(prepared, "issue_date") or facts.bill.issued,
        total=prepared.money or facts.bill.total,
    )
    is_moved = bool({"lines", "issue_date", "status"} & set(changes))
    return Compared(document, ours, total_of(prepared), facts.others, facts.doubt, facts.sure, is_moved)


def bill_duplicate(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | Unchecked | None:
    """A vendor does not use one number twice, a new number must not hide a duplicate, and no draft become one."""
    if not {"document_number", "status"} & _changes(prepared).keys():
        return None
    found = number_repeated(compared_after(prepared, facts))
    if isinstance(found, Finding) or "document_number" not in _changes(prepared):
        return found
    before = number_key(facts.bill.number)
    other = next((one for one in facts.others if before and one.number_key == before), None)
    if other is None:
        return found
    said = f"{bill_words(facts.bill)} has the same number as another bill from this vendor ({other.id})"
    return approve("bill.duplicate", f"{said}; a new number would make it look like a separate bill")


def bill_similar(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | None:
    """A change must not turn a bill into a likely duplicate of another."""
    ours = compared_after(prepared, facts)
    return amount_repeated(ours, policy) if ours.by_amount else None


def bill_unusable(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | Unchecked | None:
    """Another bill that cannot be used may be the one that this change would repeat."""
    if not {"lines", "issue_date", "document_number", "status"} & set(_changes(prepared)):
        return None
    return others_unusable(compared_after(prepared, facts), policy)


def bill_due_date_moved(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | None:
    """The due date decides when a bill is paid: too early costs cash, too late costs fees."""
    due_on = day_of(prepared, "due_date")
    if due_on is None or facts.bill.due_on in (None, due_on) or facts.bill.status not in PAYABLE:
        return None
    return ask("bill.due_date_moved", f"the due date would change from {facts.bill.due_on} to {due_on}")


RULES: tuple[Rule[ChangeFacts], ...] = (
    no_change,
    amount_not_positive,
    tax_inactive,
    tax_changed,
    total_differs,
    total_unchecked,
    bill_void,
    bill_settled,
    bill_payments_unknown,
    bill_lines_replaced,
    bill_not_draft,
    bill_status_moved,
    bill_duplicate,
    bill_similar,
    bill_unusable,
    account_not_for_expenses,
    bill_due_date_moved,
)
