"""Settling: records the outcome of a sent write, in one transaction with everything that follows from it."""

from __future__ import annotations

from typing import Any

from rutter_ap_server.guard import batches, journal
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Write, refuse
from rutter_ap_server.guard.writes.sums_rules import what_was_kept
from rutter_ap_server.store.canonical import canonical
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import SENDING_STATES, State
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.wire import Record


class Settler:
    """Moves a proposal to its outcome. Each method returns the proposal as it is afterwards."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def post(
        self,
        write: Write[Any],
        prepared: PreparedWrite,
        proposal_id: str,
        record: Record,
        *,
        job_id: str | None,
        actor: str = "guard",
    ) -> Proposal:
        """Settles a write that the ledger shows."""
        kept = record.model_dump(mode="json", exclude_none=True)

        def settle(tx: Tx) -> Proposal:
            if tx.proposals.move(proposal_id, SENDING_STATES, State.POSTED, record=canonical(kept)):
                tx.attempts.settle(proposal_id, "posted", upstream_id=record.id, job_id=job_id, reason=None)
                tx.spend.settle(proposal_id, "post")
                write.on_posted(tx, prepared, record)
                _note_difference(tx, proposal_id, record)
                tx.audit.append("posted", actor=actor, proposal_id=proposal_id, record=kept)
                run_id = journal.get(tx, proposal_id).run_id
                if run_id is not None:
                    batches.recount(tx, run_id)
            return journal.get(tx, proposal_id)

        return await self._store.write(settle)

    async def fail(
        self,
        proposal_id: str,
        code: str,
        message: str,
        *,
        said: str = "",
        job_id: str | None = None,
        actor: str = "guard",
    ) -> Proposal:
        """Settles a write that did not happen, and releases its reservation."""

        def settle(tx: Tx) -> Proposal:
            current = journal.get(tx, proposal_id)
            if tx.proposals.move(proposal_id, SENDING_STATES, State.FAILED):
                tx.proposals.update_judgement(
                    proposal_id,
                    findings=(refuse(code, message), *current.findings),
                    verdict=Severity.REFUSE,
                    needed=current.approvals_needed,
                    fingerprint=current.fingerprint,
                    policy=current.policy_version,
                    sections=current.sections,
                    requires=current.requires,
                )
                tx.attempts.settle(
                    proposal_id, "failed", upstream_id=None, job_id=job_id, reason=f"{code} {said}".strip()
                )
                tx.spend.settle(proposal_id, "void")
                tx.audit.append("failed", actor=actor, proposal_id=proposal_id, code=code)
            return journal.get(tx, proposal_id)

        return await self._store.write(settle)

    async def unknown(self, proposal_id: str, upstream_id: str | None, job_id: str | None, reason: str) -> Proposal:
        """Marks the outcome as unknown and keeps the reservation: what may have happened counts as if it had."""

        def settle(tx: Tx) -> Proposal:
            if tx.proposals.move(proposal_id, SENDING_STATES, State.UNKNOWN, lease_owner=None, lease_until=None):
                tx.attempts.settle(proposal_id, "unknown", upstream_id=upstream_id, job_id=job_id, reason=reason)
                tx.audit.append("unknown", actor="guard", proposal_id=proposal_id, reason=reason, job=job_id)
            return journal.get(tx, proposal_id)

        return await self._store.write(settle)


def _note_difference(tx: Tx, proposal_id: str, record: Record) -> None:
    """Adds to the findings what the ledger booked or keeps otherwise; what was judged and released stays as it was."""
    found = what_was_kept(record)
    if found:
        current = journal.get(tx, proposal_id)
        tx.proposals.update_judgement(
            proposal_id,
            findings=(*found, *current.findings),
            verdict=current.verdict,
            needed=current.approvals_needed,
            fingerprint=current.fingerprint,
            policy=current.policy_version,
            sections=current.sections,
            requires=current.requires,
        )
