"""Holds the tables against the audit chain, which says of every row what this program wrote into it.

The chain is folded into the rows it expects, and each table is compared with them, value by value. Entries by earlier
versions say less: of their rows only that is compared, and the rest is counted as not compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

from sqlalchemy import String, Table, bindparam, select

from rutter_ap_server.store.audit import LINKED, Entry, Head, entries_of, genuine
from rutter_ap_server.store.canonical import canonical, parsed
from rutter_ap_server.store.changes import META_KEYS, PASSING, RECORDED, Recorded, changes_in, kept_value, key_of
from rutter_ap_server.store.controls import UNREADABLE, held_in
from rutter_ap_server.store.errors import Tampered
from rutter_ap_server.store.people_told import ROWS_FOUND, PeopleTold
from rutter_ap_server.store.ready import Ready
from rutter_ap_server.store.schema import approvers, audit, meta, metadata, passkeys
from rutter_ap_server.store.states import CLOSED_STATES

# Entries by which an earlier version is known: today's always say which rows they wrote.
_OLD_KINDS = ("proposed", "approver_added", "policy_changed", "frozen", "connection_started", "connection_adopted")
# When a row was added, by table; what was added after the first entry of this version must be in the chain.
_ADDED = {
    "proposals": "created_at",
    "questions": "asked_at",
    "approvers": "added_at",
    "passkeys": "added_at",
    "connections": "created_at",
    "vendor_sightings": "first_seen_at",
    "untrusted_values": "first_seen_at",
}
# What an earlier version's entries of an open proposal must include for such a row to be its own.
_TOLD_BY = {
    "approvals": ("approved", "answered", "released"),
    "attempts": ("attempt",),
    "spend": ("attempt",),
}
# The tables whose rows belong to one proposal.
OF_A_PROPOSAL = ("proposals", "approvals", "statements", "questions", "spend", "attempts")

What = Literal["added", "changed", "removed"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is not as the chain says: one value of it was changed, or the whole row was added or removed.

    Values are as the chain keeps them: a long one, or a secret, by its SHA-256. They are outside text.
    """

    what: What
    table: str
    key: str
    field: str = ""
    chain: str | None = None
    stored: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs, how many rows were compared whole, and of how many the chain does not say all."""

    differences: tuple[Difference, ...]
    compared: int
    not_compared: int


@dataclass(slots=True)
class Expected:
    """The rows that the chain says there are; `whole` with all their values, `part` with some."""

    whole: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {name: {} for name in RECORDED})
    part: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {name: {} for name in RECORDED})
    # What an earlier version recorded of each of its proposals, by kind, and of its approvers.
    old: dict[str, dict[str, list[tuple[str, dict[str, Any]]]]] = field(default_factory=dict)
    old_people: list[dict[str, Any]] = field(default_factory=list)
    old_removed: set[str] = field(default_factory=set)
    # Differences that a later write would hide: a row was removed by hand before it was added again.
    lasting: list[Difference] = field(default_factory=list)
    is_old: bool = False
    # Whether an upgrade told of every row there was: from then on no row may be unknown.
    is_complete: bool = False
    # When the first entry of this version was made.
    since: str | None = None


def expected_from(entries: Iterable[Entry]) -> Expected:
    """Folds entries, oldest first, into the rows there should be."""
    expected = Expected()
    for entry in entries:
        if entry.rows is None:
            _apply_old(expected, entry, said_by(entry.body))
            continue
        if isinstance(entry.body, str) and entry.body.startswith(ROWS_FOUND):
            expected.is_old = expected.is_old or (expected.since is None and not expected.is_complete)
            expected.is_complete = True
        else:
            expected.since = expected.since or entry.at
        for what, table, key, values in changes_in(entry.rows):
            _apply(expected, what, table, key, values)
    return expected


def _apply(expected: Expected, what: str, table: str, key: str, values: dict[str, Any]) -> None:
    whole, part = expected.whole[table], expected.part[table]
    if what == "added":
        if key in whole or key in part:
            expected.lasting.append(Difference("removed", table, key))
        part.pop(key, None)
        whole[key] = dict(values)
    elif what == "found":
        _apply_found(expected, table, key, values)
    elif what == "removed":
        whole.pop(key, None)
        part.pop(key, None)
    else:
        (whole if key in whole else part).setdefault(key, {}).update(values)


def _apply_found(expected: Expected, table: str, key: str, values: dict[str, Any]) -> None:
    """Takes up a row as an upgrade found it; what entries from before it say otherwise stays a difference."""
    whole, part = expected.whole[table].get(key), expected.part[table].pop(key, None)
    if whole is not None:
        said = dict.fromkeys(values) | whole
    else:
        said = part or {}
        if part is None and not _is_old(expected, table, values):
            expected.lasting.append(Difference("added", table, key))
    expected.lasting += (
        Difference("changed", table, key, name, _text(value), _text(values.get(name)))
        for name, value in said.items()
        if value != values.get(name)
    )
    expected.whole[table][key] = dict(values)


def _apply_old(expected: Expected, entry: Entry, body: Mapping[str, Any]) -> None:
    """What an entry by an earlier version says of the tables."""
    expected.is_old = expected.is_old or entry.kind in _OLD_KINDS
    rows, proposal_id = expected.part, entry.proposal_id
    if entry.kind == "approver_added":
        expected.old_people.append(dict(body))
    elif entry.kind == "approver_removed":
        expected.old_removed.add(str(body.get("approver_id")))
    elif entry.kind == "policy_changed":
        rows["meta"]["policy"] = {"value": body.get("version")}
    elif entry.kind == "frozen":
        rows["meta"]["freeze"] = {}
    elif entry.kind == "unfrozen":
        rows["meta"].pop("freeze", None)
    if proposal_id is None:
        return
    if entry.kind == "proposed":
        rows["proposals"][proposal_id] = proposed_values(body)
        expected.old[proposal_id] = {}
    if proposal_id in expected.old:
        expected.old[proposal_id].setdefault(entry.kind, []).append((entry.actor, dict(body)))
        if entry.kind in CLOSED_STATES:
            rows["proposals"].setdefault(proposal_id, {})["state"] = entry.kind


def proposed_values(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a `proposed` entry by any version says of the proposal's row."""
    named = {"tool": "tool", "company": "company_id", "environment": "environment", "digest": "digest"}
    values = {column: body[name] for name, column in named.items() if name in body}
    if "fields" in body:
        values["fields"] = kept_value("proposals", "fields", canonical(body["fields"]))
    return values


