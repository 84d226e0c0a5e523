"""Which ledger each connection leads to: one ledger may be connected many times, and is one company all the same.

Everything the guard counts, remembers and locks is kept under the ledger's id. That is the id of the first connection
that this store knew to lead to it, so that what was stored before keeps its key.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Boolean, Column, Index, String, Table, Text, bindparam, insert, select, text, update

from rutter_ap_server.clock import stamp
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.ready import Ready
from rutter_ap_server.store.schema import metadata
from rutter_ap_tools.text import fold

ledger_connections = Table(
    "ledger_connections",
    metadata,
    Column("connection_id", String(200), primary_key=True),
    Column("ledger_id", String(200), nullable=False),
    Column("environment", String(20), nullable=False),
    Column("platform", String(60), nullable=False),
    Column("identity", String(300), nullable=False),
    Column("name", Text, nullable=False),
    Column("in_use", Boolean, nullable=False),
    Column("at", String(32), nullable=False),
)
Index("ledger_connections_by_ledger", ledger_connections.c.ledger_id)
# Of two connections to one ledger the database itself lets one be used.
Index(
    "one_connection_in_use_per_ledger",
    ledger_connections.c.environment,
    ledger_connections.c.platform,
    ledger_connections.c.identity,
    unique=True,
    sqlite_where=text("in_use"),
    postgresql_where=text("in_use"),
)
_IDENTITY_CHARACTERS_MAX = 300


@dataclass(frozen=True, slots=True)
class LedgerIdentity:
    """The ledger behind a connection, as Rutter describes it: `identity` is the platform's own id of the company.

    Rutter may leave the identity out; then companies of one name on one platform are taken for one.
    """

    connection_id: str
    environment: str
    platform: str
    identity: str
    name: str

    @classmethod
    def of(cls, connection_id: str, environment: str, platform: str, identity: str | None, name: str) -> LedgerIdentity:
        """With the spellings of one platform and one company made alike."""
        known = fold(identity)[:_IDENTITY_CHARACTERS_MAX]
        return cls(connection_id, environment, fold(platform)[:60], known, fold(name))

    def is_same(self, other: LedgerIdentity) -> bool:
        """Whether both lead to one ledger."""
        if (self.environment, self.platform) != (other.environment, other.platform):
            return False
        if self.identity and other.identity:
            return self.identity == other.identity
        return bool(self.name) and self.name == other.name


@dataclass(frozen=True, slots=True)
class LedgerConnection:
    """A connection whose ledger is known."""

    ledger_id: str
    leads_to: LedgerIdentity
    in_use: bool


class Ledgers:
    """Reads and writes inside the caller's transaction."""

    def __init__(self, connection: Recorded, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def of(self, connection_id: str) -> LedgerConnection | None:
        """What is known of a connection's ledger."""
        found = [one for one in self._all() if one.leads_to.connection_id == connection_id]
        return found[0] if found else None

    def in_use(self, ledger_id: str) -> str | None:
        """The connection that a ledger is used through."""
        row = self._connection.first(_IN_USE, {"ledger": ledger_id})
        return None if row is None else row.connection_id

    def used_as(self, found: LedgerIdentity) -> str | None:
        """The connection in use for exactly that identity."""
        used = [one.leads_to for one in self._all() if one.in_use and one.leads_to.is_same(found)]
        return next((one.connection_id for one in used if one.identity == found.identity != ""), None)

    def learn(self, found: LedgerIdentity) -> str:
        """Keeps which ledger a connection leads to; returns the ledger's id."""
        known = self.of(found.connection_id)
        same = [one for one in self._all() if one.leads_to.is_same(found)]
        # The identity says more than the name.
        same.sort(key=lambda one: one.leads_to.identity != found.identity)
        ledger_id = known.ledger_id if known else same[0].ledger_id if same else found.connection_id
        values = {"identity": found.identity or _nameless(found.connection_id), "name": found.name}
        if known:
            here = ledger_connections.c.connection_id == found.connection_id
            self._connection.execute(update(ledger_connections).where(here).values(**values))
            return ledger_id
        values |= {"connection_id": found.connection_id, "ledger_id": ledger_id, "at": stamp(self._now)}
        values |= {"environment": found.environment, "platform": found.platform}
        self._connection.execute(insert(ledger_connections).values(**values, in_use=False))
        return ledger_id

    def use(self, ledger_id: str, connection_id: str) -> None:
        """Makes this the connection that the ledger is used through."""
        c = ledger_connections.c
        self._connection.execute(update(ledger_connections).where(c.ledger_id == ledger_id).values(in_use=False))
        chosen = (c.ledger_id == ledger_id) & (c.connection_id == connection_id)
        self._connection.execute(update(ledger_connections).where(chosen).values(in_use=True))

    def _all(self) -> list[LedgerConnection]:
        """Every connection, the first of each ledger first. There are as many as people ever linked."""
        c = ledger_connections.c
        rows = self._connection.execute(select(ledger_connections).order_by(c.at, c.connection_id))
        return [
            LedgerConnection(
                row.ledger_id,
                LedgerIdentity(
                    row.connection_id,
                    row.environment,
                    row.platform,
                    "" if row.identity == _nameless(row.connection_id) else row.identity,
                    row.name,
                ),
                row.in_use,
            )
            for row in rows
        ]


_IN_USE = Ready(
    select(ledger_connections.c.connection_id).where(
        ledger_connections.c.ledger_id == bindparam("ledger"), ledger_connections.c.in_use
    )
)


def _nameless(connection_id: str) -> str:
    """What stands for the identity of a ledger that Rutter gives none for: no other connection has it."""
    return f"connection {connection_id}"
