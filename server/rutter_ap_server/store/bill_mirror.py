"""A copy of what a ledger's payables are summed from, so that a summary of many bills need not read them all again.

It is for reading only: nothing here is a fact for a payment, so the audit chain is no witness of it and it may be
dropped at any time. What a row says of a bill was judged when the bill was read; every bill is read again each day.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from rutter_ap_server.store.schema import metadata

ID_CHARACTERS_MAX = 200
_STREAMED_ROWS = 1000

# How far a ledger's copy has come.
bill_mirrors = Table(
    "bill_mirrors",
    metadata,
    Column("ledger_id", String(200), primary_key=True),
    Column("connection_id", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("reading", Integer, nullable=False),
    Column("began_at", String(32), nullable=False),
    Column("leg", Integer),
    Column("cursor", Text),
    Column("pages", Integer, nullable=False),
    Column("paid_whole", Boolean, nullable=False),
    Column("whole_at", String(32)),
    Column("newest", String(32), nullable=False),
    Column("newest_id", String(200)),
    Column("events_since", String(32), nullable=False),
)

# The bills that are unpaid, may be, or were paid lately. `trouble` says why one cannot be used.
mirrored_bills = Table(
    "mirrored_bills",
    metadata,
    Column("ledger_id", String(200), primary_key=True),
    Column("bill_id", String(200), primary_key=True),
    Column("vendor_id", String(200), nullable=False),
    Column("number", Text, nullable=False),
    Column("status", String(40), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("total", String(60), nullable=False),
    Column("due", String(60), nullable=False),
    Column("issue_date", String(10)),
    Column("due_date", String(10)),
    Column("trouble", Text, nullable=False),
    Column("rounded", Text, nullable=False),
    Column("updated_at", String(32), nullable=False),
    Column("last_synced_at", String(32), nullable=False),
    Column("reading", Integer, nullable=False),
)
Index("mirrored_bills_by_vendor", mirrored_bills.c.ledger_id, mirrored_bills.c.vendor_id)


class Overtaken(Exception):
    """Another call has changed the copy since this one looked."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """How far the copy of one ledger has come.

    A reading of all unpaid bills goes on while `leg` says which part of it is next and `cursor` which page; `pages` of
    that part were read. `whole_at` is when the last one that was finished began, None before that. `newest` is the
    latest stamp of Rutter's up to which every change is in it, and `newest_id` a bill that has that stamp.
    """

    ledger_id: str
    connection_id: str
    version: int
    reading: int
    began_at: str
    leg: int | None
    cursor: str | None
    pages: int
    paid_whole: bool
    whole_at: str | None
    newest: str
    newest_id: str | None
    events_since: str


@dataclass(frozen=True, slots=True)
class MirroredBill:
    """What is kept of a bill: amounts as exact decimals, days and stamps as texts, an empty text for what it has not.

    `trouble` says why it cannot be used, `rounded` what was rounded of it.
    """

    bill_id: str
    vendor_id: str
    number: str
    status: str
    currency: str
    total: str
    due: str
    issue_date: str | None
    due_date: str | None
    trouble: str
    rounded: str
    updated_at: str
    last_synced_at: str


_COLUMNS = [mirrored_bills.c[each.name] for each in fields(MirroredBill)]


class BillMirrors:
    """Reads and writes inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, ledger_id: str) -> Mirror | None:
        """How far the copy of a ledger has come; None if there is none."""
        row = self._connection.execute(select(bill_mirrors).where(bill_mirrors.c.ledger_id == ledger_id)).first()
        return Mirror(**row._asdict()) if row is not None else None

    def start(self, mirror: Mirror, before: Mirror | None) -> Mirror:
        """Begins a copy anew; whatever was kept of that ledger, or under another id of it, is dropped.

        Raises `Overtaken` unless `before` is what is there.
        """
        if self.get(mirror.ledger_id) != before:
            raise Overtaken
        self._drop(bill_mirrors.c.ledger_id == mirror.ledger_id)
        self.drop(mirror.connection_id)
        self._connection.execute(insert(bill_mirrors), asdict(mirror))
        return mirror

    def drop(self, connection_id: str) -> None:
        """Drops what was copied through a connection."""
        self._drop(bill_mirrors.c.connection_id == connection_id)

    def _drop(self, which: ColumnElement[bool]) -> None:
        ledgers = list(self._connection.execute(select(bill_mirrors.c.ledger_id).where(which)).scalars())
        self._connection.execute(delete(mirrored_bills).where(mirrored_bills.c.ledger_id.in_(ledgers)))
        self._connection.execute(delete(bill_mirrors).where(bill_mirrors.c.ledger_id.in_(ledgers)))

    def advance(self, before: Mirror, after: Mirror) -> Mirror:
        """Moves a copy on. Raises `Overtaken` unless it is as it was: what was read meanwhile may be older by now."""
        after = replace(after, version=before.version + 1)
        c = bill_mirrors.c
        values = {name: value for name, value in asdict(after).items() if name != "ledger_id"}
        here = (c.ledger_id == before.ledger_id) & (c.version == before.version) & (c.began_at == before.began_at)
        if self._connection.execute(update(bill_mirrors).where(here).values(**values)).rowcount != 1:
            raise Overtaken
        return after

    def put(self, mirror: Mirror, bills: Collection[MirroredBill], gone: Collection[str] = ()) -> None:
        """Keeps bills as they are now, as part of the current reading; drops those that are `gone`."""
        ids = [bill.bill_id for bill in bills]
        for some in _parts([*ids, *gone]):
            here = (mirrored_bills.c.ledger_id == mirror.ledger_id) & mirrored_bills.c.bill_id.in_(some)
            self._connection.execute(delete(mirrored_bills).where(here))
        if bills:
            under = {"ledger_id": mirror.ledger_id, "reading": mirror.reading}
            self._connection.execute(insert(mirrored_bills), [asdict(bill) | under for bill in bills])

    def stored(self, ledger_id: str, bill_ids: Collection[str]) -> dict[str, MirroredBill]:
        """Those of these bills that are kept, by id."""
        found = {}
        for some in _parts(list(bill_ids)):
            here = (mirrored_bills.c.ledger_id == ledger_id) & mirrored_bills.c.bill_id.in_(some)
            for row in self._connection.execute(select(*_COLUMNS).where(here)):
                found[row.bill_id] = MirroredBill(*row)
        return found

    def sweep(self, mirror: Mirror) -> None:
        """Drops what the reading that has ended did not show: it was deleted, and nobody said so."""
        c = mirrored_bills.c
        old = (c.ledger_id == mirror.ledger_id) & (c.reading != mirror.reading)
        self._connection.execute(delete(mirrored_bills).where(old))

    def count(self, ledger_id: str) -> int:
        """How many bills are kept that are not paid."""
        c = mirrored_bills.c
        query = select(func.count()).where(c.ledger_id == ledger_id, c.status != "paid")
        return int(self._connection.execute(query).scalar_one())

    def by_vendor(self, ledger_id: str, vendor_id: str | None, paid_since: str | None) -> Iterator[MirroredBill]:
        """The bills of one vendor or all, vendor by vendor, a thousand in memory at a time.

        Paid ones only where `paid_since` says from which change on. Of a bill that cannot be read it may not be known
        whose it is, so that such ones are among those of every vendor.
        """
        c = mirrored_bills.c
        query = select(*_COLUMNS).where(c.ledger_id == ledger_id)
        if vendor_id is not None:
            query = query.where(or_(c.vendor_id == vendor_id, (c.trouble != "") & (c.vendor_id == "")))
        unpaid = c.status != "paid"
        query = query.where(unpaid if paid_since is None else or_(unpaid, c.updated_at > paid_since))
        rows: Any = self._connection.execute(query.order_by(c.vendor_id).execution_options(yield_per=_STREAMED_ROWS))
        for row in rows:
            yield MirroredBill(*row)


def _parts(ids: list[str]) -> Iterable[list[str]]:
    """In parts that one statement of either database can hold."""
    return (ids[at : at + _STREAMED_ROWS] for at in range(0, len(ids), _STREAMED_ROWS))
