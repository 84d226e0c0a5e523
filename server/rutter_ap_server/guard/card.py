"""The card in the chat: it shows a held proposal and, where the policy says so, takes its person's answer.

An answer in the card is as strong as one in a form of the chat, because both are what a client reports: it counts only
for the verdict `ask`. It needs a question of the proposal's own, which is spent before anything is judged by it, and is
bound to its caller, to the write and to the facts as shown. What the verdict is, is found out afresh at the answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rutter_ap_server.companies.registry import CompanyRegistry
from rutter_ap_server.guard import journal
from rutter_ap_server.guard.approvers import NotReleased
from rutter_ap_server.guard.dispatch import Dispatcher
from rutter_ap_server.guard.judgement import covers_of
from rutter_ap_server.guard.long_calls import End, LongCalls
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.reports.listing import policy_or_none
from rutter_ap_server.guard.reports.proposal import find_proposal, full_answer
from rutter_ap_server.guard.statement import body_of, statement_of
from rutter_ap_server.guard.views import Views
from rutter_ap_server.interaction import Caller, CardQuestion, Reply, is_amount
from rutter_ap_server.store.canonical import digest
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.questions import Burnt
from rutter_ap_server.store.states import State
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.proposals import AnswerCard, ProposalAnswer
from rutter_ap_tools.statement import Statement

CHANNEL = "card"
# The card shows the end of such a number only, so nobody can confirm it there.
_BANK_ACCOUNT = re.compile("bank account number", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cards:
    """Puts questions to the card, and takes its answers."""

    store: Store
    dispatcher: Dispatcher
    companies: CompanyRegistry
    views: Views
    long_calls: LongCalls

    async def may_answer(self) -> bool:
        """Whether the policy lets the card answer; not while its file cannot be used."""
        policy = await policy_or_none(self.dispatcher.policy)
        return policy is not None and policy.asking.in_card

    async def question(self, proposal_id: str, shown: str, caller: Caller) -> CardQuestion:
        """A new question about a held proposal, whose statement with the digest `shown` is what the card shows.

        Without an id where the card may not ask; it then says why.
        """
        policy = await policy_or_none(self.dispatcher.policy)
        if policy is None:
            return CardQuestion(reason="The policy file cannot be used, so nothing can be released.")
        if not policy.asking.in_card:
            return CardQuestion(reason="The policy does not let this card answer.")

        def ask(tx: Tx) -> CardQuestion:
            proposal = journal.sound(tx, proposal_id)
            statement = statement_of(tx, proposal, policy)
            reason = _not_here(proposal, statement, caller)
            if reason or proposal.state != State.HELD or proposal.expires_at <= tx.now:
                return CardQuestion(reason=reason)
            if statement.digest != shown:
                return CardQuestion(reason="It has changed while this was loading: open the card again.")
            tx.proposals.keep_statement(proposal.id, statement.digest, body_of(statement))
            bound, valid = _bound(proposal, caller), policy.asking.valid_seconds
            question_id = tx.questions.ask(proposal.id, bound, valid, statement=statement.digest)
            return CardQuestion(question_id, must_type=policy.asking.must_be_typed(proposal.money))

        return await self.store.write(ask)

    async def answer(self, given: AnswerCard, caller: Caller) -> ProposalAnswer:
        """Releases or declines what the question showed. Raises `NotReleased`, or any `ApError` that prevented it.

        The question is spent in either case.
        """
        policy = await self.dispatcher.policy.read()
        if not policy.asking.in_card:
            raise NotReleased(
                "the policy does not let the card in the chat answer; nothing was released or declined",
                code="card.off",
                next_step="Decide it at the approvals desk, or with `rutter-ap proposals`.",
            )
        reply = Reply.ACCEPTED if given.release else Reply.DECLINED
        burnt = await self.store.write(lambda tx: _burnt(tx, given.question, reply, caller))

        async def work() -> ProposalAnswer:
            return await self._shown(await self._taken(given, burnt, policy, caller))

        async def late(end: End) -> ProposalAnswer:
            # It goes on: the card asks again for the outcome.
            return await self._shown(await find_proposal(self.store, burnt.proposal_id))

        return await self.long_calls.in_time(work, late)

    async def _taken(self, given: AnswerCard, burnt: Burnt, policy: Policy, caller: Caller) -> Proposal:
        proposal = await self.store.read(lambda tx: journal.sound(tx, burnt.proposal_id))
        if not given.release:
            return await self.store.write(lambda tx: _declined(tx, burnt, caller))
        company = (await self.companies.of_ledger(proposal.company_id)).read_once()
        await self.dispatcher.reassess(proposal.id, company)
        released = await self.store.write(lambda tx: _released(tx, burnt, policy, given.amount, caller))
        return await self.dispatcher.dispatch(released.id, company)

    async def _shown(self, proposal: Proposal) -> ProposalAnswer:
        return await full_answer(proposal, store=self.store, policy=self.dispatcher.policy, views=self.views)


def _not_here(proposal: Proposal, statement: Statement, caller: Caller) -> str:
    """Why the card may not answer this; "" if it may. Its state is another matter."""
    if proposal.verdict is not Severity.ASK or proposal.approvals_needed != 1:
        return "This needs a named approver, outside the chat."
    if proposal.preparer != caller.preparer or proposal.tool not in caller.tools:
        return "Another client proposed this, so it is not answered here."
    if any(_BANK_ACCOUNT.search(row[0]) for section in statement.sections for row in section.rows):
        return "It holds a whole bank account number, which is not shown here."
    return ""


def _bound(proposal: Proposal, caller: Caller) -> str:
    """All that an answer in the card counts for."""
    return digest(
        {
            "card": caller.preparer,
            "proposal": proposal.id,
            "write": proposal.digest,
            "facts": sorted(proposal.requires),
        }
    )


def _burnt(tx: Tx, question_id: str, reply: Reply, caller: Caller) -> Burnt:
    """Spends the question, whatever comes of the answer. Raises `NotReleased` for one that takes none."""
    burnt = tx.questions.burn(question_id, reply.value)
    if burnt is None:
        raise NotReleased(
            "this question takes no answer: it was answered before, has expired, or was never asked",
            code="card.spent",
            next_step="Nothing was released or declined. Look at the proposal again; if it is still held, a new "
            "question is asked.",
        )
    tx.audit.append(
        "answered",
        actor=CHANNEL,
        proposal_id=burnt.proposal_id,
        channel=CHANNEL,
        answer=reply.value,
        statement=burnt.statement,
        client=caller.preparer,
        protocol=caller.protocol,
    )
    return burnt


def _current(tx: Tx, burnt: Burnt, caller: Caller) -> Proposal:
    """The proposal, if it is still what the question was about. Raises `NotReleased`."""
    proposal = journal.sound(tx, burnt.proposal_id)
    is_same = burnt.fingerprint == _bound(proposal, caller) and proposal.tool in caller.tools
    if proposal.state != State.HELD or proposal.expires_at <= tx.now or not is_same:
        raise NotReleased(
            "something changed since this was shown, or it was decided meanwhile",
            code="card.moved",
            next_step="Nothing was released or declined by this answer. Look at the proposal again.",
        )
    return proposal


def _declined(tx: Tx, burnt: Burnt, caller: Caller) -> Proposal:
    proposal = _current(tx, burnt, caller)
    journal.decline(tx, proposal.id, actor=CHANNEL, channel=CHANNEL, reason="")
    return journal.get(tx, proposal.id)


def _released(tx: Tx, burnt: Burnt, policy: Policy, typed: str, caller: Caller) -> Proposal:
    proposal = _current(tx, burnt, caller)
    if proposal.verdict is not Severity.ASK or proposal.approvals_needed != 1:
        raise NotReleased(
            "this needs a named approver, outside the chat; nothing was released",
            code="card.above_tier",
            next_step="Decide it at the approvals desk, or with `rutter-ap proposals`.",
        )
    money = proposal.money
    if policy.asking.must_be_typed(money) and (money is None or not is_amount(typed, money)):
        raise NotReleased(
            "the amount that was typed is not the amount of this proposal; nothing was released",
            code="card.amount",
            next_step="Look at the proposal again and type its amount, without the currency.",
        )
    tx.proposals.approve(
        proposal.id,
        CHANNEL,
        CHANNEL,
        proposal.fingerprint,
        covers=covers_of(proposal.requires),
        statement=burnt.statement,
    )
    journal.release(tx, proposal.id, actor=CHANNEL, channel=CHANNEL)
    return journal.get(tx, proposal.id)
