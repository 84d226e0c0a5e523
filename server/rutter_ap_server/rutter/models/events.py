"""Events to pull, and the configuration of those that are pushed (Rutter docs: Events, Webhooks)."""

from __future__ import annotations

from typing import Final

import msgspec

from rutter_ap_server.rutter.models.base import Instant, Part, Record

OBJECT_DELETED: Final = "object_deleted"
EVENT_RESOURCES: Final = (
    "ACCOUNT",
    "ACCOUNTING_CUSTOMER",
    "BILL",
    "BILL_CREDIT_MEMO",
    "BILL_PAYMENT",
    "CLASS",
    "COMPANY_INFO",
    "CURRENCIES",
    "DEPARTMENT",
    "ITEMS",
    "LOCATION",
    "PAYMENT_METHOD",
    "PAYMENT_TERM",
    "PROJECT",
    "PURCHASE_ORDER",
    "SUBSIDIARY",
    "TASK",
    "TAX_RATES",
    "VENDOR",
)
SYNC_OBJECT_TYPES: Final = (
    "account",
    "accounting_customer",
    "bill",
    "bill_credit_memo",
    "bill_payment",
    "class",
    "company_info",
    "currencies",
    "department",
    "items",
    "location",
    "payment_method",
    "payment_term",
    "project",
    "purchase_order",
    "subsidiary",
    "task",
    "tax_rates",
    "vendor",
)


class Event(Record, frozen=True, kw_only=True):
    """Something that happened to an object of the books.

    `id` is the event's own (Rutter docs: Events), never the object's: delete nothing by it. The object is
    `object_id`, which is None where Rutter does not say; then compare with what the list still shows.
    """

    type: str
    resource: str
    last_synced_at: Instant | None = None

    @property
    def object_id(self) -> str | None:
        """The Rutter id of the object that it happened to."""
        # What `data` holds is not documented, so it may be anything.
        data = self.extra.get("data")
        found = data.get("id") if isinstance(data, dict) else None
        return found if isinstance(found, str) and found.strip() else None


class AllowList(Part, frozen=True, kw_only=True):
    """The event codes that a webhook asks for."""

    allowed_types: tuple[str, ...] = msgspec.field(default=(), name="allowedTypes")


class WebhookConfig(Part, frozen=True, kw_only=True):
    """Where Rutter sends events; made in its dashboard, read here."""

    id: str
    url: str
    api_version: str | None = None
    disabled: bool = False
    allow_list: AllowList | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
