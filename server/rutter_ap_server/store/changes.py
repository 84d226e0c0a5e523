"""What a transaction writes, row by row, for the audit chain: no change of a table without its trace in the chain.

The chain is the second witness of every table named here. Each row that is added, changed or removed is noted with the
values it got and stored in the next entry of the same transaction, so that `check.py` can say later which rows were
changed by anything but this program. Long values and secrets are kept as their SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, overload

from sqlalchemy import Connection, CursorResult, Delete, Executable, Insert, RowMapping, Table, Update

from rutter_ap_server.store.canonical import parsed
from rutter_ap_server.store.ready import Ready, adding
from rutter_ap_server.store.schema import metadata

Rows: TypeAlias = CursorResult[*tuple[Any, ...]]
VALUE_CHARACTERS_MAX = 64
META_KEYS = ("freeze", "last_look", "policy", "policy_origin")
# Every table whose rows decide something. Left out are sealed secrets, which prove themselves.
RECORDED = (
    "proposals",
    "approvals",
    "statements",
    "questions",
    "spend",
    "attempts",
    "approvers",
    "passkeys",
    "links",
    "meta",
    "connections",
    "ledger_connections",
    "vendor_sightings",
    "document_uses",
    "booking_differences",
    "seen_documents",
    "vendor_keys",
    "untrusted_values",
)
# Leases and times of contact come and go without a decision.
PASSING = {"proposals": {"lease_owner", "lease_until"}, "connections": {"last_seen_at"}, "passkeys": {"used_at"}}
# The id of a question is what answers it; a value in somebody's text may be anything, and the chain is kept for ever.
_SECRET = {("approvers", "passcode_hash"), ("questions", "id"), ("untrusted_values", "value")}


@dataclass(frozen=True, slots=True)
class Change:
    """A row that was `added`, `changed` or `removed`; `owner` is the proposal it belongs to, if any."""

    what: str
    table: str
    key: str
    values: Mapping[str, Any]
    owner: str | None

    @property
    def as_kept(self) -> list[Any]:
        """As it stands in an entry of the chain."""
        return [self.what, self.table, self.key, dict(self.values)]


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows a statement changed."""

    rowcount: int


