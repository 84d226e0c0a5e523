"""What the audit chain says of a proposal, and of what was spent, whenever it counts: else it was edited by hand."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import Row, bindparam, func, select

from rutter_ap_server.store.audit import STORED
from rutter_ap_server.store.changes import Recorded, changes_in, kept_values, row_added
from rutter_ap_server.store.check import differing, proposed_values, said_by
from rutter_ap_server.store.errors import Tampered
from rutter_ap_server.store.ready import Ready, one_of
from rutter_ap_server.store.schema import audit, proposals, spend
from rutter_ap_server.store.states import SENDING_STATES, State

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


# From the proposals, because a row that was deleted or moved to another time, vendor or company is not among its like.
_MAY_COUNT = (proposals.c.company_id == bindparam("company")) & (
    one_of(proposals.c.state, SENDING_STATES)
    | (one_of(proposals.c.state, (State.POSTED, State.FAILED)) & (proposals.c.updated_at >= bindparam("since")))
)
# The entries that rows of spend are made with; the longer ones of a proposal are not looked through.
_MADE_BY = ("attempt", "posted", "failed", "not_booked", STORED)
_SAID_OF_SPEND = Ready(
    select(audit.c.proposal_id, audit.c.rows).where(
        _MAY_COUNT, audit.c.proposal_id == proposals.c.id, one_of(audit.c.kind, _MADE_BY), audit.c.rows.is_not(None)
    )
)
_SPENT = Ready(select(spend).where(_MAY_COUNT, spend.c.proposal_id == proposals.c.id))
_COLUMNS = [column.name for column in spend.c]


def hold_spend(connection: Recorded, company_id: str, since: str) -> None:
    """Raises `Tampered` if a row that counts against a company's limits since then is not as the chain says."""
    named = {"company": company_id, "since": since}
    said = {one for row in connection.run(_SAID_OF_SPEND, named) for one in _spend_added(row.rows)}
    # What the chain never told of was there before rows were noted.
    told = {one[1] for one in said}
    stored = {tuple(row) for row in connection.run(_SPENT, named) if row.proposal_id in told}
    if said != stored:
        # A long id is kept by its hash, which takes longer to compare.
        kept = (kept_values("spend", row._asdict()) for row in connection.run(_SPENT, named))
        stored = {tuple(values.values()) for values in kept if values["proposal_id"] in told}
    if said != stored:
        differing_ids = {one[1] for one in said ^ stored}
        raise Tampered(f"what proposal {min(differing_ids)} counts against the limits")


@lru_cache(maxsize=4096)
def _spend_added(rows: str) -> tuple[tuple[Any, ...], ...]:
    """The rows of that table which an entry adds. A text is read once: each payment asks for those of all before it."""
    added = (values for what, of, _, values in changes_in(rows) if (what, of) == ("added", "spend"))
    return tuple(tuple(_plain(values.get(name)) for name in _COLUMNS) for values in added)


def _plain(value: Any) -> int | str:
    return value if isinstance(value, int) else str(value)
