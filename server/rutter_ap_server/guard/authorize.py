"""The last checks before a write is sent: claim, judge once more, reserve and journal, each in one transaction."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from rutter_ap_server.guard import batches, journal
from rutter_ap_server.guard.gathering import BatchFacts
from rutter_ap_server.guard.judge import assess
from rutter_ap_server.guard.judgement import Judgement
from rutter_ap_server.guard.policy import WINDOWS, Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.released_sums import owed_with
from rutter_ap_server.guard.store_facts import blocked_by_other_write
from rutter_ap_server.guard.writes.base import Batch, Facts, Write
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.proposals import Approval, Proposal
from rutter_ap_server.store.states import SENDING_STATES, State
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.names import canonical_name

LEASE_SECONDS = 120
_PASSING = ("bill.in_flight", "freeze.active", *{window.code: None for window in WINDOWS})


def claim(tx: Tx, proposal_id: str, lease: str) -> tuple[bool, bool]:
    """Whether it was claimed; if not, whether it only has to wait for another write."""
    proposal = tx.proposals.get(proposal_id)
    if proposal is None or proposal.state != State.RELEASED:
        return False, False
    journal.sound(tx, proposal_id)
    if proposal.expires_at <= tx.now:
        journal.expire(tx, proposal_id)
        return False, False
    if blocked_by_other_write(tx, proposal):
        # It stays released and continues once the other one is settled, because its facts must be read after that.
        return False, True
    return tx.proposals.claim(proposal_id, lease, LEASE_SECONDS), False


def return_to_queue(tx: Tx, proposal_id: str, lease: str) -> None:
    """Leaves a claimed proposal for a later attempt; its release stays valid."""
    if journal.get(tx, proposal_id).lease_owner == lease:
        journal.postpone(tx, proposal_id)


def release_lease(tx: Tx, proposal_id: str, lease: str) -> None:
    """Ends the check of an open outcome, unless another process holds the lease by now."""
    current = tx.proposals.get(proposal_id)
    if current is not None and current.lease_owner == lease:
        if current.state == State.UNKNOWN:
            tx.proposals.drop_lease(proposal_id)
        else:
            tx.proposals.move(proposal_id, SENDING_STATES, State.UNKNOWN, lease_owner=None, lease_until=None)


def authorize(
    tx: Tx,
    write: Write[Any] | Batch,
    prepared: PreparedWrite,
    facts: Facts[Any] | BatchFacts,
    policy: Policy,
    proposal_id: str,
    lease: str,
) -> bool:
    """The last judgement, the reservation and the journal entry, in one transaction; True if it may be sent.

    It runs under the write lock, so that the second of two payments against one limit sees the first. A batch reserves
    nothing itself: each member becomes a proposal here, released by the same people, and is authorized on its own.
    """
    # All of it was compared as it was claimed: what may have changed since then is what is sent, and who released it.
    proposal = journal.sound(tx, proposal_id, ("proposals", "approvals"))
    if proposal.state != State.DISPATCHING or proposal.lease_owner != lease:
        return False
    counts = isinstance(write, Write) and write.counts_against_limits
    reserves = counts and prepared.money is not None and not tx.spend.is_reserved(proposal_id)
    judgement = assess(
        tx,
        write,
        prepared,
        facts,
        policy,
        except_id=proposal_id,
        in_flight_states=SENDING_STATES,
        with_limits=reserves,
    )
    given = tuple(one for one in valid_approvals(tx, proposal, policy) if judgement.requires <= one.covers)
    released = is_sufficient(proposal, judgement, given)
    state = State.DISPATCHING if released else State.REFUSED if is_permanent(judgement) else State.HELD
    journal.note_judgement(tx, proposal_id, judgement)
    if state != State.DISPATCHING:
        # The facts or the rules have changed since the release, so it is void and people are asked again.
        tx.proposals.void_approvals(proposal_id)
        tx.proposals.move(proposal_id, [State.DISPATCHING], state, lease_owner=None, lease_until=None)
        tx.audit.append("release_void", actor="guard", proposal_id=proposal_id, state=state)
        return False
    if isinstance(facts, BatchFacts):
        batches.open_members(tx, proposal, judgement, given)
        return True
    if reserves and prepared.money is not None:
        tx.spend.reserve(proposal_id, prepared.company_id, prepared.vendor_id or "", prepared.money)
    # The lease starts now, not when the proposal was claimed.
    tx.proposals.renew(proposal_id, LEASE_SECONDS)
    tx.attempts.add(proposal_id, proposal_id, facts.before)
    tx.audit.append("attempt", actor="guard", proposal_id=proposal_id, key=proposal_id, before=facts.before)
    return True


def is_still_released(
    tx: Tx, write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], policy: Policy, proposal: Proposal
) -> bool:
    """Whether a write that was sent and lost would be sent today: no rule refuses it, and its releases still count.

    Its reservation stands, so the rolling limits are not asked again.
    """
    judgement = assess(
        tx, write, prepared, facts, policy, except_id=proposal.id, in_flight_states=SENDING_STATES, with_limits=False
    )
    return is_sufficient(proposal, judgement, valid_approvals(tx, proposal, policy))


def is_sufficient(proposal: Proposal, judgement: Judgement, approvals: tuple[Approval, ...]) -> bool:
    """Whether the releases given cover this judgement: enough distinct people, for all that was written and found.

    People are told apart by their ids, whatever their names. An answer in the chat counts only for the verdict `ask`. A
    line needs at least as many people as its run, as long as the release is the run's; once the line was held on its
    own, its own judgement says how many.
    """
    if judgement.verdict is Severity.REFUSE:
        return False
    needed = max(judgement.approvals_needed, proposal.approvals_needed if proposal.run_id is not None else 0)
    given = [approval for approval in approvals if judgement.requires <= approval.covers]
    in_chat = judgement.verdict <= Severity.ASK and any(approval.channel == "chat" for approval in given)
    return len(people_of(given)) + in_chat >= needed


def people_of(approvals: Iterable[Approval]) -> set[str]:
    """The ids of the different people behind these releases; an answer in the chat is nobody's."""
    return {one.approver_id for one in approvals if one.channel != "chat" and one.approver_id is not None}


def valid_approvals(tx: Tx, proposal: Proposal, policy: Policy) -> tuple[Approval, ...]:
    """The releases of people who may still release this; who was removed, or may not any more, does not count."""
    names = {approver.id: approver.name for approver in tx.approvers.active()}
    # A line was released as part of its run, or on its own after it was held: permission for either is enough.
    run = tx.proposals.get(proposal.run_id) if proposal.run_id is not None else None
    released_as = [one for one in (proposal, run) if one is not None]
    return tuple(
        one
        for one in tx.proposals.approvals(proposal.id)
        if one.channel == "chat"
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
    """Whether a refusal is permanent; a freeze, an exhausted limit or a busy bill will pass."""
    return any(f.severity is Severity.REFUSE and f.code not in _PASSING for f in judgement.findings)
