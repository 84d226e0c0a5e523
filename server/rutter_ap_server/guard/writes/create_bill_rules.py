"""The rules for creating a bill: no duplicates, and a suitable vendor and accounts."""

from __future__ import annotations

from dataclasses import dataclass

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Rule, Unchecked, refuse
from rutter_ap_server.guard.writes.document_rules import (
    account_not_for_expenses,
    amount_not_positive,
    currency_mismatch,
    vendor_archived,
)
from rutter_ap_server.guard.writes.duplicates import amount_repeated, compared_with, number_repeated, others_unusable
from rutter_ap_server.guard.writes.parties import AccountFact, VendorFact
from rutter_ap_server.guard.writes.sums import ExpectedSums, TaxFact
from rutter_ap_server.guard.writes.sums_rules import (
    tax_changed,
    tax_inactive,
    total_differs,
    total_unchecked,
)
from rutter_ap_server.store.documents import Document
from rutter_ap_tools.findings import Finding


@dataclass(frozen=True, slots=True)
class BillFacts:
    """What the ledger shows about a new bill; `doubt` says why not all bills of its vendor were read, if so."""

    vendor: VendorFact
    accounts: tuple[AccountFact, ...]
    earlier: tuple[Document, ...]
    payable_account: AccountFact | None
    sums: ExpectedSums | None = None
    rates: tuple[TaxFact, ...] = ()
    doubt: str = ""
    sure: bool = True


def bill_duplicate(prepared: PreparedWrite, facts: BillFacts, policy: Policy) -> Finding | Unchecked | None:
    """A vendor does not use the same number for two bills."""
    return number_repeated(compared_with(prepared, facts))


def bill_similar(prepared: PreparedWrite, facts: BillFacts, policy: Policy) -> Finding | None:
    """The same vendor and amount with nearly the same date is often one bill entered twice."""
    return amount_repeated(compared_with(prepared, facts), policy)


def bill_unusable(prepared: PreparedWrite, facts: BillFacts, policy: Policy) -> Finding | Unchecked | None:
    """A bill of this vendor that cannot be used may be the same bill."""
    return others_unusable(compared_with(prepared, facts), policy)


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
