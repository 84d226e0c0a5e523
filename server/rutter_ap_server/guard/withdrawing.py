"""Taking a proposal back: whoever proposed a write may withdraw it as long as nobody has released it."""

from __future__ import annotations

from rutter_ap_server.guard import journal
from rutter_ap_server.guard.policy import PolicyFile
from rutter_ap_server.guard.reports.proposal import find_proposal, full_answer
from rutter_ap_server.guard.views import Views
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.errors import AssistantError
from rutter_ap_tools.proposals import ProposalAnswer, WithdrawProposal
from rutter_ap_tools.text import clean

CHANNEL = "assistant"
_REASON_CHARACTERS_MAX = 500


async def withdraw_proposal(
    query: WithdrawProposal, *, store: Store, policy: PolicyFile, views: Views, preparer: str
) -> ProposalAnswer:
    """The `withdraw_proposal` tool. Raises `AssistantError` for another preparer's proposal, or one not held."""
    found = await find_proposal(store, query.proposal_id)

    def withdraw(tx: Tx) -> Proposal:
        current = journal.get(tx, found.id)
        if current.preparer != preparer:
            raise AssistantError(
                "another assistant or person proposed this",
                code="proposal.not_yours",
                next_step="Ask the person; they can decline or withdraw it with `rutter-ap proposals`.",
            )
        if current.state == State.HELD and tx.proposals.approvals(found.id):
            raise AssistantError(
                "a person has already released it, and another one decides now",
                code="proposal.partly_released",
                next_step="Ask them to decline it.",
            )
        reason = clean(query.reason, _REASON_CHARACTERS_MAX)
        if not journal.withdraw(tx, found.id, actor=preparer, channel=CHANNEL, reason=reason):
            raise AssistantError(
                f"the proposal is {current.state}, so it cannot be taken back",
                code="proposal.not_held",
                next_step="Check it with get_proposal; a recorded payment can only be voided.",
            )
        return journal.get(tx, found.id)

    return await full_answer(await store.write(withdraw), store=store, policy=policy, views=views)
