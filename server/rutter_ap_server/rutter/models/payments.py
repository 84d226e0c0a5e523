"""Bill payments as read and as written (Rutter docs: Bill Payments). A record in the ledger, not a bank transfer."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec import UNSET, UnsetType

from rutter_ap_server.rutter.models.base import Allocation, Draft, Instant, JournalLink, Linked, Part, When

BILL_PAYMENT_STATUSES: Final = ("active", "void")


class BillPaymentExtras(Part, frozen=True, kw_only=True):
    """Rare fields of a payment. The journals: QuickBooks Online."""

    linked_journal_entries: tuple[JournalLink, ...] = ()


class BillPayment(Linked, frozen=True, kw_only=True):
    """A payment against bills. `account_id` is the account the money comes from.

    `total_amount` is the sum of the allocated amounts, in `currency_code`. `status` is None where the platform has
    none.
    """

    account_id: str | None = None
    vendor_id: str | None = None
    transaction_date: Instant | None = None
    currency_code: str
    currency_rate: Decimal | None = None
    document_number: str | None = None
    memo: str | None = None
    reference: str | None = None
    status: str | None = None
    total_amount: Decimal | None = None
    linked_bills: tuple[Allocation, ...] = ()
    linked_credit_memos: tuple[Allocation, ...] = ()
    additional_fields: BillPaymentExtras | None = None


class AllocationDraft(Draft, frozen=True, kw_only=True):
    """How much of a payment or credit settles which bill."""

    id: str
    allocated_amount: Decimal


class BillPaymentCreateExtras(Draft, frozen=True, kw_only=True):
    """Rare fields of a new payment. `location_id`: NetSuite; `auto_exchange_rate`: QuickBooks; `reconciled`: Xero."""

    location_id: str | UnsetType = UNSET
    auto_exchange_rate: bool | UnsetType = UNSET
    reconciled: bool | UnsetType = UNSET


class BillPaymentCreate(Draft, frozen=True, kw_only=True):
    """A new payment. On Xero, one that covers several bills becomes one payment per bill."""

    account_id: str
    transaction_date: When
    linked_bills: tuple[AllocationDraft, ...]
    vendor_id: str | UnsetType = UNSET
    currency_code: str | UnsetType = UNSET
    currency_rate: Decimal | UnsetType = UNSET
    document_number: str | UnsetType = UNSET
    memo: str | UnsetType = UNSET
    reference: str | UnsetType = UNSET
    additional_fields: BillPaymentCreateExtras | UnsetType = UNSET


class BillPaymentUpdate(Draft, frozen=True, kw_only=True):
    """A change to a payment; the only status that can be set is "void"."""

    memo: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    currency_rate: Decimal | UnsetType = UNSET
