"""The last checks before a write is sent: claim, judge once more, reserve and journal, each in one transaction."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from rutter_ap_server.guard import batches, journal
from rutter_ap_server.guard.gathering import BatchFacts
from rutter_ap_server.guard.judge import assess
from rutter_ap_server.guard.judgement import Judgement
from rutter_ap_server.guard.lease import Lease
from rutter_ap_server.guard.policy import WINDOWS, Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.released_sums import owed_with
from rutter_ap_server.guard.store_facts import blocked_by_other_write
from rutter_ap_server.guard.writes.base import Batch, Facts, Write
from rutter_ap_server.store.attempts import Attempt
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.proposals import Approval, Proposal
from rutter_ap_server.store.states import SENDING_STATES, State
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.names import canonical_name

# Rutter documents no retention period for keys; this is well under the day one should assume.
KEY_KEPT_SURELY = timedelta(hours=12)
_PASSING = (
    "bill.in_flight",
    "clock.skewed",
    "freeze.active",
    "ledger.behind",
    "policy.differs",
    *{window.code: None for window in WINDOWS},
)


def claim(tx: Tx, lease: Lease) -> tuple[bool, bool]:
    """Whether it was claimed; if not, whether it only has to wait for another write."""
    proposal = tx.proposals.get(lease.proposal_id)
    if proposal is None or proposal.state != State.RELEASED:
        return False, False
    journal.sound(tx, proposal.id)
    if proposal.expires_at <= tx.now:
        journal.expire(tx, proposal.id)
        return False, False
    if blocked_by_other_write(tx, proposal):
        # It stays released and continues once the other one is settled, because its facts must be read after that.
        return False, True
    return lease.claim(tx), False


def return_to_queue(tx: Tx, lease: Lease) -> None:
    """Leaves a claimed proposal for a later attempt; its release stays valid."""
    if lease.holds(tx):
        journal.postpone(tx, lease.proposal_id)


def release_lease(tx: Tx, lease: Lease) -> None:
    """Ends the check of an open outcome, unless another process holds the lease by now."""
    current = tx.proposals.get(lease.proposal_id)
    if current is None or current.lease_owner != lease.owner:
        return
    if current.state == State.UNKNOWN:
        tx.proposals.drop_lease(current.id)
    else:
        free = {"lease_owner": None, "lease_until": None}
        tx.proposals.move(current.id, SENDING_STATES, State.UNKNOWN, held_by=lease.owner, **free)


def authorize(
    tx: Tx,
    write: Write[Any] | Batch,
    prepared: PreparedWrite,
    facts: Facts[Any] | BatchFacts,
    policy: Policy,
    lease: Lease,
) -> bool:
    """The last judgement, the reservation and the journal entry, in one transaction; True if it may be sent.

    It runs under the write lock, so that the second of two payments against one limit sees the first. A batch reserves
    nothing itself: each member becomes a proposal here, released by the same people, and is authorized on its own.
    """
    proposal_id = lease.proposal_id
    # All of it was compared as it was claimed: what may have changed since then is what is sent, and who released it.
    proposal = journal.sound(tx, proposal_id, ("proposals", "approvals"))
    if proposal.state != State.DISPATCHING or not lease.holds(tx):
        return False
    judgement, given, released = _judged_now(tx, write, prepared, facts, policy, proposal)
    journal.note_judgement(tx, proposal_id, judgement)
    if not released:
        # The facts or the rules have changed since the release, so it is void and people are asked again.
        state = State.REFUSED if is_permanent(judgement) else State.HELD
        tx.proposals.void_approvals(proposal_id)
        tx.proposals.move(proposal_id, [State.DISPATCHING], state, lease_owner=None, lease_until=None)
        tx.audit.append("release_void", actor="guard", proposal_id=proposal_id, state=state)
        return False
    if isinstance(write, Batch):
        batches.open_members(tx, proposal, judgement, given)
        return True
    assert isinstance(facts, Facts)
    if write.counts_against_limits:
        # A payment of no amount, or to nobody, is refused: nothing that counts is sent without its reservation.
        assert prepared.money is not None
        assert prepared.vendor_id is not None
        tx.spend.reserve(proposal_id, prepared.company_id, prepared.vendor_id, prepared.money)
    tx.attempts.add(proposal_id, proposal_id, facts.before)
    tx.audit.append("attempt", actor="guard", proposal_id=proposal_id, key=proposal_id, before=facts.before)
    # The lease starts now, not when the proposal was claimed.
    return lease.renew(tx)


def authorize_again(
    tx: Tx,
    write: Write[Any],
    prepared: PreparedWrite,
    facts: Facts[Any],
    policy: Policy,
    lease: Lease,
    attempt: Attempt,
) -> str:
    """Why a write that was sent and lost may not be sent again; "" if it may, which is journalled.

    It passes everything a first sending does, as of today, and the ledger must show exactly what it did before the
    first one. Its reservation stands and is not counted twice.
    """
    proposal = journal.sound(tx, lease.proposal_id)
    if not lease.holds(tx):
        return "another process is looking after it"
    if not timedelta(0) <= tx.now - attempt.at < KEY_KEPT_SURELY:
        return "Rutter may not remember its key any more"
    judgement, _, released = _judged_now(tx, write, prepared, facts, policy, proposal)
    if facts.before != attempt.before or judgement.fingerprint != proposal.fingerprint:
        return "the ledger is not as it was before it was sent"
    if not released:
        found = sorted({one.code for one in judgement.findings})
        return f"it would not be sent today: {', '.join(found) or 'its release does not count any more'}"
    tx.audit.append("attempt", actor="guard", proposal_id=proposal.id, key=proposal.id, again=True)
    return "" if lease.renew(tx) else "its lease has run out"


def _judged_now(
    tx: Tx,
    write: Write[Any] | Batch,
    prepared: PreparedWrite,
    facts: Facts[Any] | BatchFacts,
    policy: Policy,
    proposal: Proposal,
) -> tuple[Judgement, tuple[Approval, ...], bool]:
    """The one judgement every request must pass before it leaves: policy, limits, findings, and who released it."""
    judgement = assess(
        tx,
        write,
        prepared,
        facts,
        policy,
        except_id=proposal.id,
        in_flight_states=SENDING_STATES,
        with_limits=True,
    )
    given = tuple(one for one in valid_approvals(tx, proposal, policy) if judgement.requires <= one.covers)
    return judgement, given, is_sufficient(proposal, judgement, given)


def may_still_leave(tx: Tx, policy: Policy, lease: Lease, authorized_under: str) -> bool:
    """Whether a request that was authorized a moment ago may leave now; asked before each attempt of it.

    Between the two a process may have been suspended, an operator may have stopped all writes or changed the policy,
    and an approver may have been removed.
    """
    return (
        lease.holds(tx)
        and tx.controls.frozen_by() is None
        and policy.version == authorized_under
        and _people_still_enough(tx, journal.get(tx, lease.proposal_id), policy)
    )


def _people_still_enough(tx: Tx, proposal: Proposal, policy: Policy) -> bool:
    given = [one for one in valid_approvals(tx, proposal, policy) if proposal.requires <= one.covers]
    in_chat = any(one.is_in_chat for one in given)
    return len(people_of(given)) + in_chat >= proposal.approvals_needed


def is_sufficient(proposal: Proposal, judgement: Judgement, approvals: tuple[Approval, ...]) -> bool:
    """Whether the releases given cover this judgement: enough distinct people, for all that was written and found.

    People are told apart by their ids, whatever their names. An answer in the chat counts only for the verdict `ask`. A
    line needs at least as many people as its run, as long as the release is the run's; once the line was held on its
    own, its own judgement says how many.
    """
    if judgement.verdict is Severity.REFUSE:
        return False
    needed = judgement.approvals_needed
    if proposal.run_id is not None:
        needed = max(needed, proposal.approvals_needed)
    given = [approval for approval in approvals if judgement.requires <= approval.covers]
    in_chat = judgement.verdict <= Severity.ASK and any(approval.is_in_chat for approval in given)
    return len(people_of(given)) + in_chat >= needed


def people_of(approvals: Iterable[Approval]) -> set[str]:
    """The ids of the different people behind these releases; an answer in the chat is nobody's."""
    return {one.approver_id for one in approvals if not one.is_in_chat and one.approver_id is not None}


