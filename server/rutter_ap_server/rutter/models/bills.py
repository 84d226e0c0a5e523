"""Bills as read and as written (Rutter docs: Bills)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec import UNSET, UnsetType

from rutter_ap_server.rutter.models.base import Allocation, Draft, Instant, JournalLink, Linked, Part, Ref, When

BILL_STATUSES: Final = (
    "open",
    "partially_paid",
    "paid",
    "void",
    "draft",
    "unknown",
    "pending_approval",
    "rejected",
    "submitted",
)
BILL_STATUSES_ON_UPDATE: Final = ("submitted", "open")


class LineItem(Part, frozen=True, kw_only=True):
    """What a line is of: an item, how many, and at what price each."""

    id: str | None = None
    quantity: Decimal | None = None
    unit_amount: Decimal | None = None


class LineExtras(Part, frozen=True, kw_only=True):
    """Rare fields of a line. `task_id`: Sage Intacct."""

    task_id: str | None = None


class BillLine(Part, frozen=True, kw_only=True):
    """A line of a bill or credit memo. `total_amount` includes tax or not, depending on the platform."""

    platform_id: str | None = None
    account_id: str | None = None
    class_id: str | None = None
    customer_id: str | None = None
    department_id: str | None = None
    location_id: str | None = None
    project_id: str | None = None
    tax_rate_id: str | None = None
    description: str | None = None
    discount_amount: Decimal | None = None
    discount_percentage: Decimal | None = None
    sub_total: Decimal | None = None
    tax_amount: Decimal | None = None
    total_amount: Decimal | None = None
    item: LineItem | None = None
    additional_fields: LineExtras | None = None


class BillExtras(Part, frozen=True, kw_only=True):
    """Rare fields of a bill. `reference`: Sage Intacct; the journals: QuickBooks Online."""

    reference: str | None = None
    linked_journal_entries: tuple[JournalLink, ...] = ()


class Bill(Linked, frozen=True, kw_only=True):
    """A vendor's bill. Amounts are in `currency_code`; `amount_due` is the rest after payments and credits.

    `status` is one of BILL_STATUSES or a later one. `currency_rate` is read from a number or a string.
    """

    account_id: str | None = None
    payment_terms_id: str | None = None
    subsidiary_id: str | None = None
    vendor_id: str | None = None
    due_date: Instant | None = None
    issue_date: Instant | None = None
    amount_due: Decimal | None = None
    currency_code: str
    status: str
    total_amount: Decimal | None = None
    document_number: str | None = None
    memo: str | None = None
    sub_total: Decimal | None = None
    tax_amount: Decimal | None = None
    total_discount: Decimal | None = None
    currency_rate: Decimal | None = None
    linked_purchase_orders: tuple[Ref, ...] = ()
    linked_credit_memos: tuple[Allocation, ...] = ()
    linked_payments: tuple[Allocation, ...] = ()
    line_items: tuple[BillLine, ...] = ()
    additional_fields: BillExtras | None = None


class LineItemDraft(Draft, frozen=True, kw_only=True):
    """The item of a line to send."""

    id: str | UnsetType = UNSET
    quantity: Decimal | UnsetType = UNSET
    unit_amount: Decimal | UnsetType = UNSET


class LineExtrasDraft(Draft, frozen=True, kw_only=True):
    """Rare fields of a line to send. `task_id`: Sage Intacct."""

    task_id: str | UnsetType = UNSET


class BillLineDraft(Draft, frozen=True, kw_only=True):
    """A line to send. QuickBooks Online, FreeAgent and FreshBooks need `account_id`; NetSuite takes it or `item`."""

    account_id: str | UnsetType = UNSET
    class_id: str | UnsetType = UNSET
    customer_id: str | UnsetType = UNSET
    department_id: str | UnsetType = UNSET
    discount_item_id: str | UnsetType = UNSET
    location_id: str | UnsetType = UNSET
    project_id: str | UnsetType = UNSET
    tax_rate_id: str | UnsetType = UNSET
    total_amount: Decimal
    description: str | UnsetType = UNSET
    discount_amount: Decimal | UnsetType = UNSET
    item: LineItemDraft | UnsetType = UNSET
    additional_fields: LineExtrasDraft | UnsetType = UNSET


class RefDraft(Draft, frozen=True, kw_only=True):
    """A link to another object by its Rutter id."""

    id: str


class BillUpdateExtras(Draft, frozen=True, kw_only=True):
    """Rare fields of a bill to change. `reference`: Sage Intacct; the others: NetSuite."""

    reference: str | UnsetType = UNSET
    class_id: str | UnsetType = UNSET
    department_id: str | UnsetType = UNSET
    location_id: str | UnsetType = UNSET


class BillCreateExtras(BillUpdateExtras, frozen=True, kw_only=True):
    """Rare fields of a new bill. `auto_exchange_rate` (QuickBooks Online) overrides `currency_rate`."""

    transaction_date: When | UnsetType = UNSET
    auto_exchange_rate: bool | UnsetType = UNSET
    tax_inclusive: bool | UnsetType = UNSET
    tax_rate_percent: Decimal | UnsetType = UNSET


class BillCreate(Draft, frozen=True, kw_only=True):
    """A new bill. There is no total: Rutter adds up the lines."""

    vendor_id: str
    issue_date: When
    currency_code: str
    line_items: tuple[BillLineDraft, ...]
    account_id: str | UnsetType = UNSET
    payment_terms_id: str | UnsetType = UNSET
    subsidiary_id: str | UnsetType = UNSET
    due_date: When | UnsetType = UNSET
    document_number: str | UnsetType = UNSET
    memo: str | UnsetType = UNSET
    currency_rate: Decimal | UnsetType = UNSET
    linked_purchase_orders: tuple[RefDraft, ...] | UnsetType = UNSET
    additional_fields: BillCreateExtras | UnsetType = UNSET


class BillUpdate(Draft, frozen=True, kw_only=True):
    """A change to a bill. Lines are replaced as a whole; `status` takes one of BILL_STATUSES_ON_UPDATE."""

    account_id: str | UnsetType = UNSET
    vendor_id: str | UnsetType = UNSET
    due_date: When | UnsetType = UNSET
    issue_date: When | UnsetType = UNSET
    document_number: str | UnsetType = UNSET
    memo: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    currency_rate: Decimal | UnsetType = UNSET
    line_items: tuple[BillLineDraft, ...] | UnsetType = UNSET
    additional_fields: BillUpdateExtras | UnsetType = UNSET
