"""Splitting a payment changes no tier, and a no is an answer: however an assistant asks, people decide the whole."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.guard.authorize import people_of
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.store.proposals import Approval, Proposal
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.payments import PayBill
from support.bench import PASSCODE, Bench, a_bench, codes
from support.people import accepts
from support.runs import ALLOW, run_of

BILLS = ("NW-2291", "NW-2304", "GR-88")
ACCOUNTS = ("Operating Checking", "Savings")
# A repeat needs an approver for another reason than the sum, so for no longer than must be.
POLICY = """
[currencies.USD]
approve_above = "300.00"
two_approvers_above = "700.00"
single_limit = "100000.00"
day_limit = "100000.00"
vendor_day_limit = "100000.00"
[proposals]
repeat_days = 1
[approvers.Ana]
max = { USD = "800.00" }
[approvers.Bo]
[approvers.Cy]
"""
ONE, TWO, MAX_OF_ANA = Decimal(300), Decimal(700), Decimal(800)
DAY = timedelta(hours=24)

bills = st.sampled_from(BILLS)
amounts = st.integers(1, 45_000).map(lambda cents: f"{cents // 100}.{cents % 100:02}")
accounts = st.sampled_from(ACCOUNTS)


@dataclass(frozen=True)
class Pays:
    """A payment of part of a bill."""

    number: str
    amount: str
    account: str
    memo: str


@dataclass(frozen=True)
class Runs:
    """A run that pays the rest of these bills."""

    numbers: tuple[str, ...]


@dataclass(frozen=True)
class Waits:
    """Time passes."""

    hours: int


@dataclass(frozen=True)
class Down:
    """Rutter goes down with the next release, and comes back with the step after that."""


pays = st.builds(Pays, bills, amounts, accounts, st.sampled_from(["", "a part", "another part"]))
runs = st.builds(Runs, st.lists(bills, min_size=1, max_size=3, unique=True).map(tuple))
waits = st.builds(Waits, st.sampled_from([1, 23, 24, 25]))
steps = st.lists(st.one_of(pays, pays, pays, runs, waits, st.just(Down())), min_size=2, max_size=7)


def on_a_bench(policy: str, work: Any) -> None:
    """One example: a bench of its own, in this thread's own loop."""

    async def run() -> None:
        with tempfile.TemporaryDirectory(prefix="rutter-ap-tiers-") as folder:
            async with a_bench(Path(folder) / "home", policy) as bench:
                await work(bench)

    asyncio.run(run())


async def take(bench: Bench, step: Any) -> None:
    """Does a step, with everybody who may release what it needs."""
    if isinstance(step, Waits):
        bench.clock.instant += timedelta(hours=step.hours)
        return
    if isinstance(step, Down):
        return
    proposal_id = None
    with suppress(ApError):
        if isinstance(step, Runs):
            proposal_id = (await run_of(bench, *step.numbers, interaction=accepts())).proposal_id
        else:
            bill = await bench.bill(step.number)
            asked = PayBill(bill_id=bill.id, amount=step.amount, account=step.account, memo=step.memo)
            proposal_id = (await bench.submit(asked, accepts())).proposal_id
    for name in ("Ana", "Bo", "Cy"):
        if proposal_id is not None and (await bench.proposal(proposal_id)).state == "held":
            with suppress(ApError):
                await bench.approve(proposal_id, name)


async def release_while_down(bench: Bench, step: Any) -> None:
    """The step is released, and Rutter is gone before it is sent."""

    async def goes_down() -> None:
        bench.wire.is_down = True

    with suppress(ApError):
        if isinstance(step, Pays):
            bill = await bench.bill(step.number)
            asked = PayBill(bill_id=bill.id, amount=step.amount, account=step.account, memo=step.memo)
            await bench.submit(asked, accepts(goes_down))
    bench.wire.is_down = False


@dataclass(frozen=True)
class Paid:
    """A payment that was sent, and who released it."""

    proposal: Proposal
    at: datetime
    given: tuple[Approval, ...]


