"""Attempts: each request is journalled before it is sent, so that a crash at any line leaves a trace to follow."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, distinct, func, select

from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.store.canonical import canonical, parsed
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.ready import WORDINGS_MAX, Ready, among, changing, numbered
from rutter_ap_server.store.schema import attempts, proposals
from rutter_ap_server.store.states import State

# The outcome of an attempt that was sent and is said to have failed; "failed" is one of which that is known.
DOUBTED = "doubted"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to send. `before` is the ledger's state just before it, which helps to settle an unknown outcome."""

    id: int
    idempotency_key: str
    before: dict[str, Any]
    at: datetime
    outcome: str | None
    upstream_id: str | None
    job_id: str | None
    reason: str | None


class Attempts:
    """Reads and writes inside the caller's transaction."""

    def __init__(self, connection: Recorded, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def add(self, proposal_id: str, idempotency_key: str, before: dict[str, Any]) -> None:
        """Journals an attempt before anything is sent."""
        values = {
            "proposal_id": proposal_id,
            "idempotency_key": idempotency_key,
            "before": canonical(before),
            "at": stamp(self._now),
        }
        self._connection.add(attempts, values)

    def last(self, proposal_id: str) -> Attempt | None:
        """The latest attempt of a proposal."""
        row = self._connection.first(_LAST, {"own": proposal_id})
        if row is None:
            return None
        return Attempt(
            id=row.id,
            idempotency_key=row.idempotency_key,
            before=parsed(row.before),
            at=unstamp(row.at),
            outcome=row.outcome,
            upstream_id=row.upstream_id,
            job_id=row.job_id,
            reason=row.reason,
        )

    def doubted(self, *, company_id: str = "", bill_id: str = "") -> list[str]:
        """The ids of failed proposals that may be booked; of one bill or all."""
        query = _DOUBTED_OF_BILL if bill_id else _ALL_DOUBTED
        return [row.proposal_id for row in self._connection.run(query, {"company": company_id, "bill": bill_id})]

    def believe(self, proposal_id: str) -> None:
        """Marks a doubted attempt as failed."""
        last = self.last(proposal_id)
        if last is not None:
            self._connection.change(_BELIEVE, {"own": last.id, "outcome": "failed"})

    def claimed(self, upstream_ids: Collection[str], *, except_id: str) -> set[str]:
        """Which of these ids in the ledger are the outcome of other proposals, or were named for one by Rutter."""
        if not upstream_ids:
            return set()
        named = {"own": except_id, **numbered("record", upstream_ids)}
        return {row.upstream_id for row in self._connection.run(_claimed(len(upstream_ids)), named)}

    def may_have_written(self, company_id: str, upstream_ids: Collection[str]) -> int:
        """How many of these ids in a company's ledger proposals wrote at most: its lost ones may have written any."""
        c = attempts.c
        lost = select(func.count(distinct(c.proposal_id))).where(
            c.upstream_id.is_(None), c.proposal_id == proposals.c.id, proposals.c.company_id == company_id
        )
        return len(self.claimed(upstream_ids, except_id="")) + int(self._connection.execute(lost).scalar_one())

    def settle(
        self, proposal_id: str, outcome: str, *, upstream_id: str | None, job_id: str | None, reason: str | None
    ) -> None:
        """Records the outcome of the latest attempt; ids learnt earlier are kept."""
        last = self.last(proposal_id)
        if last is None:
            return
        values = {
            "outcome": outcome,
            "upstream_id": upstream_id or last.upstream_id,
            "job_id": job_id or last.job_id,
            "reason": reason,
            "settled_at": stamp(self._now),
        }
        self._connection.change(_SETTLE, {"own": last.id, **values})


_ONE = attempts.c.id == bindparam("own")
_LAST = Ready(
    select(attempts).where(attempts.c.proposal_id == bindparam("own")).order_by(attempts.c.id.desc()).limit(1)
)
_BELIEVE = changing(attempts, _ONE, ("outcome",))
_SETTLE = changing(attempts, _ONE, ("outcome", "upstream_id", "job_id", "reason", "settled_at"))
_DOUBTED = (
    select(attempts.c.proposal_id)
    .where(proposals.c.state == State.FAILED, attempts.c.proposal_id == proposals.c.id, attempts.c.outcome == DOUBTED)
    .order_by(attempts.c.id)
)
_ALL_DOUBTED = Ready(_DOUBTED)
_DOUBTED_OF_BILL = Ready(
    _DOUBTED.where(proposals.c.company_id == bindparam("company"), proposals.c.bill_id == bindparam("bill"))
)


@lru_cache(maxsize=WORDINGS_MAX)
def _claimed(count: int) -> Ready:
    c = attempts.c
    return Ready(select(c.upstream_id).where(among(c.upstream_id, "record", count), c.proposal_id != bindparam("own")))
