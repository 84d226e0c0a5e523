"""The guard's record keeping: each change of a proposal with its audit entry, in the caller's transaction."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rutter_ap_server.guard.judgement import Judgement, Observations
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.statement import body_of, stored_sections
from rutter_ap_server.store.check import OF_A_PROPOSAL
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import SENDING_STATES, State
from rutter_ap_tools.errors import NotFound
from rutter_ap_tools.statement import Statement


def get(tx: Tx, proposal_id: str) -> Proposal:
    """The proposal. Raises `NotFound`."""
    found = tx.proposals.get(proposal_id)
    if found is None:
        raise NotFound("there is no proposal with that id", next_step="See `rutter-ap proposals list`.")
    return found


def sound(tx: Tx, proposal_id: str, tables: Collection[str] = OF_A_PROPOSAL) -> Proposal:
    """The proposal, if it and all that belongs to it is what the audit chain says. Raises `NotFound` or `Tampered`."""
    found = get(tx, proposal_id)
    tx.checks.proposal(proposal_id, tables)
    return found


def note_judgement(tx: Tx, proposal_id: str, judgement: Judgement) -> None:
    """Stores a newer judgement; approvals that do not cover all of it no longer count."""
    tx.proposals.update_judgement(
        proposal_id,
        findings=judgement.findings,
        verdict=judgement.verdict,
        needed=judgement.approvals_needed,
        fingerprint=judgement.fingerprint,
        policy=judgement.policy_version,
        sections=stored_sections(judgement.sections),
        requires=judgement.requires,
    )
    if any(one.remembered != Observations() for one in _all_of(judgement)):
        _remember(tx, get(tx, proposal_id).company_id, judgement)
    tx.audit.append("judged", actor="guard", proposal_id=proposal_id, **judged(judgement))


def _remember(tx: Tx, company_id: str, judgement: Judgement) -> None:
    """Remembers what later judgements compare with.

    A vendor's details are stored when they are first seen, not when it is paid, so that a change between the two
    counts.
    """
    for kept in (one.remembered for one in _all_of(judgement)):
        if kept.vendor_id is not None:
            parts = dict(kept.parts)
            tx.observations.record_sighting(
                company_id, kept.vendor_id, kept.details, parts, kept.came_back, kept.changed_at
            )
            tx.documents.know_vendor(company_id, kept.vendor_id, kept.keys)
        tx.documents.remember(company_id, *kept.documents)
        for where, keys in kept.mentioned_before:
            tx.observations.record_mentions(company_id, where, sorted(keys))


def _all_of(judgement: Judgement) -> tuple[Judgement, ...]:
    """The judgement, and those of its members if it is a batch."""
    return (judgement, *(part for _, part in judgement.parts))


def judged(judgement: Judgement) -> dict[str, Any]:
    """A judgement as stored in the audit chain."""
    return {
        "verdict": judgement.verdict.word,
        "findings": [f.code for f in judgement.findings],
        "fingerprint": judgement.fingerprint,
        "policy": judgement.policy_version,
    }


@dataclass(frozen=True, slots=True)
class CompanyOf:
    """The company of a proposal as people read it, even if it is renamed later."""

    name: str
    environment: str


def new_proposal(
    tx: Tx,
    prepared: PreparedWrite,
    judgement: Judgement,
    *,
    company: CompanyOf,
    preparer: str,
    state: State,
    expires_at: datetime,
    reason: str = "",
    approvals_needed: int | None = None,
    run_id: str | None = None,
) -> Proposal:
    """A proposal for a prepared write and its judgement, which says how many people it needs unless a run does."""
    return Proposal(
        # The id is also the Idempotency-Key, for which Rutter recommends a version 4 UUID; it is committed before
        # anything is sent.
        id=str(uuid.uuid4()),
        digest=prepared.digest,
        company_id=prepared.company_id,
        connection_id=prepared.connection_id or prepared.company_id,
        company_name=company.name,
        environment=company.environment,
        tool=prepared.tool,
        fields=prepared.fields,
        summary=prepared.summary,
        state=state,
        verdict=judgement.verdict,
        approvals_needed=judgement.approvals_needed if approvals_needed is None else approvals_needed,
        fingerprint=judgement.fingerprint,
        findings=judgement.findings,
        policy_version=judgement.policy_version,
        preparer=preparer,
        money=prepared.money,
        vendor_id=prepared.vendor_id,
        vendor_name=prepared.vendor_name,
        bill_id=prepared.bill_id,
        record=None,
        created_at=tx.now,
        updated_at=tx.now,
        expires_at=expires_at,
        run_id=run_id,
        sections=stored_sections(judgement.sections),
        requires=judgement.requires,
        reason=reason,
    )


def propose(tx: Tx, proposal: Proposal, judgement: Judgement) -> None:
    """Stores a new proposal, with every field of its write."""
    tx.proposals.add(proposal)
    _remember(tx, proposal.company_id, judgement)
    tx.audit.append(
        "proposed",
        actor=proposal.preparer,
        proposal_id=proposal.id,
        tool=proposal.tool,
        company=proposal.company_id,
        connection=proposal.connection_id,
        environment=proposal.environment,
        digest=proposal.digest,
        fields=proposal.fields,
        reason=proposal.reason,
        **judged(judgement),
    )


def approve(
    tx: Tx,
    proposal: Proposal,
    statement: Statement,
    covers: Collection[str],
    *,
    actor: str,
    channel: str,
    approver_id: str,
    signature: Mapping[str, Any] | None = None,
) -> None:
    """Records a person's release of exactly what they were shown, which is kept whole, with their signature if any."""
    tx.proposals.keep_statement(proposal.id, statement.digest, body_of(statement))
    tx.proposals.approve(
        proposal.id,
        actor,
        channel,
        proposal.fingerprint,
        covers=covers,
        statement=statement.digest,
        approver_id=approver_id,
    )
    tx.audit.append(
        "approved",
        actor=actor,
        approver_id=approver_id,
        proposal_id=proposal.id,
        channel=channel,
        fingerprint=proposal.fingerprint,
        statement=statement.digest,
        **({"signature": signature} if signature is not None else {}),
    )


