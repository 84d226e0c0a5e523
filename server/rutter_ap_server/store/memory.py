"""What the ledger cannot tell later: how a vendor looked, which file is on which bill, what outsiders' text named."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, Index, String, Table, Text, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.store.canonical import canonical
from rutter_ap_server.store.driver import run
from rutter_ap_server.store.schema import metadata, spend
from rutter_ap_tools.money import Money

VALUE_CHARACTERS_MAX = 200

vendor_sightings = Table(
    "vendor_sightings",
    metadata,
    Column("company_id", String(200), primary_key=True),
    Column("vendor_id", String(200), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("parts", Text, nullable=False),
    Column("first_seen_at", String(32), nullable=False),
    Column("last_seen_at", String(32), nullable=False),
)

document_uses = Table(
    "document_uses",
    metadata,
    Column("company_id", String(200), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("bill_id", String(200), primary_key=True),
    Column("file_name", Text, nullable=False),
    Column("at", String(32), nullable=False),
)

# Values as text wrote them, normalised: an amount, a number long enough for a bank account, a path, an address.
untrusted_values = Table(
    "untrusted_values",
    metadata,
    Column("company_id", String(200), primary_key=True),
    Column("value", String(VALUE_CHARACTERS_MAX), primary_key=True),
    Column("source", Text, nullable=False),
    Column("first_seen_at", String(32), nullable=False),
)
Index("untrusted_values_by_age", untrusted_values.c.company_id, untrusted_values.c.first_seen_at)


_OF_VENDOR = (
    vendor_sightings.c.company_id == bindparam("company_"),
    vendor_sightings.c.vendor_id == bindparam("vendor_"),
)
_SEEN_AGAIN = update(vendor_sightings).where(*_OF_VENDOR, vendor_sightings.c.fingerprint == bindparam("fingerprint_"))
_SIGHTINGS = select(vendor_sightings).where(*_OF_VENDOR).order_by(vendor_sightings.c.first_seen_at)
_KNOWN = select(untrusted_values).where(
    untrusted_values.c.company_id == bindparam("company_"),
    untrusted_values.c.value.in_(bindparam("values_", expanding=True)),
)
_HEARD = _KNOWN.where(untrusted_values.c.first_seen_at >= bindparam("since_"))


@dataclass(frozen=True, slots=True)
class Sighting:
    """How a vendor looked at some time. `parts` are hashes by name, so that a change can be named and not told."""

    fingerprint: str
    parts: tuple[tuple[str, str], ...]
    first_seen_at: datetime
    last_seen_at: datetime


class Memory:
    """Reads and writes inside the caller's transaction. Rows are added; only when something was last seen moves."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def record_sighting(self, company_id: str, vendor_id: str, fingerprint: str, parts: Mapping[str, str]) -> None:
        """Remembers how a vendor looks now."""
        key = {"company_": company_id, "vendor_": vendor_id, "fingerprint_": fingerprint}
        if not run(self._connection, _SEEN_AGAIN, key | {"last_seen_at": stamp(self._now)}).count:
            self._once(
                vendor_sightings,
                company_id=company_id,
                vendor_id=vendor_id,
                fingerprint=fingerprint,
                parts=canonical(dict(parts)),
                first_seen_at=stamp(self._now),
                last_seen_at=stamp(self._now),
            )

    def sightings(self, company_id: str, vendor_id: str) -> tuple[Sighting, ...]:
        """Every way the vendor was seen to look, the oldest first."""
        rows = run(self._connection, _SIGHTINGS, {"company_": company_id, "vendor_": vendor_id})
        return tuple(
            Sighting(
                r.fingerprint,
                tuple(sorted(json.loads(r.parts).items())),
                unstamp(r.first_seen_at),
                unstamp(r.last_seen_at),
            )
            for r in rows
        )

    def use_document(self, company_id: str, sha256: str, bill_id: str, file_name: str) -> None:
        """Remembers that a file was attached to a bill."""
        self._once(
            document_uses,
            company_id=company_id,
            sha256=sha256,
            bill_id=bill_id,
            file_name=file_name,
            at=stamp(self._now),
        )

    def bills_with_document(self, company_id: str, sha256: str) -> tuple[str, ...]:
        """The bills that file was attached to."""
        query = select(document_uses.c.bill_id).where(
            document_uses.c.company_id == company_id, document_uses.c.sha256 == sha256
        )
        return tuple(row.bill_id for row in self._connection.execute(query.order_by(document_uses.c.at)))

    def record_mentions(self, company_id: str, source: str, values: Iterable[str]) -> None:
        """Remembers values that text from outside named; only where they were first seen is kept."""
        for value in self.not_mentioned_before(company_id, values):
            self._once(
                untrusted_values,
                company_id=company_id,
                value=value,
                source=source,
                first_seen_at=stamp(self._now),
            )

    def not_mentioned_before(self, company_id: str, values: Iterable[str]) -> list[str]:
        """Which of the values no text from outside named yet, as they would be kept."""
        wanted = {value[:VALUE_CHARACTERS_MAX] for value in values}
        if not wanted:
            return []
        rows = run(self._connection, _KNOWN, {"company_": company_id, "values_": sorted(wanted)})
        return sorted(wanted - {row.value for row in rows})

    def mentioned_before(self, company_id: str, values: Iterable[str], days: int) -> dict[str, str]:
        """Which of the values text from outside named in the last days, and where."""
        wanted = sorted({value[:VALUE_CHARACTERS_MAX] for value in values})
        if not wanted:
            return {}
        since = stamp(self._now - timedelta(days=days))
        rows = run(self._connection, _HEARD, {"company_": company_id, "values_": wanted, "since_": since})
        return {row.value: row.source for row in rows}

    def posted(self, company_id: str, currency: str, hours: int, vendor_id: str | None = None) -> Money:
        """Of what counts against a window, the part the ledger is known to show; the rest is only reserved."""
        settled = select(spend.c.proposal_id).where(spend.c.kind == "post")
        query = select(spend.c.amount).where(
            spend.c.company_id == company_id,
            spend.c.currency == currency,
            spend.c.kind == "reserve",
            spend.c.at >= stamp(self._now - timedelta(hours=hours)),
            spend.c.proposal_id.in_(settled),
        )
        if vendor_id is not None:
            query = query.where(spend.c.vendor_id == vendor_id)
        return Money.total((Money.of(row.amount, currency) for row in self._connection.execute(query)), currency)

    def _once(self, table: Table, **values: str) -> None:
        """Adds a row unless it is there. The savepoint keeps a clash with another writer from ending the caller."""
        keys = list(table.primary_key.columns)
        present = select(keys[0]).where(*(column == values[column.name] for column in keys))
        if self._connection.execute(present).first() is not None:
            return
        try:
            with self._connection.begin_nested():
                self._connection.execute(insert(table).values(**values))
        except IntegrityError:
            return
