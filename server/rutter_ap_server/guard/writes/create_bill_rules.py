"""The rules for creating a bill: no duplicates, and a suitable vendor and accounts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Rule, Unchecked, approve, refuse
from rutter_ap_server.guard.writes.document_rules import (
    account_not_for_expenses,
    amount_not_positive,
    currency_mismatch,
    vendor_archived,
)
from rutter_ap_server.guard.writes.parties import AccountFact, VendorFact, midnight
from rutter_ap_server.guard.writes.sums import ExpectedSums, TaxFact, is_same_amount, total_of
from rutter_ap_server.guard.writes.sums_rules import (
    amount_words,
    others_unusable,
    sums_or_money,
    tax_changed,
    tax_inactive,
    total_differs,
    total_unchecked,
)
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.money import Money
from rutter_ap_tools.text import clean, normal_number

# Of a bill without an issue date: far from every other.
NO_DATE = "1970-01-01"


@dataclass(frozen=True, slots=True)
class EarlierBill:
    """A bill of the same vendor that is already in the ledger; `net` is None if the ledger does not show it.

    `total` is None for one that cannot be used; `trouble` then says why.
    """

    id: str
    number: str
    total: Money | None
    issue_date: str
    net: Money | None = None
    trouble: str = ""

    @property
    def day(self) -> date | None:
        """Its issue date, None if the ledger does not show it."""
        return date.fromisoformat(self.issue_date) if self.issue_date != NO_DATE else None


@dataclass(frozen=True, slots=True)
class BillFacts:
    """What the ledger shows about a new bill."""

    vendor: VendorFact
    accounts: tuple[AccountFact, ...]
    earlier: tuple[EarlierBill, ...]
    payable_account: AccountFact | None
    sums: ExpectedSums | None = None
    rates: tuple[TaxFact, ...] = ()
    doubt: str = ""
    sure: bool = True


def bill_duplicate(prepared: PreparedWrite, facts: BillFacts, policy: Policy) -> Finding | Unchecked | None:
    """A vendor does not use the same number for two bills."""
    number = normal_number(prepared.fields.get("document_number"))
    if not number:
        return Unchecked("the bill has no number")
    for bill in facts.earlier:
        if normal_number(bill.number) == number:
            return refuse(
                "bill.duplicate",
                f"this vendor's bill {clean(bill.number, 60)} {amount_words(bill.total)} is already in the ledger "
                f"({bill.id})",
            )
    return None


def bill_similar(prepared: PreparedWrite, facts: BillFacts, policy: Policy) -> Finding | None:
    """The same vendor and amount with nearly the same date is often one bill entered twice."""
    if prepared.money is None:
        return None
    day, near = midnight(prepared.fields["issue_date"]), timedelta(days=policy.rules.similar_days)
    ours, total = sums_or_money(prepared, facts.sums), total_of(prepared)
    for bill in facts.earlier:
        if is_same_amount(ours, total, bill.total, bill.net) and abs(midnight(bill.issue_date) - day) <= near:
            return approve(
                "bill.similar",
                f"the ledger has a bill from this vendor for the same amount, issued {bill.issue_date} ({bill.id})",
            )
    return None


def bill_unusable(prepared: PreparedWrite, facts: BillFacts, policy: Policy) -> Finding | Unchecked | None:
    """A bill of this vendor that cannot be used may be the same bill."""
    return others_unusable(facts.earlier, "bill", date.fromisoformat(prepared.fields["issue_date"]), facts, policy)


def account_not_payable(prepared: PreparedWrite, facts: BillFacts, policy: Policy) -> Finding | None:
    """The payables account must be of that type and active."""
    account = facts.payable_account
    if account is None:
        return None
    if account.type != "accounts_payable":
        return refuse("account.wrong_type", f"{account.name} is of type {account.type}, not accounts_payable")
    return refuse("account.inactive", f"the account {account.name} is {account.status}") if _unused(account) else None


def _unused(account: AccountFact) -> bool:
    return account.status != "active"


RULES: tuple[Rule[BillFacts], ...] = (
    amount_not_positive,
    tax_inactive,
    tax_changed,
    total_differs,
    total_unchecked,
    bill_duplicate,
    bill_similar,
    bill_unusable,
    currency_mismatch,
    vendor_archived,
    account_not_for_expenses,
    account_not_payable,
)
