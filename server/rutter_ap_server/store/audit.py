"""The audit log: an append-only chain in which each entry carries the hash of the one before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from rutter_ap_server.clock import stamp
from rutter_ap_server.store.canonical import canonical, digest
from rutter_ap_server.store.schema import audit

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; `body` is canonical JSON."""

    seq: int
    at: str
    kind: str
    actor: str
    proposal_id: str | None
    body: str
    previous: str
    hash: str

    def computed(self) -> str:
        """The hash this entry ought to carry: over everything else in it, the hash before it included."""
        return digest([self.seq, self.at, self.kind, self.actor, self.proposal_id, self.body, self.previous])


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether the chain holds; `broken_at` is the first entry that does not fit, with why."""

    entries: int
    head: str
    broken_at: int | None = None
    reason: str = ""

    @property
    def holds(self) -> bool:
        """True when no entry was changed, removed, reordered or inserted."""
        return self.broken_at is None


class AuditLog:
    """Appends inside the caller's transaction, so that no state changes without its entry."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def append(self, kind: str, *, actor: str, proposal_id: str | None = None, **body: Any) -> None:
        """Adds an entry; `body` is JSON without floats. The caller holds the write lock, so the head cannot move."""
        last = self._connection.execute(select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)).first()
        seq, previous = (last.seq + 1, last.hash) if last else (1, GENESIS)
        entry = Entry(seq, stamp(self._now), kind, actor, proposal_id, canonical(body), previous, "")
        values = {name: getattr(entry, name) for name in Entry.__slots__} | {"hash": entry.computed()}
        self._connection.execute(insert(audit).values(**values))

    def entries(self, proposal_id: str | None = None) -> Iterator[Entry]:
        """Every entry in order, or those of one proposal."""
        query = select(audit).order_by(audit.c.seq)
        if proposal_id is not None:
            query = query.where(audit.c.proposal_id == proposal_id)
        for row in self._connection.execute(query.execution_options(yield_per=500)):
            yield Entry(**row._mapping)

    def verify(self) -> Verification:
        """Walks the whole chain."""
        expected_seq, previous = 1, GENESIS
        for entry in self.entries():
            if entry.seq != expected_seq:
                return Verification(expected_seq - 1, previous, expected_seq, "an entry is missing")
            if entry.previous != previous:
                return Verification(expected_seq - 1, previous, entry.seq, "it does not follow the entry before it")
            if entry.computed() != entry.hash:
                return Verification(expected_seq - 1, previous, entry.seq, "its content was changed")
            expected_seq, previous = expected_seq + 1, entry.hash
        return Verification(expected_seq - 1, previous)
