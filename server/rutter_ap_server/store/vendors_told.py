"""Holds how a vendor looked against the audit chain whenever it is read: a new sighting copies times of the last one.

Without that, a time that was edited by hand would be judged by, written anew and be the chain's own from then on. The
chain is read once by each process, and then only what is new in it: a payment has no time for all of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from threading import Lock
from typing import Any

from sqlalchemy import bindparam

from rutter_ap_server.store.audit import LINKED, PAGE_ENTRIES, Entry, Head, genuine
from rutter_ap_server.store.changes import Recorded, changes_in, key_of
from rutter_ap_server.store.check import differing
from rutter_ap_server.store.errors import Tampered
from rutter_ap_server.store.ready import Ready
from rutter_ap_server.store.schema import audit

_TABLE = "vendor_sightings"
# Made once, because making it takes longer than running it.
_ABOUT = Ready(
    LINKED.where(audit.c.seq > bindparam("after"), audit.c.seq <= bindparam("up_to"))
    .where(audit.c.rows.contains(f'"{_TABLE}"'))
    .order_by(audit.c.seq)
    .limit(PAGE_ENTRIES)
)
_COLUMNS = ("parts", "first_seen_at", "became_at", "last_seen_at", "changed_at")


class VendorsTold:
    """What the chain says of every vendor, up to an entry that is committed; shared by a store's transactions."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._forget()

    def check(self, connection: Recorded, head: Head, vendor: str, rows: Collection[Mapping[str, Any]]) -> None:
        """Raises `Tampered` unless a vendor's rows are what the chain says.

        `head` is the chain's end as this transaction found it; what came after is its own, and may be undone.
        """
        with self._lock:
            if self._agrees(connection, head, vendor, rows):
                return
            # Another transaction may have read further than this one can see, or the store was restored meanwhile.
            self._forget()
            if not self._agrees(connection, head, vendor, rows):
                raise Tampered("what was seen of a vendor")

    def _forget(self) -> None:
        self._seq = 0
        self._rows: dict[str, dict[str, dict[str, Any]]] = {}
        # Vendors of whom a row was removed by hand before it was added again.
        self._healed: set[str] = set()

    def _agrees(self, connection: Recorded, head: Head, vendor: str, rows: Collection[Mapping[str, Any]]) -> bool:
        for entry in _entries(connection, self._seq, head.seq):
            for what, key, values in _changes(entry):
                _apply(self._rows, self._healed, what, key, values)
        self._seq = max(self._seq, head.seq)
        said, healed = {key: dict(row) for key, row in self._rows.get(vendor, {}).items()}, set(self._healed)
        for change in connection.noted(_TABLE):
            if _vendor_of(change.key) == vendor:
                _apply({vendor: said}, healed, change.what, change.key, change.values)
        stored = {key_of(_TABLE, row): row for row in rows}
        if vendor in healed or stored.keys() != said.keys():
            return False
        return not any(differing(_TABLE, key, said[key], row, _COLUMNS) for key, row in stored.items())


def vendor_key(company_id: str, vendor_id: str) -> str:
    """How the keys of a vendor's rows begin in the chain."""
    return _vendor_of(key_of(_TABLE, {"company_id": company_id, "vendor_id": vendor_id, "fingerprint": ""}))


def _vendor_of(key: str) -> str:
    return key.rpartition("/")[0]


def _entries(connection: Recorded, after: int, up_to: int) -> Iterator[Entry]:
    """The entries about vendors between two places of the chain, page by page."""
    while after < up_to:
        entries = genuine(connection.run(_ABOUT, {"after": after, "up_to": up_to}))
        yield from entries
        after = entries[-1].seq if len(entries) == PAGE_ENTRIES else up_to


def _changes(entry: Entry) -> Iterator[tuple[str, str, dict[str, Any]]]:
    return ((what, key, values) for what, table, key, values in changes_in(entry.rows or "") if table == _TABLE)


def _apply(
    rows: dict[str, dict[str, dict[str, Any]]], healed: set[str], what: str, key: str, values: Mapping[str, Any]
) -> None:
    """Rows are never removed. One that is added again was removed by hand."""
    vendor = rows.setdefault(_vendor_of(key), {})
    if what == "added" and key in vendor:
        healed.add(_vendor_of(key))
    vendor[key] = {**vendor.get(key, {}), **values} if what == "changed" else dict(values)
