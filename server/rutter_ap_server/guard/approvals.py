"""Approvals: a named person releases or declines a write with a passcode the assistant does not have."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from rutter_ap_server.at_once import both, side_by_side
from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard import journal
from rutter_ap_server.guard.approvers import Approvers, By, NotReleased, Proof, Proven, still_active
from rutter_ap_server.guard.authorize import people_of, prepared_by, release_lease, valid_approvals
from rutter_ap_server.guard.dispatch import Dispatcher
from rutter_ap_server.guard.judgement import covers_of, facts_digest
from rutter_ap_server.guard.lease import Lease
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.released_sums import owed_with
from rutter_ap_server.guard.shown import shown, unclaimed, why_unseen
from rutter_ap_server.guard.statement import statement_of
from rutter_ap_server.guard.writes.base import Batch, Write
from rutter_ap_server.guard.writes.registry import proposed_by, write_named
from rutter_ap_server.interaction import NO_INTERACTION, Interaction
from rutter_ap_server.rutter.errors import NotFoundUpstream
from rutter_ap_server.rutter.outcomes import Done, Rejected, Unknown
from rutter_ap_server.store.approvers import Approver
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.names import canonical_name
from rutter_ap_tools.statement import Statement
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import Record

__all__ = ["Approvals", "NotReleased", "Preview"]

REASON_CHARACTERS_MAX = 500


@dataclass(frozen=True, slots=True)
class Preview:
    """A proposal as it was shown to a person, at that moment."""

    proposal: Proposal
    statement: Statement
    at: datetime

    @property
    def facts(self) -> str:
        """What the write and the facts that a release would cover are known by."""
        return facts_digest(self.proposal)

    def check(self) -> None:
        """Raises `NotReleased` if nobody can release it now, so that no passcode is asked for in vain."""
        if self.proposal.state != State.HELD:
            raise _not_waiting(self.proposal)
        if self.proposal.expires_at <= self.at:
            raise NotReleased(
                "the proposal expired, so there is nothing to release",
                code="approval.not_waiting",
                next_step="Nothing was written. If it is still needed, the assistant can propose it again.",
            )
        _check_not_refused(self.proposal)


@dataclass(frozen=True, slots=True)
class Approvals(Approvers):
    """The actions of approvers. Releasing, declining and settling require the approver's passcode.

    `channel` names where the person acts, such as "terminal", and is recorded in the audit chain.
    """

    dispatcher: Dispatcher

    async def preview(self, proposal_id: str, company: Company) -> Preview:
        """The proposal, judged again, and all that a person must be shown before releasing it."""
        proposal = await self.dispatcher.reassess(proposal_id, company)
        policy = await self.dispatcher.policy.read()
        return await self.store.read(lambda tx: Preview(proposal, statement_of(tx, proposal, policy), tx.now))

    async def approve(
        self, seen: Preview, company: Company, *, by: By, channel: str, interaction: Interaction = NO_INTERACTION
    ) -> Proposal:
        """Releases what the person saw; once enough people have released it, the proposal is sent at once.

        `seen` is the result of `preview`: if a fact or a finding is new since, nothing is released. `interaction` is
        told the progress of a run. Raises `NotReleased` for that and when the proposal is not held, and any `ApError`
        that prevented sending it.
        """
        check_signed_for(by, "release", seen.proposal.id, {"digest": seen.statement.digest, "facts": seen.facts})
        company = company.read_once()
        # What it is judged by is read while the passcode is checked, which takes as long on purpose.
        reading = partial(side_by_side, partial(self.dispatcher.read_ahead, seen.proposal, company))
        person, _ = await both(partial(self.prove, by, channel=channel), reading)
        await self.dispatcher.reassess(seen.proposal.id, company)
        policy = await self.dispatcher.policy.read()
        released = await self.store.write(lambda tx: _approve(tx, seen, person, channel, policy))
        if released.state == State.RELEASED:
            return await self.dispatcher.dispatch(seen.proposal.id, company, interaction)
        return released

    async def decline(self, proposal_id: str, *, by: By, channel: str, reason: str = "") -> Proposal:
        """Declines a held proposal for good; the assistant hears the reason."""
        check_signed_for(by, "decline", proposal_id, {"reason": reason})
        person = await self.prove(by, channel=channel)

        def decline(tx: Tx) -> Proposal:
            still_active(tx, person.approver)
            said = clean(reason, REASON_CHARACTERS_MAX)
            who = {"actor": person.approver.name, "approver_id": person.approver.id, **person.recorded}
            if not journal.decline(tx, proposal_id, channel=channel, reason=said, **who):
                raise _not_waiting(tx.proposals.get(proposal_id))
            return journal.get(tx, proposal_id)

        return await self.store.write(decline)

    async def withdraw(self, proposal_id: str, *, channel: str, reason: str = "") -> Proposal:
        """Takes a held proposal back for whoever made it. Nobody has to prove anything: nothing is written by it."""

        def withdraw(tx: Tx) -> Proposal:
            said = clean(reason, REASON_CHARACTERS_MAX)
            if not journal.withdraw(tx, proposal_id, actor=channel, channel=channel, reason=said):
                raise _not_waiting(tx.proposals.get(proposal_id))
            return journal.get(tx, proposal_id)

        return await self.store.write(withdraw)

    async def check_person(self, seen: Preview, name: str) -> None:
        """Raises `NotReleased` if this person may not release what they saw, before they are asked to prove it."""
        policy = await self.dispatcher.policy.read()

        def check(tx: Tx) -> None:
            _check_person(tx, seen.proposal, name, policy)
            known = {canonical_name(one.name): one.id for one in tx.approvers.active()}
            given = people_of(valid_approvals(tx, seen.proposal, policy))
            _check_first_time(given, known.get(canonical_name(name), ""))

        await self.store.read(check)

    async def settle_by_hand(
        self,
        proposal_id: str,
        outcome: str,
        *,
        by: By,
        channel: str,
        company: Company,
        record_id: str = "",
    ) -> Proposal:
        """Settles an unknown outcome as `posted` or `failed`, by a person who checked the ledger and may release it.

        `record_id` names the ledger's record where it is not found by itself, or more than one may be it.
        A failed payment is no longer counted against a limit or a tier, so the ledger is asked before that too. Not
        while a process is resolving it: that process may be sending it again, which would outdate what they saw.
        """
        approver = (await self.prove(by, channel=channel)).approver
        proposal = await self.store.read(lambda tx: journal.sound(tx, proposal_id))
        if proposal.state != State.UNKNOWN:
            raise _not_waiting(proposal)
        if isinstance(proposed_by(proposal.tool), Batch):
            raise NotReleased(
                "a payment run cannot be resolved as a whole; resolve each payment whose outcome is unknown",
                code="approval.resolve_lines",
                next_step="`rutter-ap proposals show` lists them.",
            )
        lease = self.dispatcher.lease_on(proposal_id)
        gone = self.dispatcher.ended(proposal.lease_owner)
        policy = await self.dispatcher.policy.read()

        def take_over(tx: Tx) -> bool:
            still_active(tx, approver)
            _check_allowed(tx, proposal, approver.name, policy, "settled")
            return lease.take_over(tx, gone)

        if not await self.store.write(take_over):
            raise NotReleased(
                "its outcome is being checked right now; nothing was settled",
                code="approval.busy",
                next_step="Look at the proposal again in two minutes.",
            )
        try:
            return await self._settle_by_hand(proposal, outcome, record_id, approver, company, lease)
        finally:
            await self.store.write(lambda tx: release_lease(tx, lease))

    async def _settle_by_hand(
        self, proposal: Proposal, outcome: str, record_id: str, approver: Approver, company: Company, lease: Lease
    ) -> Proposal:
        write, prepared, settler = write_named(proposal.tool), PreparedWrite.of(proposal), self.dispatcher.settler
        attempt = await self.store.read(lambda tx: tx.attempts.last(proposal.id))
        before = attempt.before if attempt else None
        found: tuple[Record, ...] = ()
        if before is not None:
            # What is gone, or has other ids in a newer connection, only the person can have found out.
            with suppress(NotFoundUpstream):
                found = await shown(self.store, write, prepared, company, before, proposal.id)
        if outcome == "failed":
            if found:
                raise NotReleased(
                    f"the ledger shows it as {_listed(found)}, so it cannot be settled as failed",
                    code="approval.ledger_shows_it",
                    next_step="Resolve it as posted; if it must not stand, void it in the accounting platform first.",
                )
            if attempt is not None and attempt.job_id is not None:
                await _check_job(write, company, attempt.job_id)
            words = f"{approver.name} checked the ledger and found that it did not happen"
            # Where nothing can be seen, no later look says more than the person who looked there.
            is_seen = attempt is None or await why_unseen(write, prepared, company) is None
            return await settler.fail(lease, "resolved.failed", words, actor=approver.name, may_be_booked=is_seen)
        if record_id and before is not None:
            named = await write.named(prepared, company, record_id, before)
            ours = () if named is None else (named,)
            found = await self.store.read(lambda tx: unclaimed(tx, prepared, proposal.id, ours))
        if not found:
            raise NotReleased(
                "the ledger does not show it, so it cannot be settled as posted",
                next_step="Check the accounting platform; if it is there under an id, resolve it with --record ID; "
                "if it is not there, resolve it as failed.",
            )
        if len(found) > 1:
            raise NotReleased(
                f"the ledger shows more than one that may be it: {_listed(found)}",
                code="approval.which_record",
                next_step="Check them in the accounting platform, and resolve it with --record ID.",
            )
        [record] = found
        return await settler.post(write, prepared, lease, record, job_id=None, actor=approver.name)


async def _check_job(write: Write[Any], company: Company, job_id: str) -> None:
    """Raises `NotReleased` unless Rutter's job for it has come to nothing, or cannot be asked any more."""
    outcome = await write.outcome_of_job(company, job_id)
    if isinstance(outcome, Rejected) or (isinstance(outcome, Unknown) and outcome.reason == "job_unreadable"):
        return
    done = isinstance(outcome, Done)
    raise NotReleased(
        "Rutter's job for it was carried out" if done else "Rutter's job for it has not ended yet",
        code="approval.job_open",
        next_step="Look at the proposal again later; once the ledger shows it, resolve it as posted.",
    )


