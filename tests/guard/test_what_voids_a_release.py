"""What voids a release, and what does not: a finding that came later, a policy that changed, the same call next day."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.rutter.models.credits import BillCreditMemoCreate, CreditLineDraft
from rutter_ap_tools.payments import PayBill
from rutter_ap_tools.proposals import WithdrawProposal
from support.bench import PASSCODE, START, Bench, a_bench, codes
from support.people import Asked, InRounds, accepts
from support.refusals import refused_for
from support.runs import ROOMY, run_of

ALLOW = '[tools]\npay_bill = "allow"\n'


async def credit_by_hand(bench: Bench, number: str, amount: str) -> None:
    """The vendor of that bill gets a credit, entered in the accounting platform."""
    bill = await bench.bill(number)
    draft = BillCreditMemoCreate(
        vendor_id=bill.vendor_id or "",
        issue_date=START,
        currency_code="USD",
        line_items=(CreditLineDraft(account_id=bill.line_items[0].account_id or "", total_amount=Decimal(amount)),),
    )
    await bench.company.rutter.bill_credit_memos.create(draft, idempotency_key="a credit")


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param('[vendors]\nblocked = ["Northwind Utilities"]\n', id="the vendor was blocked"),
        pytest.param('[tools]\npay_bill = "refuse"\n', id="payments are refused"),
    ],
)
async def test_a_lost_payment_the_policy_now_refuses_is_not_sent(home: Path, policy: str) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["lost before"]
        assert (await bench.pay("NW-2291", "100.00")).status == "unknown"
        bench.policy(policy)

        await bench.app.recover()

        assert await bench.paid("NW-2291") == []


async def test_a_lost_payment_of_a_removed_approver_is_not_sent(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana", "Bo")
        held = await bench.pay("FT-778")
        bench.wire.faults = ["lost before"]
        assert (await bench.approve(held.proposal_id)).state == "unknown"
        await bench.remove_approver("Ana")

        await bench.app.recover()

        assert await bench.paid("FT-778") == []


async def test_a_credit_that_came_while_reading_is_shown_first(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        held = await bench.pay("FT-778")
        seen = await bench.app.approvals.preview(held.proposal_id or "", bench.company)
        assert "credit.available" not in codes(seen.proposal)
        await credit_by_hand(bench, "FT-778", "12480.00")

        with refused_for("approval.facts_moved"):
            await bench.app.approvals.approve(seen, bench.company, by=Proof("Ana", PASSCODE), channel="terminal")
        assert await bench.paid("FT-778") == []


async def test_a_credit_that_came_while_asked_voids_the_yes(home: Path) -> None:
    async with a_bench(home) as bench:

        async def credited() -> None:
            await credit_by_hand(bench, "NW-2291", "684.20")

        result = await bench.pay("NW-2291", "", accepts(credited))

        assert (result.status, await bench.paid("NW-2291")) == ("held", [])


async def test_an_answer_to_a_question_without_a_finding_is_void(home: Path) -> None:
    async with a_bench(home) as bench:
        with pytest.raises(Asked) as first:
            await bench.pay("NW-2291", "", InRounds())
        await credit_by_hand(bench, "NW-2291", "684.20")
        with pytest.raises(Asked) as second:
            await bench.pay("NW-2291", "", InRounds())
        assert "credit.available" in second.value.question.text
        assert "credit.available" not in first.value.question.text

        with pytest.raises(Asked):
            await bench.pay("NW-2291", "", InRounds(first.value.question.id))
        assert await bench.paid("NW-2291") == []


async def test_another_open_proposal_is_shown_before_a_release(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        held = await bench.pay("FT-778", "6000.00")
        seen = await bench.app.approvals.preview(held.proposal_id or "", bench.company)
        await bench.pay("FT-778", "6480.00")

        with refused_for("approval.facts_moved"):
            await bench.app.approvals.approve(seen, bench.company, by=Proof("Ana", PASSCODE), channel="terminal")


async def test_a_credit_between_two_releases_is_seen_by_both(home: Path) -> None:
    """Ana released it before there was a credit for all of it; only Bo was told."""
    async with a_bench(home) as bench:
        await bench.approver("Ana", "Bo")
        held = await bench.pay("FT-802")
        await bench.approve(held.proposal_id, "Ana")
        await credit_by_hand(bench, "FT-802", "27350.00")

        assert (await bench.approve(held.proposal_id, "Bo")).state == "held"
        assert await bench.paid("FT-802") == []


async def test_a_yes_to_the_same_call_next_day_pays(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.pay("NW-2291")
        bench.clock.instant += timedelta(days=1)
        person = accepts()

        result = await bench.pay("NW-2291", "", person)

        (question,) = person.questions
        assert not ("2026-03-02" in question.text.split("\n")[0] and "Payment date: 2026-03-03" in question.text)
        assert result.status == "posted"


async def test_the_same_call_next_day_keeps_the_first_release(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana", "Bo")
        held = await bench.pay("FT-802")
        await bench.approve(held.proposal_id, "Ana")
        bench.clock.instant += timedelta(days=1)

        again = await bench.pay("FT-802")

        assert again.proposal_id == held.proposal_id
        assert len(await bench.app.store.read(lambda tx: tx.proposals.approvals(held.proposal_id or ""))) == 1


async def test_a_yes_to_the_same_run_next_day_pays(home: Path) -> None:
    async with a_bench(home, ROOMY) as bench:
        await run_of(bench, "NW-2291", "BH-5520")
        bench.clock.instant += timedelta(days=1)

        assert (await run_of(bench, "NW-2291", "BH-5520", interaction=accepts())).status == "posted"


async def test_a_preparer_no_longer_allowed_does_not_count(home: Path) -> None:
    async with a_bench(home, "preparer_may_approve = true\n") as bench:
        await bench.approver("Ana", "Bo")
        bill = await bench.bill("FT-802")
        backend = replace(bench.backend(), preparer="Ana")
        held = await backend.submit(PayBill(bill_id=bill.id, account="Operating Checking"))
        await bench.approve(held.proposal_id, "Ana")
        bench.policy("preparer_may_approve = false\n")

        assert (await bench.approve(held.proposal_id, "Bo")).state == "held"
        assert await bench.paid("FT-802") == []


async def test_what_one_of_two_released_cannot_be_taken_back(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana", "Bo")
        held = await bench.pay("FT-802")
        await bench.approve(held.proposal_id, "Ana")

        with refused_for("proposal.partly_released"):
            await bench.backend().read(WithdrawProposal(proposal_id=held.proposal_id or ""))