def assert_each_sum_was_released(paid: list[Paid]) -> None:
    """By as many people as the tier of the sum says, none of them beyond what they may release."""
    for number, one in enumerate(paid):
        earlier, run_id = paid[:number], one.proposal.run_id
        assert one.proposal.money is not None
        own = one.proposal.money.amount
        of_bill = own + sum_of(other for other in earlier if other.proposal.bill_id == one.proposal.bill_id)
        with_run = [other for other in paid if run_id is not None and other.proposal.run_id == run_id]
        beside = {id(other): other for other in (*with_run, *(o for o in earlier if one.at - o.at <= DAY))}
        beside.pop(id(one), None)
        of_vendor = own + sum_of(o for o in beside.values() if o.proposal.vendor_id == one.proposal.vendor_id)
        whole = max(of_bill, of_vendor)
        people = people_of(one.given)
        assert len(people) >= (2 if whole > TWO else 1 if whole > ONE else 0), (one.proposal.summary, whole, people)
        assert people or one.given
        if any(given_by.approver == "Ana" for given_by in one.given):
            assert whole <= MAX_OF_ANA, (one.proposal.summary, whole)


def sum_of(paid: Any) -> Decimal:
    return sum((one.proposal.money.amount for one in paid), Decimal(0))


@settings(max_examples=25)
@given(steps)
def test_no_split_lowers_the_tier_of_a_sum(taken: list[Any]) -> None:
    async def work(bench: Bench) -> None:
        await bench.approver("Ana", "Bo", "Cy")
        for before, step in zip([None, *taken], taken, strict=False):
            if isinstance(before, Down):
                await release_while_down(bench, step)
            else:
                await take(bench, step)
            bench.clock.instant += timedelta(seconds=1)
        await bench.app.recover()
        sent = [one for one in await bench.proposals() if one.tool == "pay_bill" and one.state == "posted"]
        order = {key: place for place, key in enumerate(bench.wire.payments_sent)}
        sent.sort(key=lambda one: order[one.id])
        given_to = await bench.app.store.read(lambda tx: {one.id: tx.proposals.approvals(one.id) for one in sent})
        assert_each_sum_was_released([Paid(one, one.updated_at, given_to[one.id]) for one in sent])
        booked = [await bench.paid(number) for number in BILLS]
        assert sum(map(sum, booked)) == sum_of([Paid(one, one.updated_at, ()) for one in sent])

    on_a_bench(POLICY, work)


@st.composite
def ways_to_ask(draw: st.DrawFn) -> list[Any]:
    """The same bill once more, in other words."""
    others = st.lists(st.sampled_from(BILLS[1:]), unique=True, max_size=2)
    again = st.one_of(
        st.builds(Pays, st.just(BILLS[0]), amounts, accounts, st.text(max_size=20).map(str.strip)),
        others.map(lambda found: Runs((*found, BILLS[0]))),
    )
    return draw(st.lists(again, min_size=1, max_size=3))


@settings(max_examples=20)
@given(ways_to_ask(), st.booleans(), st.booleans(), st.integers(0, 71))
def test_a_no_holds_for_its_bill_however_it_is_asked(
    asked: list[Any], in_a_run: bool, in_chat_allowed: bool, hours: int
) -> None:
    why = "Northwind sends a corrected invoice"

    async def work(bench: Bench) -> None:
        await bench.approver("Ana")
        bench.policy("")
        first = await (run_of(bench, BILLS[0], BILLS[2]) if in_a_run else bench.pay(BILLS[0], "684.20"))
        assert first.proposal_id is not None
        bench.policy(ALLOW if in_chat_allowed else "")
        decline = bench.app.approvals.decline
        await decline(first.proposal_id, by=Proof("Ana", PASSCODE), channel="terminal", reason=why)
        bench.clock.instant += timedelta(hours=hours)
        for step in asked:
            result: Any
            if isinstance(step, Runs):
                result = await run_of(bench, *step.numbers, interaction=accepts())
            else:
                bill: Bill = await bench.bill(step.number)
                ask = PayBill(bill_id=bill.id, amount=step.amount, account=step.account, memo=step.memo)
                result = await bench.submit(ask, accepts())
            assert result.status == "held"
            assert "proposal.declined" in codes(result)
            assert any(why in one.message for one in result.findings if one.code == "proposal.declined")
        assert bench.wire.payments_sent == []
        assert await bench.paid(BILLS[0]) == []

    on_a_bench("", work)