def _listed(found: tuple[Record, ...]) -> str:
    return ", ".join(f"{one.kind} {clean(one.id, 100)}" for one in found)


def check_signed_for(by: By, act: str, about: str, form: Mapping[str, str]) -> None:
    """Raises `NotReleased` unless what a passkey signed, if it is one, is this very act."""
    if isinstance(by, Proof):
        return
    if (by.act, by.about) != (act, about) or any(by.form.get(name) != value for name, value in form.items()):
        raise NotReleased("what was signed is another act; nothing was done", code="approval.other_act")


def _not_waiting(proposal: Proposal | None) -> NotReleased:
    state = proposal.state if proposal else "missing"
    return NotReleased(
        f"the proposal is {state}, so there is nothing to release, decline or resolve", code="approval.not_waiting"
    )


def _check_person(tx: Tx, proposal: Proposal, approver: str, policy: Policy) -> None:
    """Raises `NotReleased` if this person may not release this write, whatever others have released."""
    if not policy.preparer_may_approve and prepared_by(proposal.preparer, approver):
        raise NotReleased(
            "the person who prepared a write may not release it; nothing was released",
            code="approver.is_preparer",
            next_step="Another approver must release it.",
        )
    _check_allowed(tx, proposal, approver, policy, "released")


def _check_allowed(tx: Tx, proposal: Proposal, approver: str, policy: Policy, done: str) -> None:
    """Raises `NotReleased` if the policy does not let this person release such a write, nor say what became of it."""
    # A maximum is for what is owed, not for one part of it.
    reason = policy.may_release(approver, proposal.tool, owed_with(tx, proposal, policy))
    if reason is not None:
        raise NotReleased(
            f"{reason}; nothing was {done}",
            code="approval.not_theirs",
            next_step="Ask another approver, or change [approvers] in the policy.",
        )


