"""Saved connections: which Rutter connection each company is, and whether it can be used yet.

Their access tokens are in `secrets`, sealed; this table holds no secret.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Column, Index, Row, String, Table, Text, delete, insert, select, update

from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.errors import Tampered
from rutter_ap_server.store.schema import meta, metadata
from rutter_ap_tools.text import fold

KeptStatus = Literal["pending", "active", "removed"]
ACCESS_TOKEN = "access_token"  # noqa: S105 - the name of a secret, not one
LINK_URL = "link_url"
_IN_USE: tuple[KeptStatus, ...] = ("pending", "active")
_REVISION_KEY = "connections"

connections = Table(
    "connections",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("environment", String(20), nullable=False),
    Column("name", Text, nullable=False),
    Column("platform", String(60)),
    Column("status", String(20), nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("updated_at", String(32), nullable=False),
    Column("last_seen_at", String(32)),
)
Index("connections_by_status", connections.c.environment, connections.c.status)


@dataclass(frozen=True, slots=True)
class SavedConnection:
    """One connection. `id` is Rutter's; `name` is what people here call it, or "" while it has none."""

    id: str
    environment: str
    name: str
    platform: str | None
    status: KeptStatus
    created_at: datetime
    updated_at: datetime
    last_seen_at: datetime | None = None


class Connections:
    """Reads and writes inside the caller's transaction. A removed connection stays on record without its secrets."""

    def __init__(self, connection: Recorded, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def revision(self) -> int:
        """A number that grows with every change, so that a cached list is cheaply known to be out of date."""
        row = self._connection.execute(select(meta.c.value).where(meta.c.key == _REVISION_KEY)).first()
        return int(row.value) if row is not None else 0

    def get(self, connection_id: str) -> SavedConnection | None:
        """The connection with that id, in any state."""
        row = self._connection.execute(select(connections).where(connections.c.id == connection_id)).first()
        return _kept(row) if row else None

    def all(self, environment: str, statuses: Collection[KeptStatus] = _IN_USE) -> tuple[SavedConnection, ...]:
        """The connections of an environment with one of those statuses, the oldest first."""
        query = select(connections).where(
            connections.c.environment == environment, connections.c.status.in_(list(statuses))
        )
        rows = self._connection.execute(query.order_by(connections.c.created_at, connections.c.id))
        return tuple(_kept(row) for row in rows)

    def begin(self, connection_id: str, *, environment: str, name: str) -> SavedConnection:
        """Saves a connection that a person has yet to link.

        Returns the pending connection of that name if there is one: of two begun at once, one is kept.
        """
        waiting = [one for one in self.all(environment, ["pending"]) if fold(one.name) == fold(name)]
        if waiting:
            return waiting[0]
        self._connection.execute(delete(connections).where(connections.c.id == connection_id))
        now = stamp(self._now)
        self._connection.execute(
            insert(connections).values(
                id=connection_id,
                environment=environment,
                name=name,
                status="pending",
                created_at=now,
                updated_at=now,
            )
        )
        self.changed()
        return SavedConnection(connection_id, environment, name, None, "pending", self._now, self._now)

    def activate(self, connection_id: str, *, name: str, platform: str) -> bool:
        """Marks it linked, so that it can be used. False when it was not pending."""
        return self._set(connection_id, ["pending"], status="active", name=name, platform=platform, last_seen=True)

    def rename(self, connection_id: str, name: str) -> bool:
        """Renames it. False when there is no such connection in use."""
        return self._set(connection_id, _IN_USE, name=name)

    def remove(self, connection_id: str) -> bool:
        """Takes it out of use. False when it was not in use. The caller deletes its secrets."""
        return self._set(connection_id, _IN_USE, status="removed")

    def touch(self, connection_id: str) -> bool:
        """Records that something about it changed elsewhere, such as its access token."""
        return self._set(connection_id, _IN_USE)

    def seen(self, connection_ids: Collection[str]) -> None:
        """Records that Rutter answered for these just now, which does not count as a change."""
        chosen = connections.c.id.in_(list(connection_ids))
        self._connection.execute(update(connections).where(chosen).values(last_seen_at=stamp(self._now)))

    def _set(
        self, connection_id: str, statuses: Collection[KeptStatus], *, last_seen: bool = False, **values: str
    ) -> bool:
        now = stamp(self._now)
        values |= {"updated_at": now} | ({"last_seen_at": now} if last_seen else {})
        chosen = (connections.c.id == connection_id) & connections.c.status.in_(list(statuses))
        done = self._connection.execute(update(connections).where(chosen).values(**values))
        if done.rowcount:
            self.changed()
        return bool(done.rowcount)

    def changed(self) -> None:
        """Makes every process look at the connections again."""
        # The caller holds the write lock, so no other writer increments it.
        following = str(self.revision() + 1)
        self._connection.execute(delete(meta).where(meta.c.key == _REVISION_KEY))
        self._connection.execute(insert(meta).values(key=_REVISION_KEY, value=following))


def _kept(row: Row[Any]) -> SavedConnection:
    try:
        times = unstamp(row.created_at), unstamp(row.updated_at)
        last_seen_at = unstamp(row.last_seen_at) if row.last_seen_at else None
    except (ValueError, TypeError):
        raise Tampered("a connection") from None
    return SavedConnection(row.id, row.environment, row.name, row.platform, row.status, *times, last_seen_at)
