"""Observations the ledger cannot give later: how vendors looked, which file is on which bill, what outsiders wrote."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Index, String, Table, Text, bindparam, select

from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.store.audit import Head
from rutter_ap_server.store.canonical import canonical, parsed
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.ready import WORDINGS_MAX, Ready, among, changing, numbered
from rutter_ap_server.store.schema import metadata
from rutter_ap_server.store.vendors_told import VendorsTold, vendor_key

VALUE_CHARACTERS_MAX = 200
# Text that is read again and again is noted this often, so that reading seldom writes.
MENTIONS_NOTED_EVERY = timedelta(hours=1)

vendor_sightings = Table(
    "vendor_sightings",
    metadata,
    Column("company_id", String(200), primary_key=True),
    Column("vendor_id", String(200), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("parts", Text, nullable=False),
    Column("first_seen_at", String(32), nullable=False),
    # When the vendor last became so: the last time that it was seen otherwise before.
    Column("became_at", String(32), nullable=False),
    Column("last_seen_at", String(32), nullable=False),
    # When the ledger said then that the vendor had changed.
    Column("changed_at", String(32)),
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

# Normalised values found in untrusted text: an amount, a number long enough for a bank account, a path, an address.
untrusted_values = Table(
    "untrusted_values",
    metadata,
    Column("company_id", String(200), primary_key=True),
    Column("value", String(VALUE_CHARACTERS_MAX), primary_key=True),
    Column("source", Text, nullable=False),
    Column("first_seen_at", String(32), nullable=False),
    Column("last_seen_at", String(32), nullable=False),
)
Index("untrusted_values_by_age", untrusted_values.c.company_id, untrusted_values.c.last_seen_at)


@dataclass(frozen=True, slots=True)
class Sighting:
    """How a vendor looked at some time. `parts` are hashes by name: they show what changed without revealing it.

    `became_at` is when the vendor last became so, after it had looked otherwise or for the first time, and `changed_at`
    when the ledger said at the last sighting that the vendor had changed, if it did.
    """

    fingerprint: str
    parts: tuple[tuple[str, str], ...]
    first_seen_at: datetime
    became_at: datetime
    last_seen_at: datetime
    changed_at: datetime | None = None

    def differs_from(self, fingerprint: str, parts: Mapping[str, str]) -> bool:
        """Whether the vendor looked otherwise then than with these parts.

        A sighting by an earlier program has fewer parts; what it did not look at says nothing, so the others decide.
        """
        if self.fingerprint == fingerprint:
            return False
        before = dict(self.parts)
        common = before.keys() & parts.keys()
        if before.keys() == parts.keys() or not common:
            return True
        return any(before[name] != parts[name] for name in common)


class Observations:
    """Reads and writes inside the caller's transaction. Rows are only added; of one, only times and a source change."""

    def __init__(self, connection: Recorded, now: datetime, head: Head, told: VendorsTold) -> None:
        self._connection = connection
        self._now = now
        self._head = head
        self._told = told

    def record_sighting(
        self,
        company_id: str,
        vendor_id: str,
        fingerprint: str,
        parts: Mapping[str, str],
        came_back: bool = False,
        changed_at: datetime | None = None,
    ) -> None:
        """Records how a vendor looks now.

        `came_back` says that it may have become so again since it was last seen, after a change that was not seen.
        """
        seen = self.sightings(company_id, vendor_id)
        last = seen[-1] if seen else None
        changed = last is None or last.differs_from(fingerprint, parts)
        # Each change is later than what it changes, whatever the clock says: the order of sightings is their meaning.
        renewed = last is None or last.fingerprint != fingerprint
        at = self._now if last is None else max(self._now, last.last_seen_at + timedelta(microseconds=renewed))
        became_at = at if last is None or changed or came_back else last.became_at
        times = {
            "became_at": stamp(became_at),
            "last_seen_at": stamp(at),
            "changed_at": stamp(changed_at) if changed_at is not None else None,
        }
        named = {"company": company_id, "vendor": vendor_id, "how": fingerprint}
        if not self._connection.change(_SEEN_AGAIN, {**named, **times}):
            row = {
                "company_id": company_id,
                "vendor_id": vendor_id,
                "fingerprint": fingerprint,
                "parts": canonical(dict(parts)),
                "first_seen_at": stamp(at if last is None or changed else last.first_seen_at),
                **times,
            }
            self._connection.add_once(vendor_sightings, row)

    def sightings(self, company_id: str, vendor_id: str) -> tuple[Sighting, ...]:
        """Every distinct appearance of the vendor, in the order in which it was last seen so.

        Raises `Tampered` if one was added, changed or removed by hand.
        """
        rows = self._connection.run(_SIGHTINGS, {"company": company_id, "vendor": vendor_id})
        vendor = vendor_key(company_id, vendor_id)
        self._told.check(self._connection, self._head, vendor, [row._asdict() for row in rows])
        return tuple(
            Sighting(
                r.fingerprint,
                tuple(sorted(parsed(r.parts).items())),
                unstamp(r.first_seen_at),
                unstamp(r.became_at),
                unstamp(r.last_seen_at),
                unstamp(r.changed_at) if r.changed_at else None,
            )
            for r in rows
        )

    def use_document(self, company_id: str, sha256: str, bill_id: str, file_name: str) -> None:
        """Records that a file, by the hash of its bytes or of its text, was attached to a bill."""
        row = {"company_id": company_id, "sha256": sha256, "bill_id": bill_id, "file_name": file_name}
        self._connection.add_once(document_uses, {**row, "at": stamp(self._now)})

    def bills_with_document(self, company_id: str, hashes: Collection[str]) -> tuple[str, ...]:
        """The bills a file with one of these hashes was attached to, the oldest use first."""
        if not hashes:
            return ()
        wanted = {"company": company_id, **numbered("hash", sorted(hashes))}
        return tuple(row.bill_id for row in self._connection.run(_uses(len(hashes)), wanted))

    def record_mentions(self, company_id: str, source: str, values: Iterable[str]) -> None:
        """Records values found in untrusted text, each with its latest source and time."""
        latest = {"source": source, "last_seen_at": stamp(self._now)}
        for value in self.not_mentioned_lately(company_id, values):
            if not self._connection.change(_MENTIONED, {"company": company_id, "what": value, **latest}):
                row = {"company_id": company_id, "value": value, "first_seen_at": stamp(self._now), **latest}
                self._connection.add_once(untrusted_values, row)

    def not_mentioned_lately(self, company_id: str, values: Iterable[str]) -> list[str]:
        """The values whose mention in untrusted text is to be noted now, cut to the length that is stored."""
        wanted = {value[:VALUE_CHARACTERS_MAX] for value in values}
        if not wanted:
            return []
        # Stamps are as fine as a microsecond: later than one is from the next on.
        lately = self._now - MENTIONS_NOTED_EVERY + timedelta(microseconds=1)
        return sorted(wanted - {row.value for row in self._mentions(company_id, wanted, lately)})

    def mentioned_before(self, company_id: str, values: Iterable[str], days: int) -> dict[str, str]:
        """The values seen in untrusted text in the last `days`, each with its source."""
        wanted = {value[:VALUE_CHARACTERS_MAX] for value in values}
        if not wanted:
            return {}
        # The last mention may be later than the one that was noted.
        since = self._now - timedelta(days=days) - MENTIONS_NOTED_EVERY
        return {row.value: row.source for row in self._mentions(company_id, wanted, since)}

    def _mentions(self, company_id: str, values: Collection[str], since: datetime) -> list[Any]:
        named = {"company": company_id, "since": stamp(since), **numbered("what", sorted(values))}
        return self._connection.run(_mentions(len(values)), named)


