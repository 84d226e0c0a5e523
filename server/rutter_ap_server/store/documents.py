"""Documents that were entered, judged or paid here, and whose they were.

Whoever may write to the ledger can rename a paid bill or delete it, so the rules against duplicates ask here as well.
Rows are only added: every identity that a bill ever had counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from sqlalchemy import Column, Index, String, Table, Text, and_, bindparam, or_, select

from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.store.canonical import digest
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.ready import WORDINGS_MAX, Ready, among, numbered
from rutter_ap_server.store.schema import metadata
from rutter_ap_tools.money import Money
from rutter_ap_tools.numbers import KEY_CHARACTERS_MAX, number_key

seen_documents = Table(
    "seen_documents",
    metadata,
    Column("company_id", String(200), primary_key=True),
    # Of everything but the time, so that a bill is kept once for each identity it had.
    Column("fingerprint", String(64), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("document_id", String(200), nullable=False),
    Column("vendor_id", String(200), nullable=False),
    Column("number", Text, nullable=False),
    Column("number_key", String(KEY_CHARACTERS_MAX), nullable=False),
    Column("issued", String(10)),
    Column("total", String(60)),
    Column("net", String(60)),
    Column("currency", String(3)),
    Column("at", String(32), nullable=False),
)
Index("seen_documents_by_vendor", seen_documents.c.company_id, seen_documents.c.vendor_id, seen_documents.c.number_key)

# What a vendor was ever known by: hashes of its name, tax number, e-mail and bank account.
vendor_keys = Table(
    "vendor_keys",
    metadata,
    Column("company_id", String(200), primary_key=True),
    Column("vendor_id", String(200), primary_key=True),
    Column("key", String(80), primary_key=True),
    Column("at", String(32), nullable=False),
)
Index("vendor_keys_by_key", vendor_keys.c.company_id, vendor_keys.c.key)


@dataclass(frozen=True, slots=True)
class Document:
    """A bill or a credit as it is or was; `kind` is "bill" or "credit", `net` is None if that is not known.

    `total` is None for one whose amount cannot be used; `trouble` then says why.
    """

    kind: str
    id: str
    vendor_id: str
    number: str
    issued: date | None
    total: Money | None
    net: Money | None = None
    trouble: str = ""

    @property
    def number_key(self) -> str:
        """Its number for comparison, empty if it has none."""
        return number_key(self.number)


@dataclass(frozen=True, slots=True)
class SeenDocument:
    """A document as it was seen here for the first time at some moment."""

    document: Document
    at: datetime


def _values(seen: Document) -> dict[str, str | None]:
    return {
        "kind": seen.kind,
        "document_id": seen.id,
        "vendor_id": seen.vendor_id,
        "number": seen.number,
        "number_key": seen.number_key,
        "issued": seen.issued.isoformat() if seen.issued else None,
        "total": seen.total.text if seen.total else None,
        "net": seen.net.text if seen.net else None,
        "currency": seen.total.currency if seen.total else None,
    }


class SeenDocuments:
    """Reads and writes inside the caller's transaction."""

    def __init__(self, connection: Recorded, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def remember(self, company_id: str, *seen: Document) -> None:
        """Keeps how documents look now, but for those that were seen like that before."""
        new = self.not_seen(company_id, seen)
        for fingerprint, values in new.items():
            row = {"company_id": company_id, "fingerprint": fingerprint, **values, "at": stamp(self._now)}
            self._connection.add_once(seen_documents, row)

    def not_seen(self, company_id: str, seen: Iterable[Document]) -> dict[str, dict[str, str | None]]:
        """The rows, by fingerprint, of the documents that were not seen before as they look now."""
        rows = {digest(values): values for values in map(_values, seen)}
        named = {"company": company_id, **numbered("how", sorted(rows))}
        known = {row.fingerprint for row in self._connection.run(_seen(len(rows)), named)} if rows else set()
        return {fingerprint: values for fingerprint, values in rows.items() if fingerprint not in known}

    def like(self, company_id: str, wanted: Document, vendor_ids: Collection[str], days: int) -> list[SeenDocument]:
        """Other documents of these vendors, seen with the same number, or issued within so many days; oldest first.

        One without an issue date may have been issued on any day.
        """
        named = {"company": company_id, "of_kind": wanted.kind, "own": wanted.id, "like": wanted.number_key}
        named |= numbered("vendor", sorted(vendor_ids))
        by_amount = wanted.issued is not None and wanted.total is not None
        if wanted.issued is not None and wanted.total is not None:
            first, last = (wanted.issued + timedelta(days=days * sign) for sign in (-1, 1))
            named |= {"in_currency": wanted.total.currency, "first": first.isoformat(), "last": last.isoformat()}
        return [
            SeenDocument(
                Document(
                    row.kind,
                    row.document_id,
                    row.vendor_id,
                    row.number,
                    date.fromisoformat(row.issued) if row.issued else None,
                    Money.of(row.total, row.currency) if row.total is not None else None,
                    Money.of(row.net, row.currency) if row.net else None,
                ),
                unstamp(row.at),
            )
            for row in self._connection.run(_like(len(vendor_ids), by_amount=by_amount), named)
        ]

    def know_vendor(self, company_id: str, vendor_id: str, keys: Collection[str]) -> None:
        """Keeps what a vendor is known by."""
        for key in sorted(keys):
            row = {"company_id": company_id, "vendor_id": vendor_id, "key": key, "at": stamp(self._now)}
            self._connection.add_once(vendor_keys, row)

    def one_vendor(self, company_id: str, vendor_ids: Collection[str], keys: Collection[str]) -> frozenset[str]:
        """These vendors, with all that share a key with any of them, now or once, directly or through others."""
        ids, known = set(vendor_ids), set(keys)
        while True:
            before = len(ids) + len(known)
            # A question for each: one for both would look through all that is known of every vendor.
            for column, wanted in (("vendor_id", sorted(ids)), ("key", sorted(known))):
                named = {"company": company_id, **numbered("one", wanted)}
                for row in self._connection.run(_sharing(column, len(wanted)), named) if wanted else ():
                    ids.add(row.vendor_id)
                    known.add(row.key)
            if len(ids) + len(known) == before:
                return frozenset(ids)


@lru_cache(maxsize=WORDINGS_MAX)
def _seen(count: int) -> Ready:
    c = seen_documents.c
    return Ready(select(c.fingerprint).where(c.company_id == bindparam("company"), among(c.fingerprint, "how", count)))


@lru_cache(maxsize=WORDINGS_MAX)
def _like(vendors: int, *, by_amount: bool) -> Ready:
    c = seen_documents.c
    alike = [and_(c.number_key == bindparam("like"), c.number_key != "")]
    if by_amount:
        near = or_(c.issued.is_(None), c.issued.between(bindparam("first"), bindparam("last")))
        alike.append(and_(c.currency == bindparam("in_currency"), near))
    query = select(seen_documents).where(
        c.company_id == bindparam("company"),
        c.kind == bindparam("of_kind"),
        c.document_id != bindparam("own"),
        among(c.vendor_id, "vendor", vendors),
        or_(*alike),
    )
    return Ready(query.order_by(c.at, c.fingerprint))


@lru_cache(maxsize=WORDINGS_MAX)
def _sharing(column: str, count: int) -> Ready:
    c = vendor_keys.c
    return Ready(select(c.vendor_id, c.key).where(c.company_id == bindparam("company"), among(c[column], "one", count)))