def valid_approvals(tx: Tx, proposal: Proposal, policy: Policy) -> tuple[Approval, ...]:
    """The releases of people who may still release this; who was removed, or may not any more, does not count."""
    names = {approver.id: approver.name for approver in tx.approvers.active()}
    # A line was released as part of its run, or on its own after it was held: permission for either is enough.
    run = tx.proposals.get(proposal.run_id) if proposal.run_id is not None else None
    released_as = [one for one in (proposal, run) if one is not None]
    return tuple(
        one
        for one in tx.proposals.approvals(proposal.id)
        if one.is_in_chat
        or (
            one.approver_id in names
            and (policy.preparer_may_approve or not prepared_by(proposal.preparer, names[one.approver_id]))
            and any(
                policy.may_release(names[one.approver_id], of.tool, owed_with(tx, of, policy)) is None
                for of in released_as
            )
        )
    )


def prepared_by(preparer: str, approver: str) -> bool:
    """Whether both names belong to one person: the preparer's own, or the one a client gave in parentheses."""
    inner = re.fullmatch(r"assistant \((.*)\)", preparer)
    names = {canonical_name(preparer), canonical_name(inner.group(1)) if inner else ""} - {""}
    return canonical_name(approver) in names


def is_permanent(judgement: Judgement) -> bool:
    """Whether a refusal is permanent; a freeze, a wrong clock, a spent limit or a busy bill will pass."""
    return any(f.severity is Severity.REFUSE and f.code not in _PASSING for f in judgement.findings)
