"""Settling: records the outcome of a sent write, in one transaction with everything that follows from it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from rutter_ap_server.guard import batches, journal
from rutter_ap_server.guard.lease import Lease
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.shown import unclaimed
from rutter_ap_server.guard.writes.base import Write, approve, refuse
from rutter_ap_server.guard.writes.sums_rules import what_was_kept
from rutter_ap_server.store.attempts import DOUBTED
from rutter_ap_server.store.canonical import canonical
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import SENDING_STATES, State
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import Record


class Settler:
    """Moves a proposal to its outcome, for the process that holds its lease; for any other nothing changes.

    Each method returns the proposal as it is afterwards.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def post(
        self,
        write: Write[Any],
        prepared: PreparedWrite,
        lease: Lease,
        record: Record,
        *,
        job_id: str | None,
        others: Sequence[Record] = (),
        actor: str = "guard",
    ) -> Proposal:
        """Settles a write that the ledger shows. `others` are records there that might be this write too.

        A write that was settled as failed, and is in the ledger after all, becomes posted: the ledger is what counts.
        """
        kept, proposal_id = record.model_dump(exclude_none=True), lease.proposal_id

        def settle(tx: Tx) -> Proposal:
            was = journal.get(tx, proposal_id)
            if not unclaimed(tx, prepared, proposal_id, [record]):
                # Another proposal's outcome by now, so that this one's is open as before.
                return was
            values = {"record": canonical(kept)}
            if tx.proposals.move(proposal_id, SENDING_STATES, State.POSTED, held_by=lease.owner, **values) or (
                tx.proposals.move(proposal_id, [State.FAILED], State.POSTED, **values)
            ):
                tx.attempts.settle(proposal_id, "posted", upstream_id=record.id, job_id=job_id, reason=None)
                tx.spend.settle(proposal_id, "post")
                write.on_posted(tx, prepared, record)
                said = [_doubled(record, others), _after_all(record) if was.state == State.FAILED else None]
                _note(tx, proposal_id, [*what_was_kept(record), *(one for one in said if one is not None)])
                more = {"others": [one.id for one in others]} if others else {}
                tx.audit.append("posted", actor=actor, proposal_id=proposal_id, record=kept, **more)
                run_id = was.run_id
                if run_id is not None:
                    batches.recount(tx, run_id)
            return journal.get(tx, proposal_id)

        return await self._store.write(settle)

    async def fail(
        self,
        lease: Lease,
        code: str,
        message: str,
        *,
        said: str = "",
        job_id: str | None = None,
        actor: str = "guard",
        may_be_booked: bool = False,
    ) -> Proposal:
        """Settles a write that did not happen, and releases its reservation.

        `may_be_booked`: it was sent, and only a refusal or a person says that it did not happen, while the ledger may
        lag. It is looked for once more (`recovery.py`), and its reservation stands until then, unless a person says so.
        """
        proposal_id = lease.proposal_id

        def settle(tx: Tx) -> Proposal:
            if tx.proposals.move(proposal_id, SENDING_STATES, State.FAILED, held_by=lease.owner):
                _note(tx, proposal_id, [refuse(code, message)], verdict=Severity.REFUSE)
                reason, outcome = f"{code} {said}".strip(), DOUBTED if may_be_booked else "failed"
                tx.attempts.settle(proposal_id, outcome, upstream_id=None, job_id=job_id, reason=reason)
                if not may_be_booked or actor != "guard":
                    tx.spend.settle(proposal_id, "void")
                tx.audit.append("failed", actor=actor, proposal_id=proposal_id, code=code)
            return journal.get(tx, proposal_id)

        return await self._store.write(settle)

    async def unknown(
        self, lease: Lease, reason: str, *, upstream_id: str | None = None, job_id: str | None = None
    ) -> Proposal:
        """Marks the outcome as unknown and keeps the reservation: what may have happened counts as if it had."""
        proposal_id = lease.proposal_id

        def settle(tx: Tx) -> Proposal:
            free = {"lease_owner": None, "lease_until": None}
            was = tx.attempts.last(proposal_id)
            if tx.proposals.move(proposal_id, SENDING_STATES, State.UNKNOWN, held_by=lease.owner, **free):
                tx.attempts.settle(proposal_id, "unknown", upstream_id=upstream_id, job_id=job_id, reason=reason)
                if was is None or (was.outcome, was.reason) != ("unknown", reason):
                    tx.audit.append("unknown", actor="guard", proposal_id=proposal_id, reason=reason, job=job_id)
            return journal.get(tx, proposal_id)

        return await self._store.write(settle)


def _doubled(record: Record, others: Sequence[Record]) -> Finding | None:
    if not others:
        return None
    ids = ", ".join(clean(one.id, 100) for one in (record, *others))
    return approve(
        "ledger.two_records", f"the ledger shows {len(others) + 1} records where one was sent: {ids}; check them there"
    )


def _after_all(record: Record) -> Finding:
    words = f"it was settled as failed, but the ledger shows it as {record.kind} {clean(record.id, 100)}"
    return approve("ledger.booked_after_all", words)


def _note(tx: Tx, proposal_id: str, found: Collection[Finding], *, verdict: Severity | None = None) -> None:
    """Adds to the findings what only its outcome showed; what was judged and released stays as it was."""
    if found:
        current = journal.get(tx, proposal_id)
        tx.proposals.update_judgement(
            proposal_id,
            findings=(*found, *current.findings),
            verdict=verdict or current.verdict,
            needed=current.approvals_needed,
            fingerprint=current.fingerprint,
            policy=current.policy_version,
            sections=current.sections,
            requires=current.requires,
        )
