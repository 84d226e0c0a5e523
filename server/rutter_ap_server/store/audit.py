"""The audit log: an append-only chain in which each entry carries the hash of the one before it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, literal, null, or_, select, true

from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.store.canonical import canonical, digest
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.errors import StoreError, Tampered
from rutter_ap_server.store.ready import Ready
from rutter_ap_server.store.schema import audit, proposals

GENESIS = "0" * 64
PAGE_ENTRIES = 500
# An entry for rows that were written and that nothing else is to be said of: for comparing, not for reading.
STORED = "stored"
_BEFORE = audit.alias("before")
_HASH_BEFORE = select(_BEFORE.c.hash).where(_BEFORE.c.seq == audit.c.seq - 1).correlate(audit).scalar_subquery()
# Entries with what the one before them is; where they decide something at once, they must fit.
LINKED = select(audit, _HASH_BEFORE.label("hash_before"))
_EITHER = or_(audit.c.kind == bindparam("kind"), audit.c.kind == bindparam("or_kind"))
_NEWEST = Ready(LINKED.where(_EITHER).order_by(audit.c.seq.desc()).limit(1))


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; `body` is canonical JSON, and so is `rows`: what was written with it, if anything."""

    seq: int
    at: str
    kind: str
    actor: str
    proposal_id: str | None
    body: str
    previous: str
    hash: str
    rows: str | None = None

    def computed(self) -> str:
        """The hash this entry should have: over everything else in it, including the previous hash."""
        rows = [] if self.rows is None else [self.rows]
        try:
            return digest([self.seq, self.at, self.kind, self.actor, self.proposal_id, self.body, self.previous, *rows])
        except TypeError:
            # Bytes or a float, which this program never writes: no hash fits.
            return ""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which entries somebody wants to see; what is empty is not asked for. `until` is the first instant after them.

    `company_ids` are a company's ledger and its connections: an entry is about it by its proposal, or says so itself.
    """

    kind: str = ""
    proposal_id: str = ""
    actor: str = ""
    company_ids: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """The same, for a query."""
        yield audit.c.kind == self.kind if self.kind else audit.c.kind != STORED
        if self.proposal_id:
            yield audit.c.proposal_id == self.proposal_id
        if self.actor:
            yield audit.c.actor == self.actor
        if self.since is not None:
            yield audit.c.at >= stamp(self.since)
        if self.until is not None:
            yield audit.c.at < stamp(self.until)
        if self.company_ids:
            own = select(proposals.c.id).where(proposals.c.company_id.in_(self.company_ids))
            named = (f'"company":{canonical(one)}' for one in self.company_ids)
            yield or_(audit.c.proposal_id.in_(own), *(audit.c.body.contains(one, autoescape=True) for one in named))


ALL = Asked()


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether the chain holds; `broken_at` is the first entry that does not fit, and `reason` says why."""

    entries: int
    head: str
    broken_at: int | None = None
    reason: str = ""

    @property
    def holds(self) -> bool:
        """True when no entry was changed, removed, reordered or inserted."""
        return self.broken_at is None


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain as a transaction found it; `at` is None for an empty one.

    `clock` is what the database's own clock showed then; None where it has none.
    """

    seq: int
    hash: str
    at: datetime | None
    clock: datetime | None = None


@dataclass(frozen=True, slots=True)
class Anchor:
    """The end of the chain at one moment, to be kept where those who can change the store cannot change it.

    `at` is when it was taken. A chain whose newest entries were cut off still holds; only an anchor reveals the cut.
    """

    seq: int
    hash: str
    at: str

    @property
    def json(self) -> str:
        """The anchor as one line of JSON, to keep."""
        return canonical({"seq": self.seq, "hash": self.hash, "at": self.at})

    @classmethod
    def from_json(cls, text: str) -> Anchor:
        """Reads an anchor that was kept. Raises `StoreError`: an unreadable anchor must not pass for no anchor."""
        try:
            kept = json.loads(text)
            anchor = cls(kept["seq"], kept["hash"], kept["at"])
        except (ValueError, TypeError, KeyError):
            raise _no_anchor() from None
        if type(anchor.seq) is not int or anchor.seq < 0 or not re.fullmatch("[0-9a-f]{64}", str(anchor.hash)):
            raise _no_anchor()
        return anchor


class AuditLog:
    """Appends inside the caller's transaction, so that no state changes without its entry."""

    def __init__(self, connection: Recorded, now: datetime, head: Head) -> None:
        self._connection = connection
        self._now = now
        # The caller holds the write lock, so no other writer can move it.
        self._head = head

    def append(self, kind: str, *, actor: str, proposal_id: str | None = None, **body: Any) -> None:
        """Adds an entry; `body` is JSON without floats. It takes along what was written of the proposal's rows."""
        head = self._head
        changes = self._connection.take(proposal_id)
        rows = canonical(changes) if changes else None
        entry = Entry(head.seq + 1, stamp(self._now), kind, actor, proposal_id, canonical(body), head.hash, "", rows)
        values = {name: getattr(entry, name) for name in Entry.__slots__} | {"hash": entry.computed()}
        self._connection.add(audit, values)
        self._head = Head(entry.seq, values["hash"], self._now)

    def flush(self) -> None:
        """Adds entries for the rows that were written and that no entry has taken along yet."""
        for proposal_id in sorted(self._connection.owners(), key=str):
            self.append(STORED, actor="store", proposal_id=proposal_id)

    def anchor(self) -> Anchor:
        """The end of the chain as it is now."""
        return Anchor(self._head.seq, self._head.hash, stamp(self._now))

    def entries(self, proposal_id: str | None = None) -> Iterator[Entry]:
        """Every entry in order, or those of one proposal that say something to people."""
        query = select(audit)
        if proposal_id is not None:
            query = query.where(audit.c.proposal_id == proposal_id, audit.c.kind != STORED)
        return entries_of(self._connection, query)

    def of_kind(self, kind: str) -> Iterator[Entry]:
        """Every entry of a kind, in order."""
        return entries_of(self._connection, select(audit).where(audit.c.kind == kind))

    def vouched(self, kind: str) -> list[Entry]:
        """As `of_kind`, where they decide something at once. Raises `Tampered` unless they fit into the chain."""
        return genuine(self._connection.execute(LINKED.where(audit.c.kind == kind).order_by(audit.c.seq)))

    def told(self, limit: int, asked: Asked = ALL, *, before: int | None = None) -> list[Entry]:
        """Entries that say something to people, newest first: those asked for, before one of them, or all."""
        query = select(audit).where(*asked.conditions())
        if before is not None:
            query = query.where(audit.c.seq < before)
        rows = self._connection.execute(query.order_by(audit.c.seq.desc()).limit(limit))
        return [Entry(**row._mapping) for row in rows]

    def kinds(self) -> list[str]:
        """The kinds of entries there are, by name."""
        query = select(audit.c.kind).where(audit.c.kind != STORED).distinct().order_by(audit.c.kind)
        return [row.kind for row in self._connection.execute(query)]

    def actors(self, limit: int) -> list[str]:
        """Who did anything, by name; as many as there is room for."""
        query = select(audit.c.actor).where(audit.c.kind != STORED).distinct().order_by(audit.c.actor).limit(limit)
        return [row.actor for row in self._connection.execute(query)]

    def after(self, seq: int) -> Iterator[Entry]:
        """The entries after one, in order."""
        return entries_of(self._connection, select(audit).where(audit.c.seq > seq))

    def verify(self, anchor: Anchor | None = None) -> Verification:
        """Checks the whole chain; with an anchor it also finds a tail that was cut off or rewritten."""
        expected_seq, previous = 1, GENESIS
        for entry in self.entries():
            reason = _misfit(entry, expected_seq, previous, anchor)
            if reason:
                return Verification(expected_seq - 1, previous, expected_seq, reason)
            expected_seq, previous = expected_seq + 1, entry.hash
        if anchor is not None and anchor.seq >= expected_seq:
            reason = "the chain ends before the anchor; the newest entries are missing"
            return Verification(expected_seq - 1, previous, expected_seq, reason)
        return Verification(expected_seq - 1, previous)


