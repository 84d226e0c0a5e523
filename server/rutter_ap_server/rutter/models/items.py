"""Items that are bought and sold (Rutter docs: Items)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec import UNSET, UnsetType

from rutter_ap_server.rutter.models.base import Draft, Part, Ref, Synced, When

ITEM_TYPES: Final = ("inventory", "non_inventory", "service", "discount", "unknown")
ITEM_STATUSES: Final = ("active", "archived", "unknown")


class ItemSide(Part, frozen=True, kw_only=True):
    """How an item looks on one side of trade. Rutter sends the price as a string; it is read as a decimal."""

    description: str | None = None
    unit_price: Decimal | None = None


class Item(Synced, frozen=True, kw_only=True):
    """An item: `bill_item` is its purchase side, `invoice_item` its sale side."""

    CODED_BY = ("code",)

    status: str | None = None
    type: str | None = None
    code: str | None = None
    name: str | None = None
    quantity_on_hand: Decimal | None = None
    subsidiaries: tuple[Ref, ...] = ()
    bill_item: ItemSide | None = None
    invoice_item: ItemSide | None = None


class ItemSideDraft(Draft, frozen=True, kw_only=True):
    """One side of an item to send."""

    account_id: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    unit_price: Decimal | UnsetType = UNSET


class ItemUpdateExtras(Draft, frozen=True, kw_only=True):
    """`quantity_on_hand_adjustment_account_id`: QuickBooks Desktop, Sage Intacct v2, Xero."""

    quantity_on_hand_adjustment_account_id: str | UnsetType = UNSET


class ItemCreateExtras(ItemUpdateExtras, frozen=True, kw_only=True):
    """QuickBooks Desktop: the discount account; Sage Intacct: `item_id`; QuickBooks Online: the start date."""

    discount_account_id: str | UnsetType = UNSET
    item_id: str | UnsetType = UNSET
    inventory_start_date: When | UnsetType = UNSET


class ItemCreate(Draft, frozen=True, kw_only=True):
    """A new item."""

    name: str
    asset_account_id: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    quantity_on_hand: Decimal | UnsetType = UNSET
    type: str | UnsetType = UNSET
    bill_item: ItemSideDraft | UnsetType = UNSET
    invoice_item: ItemSideDraft | UnsetType = UNSET
    additional_fields: ItemCreateExtras | UnsetType = UNSET


class ItemUpdate(Draft, frozen=True, kw_only=True):
    """A change to an item."""

    name: str | UnsetType = UNSET
    asset_account_id: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    quantity_on_hand: Decimal | UnsetType = UNSET
    status: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    bill_item: ItemSideDraft | UnsetType = UNSET
    invoice_item: ItemSideDraft | UnsetType = UNSET
    additional_fields: ItemUpdateExtras | UnsetType = UNSET
