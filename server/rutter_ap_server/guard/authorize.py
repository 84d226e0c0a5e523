"""The last word before a write leaves: claimed, judged once more, reserved and journalled, each in one transaction."""

from __future__ import annotations

from typing import Any

from rutter_ap_server.guard import batches, journal
from rutter_ap_server.guard.judge import BatchFacts, Judgement, assess
from rutter_ap_server.guard.policy import WINDOWS, Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.store_facts import blocked_by_other_write
from rutter_ap_server.guard.writes.base import Batch, Facts, Write
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.proposals import Approval, Proposal
from rutter_ap_server.store.states import SENDING_STATES, State
from rutter_ap_tools.findings import Severity

LEASE_SECONDS = 120
_PASSING = ("bill.in_flight", "freeze.active", *{window.code: None for window in WINDOWS})


def claim(tx: Tx, proposal_id: str, lease: str) -> tuple[bool, bool]:
    """Whether it was claimed; if not, whether another one is only in its way."""
    proposal = tx.proposals.get(proposal_id)
    if proposal is None or proposal.state != State.RELEASED:
        return False, False
    if proposal.expires_at <= tx.now:
        journal.expire(tx, proposal_id)
        return False, False
    if blocked_by_other_write(tx, proposal):
        # It stays released, and is taken up again once the other one is settled: its facts must be read after that.
        return False, True
    return tx.proposals.claim(proposal_id, lease, LEASE_SECONDS), False


def return_to_queue(tx: Tx, proposal_id: str, lease: str) -> None:
    """Leaves a claimed proposal to a later try; its release stands."""
    if journal.get(tx, proposal_id).lease_owner == lease:
        journal.postpone(tx, proposal_id)


def release_lease(tx: Tx, proposal_id: str, lease: str) -> None:
    """Ends a look at an open outcome, unless somebody else holds the lease by now."""
    current = tx.proposals.get(proposal_id)
    if current is not None and current.lease_owner == lease:
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
    """The last judgement, the reservation and the journal entry, in one transaction; True when it may leave.

    Done under the write lock, so that of two payments against one limit the second sees the first. A batch reserves
    nothing itself: each member is opened here as a proposal, released by the same people, and comes back here alone.
    """
    proposal = journal.get(tx, proposal_id)
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
    given = tuple(one for one in valid_approvals(tx, proposal, policy) if one.fingerprint == judgement.fingerprint)
    released = is_sufficient(proposal, judgement, given)
    state = State.DISPATCHING if released else State.REFUSED if is_permanent(judgement) else State.HELD
    journal.note_judgement(tx, proposal_id, judgement)
    if state != State.DISPATCHING:
        # The facts or the rules moved since a person looked: their release is void, and they are asked again.
        tx.proposals.void_approvals(proposal_id)
        tx.proposals.move(proposal_id, [State.DISPATCHING], state, lease_owner=None, lease_until=None)
        tx.audit.append("release_void", actor="guard", proposal_id=proposal_id, state=state)
        return False
    if isinstance(facts, BatchFacts):
        batches.open_members(tx, proposal, judgement, given)
        return True
    if reserves and prepared.money is not None:
        tx.spend.reserve(proposal_id, prepared.company_id, prepared.vendor_id or "", prepared.money)
    # The time until it is settled begins now, not when it was claimed.
    tx.proposals.renew(proposal_id, LEASE_SECONDS)
    tx.attempts.add(proposal_id, proposal_id, facts.before)
    tx.audit.append("attempt", actor="guard", proposal_id=proposal_id, key=proposal_id, before=facts.before)
    return True


def is_sufficient(proposal: Proposal, judgement: Judgement, approvals: tuple[Approval, ...]) -> bool:
    """Whether the releases given cover this judgement: enough distinct people, for these very facts.

    A chat answer counts only where the verdict is `ask`. A line leaves on no fewer people than its run needed, as long
    as their release is the run's: once it was held, its own judgement says how many.
    """
    if judgement.verdict is Severity.REFUSE:
        return False
    needed = max(judgement.approvals_needed, proposal.approvals_needed if proposal.run_id is not None else 0)
    counted = {
        approval.approver
        for approval in approvals
        if approval.fingerprint == judgement.fingerprint
        and (approval.channel != "chat" or judgement.verdict <= Severity.ASK)
    }
    return len(counted) >= needed


def valid_approvals(tx: Tx, proposal: Proposal, policy: Policy) -> tuple[Approval, ...]:
    """The releases of people who may still release this: whoever was removed, or may no longer, does not count."""
    known = {approver.name for approver in tx.approvers.active()}
    # A line was released as part of its run, or by itself after it was held: either right will do.
    run = tx.proposals.get(proposal.run_id) if proposal.run_id is not None else None
    released_as = [one for one in (proposal, run) if one is not None]
    return tuple(
        one
        for one in tx.proposals.approvals(proposal.id)
        if one.channel == "chat"
        or (
            one.approver in known
            and any(policy.may_release(one.approver, of.tool, of.money) is None for of in released_as)
        )
    )


def is_permanent(judgement: Judgement) -> bool:
    """Whether a refusal will still stand later; a freeze, a full window or a busy bill passes."""
    return any(f.severity is Severity.REFUSE and f.code not in _PASSING for f in judgement.findings)
