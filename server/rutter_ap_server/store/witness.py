"""What the audit chain says of a proposal, and of what was spent, whenever it counts: else it was edited by hand."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, func, select

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


def damage(row: Any) -> tuple[str, ...]:
    """The columns of a proposal's prepared write that are not what the audit chain says of it."""
    if row.said is None:
        return ("audit",)
    whole = _proposal_added(row.told or "", row.id)
    values = whole if whole is not None else proposed_values(said_by(row.said))
    columns = _PREPARED if whole is not None else list(values)
    return tuple(one.field for one in differing("proposals", row.id, values, row._asdict(), columns))


@lru_cache(maxsize=4096)
def _proposal_added(rows: str, proposal_id: str) -> dict[str, Any] | None:
    """As an entry says that it was added. A text is read once: a proposal is looked at again and again."""
    return row_added(rows, "proposals", proposal_id)


# From the proposals, because a row that was deleted or moved to another time, vendor or company is not among its like.
_OF_COMPANY = proposals.c.company_id == bindparam("company")
_MAY_COUNT = (
    _OF_COMPANY & one_of(proposals.c.state, SENDING_STATES),
    _OF_COMPANY
    & one_of(proposals.c.state, (State.POSTED, State.FAILED))
    & (proposals.c.updated_at >= bindparam("since")),
)
# The entries that rows of spend are made with; the longer ones of a proposal are not looked through.
_MADE_BY = ("attempt", "posted", "failed", "not_booked", STORED)
# A question for each part: one for both would look through all that the company ever proposed.
_SAID_OF_SPEND = [
    Ready(
        select(audit.c.rows).where(
            part, audit.c.proposal_id == proposals.c.id, one_of(audit.c.kind, _MADE_BY), audit.c.rows.is_not(None)
        )
    )
    for part in _MAY_COUNT
]
_SPENT = [Ready(select(spend).where(part, spend.c.proposal_id == proposals.c.id)) for part in _MAY_COUNT]
_COLUMNS = [column.name for column in spend.c]


def hold_spend(connection: Recorded, company_id: str, since: str) -> None:
    """Raises `Tampered` if a row that counts against a company's limits since then is not as the chain says."""
    named = {"company": company_id, "since": since}
    said = {one for part in _SAID_OF_SPEND for row in connection.run(part, named) for one in _spend_added(row.rows)}
    rows = [row for part in _SPENT for row in connection.run(part, named)]
    # What the chain never told of was there before rows were noted.
    told = {one[1] for one in said}
    stored = {tuple(row) for row in rows if row.proposal_id in told}
    if said != stored:
        # A long id is kept by its hash, which takes longer to compare.
        kept = (kept_values("spend", row._asdict()) for row in rows)
        stored = {tuple(values.values()) for values in kept if values["proposal_id"] in told}
    if said != stored:
        differing_ids = {one[1] for one in said ^ stored}
        raise Tampered(f"what proposal {min(differing_ids)} counts against the limits")


@lru_cache(maxsize=16384)
def _spend_added(rows: str) -> tuple[tuple[Any, ...], ...]:
    """The rows of that table which an entry adds. A text is read once: each payment asks for those of all before it."""
    added = (values for what, of, _, values in changes_in(rows) if (what, of) == ("added", "spend"))
    return tuple(tuple(_plain(values.get(name)) for name in _COLUMNS) for values in added)


def _plain(value: Any) -> int | str:
    return value if isinstance(value, int) else str(value)
