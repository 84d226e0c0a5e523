"""The `get_proposal` tool: one proposal by its id, once it is decided, or with an open outcome resolved first."""

from __future__ import annotations

from datetime import datetime

import anyio

from rutter_ap_server.companies.registry import CompanyRegistry
from rutter_ap_server.guard import journal
from rutter_ap_server.guard.policy import PolicyFile
from rutter_ap_server.guard.recovery import Recovery
from rutter_ap_server.guard.reports.listing import limits_for, policy_or_none
from rutter_ap_server.guard.statement import statement_of
from rutter_ap_server.guard.views import Views, lines_of
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.errors import Tampered
from rutter_ap_server.store.proposals import Approval, Proposal
from rutter_ap_server.store.states import IN_FLIGHT_STATES, State
from rutter_ap_tools.errors import Ambiguous, ApError, NotFound
from rutter_ap_tools.proposals import GetProposal, ProposalAnswer
from rutter_ap_tools.statement import Statement

# Another process may decide it as well as this one, so the store is asked.
_LOOK_SECONDS = 0.5
_UNDECIDED = (State.HELD, State.RELEASED, State.DISPATCHING)


async def get_proposal(
    query: GetProposal,
    *,
    store: Store,
    policy: PolicyFile,
    companies: CompanyRegistry,
    recovery: Recovery,
    views: Views,
) -> ProposalAnswer:
    """The `get_proposal` tool. Raises `NotFound` or `Ambiguous`, as `find_proposal` does."""
    proposal = await _decided(query, store)
    if proposal.state in IN_FLIGHT_STATES:
        try:
            proposal = await recovery.resolve(proposal, await companies.of_ledger(proposal.company_id))
        except ApError:
            # What is known is still worth showing when Rutter cannot be reached.
            proposal = await find_proposal(store, proposal.id)
    return await full_answer(proposal, store=store, policy=policy, views=views)


async def _decided(query: GetProposal, store: Store) -> Proposal:
    """The proposal as soon as it was declined, or sent after a release; after `wait_seconds` as it is then."""
    proposal = await _sound(query.proposal_id, store)
    with anyio.move_on_after(query.wait_seconds):
        while proposal.state in _UNDECIDED:
            await anyio.sleep(_LOOK_SECONDS)
            proposal = await _sound(proposal.id, store)
    return proposal


async def _sound(reference: str, store: Store) -> Proposal:
    proposal = await find_proposal(store, reference)
    if proposal.damaged:
        raise Tampered(f"proposal {proposal.id}")
    return proposal


async def known_proposal(query: GetProposal, store: Store, policy: PolicyFile, views: Views) -> ProposalAnswer:
    """The same without finding out anything. Raises `NotFound` or `Ambiguous`."""
    return await full_answer(await find_proposal(store, query.proposal_id), store=store, policy=policy, views=views)


async def full_answer(proposal: Proposal, *, store: Store, policy: PolicyFile, views: Views) -> ProposalAnswer:
    """A proposal with its statement as of now, for an assistant and a terminal alike."""
    rules = await policy_or_none(policy)

    def look(tx: Tx) -> tuple[tuple[Approval, ...], Statement]:
        return tx.proposals.approvals(proposal.id), statement_of(tx, proposal, rules)

    approvals, statement = await store.read(look)
    limits = await limits_for(store, policy, proposal)
    return await views.answer(proposal, approvals, statement, limits, await lines_of(store, proposal))


async def find_proposal(store: Store, reference: str) -> Proposal:
    """The proposal with that id, or whose id starts with it. Raises `NotFound` or `Ambiguous`.

    A held one past its time expires first, so that it is not shown as still waiting.
    """

    def find(tx: Tx) -> tuple[list[Proposal], datetime]:
        return tx.proposals.starting_with(reference), tx.now

    found, now = await store.read(find)
    if not found:
        raise NotFound(
            "there is no proposal with that id",
            next_step="Use the proposal_id from a write's result, or look it up with list_proposals.",
        )
    if len(found) > 1:
        raise Ambiguous(
            "several proposals match that id prefix",
            candidates=[(one.id, one.summary) for one in found],
            next_step="Type more characters of the id.",
        )
    proposal = found[0]
    if proposal.state != State.HELD or proposal.expires_at > now:
        return proposal

    def expire(tx: Tx) -> Proposal:
        journal.expire(tx, proposal.id)
        return journal.get(tx, proposal.id)

    return await store.write(expire)
