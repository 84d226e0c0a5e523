"""Approvals: a named person releases or declines a write with a passcode the assistant does not have."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard import journal
from rutter_ap_server.guard.approvers import Approvers, NotReleased, still_active
from rutter_ap_server.guard.authorize import LEASE_SECONDS, people_of, release_lease, valid_approvals
from rutter_ap_server.guard.dispatch import Dispatcher
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Batch
from rutter_ap_server.guard.writes.registry import proposed_by, write_named
from rutter_ap_server.store.approvers import Approver
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.names import canonical_name

__all__ = ["Approvals", "NotReleased"]


@dataclass(frozen=True, slots=True)
class Approvals(Approvers):
    """The actions of approvers. Releasing, declining and settling require the approver's passcode.

    `channel` names where the person acts, such as "terminal", and is recorded in the audit chain.
    """

    dispatcher: Dispatcher

    async def preview(self, proposal_id: str, company: Company) -> Proposal:
        """The proposal, judged again, to show to the person who is about to release it."""
        return await self.dispatcher.reassess(proposal_id, company)

    async def approve(self, seen: Proposal, company: Company, *, name: str, passcode: str, channel: str) -> Proposal:
        """Releases what the person saw; once enough people have released it, the proposal is sent at once.

        `seen` is the result of `preview`: if the facts have changed since, nothing is released. Raises `NotReleased`
        for that and when the proposal is not held, and any `ApError` that prevented sending it.
        """
        approver = await self.verify(name, passcode, channel=channel)
        await self.dispatcher.reassess(seen.id, company)
        policy = self.dispatcher.policy.read()
        released = await self.store.write(lambda tx: _approve(tx, seen, approver, channel, policy))
        if released.state == State.RELEASED:
            return await self.dispatcher.dispatch(seen.id, company)
        return released

    async def decline(self, proposal_id: str, *, name: str, passcode: str, channel: str) -> Proposal:
        """Declines a held proposal permanently."""
        approver = await self.verify(name, passcode, channel=channel)

        def decline(tx: Tx) -> Proposal:
            still_active(tx, approver)
            if not tx.proposals.move(proposal_id, [State.HELD], State.DECLINED):
                raise _not_waiting(tx.proposals.get(proposal_id))
            by = {"actor": approver.name, "approver_id": approver.id}
            tx.audit.append("declined", proposal_id=proposal_id, channel=channel, **by)
            return journal.get(tx, proposal_id)

        return await self.store.write(decline)

    async def settle_by_hand(
        self, proposal_id: str, outcome: str, *, name: str, passcode: str, channel: str, company: Company
    ) -> Proposal:
        """Settles an unknown outcome as `posted` or `failed`, by a person who checked the ledger.

        Not while a process is resolving it: that process may be sending it again, which would outdate what they saw.
        """
        approver = await self.verify(name, passcode, channel=channel)
        proposal = await self.store.read(lambda tx: journal.get(tx, proposal_id))
        if proposal.state != State.UNKNOWN:
            raise _not_waiting(proposal)
        if isinstance(proposed_by(proposal.tool), Batch):
            raise NotReleased(
                "a payment run cannot be resolved as a whole; resolve each payment whose outcome is unknown",
                code="approval.resolve_lines",
                next_step="`rutter-ap proposals show` lists them.",
            )
        lease = f"{self.dispatcher.owner}/{uuid.uuid4().hex[:16]}"

        def take_over(tx: Tx) -> bool:
            still_active(tx, approver)
            return tx.proposals.take_over(proposal_id, lease, LEASE_SECONDS)

        if not await self.store.write(take_over):
            raise NotReleased(
                "its outcome is being checked right now; nothing was settled",
                code="approval.busy",
                next_step="Look at the proposal again in two minutes.",
            )
        try:
            return await self._settle_by_hand(proposal, outcome, approver, company)
        finally:
            await self.store.write(lambda tx: release_lease(tx, proposal_id, lease))

    async def _settle_by_hand(self, proposal: Proposal, outcome: str, approver: Approver, company: Company) -> Proposal:
        proposal_id = proposal.id
        if outcome == "failed":
            words = f"{approver.name} checked the ledger and found that it did not happen"
            return await self.dispatcher.settler.fail(proposal_id, "resolved.failed", words, actor=approver.name)
        write, prepared = write_named(proposal.tool), PreparedWrite.of(proposal)
        attempt = await self.store.read(lambda tx: tx.attempts.last(proposal_id))
        record = await write.find(prepared, company, attempt.before) if attempt else None
        if record is None:
            raise NotReleased(
                "the ledger does not show it, so it cannot be settled as posted",
                next_step="Check the accounting platform; if it is not there, resolve it as failed.",
            )
        return await self.dispatcher.settler.post(
            write, prepared, proposal_id, record, job_id=None, actor=approver.name
        )


def _not_waiting(proposal: Proposal | None) -> NotReleased:
    state = proposal.state if proposal else "missing"
    return NotReleased(
        f"the proposal is {state}, so there is nothing to release, decline or resolve", code="approval.not_waiting"
    )


def _check_person(proposal: Proposal, approver: str, policy: Policy) -> None:
    """Raises `NotReleased` if this person may not release this write, whatever others have released."""
    if not policy.preparer_may_approve and prepared_by(proposal.preparer, approver):
        raise NotReleased(
            "the person who prepared a write may not release it; nothing was released",
            code="approver.is_preparer",
            next_step="Another approver must release it.",
        )
    reason = policy.may_release(approver, proposal.tool, proposal.money)
    if reason is not None:
        raise NotReleased(
            f"{reason}; nothing was released",
            code="approval.not_theirs",
            next_step="Ask another approver to release it, or change [approvers] in the policy.",
        )


def prepared_by(preparer: str, approver: str) -> bool:
    """Whether both names belong to one person: the preparer's own, or the one a client gave in parentheses."""
    inner = re.fullmatch(r"assistant \((.*)\)", preparer)
    names = {canonical_name(preparer), canonical_name(inner.group(1)) if inner else ""} - {""}
    return canonical_name(approver) in names