def expire(tx: Tx, proposal_id: str) -> None:
    """Expires a proposal that was not released, or not sent, in time."""
    if tx.proposals.move(proposal_id, [State.HELD, State.RELEASED], State.EXPIRED):
        tx.audit.append("expired", actor="guard", proposal_id=proposal_id)


def decline(
    tx: Tx,
    proposal_id: str,
    *,
    actor: str,
    channel: str,
    reason: str,
    approver_id: str | None = None,
    signature: Mapping[str, Any] | None = None,
) -> bool:
    """Declines a held proposal, with the person's reason; False if it is not held any more."""
    closed = {"closed_by": actor, "closed_reason": reason}
    if not tx.proposals.move(proposal_id, [State.HELD], State.DECLINED, **closed):
        return False
    known = {"approver_id": approver_id, "signature": signature}
    who = {name: value for name, value in known.items() if value is not None}
    tx.audit.append("declined", actor=actor, proposal_id=proposal_id, channel=channel, reason=reason, **who)
    return True


def withdraw(tx: Tx, proposal_id: str, *, actor: str, channel: str, reason: str) -> bool:
    """Takes back a held proposal on behalf of whoever made it; False if it is not held any more."""
    closed = {"closed_by": actor, "closed_reason": reason}
    if not tx.proposals.move(proposal_id, [State.HELD], State.WITHDRAWN, **closed):
        return False
    tx.audit.append("withdrawn", actor=actor, proposal_id=proposal_id, channel=channel, reason=reason)
    return True


def release(tx: Tx, proposal_id: str, *, actor: str, channel: str) -> None:
    """Marks a held proposal as released, so that it may be sent."""
    if tx.proposals.move(proposal_id, [State.HELD], State.RELEASED):
        tx.audit.append("released", actor=actor, proposal_id=proposal_id, channel=channel)


def postpone(tx: Tx, proposal_id: str) -> None:
    """Returns a claimed proposal that was never sent; its release stays valid."""
    if tx.proposals.move(proposal_id, SENDING_STATES, State.RELEASED, lease_owner=None, lease_until=None):
        tx.audit.append("postponed", actor="guard", proposal_id=proposal_id)
