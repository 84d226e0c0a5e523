"""The assistant proposes, the guard judges, a person releases: with a real store, client and practice Rutter."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from rutter_ap_server.guard import journal
from rutter_ap_server.guard.approvals import NotReleased
from rutter_ap_server.guard.approvers import Proof, _accepted
from rutter_ap_server.guard.judgement import covers_of
from rutter_ap_server.guard.own_writes import LAG_MAX
from rutter_ap_server.guard.policy import Policy, PolicyError
from rutter_ap_server.guard.statement import statement_of
from rutter_ap_server.interaction import NO_INTERACTION, Interaction, Reply
from rutter_ap_server.rutter.models.vendors import VendorUpdate
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.bills import ListBills
from rutter_ap_tools.errors import BadInput, Refused
from rutter_ap_tools.payments import PayBill
from rutter_ap_tools.proposals import GetProposal
from support.bench import PASSCODE, a_bench, codes
from support.people import Answering, Asked, InRounds, accepts, declines, never_answers
from support.refusals import refused_for
from support.runs import run_of

ALLOW = '[tools]\npay_bill = "allow"\n'


async def test_more_than_is_due_is_refused_and_nothing_leaves(home: Path) -> None:
    async with a_bench(home) as bench:
        with pytest.raises(Refused) as refused:
            await bench.pay("NW-2291", "684.21", accepts())

        assert [f.code for f in refused.value.findings] == ["amount.over_balance", "policy.ask"]
        assert refused.value.message == "684.21 USD is more than the balance due of 684.20 USD"
        assert [p.state for p in await bench.proposals()] == ["refused"]
        assert (bench.wire.writes, await bench.spent()) == ([], "0.00")


async def test_a_small_payment_accepted_in_the_chat_is_posted_once(home: Path) -> None:
    async with a_bench(home) as bench:
        person = accepts()
        result = await bench.pay("NW-2291", "684.20", person)

        assert (result.status, result.verdict, codes(result)) == ("posted", "ask", ["policy.ask"])
        assert result.record is not None
        assert result.record.bill_due is not None
        assert (result.record.bill_status, result.record.bill_due.amount) == ("paid", "0.00")
        (question,) = person.questions
        assert question.text.startswith(
            "Pay 684.20 USD to Northwind Utilities for bill NW-2291 from Operating Checking, dated 2026-03-02? "
            "Company: Harbor & Pine (embedded)."
        )
        assert await bench.paid("NW-2291") == [Decimal("684.20")]
        assert bench.wire.payments_sent == [result.proposal_id]
        assert await bench.spent() == "684.20"


@pytest.mark.parametrize("person", [never_answers(), NO_INTERACTION])
async def test_whatever_is_not_a_yes_leaves_the_payment_held(home: Path, person: Interaction) -> None:
    async with a_bench(home) as bench:
        result = await bench.pay("NW-2291", "", person)
        again = await bench.pay("NW-2291", "684.20", person)

        assert (result.status, result.record) == ("held", None)
        assert "Held: nothing has been written." in result.next_step
        assert again.proposal_id == result.proposal_id
        assert bench.wire.writes == []


async def test_what_the_policy_allows_asks_nobody(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        result = await bench.pay("NW-2291", "100.00")

        assert (result.status, result.verdict, result.findings) == ("posted", "allow", [])
        assert await bench.paid("NW-2291") == [Decimal("100.00")]


async def test_a_dry_run_says_the_verdict_and_changes_nothing(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        results = [
            await bench.pay(number, "", accepts(), dry_run=True) for number in ("NW-2291", "FT-778", "FT-802", "LS-001")
        ]

        assert [(r.status, r.verdict, r.proposal_id) for r in results] == [
            ("dry_run", "allow", None),
            ("dry_run", "approve", None),
            ("dry_run", "approve", None),
            ("dry_run", "approve", None),
        ]
        expected: tuple[set[str], ...] = (
            set(),
            {"amount.approver"},
            {"amount.two_approvers"},
            {"amount.approver", "vendor.first_payment"},
        )
        assert all(wanted <= set(codes(r)) for wanted, r in zip(expected, results, strict=True))
        assert "two different approvers" in results[2].next_step
        assert (await bench.proposals(), bench.wire.writes) == ([], [])


async def test_above_the_tier_only_an_approver_releases_and_only_once(home: Path) -> None:
    async with a_bench(home) as bench:
        person = accepts()
        held = await bench.pay("FT-778", "", person)
        assert (held.status, person.questions, bench.wire.writes) == ("held", [], [])
        await bench.approver("Ana")

        posted = await bench.approve(held.proposal_id)

        assert posted.state == "posted"
        assert (await bench.bill("FT-778")).status == "paid"
        assert await bench.paid("FT-778") == [Decimal("12480.00")]
        assert bench.wire.payments_sent == [held.proposal_id]
        with refused_for("approval.not_waiting"):
            await bench.approve(held.proposal_id)
        answer = await bench.backend().read(GetProposal(proposal_id=held.proposal_id or ""))
        assert [(a.approver, a.channel) for a in answer.proposal.approvals] == [("Ana", "terminal")]


async def test_the_upper_tier_takes_two_different_people(home: Path) -> None:
    async with a_bench(home) as bench:
        held = await bench.pay("FT-802")
        await bench.approver("Ana", "Bo")

        assert (await bench.approve(held.proposal_id, "Ana")).state == "held"
        with pytest.raises(NotReleased) as twice:
            await bench.approve(held.proposal_id, "Ana")
        assert twice.value.error_code == "approval.same_person"
        assert bench.wire.writes == []
        assert (await bench.approve(held.proposal_id, "Bo")).state == "posted"
        assert await bench.paid("FT-802") == [Decimal("27350.00")]


async def test_two_people_at_the_same_moment_post_once(home: Path) -> None:
    async with a_bench(home) as bench:
        held = await bench.pay("FT-778")
        await bench.approver("Ana", "Bo")
        refused: list[NotReleased] = []

        async def approve(name: str) -> None:
            try:
                await bench.approve(held.proposal_id, name)
            except NotReleased as error:
                refused.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(approve, "Ana")
            tasks.start_soon(approve, "Bo")
        assert len(bench.wire.payments_sent) == 1
        assert await bench.paid("FT-778") == [Decimal("12480.00")]


async def test_five_wrong_passcodes_lock_out_the_right_one_too(home: Path) -> None:
    async with a_bench(home) as bench:
        held = await bench.pay("FT-778")
        await bench.approver("Ana")

        async def attempt(name: str, passcode: str) -> str:
            seen = await bench.app.approvals.preview(held.proposal_id or "", bench.company)
            with pytest.raises(NotReleased) as error:
                await bench.app.approvals.approve(seen, bench.company, by=Proof(name, passcode), channel="desk")
            return error.value.error_code

        assert [await attempt("Ana", "wrong passcode") for _ in range(5)] == ["approval.wrong_passcode"] * 5
        assert await attempt("Ana", PASSCODE) == "approval.locked"
        assert await attempt("Nobody", PASSCODE) == "approval.wrong_passcode"
        assert (await bench.proposal(held.proposal_id)).state == "held"
        bench.clock.instant += timedelta(seconds=901)
        assert (await bench.approve(held.proposal_id)).state == "posted"


async def test_a_right_guess_after_its_burst_locked_it_does_not_count(home: Path) -> None:
    """The guesses arrive at once, and the wrong ones lock the approver while the right one is being checked."""
    async with a_bench(home) as bench:
        await bench.approver("Ana", "Bo")
        store = bench.app.store
        ana, bo = await store.read(lambda tx: tx.approvers.active())
        await store.write(lambda tx: tx.approvers.passcode_failed(ana.id, lock_after=1, lock_seconds=900))
        await store.write(lambda tx: tx.approvers.remove(bo.id))

        # What the last step of checking a passcode finds, when the first step still found nothing in its way.
        assert not await store.write(lambda tx: _accepted(tx, ana))
        assert not await store.write(lambda tx: _accepted(tx, bo))
        bench.clock.instant += timedelta(seconds=900)
        assert await store.write(lambda tx: _accepted(tx, ana))


async def test_an_approver_who_was_removed_releases_nothing(home: Path) -> None:
    async with a_bench(home) as bench:
        held = await bench.pay("FT-778")
        await bench.approver("Ana")
        await bench.remove_approver("Ana")

        with refused_for("approval.wrong_passcode"):
            await bench.approve(held.proposal_id)
        assert bench.wire.writes == []


@pytest.mark.parametrize("name", ["", "chat", "card", "policy", "guard", "A\u202ena", " Ana", "x" * 101])
async def test_an_approvers_name_cannot_hide_or_mean_something_else(home: Path, name: str) -> None:
    async with a_bench(home) as bench:
        with pytest.raises(BadInput):
            await bench.app.approvals.add_approver(name, PASSCODE, channel="terminal")
        with pytest.raises(BadInput):
            await bench.app.approvals.add_approver("Ana", "short", channel="terminal")


async def test_an_accepted_answer_replayed_in_turn_pays_once(home: Path) -> None:
    async with a_bench(home) as bench:
        with pytest.raises(Asked) as asked:
            await bench.pay("NW-2291", "100.00", InRounds())

        answers = [await bench.pay("NW-2291", "100.00", InRounds(asked.value.question.id)) for _ in range(20)]

        assert [a.status for a in answers] == ["posted"] + ["held"] * 19
        assert {a.proposal_id for a in answers[1:]} == {answers[1].proposal_id}
        assert (codes(answers[1])[0], answers[1].verdict) == ("payment.repeat", "approve")
        assert await bench.paid("NW-2291") == [Decimal("100.00")]
        assert bench.wire.payments_sent == [answers[0].proposal_id]


async def test_an_accepted_answer_replayed_at_once_pays_once(home: Path) -> None:
    async with a_bench(home) as bench:
        with pytest.raises(Asked) as asked:
            await bench.pay("NW-2291", "100.00", InRounds())
        statuses: list[str] = []

        async def replay() -> None:
            try:
                result = await bench.pay("NW-2291", "100.00", InRounds(asked.value.question.id))
            except Asked:
                statuses.append("asked")
            except Refused as error:
                statuses.append(error.findings[0].code)
            else:
                statuses.append(result.status)

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(replay)
        assert len(statuses) == 20
        assert statuses.count("posted") >= 1
        # One that was judged before the first was posted may ask again; its answer is judged on what is true then.
        assert set(statuses) <= {"posted", "unknown", "held", "bill.in_flight", "asked"}
        assert await bench.paid("NW-2291") == [Decimal("100.00")]
        assert len(bench.wire.payments_sent) == 1


async def test_an_answer_to_one_payment_releases_no_other(home: Path) -> None:
    async with a_bench(home) as bench:
        with pytest.raises(Asked) as asked:
            await bench.pay("NW-2291", "1.00", InRounds())

        with pytest.raises(Asked) as again:
            await bench.pay("NW-2291", "600.00", InRounds(asked.value.question.id))
        assert again.value.question.id != asked.value.question.id
        assert bench.wire.writes == []


async def test_no_answer_is_used_up_and_a_late_answer_asked_again(home: Path) -> None:
    async with a_bench(home) as bench:
        with pytest.raises(Asked) as asked:
            await bench.pay("NW-2291", "1.00", InRounds())
        question = asked.value.question.id
        assert (await bench.pay("NW-2291", "1.00", InRounds(question, Reply.NONE))).status == "held"
        with pytest.raises(Asked) as second:
            await bench.pay("NW-2291", "1.00", InRounds(question))

        bench.clock.instant += timedelta(seconds=600)
        with pytest.raises(Asked):
            await bench.pay("NW-2291", "1.00", InRounds(second.value.question.id))
        assert bench.wire.writes == []


async def test_a_no_in_the_chat_declines_and_binds_the_bill(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        declined = await bench.pay("NW-2291", "684.20", declines())
        assert (declined.status, declined.record) == ("declined", None)

        for amount, memo in (("684.20", ""), ("684.20", "urgent"), ("100.00", "")):
            again = await bench.pay("NW-2291", amount, accepts(), memo=memo)
            assert (again.status, again.verdict) == ("held", "approve")
            assert "proposal.declined" in codes(again)
        other = await bench.pay("BH-5520", "", accepts())
        assert other.status == "posted"
        assert (await bench.approve(again.proposal_id)).state == "posted"


async def test_two_payments_of_one_bill_never_pay_more_than_is_due(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        outcomes: list[str] = []

        async def pay(amount: str) -> None:
            try:
                outcomes.append((await bench.pay("NW-2291", amount)).status)
            except Refused as error:
                outcomes.append(error.findings[0].code)

        async with anyio.create_task_group() as tasks:
            for amount in ("400.00", "500.00", "600.00", "684.20"):
                tasks.start_soon(pay, amount)
        await bench.app.recover()
        await bench.app.recover()

        assert set(outcomes) <= {"posted", "held", "unknown", "bill.in_flight", "amount.over_balance"}
        assert len(await bench.paid("NW-2291")) == len(bench.wire.payments_sent) == 1
        assert Counter(p.state for p in await bench.proposals()) == {"posted": 1, "refused": 3}
        assert await bench.paid("NW-2291") == [Decimal(await bench.spent())]


async def test_a_second_payment_is_judged_on_what_the_first_one_left(
    home: Path,
) -> None:
    async with a_bench(home) as bench:
        first_leaves = bench.wire.gate(lambda request: request.method == "POST")
        results: dict[str, str] = {}

        async def pay(amount: str, person: Answering) -> None:
            results[amount] = (await bench.pay("NW-2291", amount, person)).status

        second_asked, second_may = anyio.Event(), anyio.Event()

        async def wait() -> None:
            second_asked.set()
            await second_may.wait()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pay, "500.00", accepts(wait))
            await second_asked.wait()
            tasks.start_soon(pay, "400.00", accepts())
            await first_leaves.reached.wait()
            second_may.set()
            with anyio.fail_after(20):
                while "500.00" not in results:
                    await anyio.lowlevel.checkpoint()
            first_leaves.go.set()

        assert results == {"400.00": "posted", "500.00": "unknown"}
        await bench.app.recover()
        assert {str(p.money): p.state for p in await bench.proposals()} == {
            "400.00 USD": "posted",
            "500.00 USD": "refused",
        }
        assert await bench.paid("NW-2291") == [Decimal("400.00")]
        assert (len(bench.wire.payments_sent), await bench.spent()) == (1, "400.00")


async def test_facts_changed_after_the_release_void_it(home: Path) -> None:
    async with a_bench(home) as bench:

        async def swindle() -> None:
            vendor = await bench.company.directory.vendor("Northwind Utilities")
            change = VendorUpdate(email="payments@swindle.example")
            await bench.company.rutter.vendors.update(vendor.id, change, idempotency_key="swindle")

        result = await bench.pay("NW-2291", "", accepts(swindle))

        assert (result.status, bench.wire.payments_sent) == ("held", [])
        held = await bench.proposal(result.proposal_id)
        assert (held.state, held.lease_owner) == ("held", None)
        assert await bench.app.store.read(lambda tx: tx.proposals.approvals(held.id)) == ()
        kinds = await bench.app.store.read(lambda tx: [e.kind for e in tx.audit.entries(held.id)])
        assert kinds == ["proposed", "answered", "released", "judged", "release_void"]
        await bench.approver("Ana")
        assert (await bench.approve(held.id)).state == "posted"


async def test_a_bill_paid_elsewhere_after_the_release_is_refused(home: Path) -> None:
    async with a_bench(home) as bench:

        async def somebody_pays() -> None:
            await bench.pay_by_hand("NW-2291", "684.20")

        with pytest.raises(Refused, match="already paid"):
            await bench.pay("NW-2291", "", accepts(somebody_pays))
        assert [p.state for p in await bench.proposals()] == ["refused"]
        assert (bench.wire.payments_sent, await bench.spent()) == ([], "0.00")


async def test_what_was_declined_needs_an_approver_until_it_expires(home: Path) -> None:
    async with a_bench(home) as bench:
        held = await bench.pay("NW-2291")
        await bench.approver("Ana")
        why = "Northwind sends a corrected invoice"
        await bench.app.approvals.decline(
            held.proposal_id or "", by=Proof("Ana", PASSCODE), channel="terminal", reason=why
        )

        again = [await bench.pay("NW-2291", "684.20", accepts()) for _ in range(3)]
        assert {a.status for a in again} == {"held"}
        assert len({a.proposal_id for a in again}) == 1
        (found,) = [one for one in again[0].findings if one.code == "proposal.declined"]
        assert f"‹{why}›" in found.message
        with refused_for("approval.not_waiting"):
            await bench.approve(held.proposal_id)
        in_run = await run_of(bench, "NW-2291", "BH-5520", interaction=accepts())
        assert (in_run.status, "proposal.declined" in codes(in_run)) == ("held", True)
        bench.clock.instant += timedelta(hours=72)
        assert "proposal.declined" not in codes(await bench.pay("NW-2291", dry_run=True))
        assert bench.wire.writes == []


async def test_a_payment_nobody_released_in_time_is_void(home: Path) -> None:
    async with a_bench(home) as bench:
        held = await bench.pay("FT-778")
        await bench.approver("Ana")
        bench.clock.instant += timedelta(hours=72)

        assert (await bench.approve(held.proposal_id)).state == "expired"
        fresh = await bench.pay("FT-778")
        assert (fresh.status, fresh.proposal_id == held.proposal_id) == ("held", False)
        assert bench.wire.writes == []


async def test_a_chat_answer_is_too_late_for_an_expired_payment(home: Path) -> None:
    async with a_bench(home) as bench:
        held = await bench.pay("NW-2291")
        bench.clock.instant += timedelta(hours=72)
        posted = await bench.pay("NW-2291", "", accepts())

        assert (posted.status, posted.proposal_id == held.proposal_id) == ("posted", False)
        assert (await bench.proposal(held.proposal_id)).state == "expired"
        assert await bench.paid("NW-2291") == [Decimal("684.20")]


async def test_a_released_payment_that_could_not_leave_in_time_is_void(home: Path) -> None:
    async with a_bench(home) as bench:

        async def goes_down() -> None:
            bench.wire.is_down = True

        with refused_for("rutter_unavailable"):
            await bench.pay("NW-2291", "", accepts(goes_down))
        bench.wire.is_down = False
        bench.clock.instant += timedelta(hours=72)
        await bench.app.recover()

        assert [p.state for p in await bench.proposals()] == ["expired"]
        assert bench.wire.writes == []


async def test_a_release_is_sent_once_when_rutter_can_be_reached_again(home: Path) -> None:
    async with a_bench(home) as bench:

        async def goes_down() -> None:
            bench.wire.is_down = True

        with refused_for("rutter_unavailable"):
            await bench.pay("NW-2291", "", accepts(goes_down))
        assert [p.state for p in await bench.proposals()] == ["released"]
        await bench.app.recover()
        assert [p.state for p in await bench.proposals()] == ["released"]
        bench.wire.is_down = False

        assert (await bench.pay("NW-2291", "684.20", declines())).status == "posted"
        await bench.app.recover()
        assert await bench.paid("NW-2291") == [Decimal("684.20")]


async def test_a_freeze_stops_every_write_and_releases_work_afterwards(home: Path) -> None:
    async with a_bench(home) as bench:
        held = await bench.pay("FT-778")
        await bench.approver("Ana")
        await bench.app.store.write(lambda tx: tx.controls.freeze("Bo"))

        with pytest.raises(Refused) as refused:
            await bench.pay("NW-2291", "", accepts())
        assert refused.value.findings[0].code == "freeze.active"
        with refused_for("freeze.active"):
            await bench.pay("FT-778")
        with pytest.raises(NotReleased) as not_now:
            await bench.approve(held.proposal_id)
        assert not_now.value.error_code == "approval.refused_now"
        assert bench.wire.writes == []
        assert len((await bench.backend().read(ListBills())).bills) > 0

        await bench.app.store.write(lambda tx: tx.controls.unfreeze())
        assert (await bench.approve(held.proposal_id)).state == "posted"


async def test_a_freeze_after_the_release_holds_the_payment_back(home: Path) -> None:
    async with a_bench(home) as bench:

        async def freezes() -> None:
            await bench.app.store.write(lambda tx: tx.controls.freeze("Bo"))

        result = await bench.pay("NW-2291", "", accepts(freezes))
        assert (result.status, codes(result)[0], bench.wire.writes) == ("held", "freeze.active", [])
        held = await bench.proposal(result.proposal_id)
        assert await bench.app.store.read(lambda tx: tx.proposals.approvals(held.id)) == ()


async def test_a_broken_policy_stops_writes_while_reads_go_on(home: Path) -> None:
    async with a_bench(home, "[tools]\npay_bil = 'allow'") as bench:
        with pytest.raises(PolicyError, match=r"tools\.pay_bil is not a known field"):
            await bench.submit(PayBill(bill_id="b1"))

        assert len((await bench.backend().read(ListBills())).bills) > 0
        assert (await bench.proposals(), bench.wire.writes) == ([], [])


async def test_a_policy_broken_after_the_release_lets_nothing_leave(home: Path) -> None:
    async with a_bench(home) as bench:

        async def breaks() -> None:
            bench.policy("nonsense")

        with pytest.raises(PolicyError):
            await bench.pay("NW-2291", "", accepts(breaks))
        assert ([p.state for p in await bench.proposals()], bench.wire.writes) == (["released"], [])
        bench.policy("")
        await bench.app.recover()
        assert [p.state for p in await bench.proposals()] == ["posted"]


async def test_a_stricter_policy_after_the_release_revokes_it(home: Path) -> None:
    async with a_bench(home) as bench:

        async def tightens() -> None:
            bench.policy('[tools]\npay_bill = "approve"')

        result = await bench.pay("NW-2291", "", accepts(tightens))
        assert (result.status, result.verdict, bench.wire.writes) == ("held", "approve", [])


LIMITS = """
[tools]
pay_bill = "allow"
[currencies.USD]
approve_above = "1000"
two_approvers_above = "1000"
single_limit = "1000"
day_limit = "{day}"
vendor_day_limit = "{vendor}"
"""


@pytest.mark.parametrize(
    ("day", "vendor", "code"),
    [("933.19", "900", "amount.over_day_limit"), ("10000", "684.19", "amount.over_vendor_limit")],
)
async def test_a_rolling_limit_holds_to_the_cent_and_reopens_with_time(
    home: Path, day: str, vendor: str, code: str
) -> None:
    async with a_bench(home, LIMITS.format(day=day, vendor=vendor)) as bench:
        assert (await bench.pay("BH-5520", "249.00")).status == "posted"
        held = await bench.pay("NW-2291", "684.20")
        if code == "amount.over_day_limit":
            assert f"{day.removesuffix('.19')}.19 USD" in held.findings[0].message
        assert (held.status, codes(held)[0], held.verdict) == ("held", code, "refuse")
        assert await bench.spent() == "249.00"

        bench.policy(LIMITS.format(day="933.20", vendor="684.20"))
        assert (await bench.pay("NW-2291", "684.20")).status == "posted"
        assert await bench.spent() == "933.20"
        bench.clock.instant += timedelta(hours=24, microseconds=1)
        assert await bench.spent() == "0.00"


async def test_many_payments_at_once_never_pass_the_days_limit(home: Path) -> None:
    async with a_bench(home, LIMITS.format(day="1300.00", vendor="1300.00")) as bench:
        numbers = ["NW-2291", "NW-2304", "AP-310", "BH-5520", "INV-1043", "BH-5533"]

        async def pay(number: str) -> None:
            await bench.pay(number)

        async with anyio.create_task_group() as tasks:
            for number in numbers:
                tasks.start_soon(pay, number)
        paid = [amount for number in numbers for amount in await bench.paid(number)]
        assert sum(paid) == Decimal(await bench.spent()) <= Decimal("1300.00")
        assert len(paid) >= 1


async def test_a_platform_refusal_fails_and_frees_its_reservation(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["turned down"]
        with refused_for("platform_rejected"):
            await bench.pay("NW-2291", "100.00")

        [failed] = await bench.proposals()
        assert (failed.state, failed.verdict.word) == ("failed", "refuse")
        assert await bench.paid("NW-2291") == []
        # One answer says so, without a job to ask: until the ledger would show it, it may be booked.
        assert await bench.spent() == "100.00"
        bench.clock.instant += LAG_MAX + timedelta(seconds=1)
        await bench.app.recover()
        assert await bench.spent() == "0.00"


async def test_a_refusal_rutters_job_repeats_frees_its_reservation(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.write_fault = "job_fails"
        with pytest.raises(Refused):
            await bench.pay("NW-2291", "100.00")

        [failed] = await bench.proposals()
        assert (failed.state, await bench.spent(), await bench.paid("NW-2291")) == ("failed", "0.00", [])


async def test_a_release_by_a_person_no_longer_allowed_is_void(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana", "Bo")
        held, ana = await bench.proposal((await bench.pay("FT-778")).proposal_id), await bench.id_of("Ana")

        def released_by_a_process_that_died(tx: Tx) -> None:
            shown = statement_of(tx, held, Policy())
            covers = covers_of(held.requires)
            journal.approve(tx, held, shown, covers, actor="Ana", channel="terminal", approver_id=ana)
            journal.release(tx, held.id, actor="Ana", channel="terminal")

        await bench.app.store.write(released_by_a_process_that_died)
        bench.policy("[approvers.Bo]\n")
        await bench.app.recover()

        assert (await bench.proposal(held.id)).state == "held"
        assert bench.wire.payments_sent == []
        assert (await bench.approve(held.id, "Bo")).state == "posted"


async def test_a_wrong_passcode_is_audited_where_it_was_typed(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        with refused_for("approval.wrong_passcode"):
            await bench.app.approvals.verify("Ana", "not her passcode", channel="desk")
        await bench.remove_approver("Ana", "desk")

        entries = await bench.app.store.read(lambda tx: tx.audit.told(2))
        assert [(one.kind, one.actor, json.loads(one.body)["channel"]) for one in entries] == [
            ("approver_removed", "Ana", "desk"),
            ("passcode_wrong", "desk", "desk"),
        ]