def _approve(tx: Tx, seen: Proposal, approver: Approver, channel: str, policy: Policy) -> Proposal:
    still_active(tx, approver)
    proposal_id = seen.id
    proposal = journal.get(tx, proposal_id)
    if proposal.state != State.HELD:
        raise _not_waiting(proposal)
    if proposal.fingerprint != seen.fingerprint:
        raise NotReleased(
            "the bill, the vendor or the account changed since you looked; nothing was released",
            code="approval.facts_moved",
            next_step="Review the proposal again and release it if it is still correct.",
        )
    if proposal.expires_at <= tx.now:
        journal.expire(tx, proposal_id)
        return journal.get(tx, proposal_id)
    if proposal.verdict is Severity.REFUSE:
        # The reason will pass, or it would no longer be held. An approval stored now could not be given again
        # afterwards.
        severe = [f.message for f in proposal.findings if f.severity is Severity.REFUSE]
        raise NotReleased(
            f"it cannot be released now: {'; '.join(severe)}",
            code="approval.refused_now",
            next_step="Nothing was released. Try again once this no longer applies.",
        )
    _check_person(proposal, approver.name, policy)
    people = people_of(valid_approvals(tx, proposal, policy))
    if approver.id in people:
        raise NotReleased(
            "this approver has already released it; a second, different approver is needed",
            code="approval.same_person",
            next_step="Another approver must release it.",
        )
    tx.proposals.approve(proposal_id, approver.name, channel, proposal.fingerprint, approver_id=approver.id)
    by = {"actor": approver.name, "approver_id": approver.id}
    tx.audit.append("approved", proposal_id=proposal_id, channel=channel, fingerprint=proposal.fingerprint, **by)
    # An answer in the chat counts only for the verdict `ask`, and there a single release is enough anyway.
    if len(people | {approver.id}) >= max(1, proposal.approvals_needed):
        journal.release(tx, proposal_id, actor=approver.name, channel=channel)
    return journal.get(tx, proposal_id)