def _check_first_time(people: Collection[str], approver_id: str) -> None:
    if approver_id in people:
        raise NotReleased(
            "this approver has already released it; a second, different approver is needed",
            code="approval.same_person",
            next_step="Another approver must release it.",
        )


def _check_not_refused(proposal: Proposal) -> None:
    """Raises `NotReleased` while a rule refuses it for a reason that will pass; else it would not be held."""
    severe = [f.message for f in proposal.findings if f.severity is Severity.REFUSE]
    if severe:
        raise NotReleased(
            f"it cannot be released now: {'; '.join(severe)}",
            code="approval.refused_now",
            next_step="Nothing was released. Try again once this no longer applies.",
        )


def _approve(tx: Tx, seen: Preview, person: Proven, channel: str, policy: Policy) -> Proposal:
    approver = person.approver
    still_active(tx, approver)
    proposal_id = seen.proposal.id
    proposal = journal.sound(tx, proposal_id)
    if proposal.state != State.HELD:
        raise _not_waiting(proposal)
    covers = covers_of(seen.proposal.requires)
    if not proposal.requires <= covers:
        raise NotReleased(
            "something changed since you looked: a fact moved or a finding is new; nothing was released",
            code="approval.facts_moved",
            next_step="Review the proposal again and release it if it is still correct.",
        )
    if proposal.expires_at <= tx.now:
        journal.expire(tx, proposal_id)
        return journal.get(tx, proposal_id)
    # An approval stored now could not be given again once the reason has passed.
    _check_not_refused(proposal)
    _check_person(tx, proposal, approver.name, policy)
    people = people_of(valid_approvals(tx, proposal, policy))
    _check_first_time(people, approver.id)
    who = {"actor": approver.name, "approver_id": approver.id, **person.recorded}
    # What it covers is what the person saw and may have signed, even if some of it has gone since.
    journal.approve(tx, proposal, seen.statement, covers, channel=channel, **who)
    # An answer in the chat counts only for the verdict `ask`, and there a single release is enough anyway.
    if len(people | {approver.id}) >= proposal.approvals_needed:
        journal.release(tx, proposal_id, actor=approver.name, channel=channel)
    return journal.get(tx, proposal_id)
