"""Purchase orders, which are read in one shape and written in an older one (Rutter docs: Purchase Orders)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec import UNSET, UnsetType

from rutter_ap_server.rutter.models.base import Draft, Instant, Linked, Part, When
from rutter_ap_server.rutter.models.bills import LineItem

PURCHASE_ORDER_STATUSES: Final = ("open", "draft", "closed", "pending_bill", "unknown")


class PurchaseOrderLine(Part, frozen=True, kw_only=True):
    """A line as read."""

    account_id: str | None = None
    class_id: str | None = None
    department_id: str | None = None
    tax_rate_id: str | None = None
    description: str | None = None
    total_amount: Decimal | None = None
    item: LineItem | None = None


class PurchaseOrder(Linked, frozen=True, kw_only=True):
    """A purchase order as read."""

    NAMED_BY = ()
    CODED_BY = ("document_number",)

    subsidiary_id: str | None = None
    vendor_id: str | None = None
    issue_date: Instant | None = None
    status: str | None = None
    currency_code: str | None = None
    document_number: str | None = None
    memo: str | None = None
    total_amount: Decimal | None = None
    total_quantity: Decimal | None = None
    line_items: tuple[PurchaseOrderLine, ...] = ()


class PurchaseOrderLineReceipt(Part, frozen=True, kw_only=True):
    """A line as a write returns it."""

    platform_id: str | None = None
    account_id: str | None = None
    class_id: str | None = None
    item_id: str | None = None
    tax_rate_id: str | None = None
    amount: Decimal | None = None
    amount_billed: Decimal | None = None
    amount_received: Decimal | None = None
    description: str | None = None
    item_name: str | None = None
    quantity: Decimal | None = None
    quantity_bill: Decimal | None = None
    quantity_received: Decimal | None = None
    unit_amount: Decimal | None = None


class PurchaseOrderReceipt(Linked, frozen=True, kw_only=True):
    """What a write returns: the order in Rutter's shape of 2023-02-07. Read it again by its id for today's shape."""

    subsidiary_id: str | None = None
    vendor_id: str | None = None
    vendor_name: str | None = None
    posted_date: Instant | None = None
    status: str | None = None
    currency_code: str | None = None
    document_number: str | None = None
    memo: str | None = None
    total_amount: Decimal | None = None
    total_quantity: Decimal | None = None
    line_items: tuple[PurchaseOrderLineReceipt, ...] = ()


class PurchaseOrderLineUpdate(Draft, frozen=True, kw_only=True):
    """A line to change. `item` is the bare id of an item."""

    quantity: Decimal
    item: str | UnsetType = UNSET
    tax_rate_id: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    unit_amount: Decimal | UnsetType = UNSET


class PurchaseOrderLineDraft(Draft, frozen=True, kw_only=True):
    """A line of a new order. `item` is the bare id of an item; on Xero its price is the default `unit_amount`."""

    item: str
    quantity: Decimal
    tax_rate_id: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    unit_amount: Decimal | UnsetType = UNSET


class PurchaseOrderExtras(Draft, frozen=True, kw_only=True):
    """`account_id`, the payables account: QuickBooks Online; the others: NetSuite."""

    account_id: str | UnsetType = UNSET
    class_id: str | UnsetType = UNSET
    department_id: str | UnsetType = UNSET
    location_id: str | UnsetType = UNSET


class PurchaseOrderCreate(Draft, frozen=True, kw_only=True):
    """A new order: `txn_date` and `currency` are what is read as `issue_date` and `currency_code`."""

    vendor_id: str
    currency: str
    line_items: tuple[PurchaseOrderLineDraft, ...]
    subsidiary_id: str | UnsetType = UNSET
    txn_date: When | UnsetType = UNSET
    currency_rate: Decimal | UnsetType = UNSET
    document_number: str | UnsetType = UNSET
    memo: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    additional_fields: PurchaseOrderExtras | UnsetType = UNSET


class PurchaseOrderUpdate(Draft, frozen=True, kw_only=True):
    """A change to an order. Lines are replaced as a whole."""

    vendor_id: str | UnsetType = UNSET
    txn_date: When | UnsetType = UNSET
    currency: str | UnsetType = UNSET
    document_number: str | UnsetType = UNSET
    memo: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    line_items: tuple[PurchaseOrderLineUpdate, ...] | UnsetType = UNSET
    additional_fields: PurchaseOrderExtras | UnsetType = UNSET