# Made once, because making them takes longer than running them.
_ITS_OWN = bindparam("its_own", type_=String)
_ITS_ENTRIES = Ready(LINKED.where(audit.c.proposal_id == _ITS_OWN).order_by(audit.c.seq))
_ITS_ROWS = {
    name: Ready(select(table).where((table.c.id if name == "proposals" else table.c.proposal_id) == _ITS_OWN))
    for name, table in ((name, metadata.tables[name]) for name in OF_A_PROPOSAL)
}
_PEOPLE, _PASSKEYS = Ready(select(approvers)), select(passkeys)


class Checks:
    """Reads inside the caller's transaction."""

    def __init__(self, connection: Recorded, head: Head, people: PeopleTold) -> None:
        self._connection = connection
        self._head = head
        self._told = people

    def everything(self) -> Comparison:
        """Compares every table with the whole chain."""
        expected = expected_from(entries_of(self._connection, select(audit)))
        differences, counts = list[Difference](), Counter[bool]()
        for name in RECORDED:
            table = metadata.tables[name]
            query = select(table).order_by(*table.primary_key.columns)
            if name == "meta":
                query = query.where(table.c.key.in_(META_KEYS))
            differences += self._compare(expected, table, self._connection.execute(query), counts)
        # It changes every minute, so that the chain does not follow it.
        held = self._connection.execute(select(meta.c.value).where(meta.c.key == "policy_held")).scalar()
        if held is not None and UNREADABLE in held_in(held, datetime.now(UTC)):
            differences.append(Difference("changed", "meta", "policy_held", "value"))
        return Comparison(tuple(differences), counts[True], counts[False])

    def proposal(self, proposal_id: str, tables: Iterable[str] = OF_A_PROPOSAL) -> None:
        """Raises `Tampered` unless a proposal and its rows in those tables are what its own entries say."""
        its_own = {"its_own": proposal_id}
        expected = expected_from(genuine(self._connection.run(_ITS_ENTRIES, its_own)))
        differs = (
            self._compare(expected, metadata.tables[name], self._connection.run(_ITS_ROWS[name], its_own))
            for name in tables
        )
        if any(differs):
            raise Tampered(f"proposal {proposal_id}")

    def people(self) -> list[Difference]:
        """How the approvers differ from what the chain says of them. Raises `Tampered` if that was forged."""
        return self._compare(self._about_people(), approvers, self._connection.run(_PEOPLE))

    def passkeys(self) -> list[Difference]:
        """How their passkeys differ from it. Raises `Tampered` if the chain was forged."""
        return self._compare(self._about_people(), passkeys, self._connection.execute(_PASSKEYS))

    def _about_people(self) -> Expected:
        return expected_from(self._told.entries(self._connection, self._head))

    def _compare(
        self, expected: Expected, table: Table, rows: Iterable[Any], counts: Counter[bool] | None = None
    ) -> list[Difference]:
        """Compares rows with all that is expected of their table; `counts` those compared whole."""
        differences = [one for one in expected.lasting if one.table == table.name]
        for row in rows:
            found, is_whole = _differences(expected, table, row._asdict())
            differences += found
            if counts is not None and (is_whole or not found):
                counts[is_whole] += 1
        gone = sorted({*expected.whole[table.name], *expected.part[table.name]})
        differences += (Difference("removed", table.name, key) for key in gone)
        return list(dict.fromkeys(differences))


