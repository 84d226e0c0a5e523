"""Ledger accounts as read and as written (Rutter docs: Accounts)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec import UNSET, UnsetType

from rutter_ap_server.rutter.models.base import Draft, Linked, Part

ACCOUNT_TYPES: Final = (
    "accounts_payable",
    "accounts_receivable",
    "bank",
    "fixed_asset",
    "other_asset",
    "other_current_asset",
    "liability",
    "equity",
    "expense",
    "other_expense",
    "income",
    "other_income",
    "credit_card",
    "cost_of_goods_sold",
    "other_current_liability",
    "long_term_liability",
    "non_posting",
    "unknown",
)
ACCOUNT_CATEGORIES: Final = ("asset", "expense", "equity", "liability", "income", "nonposting", "unknown")
ACCOUNT_STATUSES: Final = ("active", "inactive", "pending")
FUNDING_TYPES: Final = ("bank", "credit_card")


class AccountSubsidiary(Part, frozen=True, kw_only=True):
    """A subsidiary that uses the account. `status`: active or inactive."""

    id: str
    status: str | None = None


class Account(Linked, frozen=True, kw_only=True):
    """An account of the ledger. `balance` is in `currency_code`; Sage Intacct often says type "unknown"."""

    CODED_BY = ("nominal_code",)

    parent_id: str | None = None
    account_type: str
    category: str | None = None
    status: str | None = None
    balance: Decimal | None = None
    currency_code: str | None = None
    name: str | None = None
    nominal_code: str | None = None
    subsidiaries: tuple[AccountSubsidiary, ...] = ()


class AccountExtras(Draft, frozen=True, kw_only=True):
    """Rare fields of a new account. `bank_account_number`: Xero wants it for bank accounts."""

    bank_account_number: str | UnsetType = UNSET


class AccountCreate(Draft, frozen=True, kw_only=True):
    """A new account. NetSuite may want `nominal_code`, depending on its settings."""

    account_type: str
    currency_code: str
    name: str
    parent_id: str | UnsetType = UNSET
    nominal_code: str | UnsetType = UNSET
    subsidiary_id: str | UnsetType = UNSET
    additional_fields: AccountExtras | UnsetType = UNSET


class AccountUpdate(Draft, frozen=True, kw_only=True):
    """A change to an account. There is no delete."""

    currency_code: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    nominal_code: str | UnsetType = UNSET
    subsidiary_id: str | UnsetType = UNSET