class Recorded:
    """A transaction's connection, which notes the rows it writes until the chain takes them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._changes: list[Change] = []
        self._taken: list[Change] = []

    # Both are executable too; the first that fits is meant.
    @overload
    def execute(self, statement: Update | Delete) -> Written: ...  # type: ignore[overload-overlap]

    @overload
    def execute(self, statement: Executable, values: dict[str, Any] | None = None) -> Rows: ...

    def execute(self, statement: Any, values: dict[str, Any] | None = None) -> Any:
        """Runs a statement; a row that it writes is noted."""
        if isinstance(statement, Update | Delete):
            return self._changed(statement)
        result = self._connection.execute(statement, values)
        if isinstance(statement, Insert) and name_of(statement) in RECORDED:
            self._note("added", name_of(statement), result.last_inserted_params(), result.inserted_primary_key)
        return result

    def run(self, ready: Ready, values: Mapping[str, Any] | None = None) -> list[Any]:
        """The rows of a query that is worded already."""
        return ready.run(self._connection, values or {})

    def first(self, ready: Ready, values: Mapping[str, Any] | None = None) -> Any | None:
        """The first of them, if there is one."""
        rows = ready.run(self._connection, values or {})
        return rows[0] if rows else None

    def add(self, table: Table, values: Mapping[str, Any]) -> None:
        """Adds a row, and notes it."""
        self._added(table, values, "")

    def add_once(self, table: Table, values: Mapping[str, Any]) -> None:
        """Adds a row, and notes it, unless one with its key is there, whoever wrote that at the same time."""
        self._added(table, values, self._connection.dialect.name)

    def change(self, ready: Ready, values: Mapping[str, Any]) -> int:
        """Changes or removes rows by a statement that is worded already, and notes them; returns how many."""
        table = metadata.tables[name_of(ready.statement)]
        rows = ready.run(self._connection, values)
        if table.name in RECORDED:
            what = "removed" if isinstance(ready.statement, Delete) else "changed"
            self._note_rows(what, table, {name: values[name] for name in ready.columns}, rows)
        return len(rows)

    def owners(self) -> set[str | None]:
        """The proposals whose changes are still to be taken; None if only rows of no proposal are."""
        return {one.owner for one in self._changes if one.owner is not None} or {one.owner for one in self._changes}

    def take(self, owner: str | None) -> list[list[Any]]:
        """The changes of a proposal's rows, and of rows of no proposal, that no entry holds yet."""
        taken = [one for one in self._changes if one.owner in (owner, None)]
        self._taken += taken
        self._changes = [one for one in self._changes if one.owner not in (owner, None)]
        return [one.as_kept for one in taken]

    def noted(self, table: str) -> list[Change]:
        """All changes of a table by this transaction, also those that an entry holds."""
        return [one for one in (*self._taken, *self._changes) if one.table == table]

    def _changed(self, statement: Update | Delete) -> Written:
        if name_of(statement) not in RECORDED:
            return Written(self._connection.execute(statement).rowcount)
        table = metadata.tables[name_of(statement)]
        owner = [table.c.proposal_id] if "proposal_id" in table.c else []
        keys = list(table.primary_key.columns)
        result = self._connection.execute(statement.returning(*keys, *owner))
        rows = list(result.all())
        if isinstance(statement, Delete):
            what, values = "removed", dict[str, Any]()
        else:
            what, values = "changed", dict(result.last_updated_params())  # type: ignore[arg-type]
        self._note_rows(what, table, values, rows)
        return Written(len(rows))

    def _added(self, table: Table, values: Mapping[str, Any], unless_there: str) -> None:
        rows = adding(table, tuple(values), unless_there).run(self._connection, values)
        if rows and table.name in RECORDED:
            self._note("added", table.name, values, rows[0])

    def _note_rows(self, what: str, table: Table, values: Mapping[str, Any], rows: Iterable[Any]) -> None:
        keys = len(table.primary_key.columns)
        for row in rows:
            belongs_to = {"proposal_id": row.proposal_id} if "proposal_id" in table.c else {}
            self._note(what, table.name, values, row[:keys], belongs_to)

    def _note(self, what: str, table: str, values: Any, key: Any, belongs_to: Mapping[str, Any] | None = None) -> None:
        named = dict(zip((column.name for column in metadata.tables[table].primary_key.columns), key, strict=True))
        whole = {**named, **values, **(belongs_to or {})}
        if table == "meta" and whole["key"] not in META_KEYS:
            return
        kept = kept_values(table, {**named, **values} if what == "added" else values)
        if what == "added":
            # What is not said of a new row is empty.
            kept = {name: value for name, value in kept.items() if value is not None}
        if kept or what == "removed":
            owner = whole["id"] if table == "proposals" else whole.get("proposal_id")
            self._changes.append(Change(what, table, key_of(table, whole), kept, owner))


def name_of(statement: Any) -> str:
    """The name of the table that a statement writes."""
    return str(statement.table.description)


def kept_values(table: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a row as the chain keeps them, without those that say nothing."""
    columns, passing = metadata.tables[table].c, PASSING.get(table, set())
    return {
        name: kept_value(table, name, value)
        for name, value in values.items()
        if name in columns and name not in passing
    }


def kept_value(table: str, column: str, value: Any) -> Any:
    """One value as the chain keeps it."""
    if isinstance(value, str) and (len(value) > VALUE_CHARACTERS_MAX or (table, column) in _SECRET):
        return f"sha256:{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()}"
    return value


def key_of(table: str, row: Mapping[str, Any] | RowMapping) -> str:
    """The primary key of a row, as one text."""
    return "/".join(
        str(kept_value(table, column.name, row[column.name])) for column in metadata.tables[table].primary_key.columns
    )


def changes_in(rows: str) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """The changes an entry holds. One that somebody else wrote may hold anything, which then says nothing."""
    try:
        changes = parsed(rows)
    except ValueError:
        return
    for one in changes if isinstance(changes, list) else ():
        if isinstance(one, list) and len(one) == 4 and one[1] in RECORDED and isinstance(one[3], dict):
            yield one[0], one[1], str(one[2]), one[3]


def row_added(rows: str, table: str, key: str) -> dict[str, Any] | None:
    """The values with which an entry says that a row was added; None if it does not."""
    found: Iterable[dict[str, Any]] = (
        values for what, of, which, values in changes_in(rows) if (what, of, which) == ("added", table, key)
    )
    return next(iter(found), None)
