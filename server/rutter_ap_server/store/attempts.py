"""Attempts: each request is journalled before it is sent, so that a crash at any line leaves a trace to follow."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import distinct, func, insert, select, update

from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.store.canonical import canonical
from rutter_ap_server.store.changes import Recorded
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
        self._connection.execute(insert(attempts), values)

    def last(self, proposal_id: str) -> Attempt | None:
        """The latest attempt of a proposal."""
        query = select(attempts).where(attempts.c.proposal_id == proposal_id).order_by(attempts.c.id.desc())
        row = self._connection.execute(query).first()
        if row is None:
            return None
        return Attempt(
            id=row.id,
            idempotency_key=row.idempotency_key,
            before=json.loads(row.before),
            at=unstamp(row.at),
            outcome=row.outcome,
            upstream_id=row.upstream_id,
            job_id=row.job_id,
            reason=row.reason,
        )

    def doubted(self, *, company_id: str = "", bill_id: str = "") -> list[str]:
        """The ids of failed proposals that may be booked; of one bill or all."""
        query = _DOUBTED
        if bill_id:
            query = query.where(proposals.c.company_id == company_id, proposals.c.bill_id == bill_id)
        return [row.proposal_id for row in self._connection.execute(query.order_by(attempts.c.id))]

    def believe(self, proposal_id: str) -> None:
        """Marks a doubted attempt as failed."""
        last = self.last(proposal_id)
        if last is not None:
            self._connection.execute(update(attempts).where(attempts.c.id == last.id).values(outcome="failed"))

    def claimed(self, upstream_ids: Collection[str], *, except_id: str) -> set[str]:
        """Which of these ids in the ledger are the outcome of other proposals, or were named for one by Rutter."""
        c = attempts.c
        others = select(c.upstream_id).where(c.upstream_id.in_(list(upstream_ids)), c.proposal_id != except_id)
        return {row.upstream_id for row in self._connection.execute(others)}

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
        self._connection.execute(update(attempts).where(attempts.c.id == last.id).values(**values))


_DOUBTED = select(attempts.c.proposal_id).where(
    proposals.c.state == State.FAILED, attempts.c.proposal_id == proposals.c.id, attempts.c.outcome == DOUBTED
)
