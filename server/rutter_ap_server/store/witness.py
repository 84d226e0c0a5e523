"""What the audit chain says of a proposal whenever it is read: it was edited by hand if the two differ."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, func, select

from rutter_ap_server.store.changes import row_added
from rutter_ap_server.store.check import differing, proposed_values, said_by
from rutter_ap_server.store.schema import audit, proposals

# What is judged, shown and sent: it is written once and never changes.
_PREPARED = (
    "digest",
    "company_id",
    "company_name",
    "environment",
    "tool",
    "fields",
    "summary",
    "preparer",
    "amount",
    "currency",
    "vendor_id",
    "vendor_name",
    "bill_id",
    "created_at",
    "expires_at",
    "run_id",
    "reason",
)
_FIRST = audit.alias("first")
_MADE_WITH = (
    select(func.min(audit.c.seq)).where(audit.c.proposal_id == proposals.c.id).correlate(proposals).scalar_subquery()
)
# Each with the entry that was made with it, which says what it was. Made once, because making it takes time.
PROPOSALS = select(
    proposals,
    *(
        select(column).where(_FIRST.c.seq == _MADE_WITH).correlate(proposals).scalar_subquery().label(name)
        for name, column in (("said", _FIRST.c.body), ("told", _FIRST.c.rows))
    ),
)


def damage(row: Row[Any]) -> tuple[str, ...]:
    """The columns of a proposal's prepared write that are not what the audit chain says of it."""
    if row.said is None:
        return ("audit",)
    whole = row_added(row.told or "", "proposals", row.id)
    values = whole if whole is not None else proposed_values(said_by(row.said))
    columns = _PREPARED if whole is not None else list(values)
    return tuple(one.field for one in differing("proposals", row.id, values, row._mapping, columns))
