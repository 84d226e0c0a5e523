"""Many bills, one release: each is paid by itself, once, and whatever happens half way is taken up again."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rutter_ap_server.guard.approvals import NotReleased
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.guard.writes.propose_payment_run import Candidate, choose
from rutter_ap_tools.errors import AssistantError, BadInput, Refused
from rutter_ap_tools.money import Money
from rutter_ap_tools.payments import ProposePaymentRun, RunResult
from rutter_ap_tools.proposals import GET_PROPOSAL, GetProposal
from support.bench import PASSCODE, PowerCut, a_bench, codes
from support.people import accepts
from support.refusals import refused_for
from support.runs import ALLOW, PLAIN, ROOMY, once_each, paid_on, run_of


async def test_one_release_pays_every_bill_by_itself_to_the_last_digit(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        held = await run_of(bench, *PLAIN)
        assert (held.status, held.total.amount) == ("held", "1563.20")
        assert [(v.vendor.name, v.bills, v.total.amount) for v in held.vendors] == [
            ("Northwind Utilities", 2, "1314.20"),
            ("Brightline Hosting", 1, "249.00"),
        ]
        assert bench.wire.writes == []

        released = await bench.approve(held.proposal_id)

        assert released.state == "posted"
        assert await paid_on(bench, PLAIN) == once_each()
        assert len(set(bench.wire.payments_sent)) == len(bench.wire.payments_sent) == 3
        assert await bench.spent() == "1563.20"
        lines = await bench.app.store.read(lambda tx: tx.proposals.of_run(str(held.proposal_id)))
        assert Counter(line.state for line in lines) == {"posted": 3}
        assert {line.id for line in lines} == set(bench.wire.payments_sent)


async def test_due_date_and_cash_choose_the_bills_and_say_what_waits(home: Path) -> None:
    async with a_bench(home) as bench:
        intent = ProposePaymentRun(due_to="2026-03-12", cash="1300.00", account="Operating Checking", dry_run=True)
        tried = await bench.submit(intent)
        assert isinstance(tried, RunResult)

        assert [line.document_number for line in tried.lines] == ["NW-2291", "INV-1043", "BH-5520"]
        assert [line.due_date for line in tried.lines] == sorted(line.due_date for line in tried.lines if line.due_date)
        assert tried.total.amount == "1251.65"
        reasons = {one.document_number: one.reason for one in tried.left_out}
        assert reasons["FT-778"] == "12480.00 USD does not fit; 1300.00 USD of the cash is left"
        assert reasons["KF-2039"] == "it is in EUR, but the funding account is in USD"
        assert await bench.proposals() == []


async def test_a_small_run_is_released_in_a_chat_that_names_every_bill(home: Path) -> None:
    async with a_bench(home, ROOMY) as bench:
        person = accepts()
        result = await run_of(bench, *PLAIN, interaction=person)

        assert (result.status, result.verdict) == ("posted", "ask")
        assert [line.status for line in result.lines] == ["posted", "posted", "posted"]
        (question,) = person.questions
        for number, amount in PLAIN.items():
            assert f"{amount} USD | " in question.text
            assert f"‹{number}›" in question.text
        assert "totaling 1563.20 USD from Operating Checking" in question.text
        assert await paid_on(bench, PLAIN) == once_each()


async def test_the_total_counts_like_one_payments_amount(home: Path) -> None:
    async with a_bench(home) as bench:
        person = accepts()
        result = await run_of(bench, *PLAIN, interaction=person)

        assert (result.status, result.verdict, person.questions) == ("held", "approve", [])
        whole = "in total, 1563.20 USD is over 1000.00 USD, so a named approver must release it"
        assert whole in [f.message for f in result.findings if f.code == "amount.approver"]


@pytest.mark.parametrize(("above", "verdict"), [("933.19", "approve"), ("933.20", "ask")])
async def test_a_run_of_two_is_measured_as_a_whole(home: Path, above: str, verdict: str) -> None:
    # Of two vendors, so that neither is paid the sum.
    async with a_bench(home, ROOMY.replace("5000.00", above)) as bench:
        tried = await run_of(bench, "NW-2291", "BH-5520", dry_run=True)

        assert tried.total.amount == "933.20"
        found = [f.message for f in tried.findings if f.code == "amount.approver"]
        assert len(found) == (verdict == "approve")
        assert all(message.startswith("in total, 933.20 USD") for message in found)
        assert tried.verdict == verdict


async def test_more_payments_than_a_question_can_show_need_an_approver(home: Path) -> None:
    async with a_bench(home, ROOMY) as bench:
        numbers = [*PLAIN, "INV-1051", "AP-310", "GR-88", "INV-1043"]
        result = await run_of(bench, *numbers, interaction=accepts(), dry_run=True)

        assert "run.many_lines" in codes(result)
        assert result.verdict == "approve"


async def test_the_same_run_is_the_same_proposal_and_pays_once(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        first, second = await run_of(bench, *PLAIN), await run_of(bench, *PLAIN)
        assert first.proposal_id == second.proposal_id
        await bench.approve(first.proposal_id)

        with refused_for("approval.not_waiting"):
            await bench.approve(first.proposal_id)
        with pytest.raises(AssistantError) as empty:
            await run_of(bench, *PLAIN)
        assert empty.value.error_code == "run.empty"
        assert await paid_on(bench, PLAIN) == once_each()


async def test_a_run_over_a_rolling_limit_pays_none_of_it(home: Path) -> None:
    limits = ROOMY.replace('\nday_limit = "100000.00"', '\nday_limit = "1563.19"')
    async with a_bench(home, ALLOW + limits) as bench:
        with pytest.raises(Refused) as refused:
            await run_of(bench, *PLAIN)

        assert "amount.over_day_limit" in [f.code for f in refused.value.findings]
        assert (bench.wire.writes, await bench.spent()) == ([], "0.00")


async def test_two_bills_of_a_vendor_count_together_for_its_limit(home: Path) -> None:
    limits = ROOMY.replace('vendor_day_limit = "100000.00"', 'vendor_day_limit = "1314.19"')
    async with a_bench(home, ALLOW + limits) as bench:
        with pytest.raises(Refused) as refused:
            await run_of(bench, *PLAIN)
        assert "amount.over_vendor_limit" in [f.code for f in refused.value.findings]

        paid = await run_of(bench, "NW-2291", "BH-5520")
        assert paid.status == "posted"


async def test_a_bill_changed_after_the_release_voids_the_run(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana", "Bo")
        held = await run_of(bench, *PLAIN)
        assert held.proposal_id is not None
        seen = await bench.app.approvals.preview(held.proposal_id, bench.company)
        await bench.pay_by_hand("NW-2304", "1.00")

        with pytest.raises(NotReleased) as moved:
            await bench.app.approvals.approve(seen, bench.company, by=Proof("Ana", PASSCODE), channel="terminal")
        assert moved.value.error_code in ("approval.facts_moved", "approval.not_waiting")
        assert await bench.paid("NW-2291") == []


async def test_a_waiting_single_payment_gives_way_to_its_run(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        single = await bench.pay("NW-2291")
        held = await run_of(bench, *PLAIN)
        await bench.approve(held.proposal_id)

        assert (await bench.proposal(single.proposal_id)).state == "superseded"
        with refused_for("approval.not_waiting"):
            await bench.approve(single.proposal_id)
        assert await paid_on(bench, PLAIN) == once_each()


async def test_an_unknown_payment_is_not_paid_again_by_a_run(home: Path) -> None:
    async with a_bench(home, ALLOW + ROOMY) as bench:
        await bench.approver("Ana")
        bench.wire.faults = ["lost after"]
        single = await bench.pay("NW-2291")
        assert single.status == "unknown"

        held = await run_of(bench, *PLAIN)
        assert [(one.document_number, one.reason) for one in held.left_out] == [("NW-2291", "its status is paid")]
        # Another bill of the same vendor waits as well: nobody knows yet whether the vendor was paid.
        assert (held.status, "vendor.in_flight" in codes(held)) == ("held", True)
        await bench.app.recover()
        assert (await bench.approve(held.proposal_id)).state == "posted"
        assert await paid_on(bench, PLAIN) == once_each()


async def test_a_line_that_is_on_its_way_by_itself_is_left_to_itself(home: Path) -> None:
    async with a_bench(home, ALLOW + ROOMY) as bench:
        bench.wire.faults = ["lost before"]
        single = await bench.pay("NW-2291")
        assert single.status == "unknown"

        with pytest.raises(Refused) as refused:
            await run_of(bench, *PLAIN)
        assert "bill.in_flight" in [f.code for f in refused.value.findings]
        await bench.app.recover()
        assert await bench.paid("NW-2291") == [Decimal("684.20")]


async def test_a_refused_line_leaves_the_others_paid_and_says_so(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        held = await run_of(bench, *PLAIN)
        gate = bench.wire.gate(lambda request: request.method == "POST")

        async def release() -> None:
            assert (await bench.approve(held.proposal_id)).state == "posted"

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(release)
            await gate.reached.wait()
            # The first payment is on the wire; a person pays the last bill by hand meanwhile.
            await bench.pay_by_hand("BH-5520", "249.00")
            gate.go.set()

        shown = await bench.app.store.read(lambda tx: tx.proposals.of_run(str(held.proposal_id)))
        states = {line.bill_id: line.state for line in shown}
        assert Counter(states.values()) == {"posted": 2, "refused": 1}
        assert await paid_on(bench, PLAIN) == once_each()


@pytest.mark.parametrize("fault", ["power cut before", "power cut after"])
@pytest.mark.parametrize("number", [0, 1, 2])
async def test_a_power_cut_at_any_line_is_taken_up_by_another_process(home: Path, fault: str, number: int) -> None:
    async with a_bench(home, ALLOW + ROOMY) as bench:
        bench.wire.faults = ["none"] * number + [fault]
        with pytest.raises(PowerCut):
            await run_of(bench, *PLAIN)

        other = bench.another()
        other.clock.instant += timedelta(minutes=5)
        for _ in range(3):
            await other.app.recover()
        await other.app.aclose()

        assert await paid_on(bench, PLAIN) == once_each()
        run = next(p for p in await bench.proposals() if p.tool == "propose_payment_run")
        assert (run.state, run.record and run.record["amount"]["amount"]) == ("posted", "1563.20")
        assert await bench.spent() == "1563.20"


async def test_asking_for_an_interrupted_run_resumes_it(home: Path) -> None:
    async with a_bench(home, ALLOW + ROOMY) as bench:
        bench.wire.faults = ["none", "lost before", "lost before"]
        result = await run_of(bench, *PLAIN)
        assert result.status == "unknown"
        assert [line.status for line in result.lines] == ["posted", "unknown", "unknown"]

        answer = await bench.backend().read(GetProposal(proposal_id=str(result.proposal_id)))

        assert answer.proposal.state == "posted"
        assert answer.lines is not None
        assert [(line.document_number, line.status) for line in answer.lines] == [(n, "posted") for n in PLAIN]
        said = GET_PROPOSAL.render(answer)
        assert all(f"{number} | " in said for number in PLAIN)
        assert await paid_on(bench, PLAIN) == once_each()


async def test_after_two_outcomes_nobody_knows_the_rest_waits(home: Path) -> None:
    async with a_bench(home, ALLOW + ROOMY) as bench:
        bench.wire.faults = ["lost before", "lost before"]
        result = await run_of(bench, *PLAIN)

        assert [line.status for line in result.lines] == ["unknown", "unknown", "released"]
        assert len(bench.wire.payments_sent) == 2


async def test_two_runs_of_the_same_bills_at_once_pay_each_once(home: Path) -> None:
    # Below every tier: else the run that comes second finds that both together need an approver, and waits for one.
    async with a_bench(home, ROOMY) as bench:
        await bench.approver("Ana", "Bo")
        one = await run_of(bench, "NW-2291", "NW-2304")
        two = await run_of(bench, "NW-2304", "BH-5520")

        async def release(proposal_id: str | None, name: str) -> None:
            # Whoever comes a moment later may be told that the bill they share is on its way.
            with suppress(NotReleased):
                await bench.approve(proposal_id, name)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(release, one.proposal_id, "Ana")
            tasks.start_soon(release, two.proposal_id, "Bo")
        await bench.app.recover()
        # Both may have been turned away for each other; then somebody looks again.
        await release(one.proposal_id, "Ana")
        await release(two.proposal_id, "Bo")

        assert await bench.paid("NW-2304") == [Decimal("630.00")]
        assert Decimal(await bench.spent()) == sum(sum(paid) for paid in (await paid_on(bench, PLAIN)).values())


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"bill_ids": ["b1"], "due_to": "2026-03-02"},
        {"bill_ids": ["b1", "b1"]},
        {"bill_ids": ["b1"], "vendor": "Northwind Utilities"},
    ],
)
async def test_a_run_that_does_not_say_which_bills_is_bad_input(home: Path, arguments: dict[str, object]) -> None:
    async with a_bench(home) as bench:
        with pytest.raises(BadInput):
            await bench.submit(ProposePaymentRun.model_validate(arguments))


amounts = st.integers(min_value=0, max_value=500_00).map(lambda cents: Money.of(Decimal(cents).scaleb(-2), "USD"))
candidates = st.lists(
    st.builds(
        Candidate,
        bill_id=st.uuids().map(str),
        number=st.just(""),
        vendor_id=st.sampled_from(["v1", "v2", None]),
        vendor_name=st.just("Acme"),
        status=st.sampled_from(["open", "partially_paid", "paid", "void"]),
        due_date=st.just("2026-03-01"),
        due=amounts | st.none() | st.just(Money.parse("5.00", "EUR")),
    ),
    max_size=20,
)


@given(candidates, amounts | st.none(), st.integers(min_value=1, max_value=8))
def test_a_choice_keeps_every_bill_in_order_within_the_cash(
    given_ones: list[Candidate], cash: Money | None, most: int
) -> None:
    choice = choose(given_ones, "USD", cash, most)

    assert Counter(c.bill_id for c in given_ones) == Counter(
        [c.bill_id for c in choice.chosen] + [c.bill_id for c, _ in choice.left_out]
    )
    order = [c.bill_id for c in given_ones]
    assert [order.index(c.bill_id) for c in choice.chosen] == sorted(order.index(c.bill_id) for c in choice.chosen)
    assert len(choice.chosen) <= most
    assert cash is None or choice.total("USD") <= cash
    assert all(c.due is not None and c.due.currency == "USD" and c.due.amount > 0 for c in choice.chosen)
    assert all(reason for _, reason in choice.left_out)
