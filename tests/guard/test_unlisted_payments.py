"""Payments that may be there and are not listed: no rule passes because of that, and none is taken for unbooked.

In Business Central, Rutter lists payments only with an extension that a company may not have.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.guard.own_writes import LAG_MAX
from rutter_ap_server.guard.policy import parse_policy
from rutter_ap_server.guard.reports.backtest import backtest
from rutter_ap_server.rutter.abilities import abilities_of
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.errors import ApError, PersonError
from support.bench import PASSCODE, START, Bench, codes
from support.serving import done, failed
from support.unlisted import EXTENSION, WITHOUT, Lists, answering, business_central, claims_none

ALLOW = '[tools]\npay_bill = "allow"\nupdate_bill = "allow"\ndelete_bill = "allow"\n'
EACH_WAY = pytest.mark.parametrize("lists", WITHOUT)
DOUBT = abilities_of("DYNAMICS365").doubt("bill_payments")
CREDITS = abilities_of("DYNAMICS365").doubt("bill_credit_memos")


async def due(bench: Bench, number: str) -> Decimal:
    amount = (await bench.bill(number)).amount_due
    assert amount is not None
    return amount


async def released(bench: Bench, number: str, amount: str) -> Proposal:
    """A payment that Ana released."""
    held = await bench.pay(number, amount)
    assert held.status == "held"
    return await bench.approve(held.proposal_id)


@EACH_WAY
async def test_a_payment_is_held_where_history_cannot_be_seen(home: Path, lists: Lists) -> None:
    async with business_central(home, ALLOW, lists=lists) as (_, bench):
        held = await bench.pay("NW-2291", "100.00")

        assert (held.status, held.verdict) == ("held", "approve")
        [unknown] = [one for one in held.findings if one.code == "vendor.history_unknown"]
        assert EXTENSION in unknown.message
        assert "sync_ledger" in unknown.message
        assert "vendor.first_payment" not in codes(held)
        assert not claims_none(" ".join(one.message for one in held.findings))
        assert bench.wire.writes == []


@EACH_WAY
async def test_what_people_are_shown_says_what_is_not_known(home: Path, lists: Lists) -> None:
    async with business_central(home, ALLOW, lists=lists) as (client, bench):
        held = await bench.pay("NW-2291", "100.00")
        answer = await done(client, "get_proposal", proposal_id=held.proposal_id)

        rows = {row[0]: row[1] for section in answer["statement"]["sections"] for row in section["rows"] if row[1:]}
        assert rows["Usual payment"].startswith("not known")
        assert rows["Paid on this bill before"].startswith("not known")
        assert rows["Open credits of the vendor"].startswith("not known")
        said = " ".join(" ".join(row) for section in answer["statement"]["sections"] for row in section["rows"])
        assert not claims_none(said)


async def test_one_payment_of_the_ledger_shows_the_list_is_readable(home: Path) -> None:
    async with business_central(home, ALLOW, lists="whole") as (_, bench):
        paid = await bench.pay("NW-2291", "100.00")

        assert (paid.status, codes(paid)) == ("held", ["credit.unknown"])
        other = next(p for p in [p async for p in bench.company.rutter.bill_payments.walk()])
        bench.wire.answers = answering("whole", listed={other.id})
        first = await bench.pay("BH-5520", "49.00", dry_run=True)
        assert "vendor.history_unknown" not in codes(first)
        assert "platform.condition" not in codes(first)


async def test_a_payment_of_our_own_shows_nothing(home: Path) -> None:
    """What was written through Rutter is listed at once, with or without the extension."""
    async with business_central(home, ALLOW, lists="whole") as (_, bench):
        posted = await released(bench, "NW-2291", "100.00")
        assert posted.record is not None
        bench.wire.answers = answering("whole", listed={posted.record["id"]})

        again = await bench.pay("NW-2291", "50.00", dry_run=True)
        assert "vendor.history_unknown" in codes(again)
        by_hand = await bench.pay_by_hand("BH-5520", "1.00")
        bench.wire.answers = answering("whole", listed={posted.record["id"], by_hand})
        assert "vendor.history_unknown" not in codes(await bench.pay("NW-2291", "50.00", dry_run=True))


@pytest.mark.parametrize("fault", ["lost after", "turned down after"])
async def test_a_lost_payment_of_our_own_shows_nothing(home: Path, fault: str) -> None:
    """It is listed under an id that nobody here was told, and says nothing of what others entered."""
    async with business_central(home, ALLOW, lists="whole") as (_, bench):
        known = {one.id async for one in bench.company.rutter.bill_payments.walk()}
        bench.wire.answers = answering("empty")
        held = await bench.pay("NW-2291", "100.00")
        bench.wire.faults = [fault]
        lost = await bench.approve(held.proposal_id)
        bench.wire.answers = answering("whole")
        ours = {one.id async for one in bench.company.rutter.bill_payments.walk()} - known
        bench.wire.answers = answering("whole", listed=ours)

        assert (len(ours), lost.state) == (1, "unknown")
        assert "vendor.history_unknown" in codes(await bench.pay("BH-5520", "49.00", dry_run=True))
        by_hand = await bench.pay_by_hand("BH-5520", "1.00")
        bench.wire.answers = answering("whole", listed=ours | {by_hand})
        assert "vendor.history_unknown" not in codes(await bench.pay("BH-5520", "49.00", dry_run=True))


async def test_a_run_is_held_as_each_of_its_payments_would_be(home: Path) -> None:
    async with business_central(home, '[tools]\npropose_payment_run = "allow"\npay_bill = "allow"\n') as (
        client,
        bench,
    ):
        bills = [(await bench.bill(number)).id for number in ("NW-2291", "BH-5520")]
        held = await done(client, "propose_payment_run", bill_ids=bills, account="Operating Checking")

        assert (held["status"], held["verdict"]) == ("held", "approve")
        assert "vendor.history_unknown" in [one["code"] for one in held["findings"]]
        answer = await done(client, "get_proposal", proposal_id=held["proposal_id"])
        said = " ".join(" ".join(row) for section in answer["statement"]["sections"] for row in section["rows"])
        assert "not known: bill payments are listed only with" in said
        assert not claims_none(said)


async def test_a_bill_with_unseen_payments_is_not_changed_unasked(home: Path) -> None:
    async with business_central(home, ALLOW) as (client, bench):
        bill = await bench.bill("NW-2291")
        account = await bench.company.directory.account("Utilities")
        lines = [{"amount": "5.00", "account": account.id}]
        renumbered = await done(client, "update_bill", bill_id=bill.id, document_number="NEW-1")
        relined = await done(client, "update_bill", bill_id=bill.id, lines=lines, dry_run=True)
        moved = await done(client, "update_bill", bill_id=bill.id, due_date="2026-04-30", dry_run=True)
        deleted = await done(client, "delete_bill", bill_id=bill.id, dry_run=True)

        for held in (renumbered, relined, deleted):
            assert "bill.payments_unknown" in [one["code"] for one in held["findings"]]
            assert held["verdict"] == "approve"
        assert "bill.payments_unknown" not in [one["code"] for one in moved["findings"]]
        assert bench.wire.writes == []


@EACH_WAY
async def test_a_payment_is_posted_by_what_its_bill_shows(home: Path, lists: Lists) -> None:
    async with business_central(home, ALLOW, lists=lists) as (_, bench):
        before = await due(bench, "NW-2291")
        posted = await released(bench, "NW-2291", "100.00")

        assert posted.state == "posted"
        assert posted.record is not None
        assert posted.record["amount"] == {"amount": "100.00", "currency": "USD"}
        assert "account, date and memo were not compared" in posted.record["text_difference"]
        assert before - await due(bench, "NW-2291") == Decimal("100.00")


async def test_a_payment_that_can_be_read_by_its_id_is_compared(home: Path) -> None:
    async with business_central(home, ALLOW) as (_, bench):
        bench.wire.answers = answering("empty", each_readable=True)
        posted = await released(bench, "NW-2291", "100.00")

        assert (posted.state, (posted.record or {})["amount"]["amount"]) == ("posted", "100.00")
        assert "text_difference" not in (posted.record or {})


async def test_a_payment_of_another_day_is_not_settled_by_a_balance(home: Path) -> None:
    async with business_central(home, ALLOW) as (_, bench):
        bench.wire.answers = answering("empty", each_readable=True)
        held = await bench.pay("NW-2291", "100.00", date=str(START.date() - timedelta(days=5)))
        bench.wire.faults = ["lost before"]
        lost = await bench.approve(held.proposal_id)
        assert lost.state == "unknown"
        by_hand = await bench.pay_by_hand("NW-2291", "100.00")

        with pytest.raises(ApError, match="does not show it"):
            await bench.app.approvals.settle_by_hand(
                lost.id,
                "posted",
                by=Proof("Ana", PASSCODE),
                channel="terminal",
                company=bench.company,
                record_id=by_hand,
            )


async def test_a_bill_that_shows_nothing_of_a_payment_settles_nothing(home: Path) -> None:
    """Not its links, and not even its balance: Rutter said that it was done, and a person has to look."""
    async with business_central(home, ALLOW) as (_, bench):
        bill = await bench.bill("NW-2291")
        _freeze(bench, bill.id)
        unknown = await released(bench, "NW-2291", "100.00")

        assert unknown.state == "unknown"
        for _ in range(3):
            bench.clock.instant += LAG_MAX + timedelta(minutes=1)
            await bench.app.recover()
        assert (await bench.proposal(unknown.id)).state == "unknown"
        assert len(bench.wire.payments_sent) == 1


@pytest.mark.parametrize("shown", [True, False], ids=["bills show payments", "bills show none"])
@pytest.mark.parametrize("fault", ["lost after", "lost before"])
async def test_a_lost_payment_is_never_taken_for_unbooked(home: Path, fault: str, shown: bool) -> None:
    async with business_central(home, ALLOW, bills_show_payments=shown) as (_, bench):
        held = await bench.pay("NW-2291", "100.00")
        bench.wire.faults = [fault]
        lost = await bench.approve(held.proposal_id)
        for _ in range(3):
            bench.clock.instant += LAG_MAX + timedelta(minutes=1)
            await bench.app.recover()
        found = await bench.proposal(lost.id)

        assert found.state == ("posted" if fault == "lost after" and shown else "unknown")
        assert len(bench.wire.payments_sent) == 1
        assert (await bench.spent()) == "100.00"


@pytest.mark.parametrize("fault", ["turned down", "turned down after"])
async def test_a_refusal_that_cannot_be_checked_is_for_a_person(home: Path, fault: str) -> None:
    async with business_central(home, ALLOW) as (_, bench):
        held = await bench.pay("NW-2291", "100.00")
        bench.wire.faults = [fault]
        doubted = await bench.approve(held.proposal_id)
        bench.clock.instant += LAG_MAX + timedelta(minutes=1)
        await bench.app.recover()

        assert (await bench.proposal(doubted.id)).state == "unknown"
        assert await bench.spent() == "100.00"
        reason = await bench.app.store.read(lambda tx: tx.attempts.last(doubted.id))
        assert reason is not None
        assert EXTENSION in (reason.reason or "")


async def test_a_person_settles_what_cannot_be_seen(home: Path) -> None:
    async with business_central(home, ALLOW) as (_, bench):
        held = await bench.pay("NW-2291", "100.00")
        bench.wire.faults = ["lost after"]
        lost = await bench.approve(held.proposal_id)

        async def settle(outcome: str, record_id: str = "") -> Proposal:
            return await bench.app.approvals.settle_by_hand(
                lost.id,
                outcome,
                by=Proof("Ana", PASSCODE),
                channel="terminal",
                company=bench.company,
                record_id=record_id,
            )

        with pytest.raises(ApError, match="does not show it"):
            await settle("posted")
        assert (await settle("posted", "pay-77")).state == "posted"


async def test_a_persons_word_that_it_failed_is_final(home: Path) -> None:
    async with business_central(home, ALLOW) as (_, bench):
        held = await bench.pay("NW-2291", "100.00")
        bench.wire.faults = ["lost before"]
        lost = await bench.approve(held.proposal_id)
        settled = await bench.app.approvals.settle_by_hand(
            lost.id, "failed", by=Proof("Ana", PASSCODE), channel="terminal", company=bench.company
        )

        assert (settled.state, await bench.spent()) == ("failed", "0.00")
        assert "payment.doubted" not in codes(await bench.pay("NW-2291", "100.00", dry_run=True))


async def test_a_payment_that_rutter_never_took_says_what_is_missing(home: Path) -> None:
    async with business_central(home, ALLOW, lists="not found") as (_, bench):
        held = await bench.pay("NW-2291", "100.00")
        bench.wire.faults = ["not offered"]
        failed_payment = await bench.approve(held.proposal_id)

        assert failed_payment.state == "failed"
        assert f"needs {EXTENSION}" in failed_payment.findings[0].message
        assert (await bench.spent(), await due(bench, "NW-2291") > 0) == ("0.00", True)


async def test_a_payment_that_cannot_be_read_is_not_voided_blindly(home: Path) -> None:
    async with business_central(home, lists="not found") as (client, _):
        told = await failed(client, "void_payment", payment_id="pay-1")
        assert (told["code"], told["who"]) == ("platform.condition", "person")
        assert EXTENSION in told["message"] + told["next_step"]


@EACH_WAY
async def test_a_backtest_says_that_payments_are_not_known(home: Path, lists: Lists) -> None:
    async with business_central(home, lists=lists) as (_, bench):
        if lists == "empty":
            found = await backtest(bench.company, parse_policy(""), 3660)
            assert found.payments == ()
            assert EXTENSION in (found.not_known or "")
        else:
            with pytest.raises(PersonError) as told:
                await backtest(bench.company, parse_policy(""), 3660)
            assert EXTENSION in told.value.message


def _freeze(bench: Bench, bill_id: str) -> None:
    """From now on the bill shows what it shows at its next reading."""
    kept: list[httpx.Response] = []
    before = bench.wire.answers

    def answer(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        shown = before(request, response)
        if not request.url.path.endswith(f"/bills/{bill_id}"):
            return shown
        kept.append(shown)
        return httpx.Response(200, headers={"content-type": "application/json"}, content=kept[0].content)

    bench.wire.answers = answer
