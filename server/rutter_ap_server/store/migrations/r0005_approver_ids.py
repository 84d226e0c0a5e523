"""Revision 5: an approver is an identity with an id, and an approval says which identity gave it.

Where the old tables leave open who somebody was, fewer approvals count afterwards, never more:

- Every approver, removed or not, gets an id of its own.
- An approval gets the id of the approver of exactly its name, unless it is older than that approver's row: it was then
  given under an earlier passcode, or by somebody removed before. It stays on record without an id and does not count.
  An answer in the chat has no id.
- Of active approvers whose names are spellings of one name, the one added first stays. The others are marked removed,
  so that what they approved no longer counts, and the audit chain says so. Removing all of them could leave nobody,
  and without an approver anybody at the terminal may add one.
- Approvers whose names only look alike stay: they may be different people. No new one can be added.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from alembic.operations import Operations
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, Text, insert, select, update

from rutter_ap_server.store.canonical import canonical, digest
from rutter_ap_tools.names import canonical_name

revision = "5"
down_revision = "4"

# The tables as far as this revision reads and writes them. That of the approvers is made anew, with one column more.
_TABLES = MetaData()
_AS_BEFORE = ("name", "passcode_hash", "added_at", "removed_at", "failures", "locked_until")
_OLD = Table("approvers", MetaData(), *(Column(name) for name in _AS_BEFORE))
_NEW = Table("approvers", _TABLES, *(Column(name) for name in ("id", *_AS_BEFORE)))
_APPROVALS = Table("approvals", _TABLES, *(Column(name) for name in ("approver", "channel", "at", "approver_id")))
_ENTRY = ("seq", "at", "kind", "actor", "proposal_id", "body", "previous", "hash")
_AUDIT = Table("audit", _TABLES, *(Column(name) for name in _ENTRY))


def upgrade(op: Operations) -> None:
    """Makes the table of approvers anew, with ids, and adds the id to each approval."""
    connection = op.get_bind()
    found = connection.execute(select(_OLD).order_by(_OLD.c.added_at, _OLD.c.name))
    kept = _marked([dict(row) for row in found.mappings()])
    op.drop_table("approvers")
    op.create_table(
        "approvers",
        Column("id", String(36), primary_key=True),
        Column("name", String(200), nullable=False),
        Column("passcode_hash", Text, nullable=False),
        Column("added_at", String(32), nullable=False),
        Column("removed_at", String(32)),
        Column("failures", Integer, nullable=False),
        Column("locked_until", String(32)),
    )
    op.add_column("approvals", Column("approver_id", String(36)))
    for one in kept:
        connection.execute(insert(_NEW).values({name: one[name] for name in ("id", *_AS_BEFORE)}))
        its_own = (_APPROVALS.c.approver == one["name"]) & (_APPROVALS.c.at >= one["added_at"])
        given = update(_APPROVALS).where(its_own, _APPROVALS.c.channel != "chat")
        connection.execute(given.values(approver_id=one["id"]))
        if one["same_as"] is not None:
            _audit(connection, one)


def _marked(approvers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The approvers with their ids, the oldest first; all but the first of one name are removed."""
    now, first = _now(), dict[str, str]()
    for one in approvers:
        one |= {"id": str(uuid.uuid4()), "same_as": None}
        if one["removed_at"] is not None:
            continue
        name = canonical_name(one["name"])
        if name in first:
            one |= {"removed_at": now, "same_as": first[name]}
        first.setdefault(name, one["id"])
    return approvers


def _audit(connection: Connection, removed: dict[str, Any]) -> None:
    """Continues the audit chain as the program itself does."""
    last = connection.execute(select(_AUDIT).order_by(_AUDIT.c.seq.desc()).limit(1)).first()
    seq, previous = (last.seq + 1, last.hash) if last else (1, "0" * 64)
    # The chain's time never goes back, whatever this machine's clock says.
    at = max(_now(), last.at) if last else _now()
    about = {"name": removed["name"], "approver_id": removed["id"], "same_name_as": removed["same_as"]}
    entry = [seq, at, "approver_removed", "guard", None, canonical(about), previous]
    connection.execute(insert(_AUDIT).values(dict(zip(_ENTRY, [*entry, digest(entry)], strict=True))))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