def _differences(expected: Expected, table: Table, row: Mapping[str, Any]) -> tuple[list[Difference], bool]:
    """How a row differs from what is expected of it, and whether all of it was compared."""
    name, key = table.name, key_of(table.name, row)
    whole, part = expected.whole[name].pop(key, None), expected.part[name].pop(key, None)
    if whole is None and part is None:
        known = not expected.is_complete and _is_old(expected, name, row)
        return ([] if known else [Difference("added", name, key)]), False
    values = whole if whole is not None else part or {}
    columns = list(row) if whole is not None else list(values)
    return differing(name, key, values, row, columns), whole is not None


def differing(
    table: str, key: str, values: Mapping[str, Any], row: Mapping[str, Any], columns: Iterable[str]
) -> list[Difference]:
    """The columns in which a row is not what the chain says of it; what the chain does not say is empty."""
    left_out = _not_compared(table)
    found = []
    for column in columns:
        if column in left_out:
            continue
        said, stored = values.get(column), kept_value(table, column, row[column])
        if said != stored:
            found.append(Difference("changed", table, key, column, _text(said), _text(stored)))
    return found


@cache
def _not_compared(table: str) -> frozenset[str]:
    """The columns that say which row it is, and those that the chain does not follow."""
    keys = {column.name for column in metadata.tables[table].primary_key.columns}
    return frozenset(keys | PASSING.get(table, set()))


def _is_old(expected: Expected, table: str, row: Mapping[str, Any]) -> bool:
    """Whether a row that the chain says nothing of was written by an earlier version, as far as can be seen."""
    added = row.get(_ADDED.get(table, "at"))
    if not expected.is_old or (added is not None and expected.since is not None and str(added) > expected.since):
        return False
    if table == "approvers":
        told = expected.old_people
        if row["id"] in expected.old_removed and row.get("removed_at") is None:
            return False
        return not told or any(row["id"] == one.get("approver_id") or row["name"] == one.get("name") for one in told)
    # No earlier version had passkeys.
    if table in ("proposals", "passkeys"):
        return False
    if "proposal_id" not in row:
        return True
    told_of = expected.old.get(row["proposal_id"])
    if told_of is None:
        return False
    if table not in _TOLD_BY or any(state in told_of for state in CLOSED_STATES):
        return True
    entries = [entry for kind in _TOLD_BY[table] for entry in told_of.get(kind, ())]
    return any(table != "approvals" or _is_approval(row, actor, body) for actor, body in entries)


def _is_approval(row: Mapping[str, Any], actor: str, body: Mapping[str, Any]) -> bool:
    """Whether an entry by an earlier version is of this approval; a line of a run was released with its run."""
    if body.get("channel") == "run":
        return True
    given_by = body.get("approver_id") in (None, row.get("approver_id"))
    return bool(actor == row["approver"] and given_by and body.get("statement") == row.get("statement"))


def said_by(text: str) -> dict[str, Any]:
    """The body of an entry. One that somebody else wrote may be anything, which then says nothing."""
    try:
        body = parsed(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
