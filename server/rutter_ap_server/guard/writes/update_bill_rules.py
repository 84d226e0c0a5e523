"""The rules of changing a bill: nothing that was paid, nothing in a closed period, and no second bill of one number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Rule, approve, ask, refuse
from rutter_ap_server.guard.writes.create_bill_rules import EarlierBill
from rutter_ap_server.guard.writes.document_rules import EXPENSE_TYPES
from rutter_ap_server.guard.writes.parties import PAYABLE, AccountFact, BillFact, bill_words
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.money import Money
from rutter_ap_tools.text import clean, normal_number

# Nobody has agreed to a bill in one of these, and nobody pays it.
_NOT_YET = ("draft", "rejected")


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """What the ledger shows of a bill to change; `others` are its vendor's other bills.

    `is_shown` says that it shows everything that is asked for already.
    """

    bill: BillFact
    due_on: date | None
    is_shown: bool
    accounts: tuple[AccountFact, ...]
    others: tuple[EarlierBill, ...]

    @property
    def settled(self) -> Money:
        """What was paid or credited on it."""
        return self.bill.total - self.bill.due


def _changes(prepared: PreparedWrite) -> dict[str, Any]:
    changes: dict[str, Any] = prepared.fields["changes"]
    return changes


def day_of(prepared: PreparedWrite, name: str) -> date | None:
    """The new date of that name, where it changes."""
    text = _changes(prepared).get(name)
    return date.fromisoformat(text) if text else None


def no_change(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | None:
    """Somebody may have made the change meanwhile."""
    if facts.is_shown:
        return refuse("write.no_change", f"{bill_words(facts.bill)} shows all of this already")
    return None


def amount_not_positive(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | None:
    """A bill is of more than nothing."""
    if prepared.money is not None and prepared.money.amount <= 0:
        return refuse("amount.not_positive", "the new lines add up to nothing")
    return None


def bill_void(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | None:
    """A void bill stays what it was."""
    if facts.bill.status == "void":
        return refuse("bill.void", f"{bill_words(facts.bill)} is void")
    return None


def bill_settled(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | None:
    """What was paid or credited was so for these lines: they stay, and the total never falls below it."""
    if prepared.money is None:
        return None
    name = bill_words(facts.bill)
    if facts.bill.status == "paid":
        return refuse("bill.settled", f"{name} is paid, so its lines stay as they are")
    if prepared.money.currency == facts.settled.currency and prepared.money < facts.settled:
        return refuse("bill.settled", f"{facts.settled} of {name} is paid or credited, more than {prepared.money}")
    return None


def bill_lines_replaced(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | None:
    """What is owed changes by a person's word; where a part is paid already, by an approver's."""
    if prepared.money is None or facts.bill.status in _NOT_YET:
        return None
    words = f"its lines are replaced: the new ones add up to {prepared.money}, and its total is {facts.bill.total}"
    if facts.settled.amount:
        return approve("bill.lines_replaced", f"{words}, of which {facts.settled} is paid or credited")
    return ask("bill.lines_replaced", words)


def bill_duplicate(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | None:
    """One vendor never gives two bills the same number; and a new number must not hide that two of them have one."""
    if "document_number" not in _changes(prepared):
        return None
    taken = {normal_number(other.number): other for other in facts.others}
    other = taken.get(normal_number(_changes(prepared)["document_number"]) or "-")
    if other is not None:
        said = f"this vendor's bill {clean(other.number, 60)} of {other.total}"
        return refuse("bill.duplicate", f"{said} is in the ledger already, as {other.id}")
    other = taken.get(normal_number(facts.bill.number) or "-")
    if other is not None:
        said = f"{bill_words(facts.bill)} has the number of another bill of this vendor, {other.id} of {other.total}"
        return approve("bill.duplicate", f"{said}: under a new number it would look like a bill of its own")
    return None


def bill_similar(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | None:
    """A change must not make of one bill the copy of another that no rule would have let in."""
    if not {"lines", "issue_date"} & set(_changes(prepared)):
        return None
    total, day = prepared.money or facts.bill.total, day_of(prepared, "issue_date") or facts.bill.issued
    near = timedelta(days=policy.rules.similar_days)
    for other in facts.others:
        if day and other.total == total and abs(date.fromisoformat(other.issue_date) - day) <= near:
            return approve(
                "bill.similar",
                f"a bill of the same vendor and amount, issued {other.issue_date}, is in the ledger as {other.id}",
            )
    return None


def account_not_for_expenses(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | None:
    """A line debits an expense or an asset that is in use, never the bank or accounts payable."""
    for account in facts.accounts:
        if account.type not in EXPENSE_TYPES:
            return refuse("account.wrong_type", f"a line cannot be booked to {account.name}, which is {account.type}")
        if account.status != "active":
            return refuse("account.inactive", f"the account {account.name} is {account.status}")
    return None


def bill_due_date_moved(prepared: PreparedWrite, facts: ChangeFacts, policy: Policy) -> Finding | None:
    """By its due date a bill is paid: earlier takes cash too soon, later a reminder and its fee."""
    due_on = day_of(prepared, "due_date")
    if due_on is None or facts.due_on in (None, due_on) or facts.bill.status not in PAYABLE:
        return None
    return ask("bill.due_date_moved", f"it would be due on {due_on} instead of {facts.due_on}")


RULES: tuple[Rule[ChangeFacts], ...] = (
    no_change,
    amount_not_positive,
    bill_void,
    bill_settled,
    bill_lines_replaced,
    bill_duplicate,
    bill_similar,
    account_not_for_expenses,
    bill_due_date_moved,
)
