"""The rules shared by new bills and new credits: the vendor, the currency and the accounts."""

from __future__ import annotations

from typing import Protocol

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import approve, refuse
from rutter_ap_server.guard.writes.parties import AccountFact, VendorFact
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.text import clean

EXPENSE_TYPES = ("expense", "other_expense", "cost_of_goods_sold", "fixed_asset", "other_current_asset", "unknown")


class AccountFacts(Protocol):
    """What the ledger shows about the accounts that something is booked to."""

    @property
    def accounts(self) -> tuple[AccountFact, ...]: ...


class DocumentFacts(AccountFacts, Protocol):
    """What the ledger shows about a vendor's new document."""

    @property
    def vendor(self) -> VendorFact: ...


def amount_not_positive(prepared: PreparedWrite, facts: DocumentFacts, policy: Policy) -> Finding | None:
    """The total of a document must be above zero."""
    if prepared.money is None or prepared.money.amount <= 0:
        return refuse("amount.not_positive", "the lines add up to zero")
    return None


def currency_mismatch(prepared: PreparedWrite, facts: DocumentFacts, policy: Policy) -> Finding | None:
    """The currency must be one the ledger lists for the vendor."""
    currency = prepared.fields["currency"]
    if facts.vendor.currencies and currency not in facts.vendor.currencies:
        known = ", ".join(clean(code, 3) for code in facts.vendor.currencies)
        return refuse("currency.mismatch", f"this vendor bills in {known}, not in {currency}")
    return None


def vendor_archived(prepared: PreparedWrite, facts: DocumentFacts, policy: Policy) -> Finding | None:
    """A document from an archived vendor needs a second look."""
    if facts.vendor.status != "active":
        return approve("vendor.archived", f"the vendor is {facts.vendor.status} in the ledger")
    return None


def account_not_for_expenses(prepared: PreparedWrite, facts: AccountFacts, policy: Policy) -> Finding | None:
    """A line must be posted to an active expense or asset account, never to a bank or payables account."""
    for account in facts.accounts:
        if account.type not in EXPENSE_TYPES:
            return refuse(
                "account.wrong_type", f"a line cannot be posted to {account.name}, which is of type {account.type}"
            )
        if account.status != "active":
            return refuse("account.inactive", f"the account {account.name} is {account.status}")
    return None
