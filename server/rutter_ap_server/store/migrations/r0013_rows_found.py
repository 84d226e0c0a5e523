"""Revision 13: the audit chain says of every row that is stored what is in it, so that each can be compared whole.

Earlier versions wrote rows of which their entries say little or nothing. From here on no row may be one that the chain
does not know. What the entries do say of a row must be what was found, or the difference stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from alembic.operations import Operations
from sqlalchemy import Column, Connection, MetaData, Table, insert, inspect, select

from rutter_ap_server.clock import stamp
from rutter_ap_server.store.canonical import canonical, digest
from rutter_ap_server.store.changes import META_KEYS, RECORDED, kept_values, key_of
from rutter_ap_server.store.states import CLOSED_STATES

revision = "13"
down_revision = "12"

_ROWS_PER_ENTRY = 300
_ENTRY = ("seq", "at", "kind", "actor", "proposal_id", "body", "previous", "hash", "rows")
_PROPOSALS = Table("proposals", MetaData(), *(Column(name) for name in ("id", "state")))
_AUDIT = Table("audit", MetaData(), *(Column(name) for name in _ENTRY))


def upgrade(op: Operations) -> None:
    """Adds the index by which a kind's newest entry is found, and entries with all rows of the recorded tables."""
    op.create_index("audit_by_kind", "audit", ["kind", "seq"])
    connection = op.get_bind()
    tables = set(inspect(connection).get_table_names())
    is_open = _PROPOSALS.c.state.not_in([str(state) for state in CLOSED_STATES])
    # What belongs to an open proposal stands among its own entries, with which it is compared before it is sent.
    found: dict[str | None, list[list[Any]]] = {
        one.id: [] for one in connection.execute(select(_PROPOSALS).where(is_open))
    }
    rest = list[list[Any]]()
    for name in (one for one in RECORDED if one in tables):
        for owner, row in _rows_of(connection, name):
            found.get(owner, rest).append(row)
            if len(rest) == _ROWS_PER_ENTRY:
                _append(connection, None, rest)
                rest.clear()
    for owner, rows in found.items():
        _append(connection, owner, rows)
    # Written even if it is empty: it says that there is nothing that the chain does not know.
    if rest or connection.execute(select(_AUDIT.c.seq).limit(1)).first() is not None:
        _append(connection, None, rest)


def _rows_of(connection: Connection, name: str) -> Iterator[tuple[str | None, list[Any]]]:
    """The rows of a table as the chain keeps them, each with its proposal, page by page."""
    table = Table(name, MetaData(), autoload_with=connection)
    query = select(table).order_by(*table.primary_key.columns).limit(_ROWS_PER_ENTRY)
    start = 0
    while rows := connection.execute(query.offset(start)).mappings().all():
        start += len(rows)
        for row in rows:
            if name != "meta" or row["key"] in META_KEYS:
                owner = row["id"] if name == "proposals" else row.get("proposal_id")
                values = {column: value for column, value in row.items() if value is not None}
                yield owner, ["found", name, key_of(name, row), kept_values(name, values)]


def _append(connection: Connection, proposal_id: str | None, found: list[list[Any]]) -> None:
    """Continues the audit chain, at the time of its newest entry: this machine's clock need not be the store's."""
    last = connection.execute(select(_AUDIT).order_by(_AUDIT.c.seq.desc()).limit(1)).first()
    seq, previous, at = (last.seq + 1, last.hash, last.at) if last else (1, "0" * 64, stamp(datetime.now(UTC)))
    entry = [seq, at, "stored", "store", proposal_id, canonical({"rows_found": len(found)}), previous]
    rows = canonical(found)
    values = dict(zip(_ENTRY, [*entry, digest([*entry, rows]), rows], strict=True))
    connection.execute(insert(_AUDIT).values(values))
