"""Voiding a payment: held for a named approver, done once, told apart from everything else that happens to a bill."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.writes import void_payment
from rutter_ap_server.guard.writes.base import Rule
from rutter_ap_server.guard.writes.parties import has_let_go, links_of
from rutter_ap_server.guard.writes.void_payment import VoidFacts
from rutter_ap_server.rutter.models.base import Allocation
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.models.payments import AllocationDraft, BillPaymentCreate, BillPaymentUpdate
from rutter_ap_server.rutter.outcomes import Done
from support.bench import Bench
from support.bench_client import approve_while, client_at_bench, due, findings_in, record_writes
from support.facts import a_bill, a_prepared_write, usd
from support.people import answer
from support.serving import done, failed

BILL = "NW-2291"
WHOLE = Decimal("684.20")


async def paid(bench: Bench, amount: str = "", number: str = BILL) -> str:
    """A payment somebody made, by its id."""
    return await bench.pay_by_hand(number, amount or str((await bench.bill(number)).amount_due))


def said(finding: Any) -> str | None:
    return f"{finding.severity.word} {finding.code}" if finding else None


def frozen_void(*allocations: list[str]) -> Any:
    return a_prepared_write(tool="void_payment", fields={"payment_id": "p1", "allocations": list(allocations)})


def facts(**changed: Any) -> VoidFacts:
    made: dict[str, Any] = {
        "status": "active",
        "paid_on": date(2026, 3, 2),
        "allocations": (("b1", usd("100.00")),),
        "bills": (a_bill(status="paid", due=usd("0.00")),),
        "settles_more": (),
    }
    return VoidFacts(**made | changed)


PREPARED = frozen_void(["b1", "100.00"])


@pytest.mark.parametrize(
    ("rule", "prepared", "seen", "policy", "expected"),
    [
        (void_payment.payment_void, PREPARED, facts(), Policy(), None),
        (void_payment.payment_void, PREPARED, facts(status="unknown"), Policy(), None),
        (void_payment.payment_void, PREPARED, facts(status="void"), Policy(), "refuse payment.void"),
        (void_payment.payment_void, PREPARED, facts(status="gone"), Policy(), "refuse payment.void"),
        (void_payment.payment_moved, PREPARED, facts(), Policy(), None),
        (void_payment.payment_moved, PREPARED, facts(status="void", allocations=()), Policy(), None),
        (
            void_payment.payment_moved,
            PREPARED,
            facts(allocations=(("b1", usd("100.01")),)),
            Policy(),
            "refuse payment.moved",
        ),
        (
            void_payment.payment_moved,
            PREPARED,
            facts(allocations=(("b2", usd("100.00")),)),
            Policy(),
            "refuse payment.moved",
        ),
        (
            void_payment.payment_moved,
            PREPARED,
            facts(allocations=(("b1", usd("100.00")), ("b2", usd("1.00")))),
            Policy(),
            "refuse payment.moved",
        ),
        (void_payment.payment_settles_more, PREPARED, facts(), Policy(), None),
        (
            void_payment.payment_settles_more,
            PREPARED,
            facts(settles_more=("5.00 USD of credit it used",)),
            Policy(),
            "approve payment.settles_more",
        ),
    ],
)
def test_a_rule_speaks_exactly_at_its_edge(
    rule: Rule[VoidFacts], prepared: Any, seen: VoidFacts, policy: Policy, expected: str | None
) -> None:
    assert said(rule(prepared, seen, policy)) == expected


async def test_a_void_needs_an_approver_and_makes_the_bill_due_again(
    home: Path,
) -> None:
    async with client_at_bench(home, answering=answer("accept", approve=True)) as (client, bench):
        payment_id = await paid(bench)
        assert await due(bench, BILL) == ("paid", Decimal("0.00"))
        wire = record_writes(bench)

        held = await done(client, "void_payment", payment_id=payment_id)

        assert (held["status"], findings_in(held), wire) == ("held", ["approve policy.approve"], [])
        assert held["summary"] == (
            "Void the payment of 684.20 USD to Northwind Utilities for bill NW-2291, made 2026-03-02 "
            "from Operating Checking"
        )
        posted = await bench.approve(held["proposal_id"])
        assert posted.state == "posted"
        assert posted.record is not None
        assert (posted.record["amount"]["amount"], posted.record["bill_due"]["amount"]) == ("684.20", "684.20")
        assert await due(bench, BILL) == ("open", WHOLE)
        assert wire == [("PATCH", f"/accounting/bill_payments/{payment_id}", {"bill_payment": {"status": "void"}})]
        assert [key for _, key in bench.wire.writes] == [held["proposal_id"]]


async def test_a_dry_run_says_the_verdict_and_voids_nothing(home: Path) -> None:
    async with client_at_bench(home) as (client, bench):
        payment_id = await paid(bench)
        tried = await done(client, "void_payment", payment_id=payment_id, dry_run=True)

        assert (tried["status"], tried["verdict"]) == ("dry_run", "approve")
        assert (await bench.proposals(), bench.wire.writes) == ([], [])
        assert await due(bench, BILL) == ("paid", Decimal("0.00"))


async def test_of_a_part_payment_only_its_own_part_is_due_again(home: Path) -> None:
    async with client_at_bench(home) as (client, bench):
        await bench.pay_by_hand(BILL, "100.00", "one")
        payment_id = await bench.pay_by_hand(BILL, "84.19", "two")
        held = await done(client, "void_payment", payment_id=payment_id)

        assert (await bench.approve(held["proposal_id"])).state == "posted"
        assert await due(bench, BILL) == ("partially_paid", Decimal("584.20"))
        assert await bench.paid(BILL) == [Decimal("100.00")]


async def test_a_payment_of_several_bills_is_voided_on_each(home: Path) -> None:
    async with client_at_bench(home) as (client, bench):
        shares = {"NW-2291": "684.20", "NW-2304": "30.01"}
        bills = [await bench.bill(number) for number in shares]
        account = await bench.company.directory.account("Operating Checking")
        draft = BillPaymentCreate(
            account_id=account.id,
            transaction_date=date(2026, 3, 2),
            linked_bills=tuple(
                AllocationDraft(id=bill.id, allocated_amount=Decimal(share))
                for bill, share in zip(bills, shares.values(), strict=True)
            ),
        )
        made = await bench.company.rutter.bill_payments.create(draft, idempotency_key="one for two")
        assert isinstance(made, Done)

        held = await done(client, "void_payment", payment_id=made.record.id)
        assert "Void the payment of 714.21 USD" in held["summary"]
        assert all(f"bill {number}" in held["summary"] for number in shares)
        assert (await bench.approve(held["proposal_id"])).state == "posted"

        assert [await due(bench, number) for number in shares] == [
            ("open", Decimal("684.20")),
            ("open", Decimal("630.00")),
        ]


def a_linked_bill(due: str, **linked: str) -> Bill:
    links = tuple(Allocation(id=key, allocated_amount=Decimal(amount)) for key, amount in linked.items())
    return Bill(
        id="b1",
        amount_due=Decimal(due),
        currency_code="USD",
        status="open",
        total_amount=Decimal("100.00"),
        linked_payments=links,
    )


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        (a_linked_bill("0.00", p1="100.00"), a_linked_bill("0.00", p1="100.00"), False),
        (a_linked_bill("0.00", p1="100.00"), a_linked_bill("100.00"), True),
        (a_linked_bill("0.00", p1="100.00"), a_linked_bill("99.99"), False),
        (a_linked_bill("0.00", p1="100.00"), a_linked_bill("100.01"), False),
        (a_linked_bill("0.00", p1="100.00"), a_linked_bill("100.00", p1="0.00"), True),
        (a_linked_bill("0.00", p1="100.00"), a_linked_bill("99.99", p1="0.01"), False),
        (a_linked_bill("40.00", p1="60.00"), a_linked_bill("70.00", p2="30.00"), True),
        (a_linked_bill("40.00", p1="60.00"), a_linked_bill("40.00", p2="60.00"), True),
        (a_linked_bill("40.00", p1="50.00", p2="10.00"), a_linked_bill("90.00", p2="10.00"), True),
        (a_linked_bill("40.00", p1="50.00", p2="10.00"), a_linked_bill("100.00"), True),
        (a_linked_bill("40.00", p1="50.00", p2="10.00"), a_linked_bill("50.00", p1="50.00"), False),
    ],
)
def test_a_void_is_seen_when_exactly_its_amount_is_due_again(was: Bill, now: Bill, expected: bool) -> None:
    assert has_let_go(now, links_of(was), "p1") is expected


async def test_what_is_void_already_is_not_voided_again(home: Path) -> None:
    async with client_at_bench(home) as (client, bench):
        payment_id = await paid(bench)
        held = await done(client, "void_payment", payment_id=payment_id)
        await bench.approve(held["proposal_id"])
        sent = len(bench.wire.writes)

        refused = await failed(client, "void_payment", payment_id=payment_id)

        assert "refuse payment.void" in findings_in(refused)
        assert len(bench.wire.writes) == sent
        unknown = await failed(client, "void_payment", payment_id="no-such-payment")
        assert unknown["code"] == "rutter_not_found"


async def test_a_payment_of_a_closed_period_stays(home: Path) -> None:
    async with client_at_bench(home, "closing_date = 2026-03-02") as (client, bench):
        payment_id = await paid(bench)
        refused = await failed(client, "void_payment", payment_id=payment_id)

        assert "refuse bill.closed_period" in findings_in(refused)
        assert await due(bench, BILL) == ("paid", Decimal("0.00"))


async def test_a_blocked_vendors_payment_can_still_be_taken_back(home: Path) -> None:
    async with client_at_bench(home, '[vendors]\nblocked = ["Northwind Utilities"]') as (client, bench):
        payment_id = await paid(bench)
        held = await done(client, "void_payment", payment_id=payment_id)

        assert (await bench.approve(held["proposal_id"])).state == "posted"


async def test_a_void_frees_no_limit_and_paying_again_is_a_repeat(
    home: Path,
) -> None:
    """An approver can release the repeat."""
    policy = """
    [tools]
    pay_bill = "allow"
    [currencies.USD]
    approve_above = "1000"
    two_approvers_above = "1000"
    single_limit = "1000"
    day_limit = "1400.00"
    vendor_day_limit = "1400.00"
    """
    async with client_at_bench(home, policy) as (client, bench):
        bill = await bench.bill(BILL)
        pay = {"bill_id": bill.id, "account": "Operating Checking"}
        first = await done(client, "pay_bill", **pay)
        assert (first["status"], await bench.spent()) == ("posted", "684.20")

        held = await done(client, "void_payment", payment_id=first["record"]["id"])
        assert (await bench.approve(held["proposal_id"])).state == "posted"
        assert await bench.spent() == "684.20"

        again = await done(client, "pay_bill", **pay)
        # What was released for the bill before counts for its tier too, whether it was voided or not.
        assert findings_in(again) == ["approve amount.two_approvers", "approve payment.repeat"]
        assert (await bench.approve(again["proposal_id"])).state == "held"
        assert (await bench.approve(again["proposal_id"], "Bo")).state == "posted"
        assert (await due(bench, BILL), await bench.spent()) == (("paid", Decimal("0.00")), "1368.40")

        # Both count: a third would pass the limit, though the ledger shows only one payment.
        voided = await done(client, "void_payment", payment_id=(await bench.bill(BILL)).linked_payments[0].id)
        await bench.approve(voided["proposal_id"])
        third = await done(client, "pay_bill", dry_run=True, **pay)
        assert "refuse amount.over_day_limit" in findings_in(third)


async def test_a_void_with_a_lost_reply_is_found_and_not_sent_again(home: Path) -> None:
    async with client_at_bench(home) as (client, bench):
        payment_id = await paid(bench)
        held = await done(client, "void_payment", payment_id=payment_id)
        bench.wire.faults = ["lost after"]
        assert (await bench.approve(held["proposal_id"])).state == "unknown"

        # Something else is paid on the bill by hand before anybody looks: the void is still told apart from it.
        await bench.pay_by_hand(BILL, "50.00", "meanwhile")
        found = await done(client, "get_proposal", proposal_id=held["proposal_id"])
        assert found["proposal"]["state"] == "posted"
        assert await due(bench, BILL) == ("partially_paid", Decimal("634.20"))
        assert len(bench.wire.writes) == 1


async def test_a_void_lost_on_its_way_out_is_sent_once_more(home: Path) -> None:
    async with client_at_bench(home) as (client, bench):
        payment_id = await paid(bench)
        held = await done(client, "void_payment", payment_id=payment_id)
        bench.wire.faults = ["lost before"]
        assert (await bench.approve(held["proposal_id"])).state == "unknown"
        assert await due(bench, BILL) == ("paid", Decimal("0.00"))

        await bench.app.recover()
        assert (await bench.proposal(held["proposal_id"])).state == "posted"
        assert [key for _, key in bench.wire.writes] == [held["proposal_id"]] * 2
        assert await due(bench, BILL) == ("open", WHOLE)


async def test_a_bill_changed_after_the_release_holds_the_void(home: Path) -> None:
    async with client_at_bench(home) as (client, bench):
        payment_id = await paid(bench, "100.00")
        held = await done(client, "void_payment", payment_id=payment_id)

        after = await approve_while(
            bench, held["proposal_id"], "/bills/", lambda: bench.pay_by_hand(BILL, "50.00", "meanwhile")
        )

        assert (after.state, bench.wire.writes) == ("held", [])
        assert (await bench.approve(held["proposal_id"])).state == "posted"
        assert await due(bench, BILL) == ("partially_paid", Decimal("634.20"))


async def test_a_payment_voided_by_hand_is_refused_and_not_sent(home: Path) -> None:
    async with client_at_bench(home) as (client, bench):
        payment_id = await paid(bench)
        held = await done(client, "void_payment", payment_id=payment_id)

        async def by_hand() -> None:
            void_it = BillPaymentUpdate(status="void")
            outcome = await bench.company.rutter.bill_payments.update(
                payment_id, void_it, idempotency_key="voided by hand"
            )
            assert isinstance(outcome, Done)

        after = await approve_while(bench, held["proposal_id"], "/bills/", by_hand)

        assert (after.state, after.findings[0].code) == ("refused", "payment.void")
        assert [key for _, key in bench.wire.writes] == ["voided by hand"]


async def test_a_bill_is_not_paid_and_voided_at_the_same_time(home: Path) -> None:
    async with client_at_bench(home, '[tools]\npay_bill = "allow"') as (client, bench):
        payment_id = await paid(bench, "100.00")
        held = await done(client, "void_payment", payment_id=payment_id)
        bench.wire.faults = ["lost after"]
        assert (await bench.approve(held["proposal_id"])).state == "unknown"

        bill = await bench.bill(BILL)
        refused = await failed(client, "pay_bill", bill_id=bill.id, amount="10.00", account="Operating Checking")
        assert "refuse bill.in_flight" in findings_in(refused)
        await bench.app.recover()
        free = await done(client, "pay_bill", bill_id=bill.id, amount="11.00", account="Operating Checking")
        assert findings_in(free) == ["approve payment.repeat"]
        posted = await bench.approve(free["proposal_id"])
        assert posted.record is not None

        held = await done(client, "pay_bill", bill_id=bill.id, amount="12.00", account="Operating Checking")
        bench.wire.faults = ["lost after"]
        assert (await bench.approve(held["proposal_id"])).state == "unknown"
        other = await failed(client, "void_payment", payment_id=posted.record["id"])
        assert "refuse bill.in_flight" in findings_in(other)


@pytest.mark.parametrize("platform", ["XERO", "SAGE_INTACCT"])
async def test_an_unsupported_void_is_said_before_anything_is_sent(home: Path, platform: str) -> None:
    number = "TS-1" if platform == "XERO" else "MM-1"
    async with client_at_bench(home, platform=platform) as (client, bench):
        [link] = (await bench.bill(number)).linked_payments
        held = await done(client, "void_payment", payment_id=link.id)

        assert findings_in(held) == ["approve policy.approve", "ask platform.undocumented"]
        assert "a person can void it there" in held["findings"][1]["message"]
        assert bench.wire.writes == []
        # Released all the same, the platform turns it down: that is a failure, and not an open question.
        failure = await bench.approve(held["proposal_id"])
        assert (failure.state, (await bench.bill(number)).status) == ("failed", "paid")


async def test_a_platform_that_is_known_to_void_says_nothing_and_does(home: Path) -> None:
    async with client_at_bench(home, platform="NETSUITE") as (client, bench):
        [link] = (await bench.bill("HS-1")).linked_payments
        held = await done(client, "void_payment", payment_id=link.id)

        assert findings_in(held) == ["approve policy.approve"]
        assert (await bench.approve(held["proposal_id"])).state == "posted"
        assert await due(bench, "HS-1") == ("open", Decimal("420.00"))
