"""Connections, their health, and Rutter Link (Rutter docs: Connections). None of these keeps its raw bytes.

Access tokens are `Secret`. Anyone with a `link_url` can act as the company's user, so no repr shows one.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from rutter_ap_server.rutter.credentials import Secret
from rutter_ap_server.rutter.models.base import Instant, Part

CONNECTION_STATUSES: Final = ("active", "unhealthy", "not_ready", "needs_reauth", "disabled")


class PageConnection(Part, frozen=True, kw_only=True):
    """The connection a page or an object was read from."""

    id: str = ""
    org_id: str = msgspec.field(default="", name="orgId")
    platform: str = ""


class ConnectionEntry(Part, frozen=True, kw_only=True):
    """One connection of the organisation. `status` is one of CONNECTION_STATUSES or a later one."""

    id: str
    access_token: Secret
    link_url: str | None = None
    platform: str | None = None
    status: str | None = None
    name: str | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None


class ConnectionDetail(Part, frozen=True, kw_only=True):
    """One connection, as seen with its own access token."""

    id: str
    platform: str
    link_url: str | None = None
    store_unique_id: str | None = None
    store_domain: str | None = None
    store_name: str | None = None
    disabled: bool = False
    needs_update: bool = False
    disabled_reason: str | None = None
    unavailable: tuple[str, ...] | None = msgspec.field(default=None, name="unavailable_objects")
    last_sync_started_at: Instant | None = None
    last_sync_completed_at: Instant | None = None
    estimated_completed_at: Instant | None = None
    oldest_order_date: Instant | None = None
    newest_order_date: Instant | None = None
    initial_orders_synced_count: Decimal | None = None
    created_at: Instant | None = None

    @property
    def unavailable_objects(self) -> tuple[str, ...]:
        """The object types that the plan or the scopes exclude; Rutter documents a null for none."""
        return self.unavailable or ()


class NeedsUpdateStatus(Part, frozen=True, kw_only=True):
    """Whether a person must sign in again."""

    needs_update: bool = False


class DisabledStatus(Part, frozen=True, kw_only=True):
    """Whether the connection is disabled, and Rutter's reason."""

    is_disabled: bool = False
    disabled_reason: str | None = None


class HistoricalSyncStatus(Part, frozen=True, kw_only=True):
    """How far the first synchronisation is; `total` counts by object."""

    historical_sync_completed: bool = False
    total: dict[str, Any] = msgspec.field(default_factory=dict)
    num_batches_completed: Decimal | None = None


class ConnectionStatus(Part, frozen=True, kw_only=True):
    """The health of a connection. `link_url` is where a person signs in again."""

    is_ready: bool = False
    is_healthy: bool = True
    platform: str | None = None
    link_url: str | None = None
    last_sync_completed_at: Instant | None = None
    created_at: Instant | None = None
    needs_update_status: NeedsUpdateStatus = NeedsUpdateStatus()
    disabled_status: DisabledStatus = DisabledStatus()
    historical_sync_status: HistoricalSyncStatus = HistoricalSyncStatus()


class ExchangedToken(Part, frozen=True, kw_only=True):
    """What a public token was exchanged for. `is_ready` is false while the first synchronisation runs."""

    connection_id: str
    access_token: Secret
    is_ready: bool = False
    platform: str | None = None
    name: str | None = None
    store_unique_name: str | None = None
