"""Taking back a proposal: by whoever made it, before anyone has released it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rutter_ap_server.interaction import NO_INTERACTION
from rutter_ap_tools.errors import AssistantError
from rutter_ap_tools.proposals import WITHDRAW_PROPOSAL, WithdrawProposal
from support.bench import a_bench, codes
from support.refusals import refused_for


async def test_a_withdrawn_proposal_is_never_released(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        held = await bench.pay("NW-2291")
        query = WithdrawProposal(proposal_id=held.proposal_id or "", reason="a corrected invoice comes")

        answer = await bench.backend().read(query)

        assert answer.proposal.state == "withdrawn"
        assert "withdrawn by assistant: ‹a corrected invoice comes›" in WITHDRAW_PROPOSAL.render(answer)
        with refused_for("approval.not_waiting"):
            await bench.approve(held.proposal_id)
        # Taking back is no refusal by a person: the same write may be proposed anew.
        again = await bench.pay("NW-2291")
        assert (again.status, "proposal.declined" in codes(again)) == ("held", False)
        assert again.proposal_id != held.proposal_id


async def test_only_its_preparer_takes_a_proposal_back(home: Path) -> None:
    async with a_bench(home) as bench:
        held = await bench.pay("NW-2291")
        other = bench.app.backend("assistant (another client)", NO_INTERACTION)

        with pytest.raises(AssistantError) as error:
            await other.read(WithdrawProposal(proposal_id=held.proposal_id or ""))

        assert error.value.error_code == "proposal.not_yours"
        assert (await bench.proposal(held.proposal_id)).state == "held"


async def test_what_was_released_cannot_be_taken_back(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        held = await bench.pay("NW-2291")
        await bench.approve(held.proposal_id)

        with pytest.raises(AssistantError) as error:
            await bench.backend().read(WithdrawProposal(proposal_id=held.proposal_id or ""))

        assert error.value.error_code == "proposal.not_held"
        assert (await bench.proposal(held.proposal_id)).state == "posted"