_TIMES = ("became_at", "last_seen_at", "changed_at")
_OF_VENDOR = (vendor_sightings.c.company_id == bindparam("company")) & (
    vendor_sightings.c.vendor_id == bindparam("vendor")
)
_SEEN_AGAIN = changing(vendor_sightings, _OF_VENDOR & (vendor_sightings.c.fingerprint == bindparam("how")), _TIMES)
_SIGHTINGS = Ready(
    select(vendor_sightings).where(_OF_VENDOR).order_by(vendor_sightings.c.last_seen_at, vendor_sightings.c.became_at)
)
_SAID = untrusted_values.c.company_id == bindparam("company")
_MENTIONED = changing(
    untrusted_values, _SAID & (untrusted_values.c.value == bindparam("what")), ("source", "last_seen_at")
)


@lru_cache(maxsize=WORDINGS_MAX)
def _mentions(count: int) -> Ready:
    c = untrusted_values.c
    return Ready(
        select(c.value, c.source).where(_SAID, among(c.value, "what", count), c.last_seen_at >= bindparam("since"))
    )


@lru_cache(maxsize=WORDINGS_MAX)
def _uses(count: int) -> Ready:
    c = document_uses.c
    own = (c.company_id == bindparam("company")) & among(c.sha256, "hash", count)
    return Ready(select(c.bill_id).where(own).order_by(c.at))