def entries_of(connection: Recorded, query: Select[Any]) -> Iterator[Entry]:
    """The entries of a query in order, page by page: a database cursor would stay open behind a reader that stops."""
    page = query = query.order_by(audit.c.seq).limit(PAGE_ENTRIES)
    while True:
        rows = connection.execute(page).all()
        for row in rows:
            yield Entry(**row._mapping)
        if len(rows) < PAGE_ENTRIES:
            return
        page = query.where(audit.c.seq > rows[-1].seq)


def genuine(rows: Iterable[Any]) -> list[Entry]:
    """Entries of a `LINKED` query. Raises `Tampered` if one was changed, or does not follow the one before it."""
    entries = []
    for row in rows:
        entry = Entry(**{name: getattr(row, name) for name in Entry.__slots__})
        before = GENESIS if entry.seq == 1 else row.hash_before
        if entry.computed() != entry.hash or entry.previous != before:
            raise Tampered(f"entry {entry.seq} of the audit chain")
        entries.append(entry)
    return entries


def newest_of(connection: Recorded, kind: str, or_kind: str) -> Entry | None:
    """The newest entry of one of two kinds, if there is any. Raises `Tampered` unless it fits into the chain."""
    return next(iter(genuine(connection.run(_NEWEST, {"kind": kind, "or_kind": or_kind}))), None)


def head_of(connection: Connection) -> Head:
    """The end of the chain, and the time on the database's own clock where it has one, in one round trip."""
    has_clock = connection.dialect.name == "postgresql"
    found, *_ = (_HEAD_AND_CLOCK if has_clock else _HEAD).run(connection, {})
    clock_now = found.clock.astimezone(UTC) if has_clock else None
    if found.seq is None:
        return Head(0, GENESIS, None, clock_now)
    return Head(found.seq, found.hash, _instant(found.at), clock_now)


def _head(clock: ColumnElement[Any]) -> Ready:
    newest = select(audit.c.seq, audit.c.hash, audit.c.at).order_by(audit.c.seq.desc()).limit(1).subquery()
    one_row = select(literal(1)).subquery()
    return Ready(select(clock.label("clock"), newest).select_from(one_row.outerjoin(newest, true())))


_HEAD, _HEAD_AND_CLOCK = _head(null()), _head(func.clock_timestamp())


def _instant(text: str) -> datetime | None:
    try:
        return unstamp(text)
    except ValueError:
        # The newest entry was tampered with. `verify` will report that, so it must not fail here.
        return None


def _no_anchor() -> StoreError:
    return StoreError("the anchor cannot be read", next_step="Use the line that was printed when the anchor was taken.")


def _misfit(entry: Entry, expected_seq: int, previous: str, anchor: Anchor | None) -> str:
    if entry.seq != expected_seq:
        return "an entry is missing"
    if entry.previous != previous:
        return "it does not follow the entry before it"
    if entry.computed() != entry.hash:
        return "its content was changed"
    if anchor is not None and anchor.seq == entry.seq and anchor.hash != entry.hash:
        return "the entry at the anchor's position is not the one the anchor was taken from"
    return ""
