"""A person settles an unknown outcome, and the ledger and the policy have their say in it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from rutter_ap_server.guard.approvals import NotReleased
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.store.proposals import Proposal
from support.bench import PASSCODE, Bench, a_bench
from support.refusals import refused_for

ALLOW = '[tools]\npay_bill = "allow"\n'


async def settle(bench: Bench, proposal_id: str | None, outcome: str, name: str = "Ana") -> Proposal:
    """That approver says what became of it."""
    return await bench.app.approvals.settle_by_hand(
        proposal_id or "", outcome, by=Proof(name, PASSCODE), channel="terminal", company=bench.company
    )


async def test_what_the_ledger_shows_is_not_settled_as_failed(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        await bench.approver("Ana")
        bench.wire.faults = ["lost after"]
        lost = await bench.pay("NW-2291", "500.00")
        assert (lost.status, await bench.paid("NW-2291")) == ("unknown", [Decimal("500.00")])

        with pytest.raises(NotReleased) as refused:
            await settle(bench, lost.proposal_id, "failed")

        assert refused.value.error_code == "approval.ledger_shows_it"
        assert await bench.spent() == "500.00"
        assert (await settle(bench, lost.proposal_id, "posted")).state == "posted"


async def test_what_the_ledger_does_not_show_is_settled_failed(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        await bench.approver("Ana")
        bench.wire.faults = ["lost before"]
        lost = await bench.pay("NW-2291", "500.00")

        assert (await settle(bench, lost.proposal_id, "failed")).state == "failed"


async def test_a_ledger_that_cannot_be_asked_settles_nothing(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        await bench.approver("Ana")
        bench.wire.faults = ["lost before"]
        lost = await bench.pay("NW-2291", "500.00")

        bench.wire.is_down = True
        with refused_for("rutter_unavailable"):
            await settle(bench, lost.proposal_id, "failed")

        assert [one.state for one in await bench.proposals()] == ["unknown"]


@pytest.mark.parametrize("outcome", ["failed", "posted"])
async def test_who_may_not_release_it_settles_nothing(home: Path, outcome: str) -> None:
    async with a_bench(home, f"{ALLOW}[approvers.Ana]\n[approvers.Bo]\nmax = {{ USD = '400.00' }}\n") as bench:
        await bench.approver("Ana", "Bo")
        bench.wire.faults = ["lost after" if outcome == "posted" else "lost before"]
        lost = await bench.pay("NW-2291", "500.00")

        with pytest.raises(NotReleased) as refused:
            await settle(bench, lost.proposal_id, outcome, name="Bo")

        assert refused.value.error_code == "approval.not_theirs"
        assert (await settle(bench, lost.proposal_id, outcome, name="Ana")).state == outcome
