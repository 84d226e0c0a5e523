"""What is sent, or sent again, at the edges: each condition by itself, and what an accident on the way settles."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import anyio
import pytest

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.authorize import KEY_KEPT_SURELY, authorize, authorize_again, claim
from rutter_ap_server.guard.gathering import gather_facts
from rutter_ap_server.guard.lease import LEASE_SECONDS, Lease
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Facts
from rutter_ap_server.guard.writes.pay_bill import PayBillWrite
from rutter_ap_server.guard.writes.pay_bill_facts import vendor_past
from rutter_ap_server.guard.writes.registry import proposed_by
from rutter_ap_server.rutter.models.credits import BillCreditMemoCreate, CreditLineDraft
from rutter_ap_server.rutter.models.payments import BillPaymentCreate
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_server.store.attempts import Attempt
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.errors import StoreError
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.errors import BadInput
from support.bench import START, Bench, a_bench, codes
from support.meanwhile import another_bank_account, another_due_date, another_email, another_memo, edit
from support.runs import PLAIN, run_of
from support.store_rows import behind_its_back

ALLOW = '[tools]\npay_bill = "allow"\n'
NOT_AS_IT_WAS = "the ledger is not as it was before it was sent"
FORGOTTEN = "Rutter may not remember its key any more"
LOST = "another process is looking after it"


@dataclass
class Lost:
    """A payment whose outcome is lost, under a lease of its own, with the facts as they are now."""

    bench: Bench
    prepared: PreparedWrite
    facts: Facts[Any]
    policy: Policy
    lease: Lease
    attempt: Attempt

    async def why_not(self, **changed: Any) -> str:
        """Why it may not be sent again, with something of it changed."""
        of = {name: getattr(self, name) for name in ("prepared", "facts", "policy", "lease", "attempt")} | changed
        return await self.bench.app.store.write(lambda tx: authorize_again(tx, PayBillWrite(), **of))

    async def lease_until(self) -> datetime | None:
        """Until when the store holds its lease."""
        return (await self.bench.proposal(self.lease.proposal_id)).lease_until


async def lost_payment(bench: Bench) -> Lost:
    bench.wire.faults = ["lost before"]
    result = await bench.pay("NW-2291", "100.00")
    assert result.status == "unknown"
    return await taken_over(bench, await bench.proposal(result.proposal_id))


async def taken_over(bench: Bench, proposal: Proposal) -> Lost:
    lease, prepared = bench.app.dispatcher.lease_on(proposal.id), PreparedWrite.of(proposal)
    assert await bench.app.store.write(lease.take_over)
    facts = await gather_facts(PayBillWrite(), prepared, bench.company)
    attempt = await bench.app.store.read(lambda tx: tx.attempts.last(proposal.id))
    assert isinstance(facts, Facts)
    assert attempt is not None
    return Lost(bench, prepared, facts, await bench.app.policy.read(), lease, attempt)


async def test_what_is_as_it_was_may_be_sent_again(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        lost = await lost_payment(bench)
        bench.clock.instant += timedelta(seconds=60)

        assert await lost.why_not() == ""
        entries = await bench.app.store.read(lambda tx: list(tx.audit.entries(lost.lease.proposal_id)))
        assert [one.kind for one in entries].count("attempt") == 2
        # The lease starts again as the request is about to leave.
        assert await lost.lease_until() == bench.clock.now() + timedelta(seconds=LEASE_SECONDS)


async def test_each_change_of_the_facts_alone_stops_it(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        lost = await lost_payment(bench)
        before = lost.attempt.before
        assert set(before) == {"payments", "due", "total"}
        for name, other in (("payments", ["one of somebody else"]), ("due", "1.00"), ("total", "1.00")):
            assert await lost.why_not(attempt=replace(lost.attempt, before=before | {name: other})) == NOT_AS_IT_WAS
        assert len(lost.facts.binding) >= 7
        for name in lost.facts.binding:
            changed = replace(lost.facts, binding=lost.facts.binding | {name: "another"})
            assert await lost.why_not(facts=changed) == NOT_AS_IT_WAS
        assert await lost.why_not() == ""


@pytest.mark.parametrize(
    ("since", "said"),
    [
        (timedelta(0), ""),
        (timedelta(microseconds=-1), FORGOTTEN),
        (KEY_KEPT_SURELY - timedelta(microseconds=1), ""),
        (KEY_KEPT_SURELY, FORGOTTEN),
    ],
)
async def test_a_key_is_used_again_for_a_while_only(home: Path, since: timedelta, said: str) -> None:
    async with a_bench(home, ALLOW) as bench:
        lost = await lost_payment(bench)

        assert await lost.why_not(attempt=replace(lost.attempt, at=bench.clock.now() - since)) == said
    assert timedelta(hours=12) == KEY_KEPT_SURELY


async def test_whoever_lost_the_lease_sends_nothing_again(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        lost = await lost_payment(bench)
        never_claimed = Lease(lost.lease.proposal_id, lost.lease.owner)
        assert await lost.why_not(lease=never_claimed) == LOST
        bench.clock.instant += timedelta(seconds=LEASE_SECONDS)
        assert await lost.why_not() == LOST


@pytest.mark.parametrize(
    "edited",
    [
        "UPDATE proposals SET amount = '1.00'",
        "UPDATE attempts SET idempotency_key = 'another'",
        "UPDATE spend SET amount = '1.00'",
    ],
)
async def test_what_was_edited_by_hand_is_not_sent_again(home: Path, edited: str) -> None:
    async with a_bench(home, ALLOW) as bench:
        lost = await lost_payment(bench)
        behind_its_back(f"sqlite:///{home / 'rutter-ap.db'}", edited)

        with pytest.raises(StoreError) as tampered:
            await lost.why_not()
        assert tampered.value.error_code == "store.tampered"


@pytest.mark.parametrize("setting", ["ask", "refuse"])
async def test_what_would_not_be_sent_today_is_named(home: Path, setting: str) -> None:
    async with a_bench(home, ALLOW) as bench:
        lost = await lost_payment(bench)
        bench.policy(f'[tools]\npay_bill = "{setting}"\n')
        why_not = await lost.why_not(policy=await bench.app.policy.read())

        assert why_not == f"it would not be sent today: policy.{setting}"


@pytest.mark.parametrize("change", [another_email, another_bank_account, another_memo, another_due_date])
async def test_recovery_sends_nothing_once_a_fact_moved(
    home: Path, change: Callable[[Bench, str], Awaitable[None]]
) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["lost before"]
        result = await bench.pay("NW-2291", "100.00")
        bench.wire.writes.clear()
        await change(bench, "NW-2291")
        bench.wire.writes.clear()

        await bench.app.recover()

        found = await bench.app.store.read(lambda tx: tx.attempts.last(result.proposal_id or ""))
        assert found is not None
        assert (found.outcome, found.reason, bench.wire.payments_sent) == ("unknown", NOT_AS_IT_WAS, [])


@dataclass
class Claimed:
    """A payment that was released and claimed, with its facts, just before it is authorised."""

    bench: Bench
    lease: Lease
    prepared: PreparedWrite
    facts: Facts[Any]
    policy: Policy

    async def authorised(self) -> bool:
        """Whether it may be sent."""
        of = (PayBillWrite(), self.prepared, self.facts, self.policy, self.lease)
        return await self.bench.app.store.write(lambda tx: authorize(tx, *of))

    async def current(self) -> Proposal:
        """It, as it is now."""
        return await self.bench.proposal(self.lease.proposal_id)

    async def sent_before(self) -> Attempt | None:
        """Its attempt, if there is one."""
        return await self.bench.app.store.read(lambda tx: tx.attempts.last(self.lease.proposal_id))


async def claimed(bench: Bench, policy: str = ALLOW) -> Claimed:
    bench.policy('[tools]\npay_bill = "ask"\n')
    held = await bench.pay("NW-2291", "100.00")
    bench.policy(policy)
    store, proposal = bench.app.store, await bench.proposal(held.proposal_id)
    lease, prepared = bench.app.dispatcher.lease_on(proposal.id), PreparedWrite.of(proposal)
    await store.write(lambda tx: tx.proposals.move(proposal.id, [State.HELD], State.RELEASED))
    assert await store.write(lambda tx: claim(tx, lease)) == (True, False)
    facts = await gather_facts(PayBillWrite(), prepared, bench.company)
    assert isinstance(facts, Facts)
    return Claimed(bench, lease, prepared, facts, await bench.app.policy.read())


async def test_what_is_authorised_is_reserved_and_journalled(home: Path) -> None:
    async with a_bench(home) as bench:
        one = await claimed(bench)
        bench.clock.instant += timedelta(seconds=60)
        assert await one.authorised()

        attempt, current = await one.sent_before(), await one.current()
        assert attempt is not None
        assert (attempt.idempotency_key, attempt.before) == (current.id, one.facts.before)
        assert await bench.spent() == "100.00"
        of_vendor = frozenset({one.prepared.vendor_id or ""})
        company = bench.company.ledger_id
        spent = await bench.app.store.read(lambda tx: tx.spend.spent(company, "USD", 1, of_vendor))
        assert spent.text == "100.00"
        # The lease starts now, not when it was claimed.
        assert (current.state, current.lease_until) == ("dispatching", bench.clock.now() + timedelta(seconds=120))
        entries = await bench.app.store.read(lambda tx: [one.kind for one in tx.audit.entries(current.id)])
        assert entries.count("attempt") == 1


@pytest.mark.parametrize(
    ("other", "state"), [(State.RELEASED, "dispatching"), (State.DISPATCHING, "held"), (State.UNKNOWN, "held")]
)
async def test_only_what_is_on_its_way_holds_another_back(home: Path, other: State, state: str) -> None:
    async with a_bench(home) as bench:
        one = await claimed(bench)
        beside = replace(await one.current(), id=str(uuid4()), digest="e" * 64, state=other, lease_owner=None)
        await bench.app.store.write(lambda tx: tx.proposals.add(beside))

        assert await one.authorised() is (state == "dispatching")
        current = await one.current()
        assert (current.state, "bill.in_flight" in codes(current)) == (state, state == "held")


async def test_a_run_is_released_by_those_who_released_all_of_it(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana", "Bo")
        run, store = await bench.proposal((await run_of(bench, *PLAIN)).proposal_id), bench.app.store
        lease, write, prepared = bench.app.dispatcher.lease_on(run.id), proposed_by(run.tool), PreparedWrite.of(run)
        facts, policy = await gather_facts(write, prepared, bench.company), await bench.app.policy.read()
        ids = {name: await bench.id_of(name) for name in ("Ana", "Bo")}

        def released(tx: Tx) -> None:
            for name, covers in (("Ana", run.requires), ("Bo", sorted(run.requires)[1:])):
                tx.proposals.approve(run.id, name, "terminal", "f", covers=covers, statement="s", approver_id=ids[name])
            tx.proposals.move(run.id, [State.HELD], State.RELEASED)

        await store.write(released)
        assert await store.write(lambda tx: claim(tx, lease)) == (True, False)

        assert await store.write(lambda tx: authorize(tx, write, prepared, facts, policy, lease))
        lines = await store.read(lambda tx: [tx.proposals.approvals(line.id) for line in tx.proposals.of_run(run.id)])
        assert [[one.approver for one in given] for given in lines] == [["Ana"]] * 3


async def test_a_lost_lease_authorises_nothing(home: Path) -> None:
    async with a_bench(home) as bench:
        one = await claimed(bench)
        bench.clock.instant += timedelta(seconds=LEASE_SECONDS)

        assert not await one.authorised()
        assert (await one.sent_before(), await bench.spent(), (await one.current()).state) == (
            None,
            "0.00",
            "dispatching",
        )


@pytest.mark.parametrize(
    ("policy", "state"),
    [('[tools]\npay_bill = "approve"\n', "held"), ('[tools]\npay_bill = "refuse"\n', "refused")],
)
async def test_a_release_that_no_longer_covers_it_is_void(home: Path, policy: str, state: str) -> None:
    async with a_bench(home) as bench:
        one = await claimed(bench, policy)
        proposal_id = one.lease.proposal_id

        whole = {f"facts:{(await one.current()).fingerprint}", "policy.ask", "policy.approve", "policy.refuse"}

        def answered(tx: Tx) -> None:
            tx.proposals.approve(proposal_id, "chat", "chat", "f", covers=whole, statement="s")

        # It covers all of it, but the chat's word is not enough any more.
        await bench.app.store.write(answered)
        assert not await one.authorised()
        current = await one.current()
        assert [found.code for found in current.findings] == ["policy.approve" if state == "held" else "policy.refuse"]
        assert (current.state, current.lease_owner, current.lease_until) == (state, None, None)
        assert (await one.sent_before(), await bench.spent()) == (None, "0.00")
        given = await bench.app.store.read(lambda tx: tx.proposals.approvals(proposal_id))
        entries = await bench.app.store.read(lambda tx: [one.kind for one in tx.audit.entries(proposal_id)])
        assert (given, entries.count("release_void")) == ((), 1)


async def test_what_is_unknown_is_not_authorised_as_if_it_were_new(home: Path) -> None:
    async with a_bench(home) as bench:
        one = await claimed(bench)
        of = one.lease.proposal_id
        await bench.app.store.write(lambda tx: tx.proposals.move(of, [State.DISPATCHING], State.UNKNOWN))

        assert not await one.authorised()
        assert (await one.sent_before(), await bench.spent()) == (None, "0.00")


@pytest.mark.parametrize(
    "edited", ["UPDATE proposals SET amount = '1.00'", "UPDATE approvals SET approver = 'Somebody else'"]
)
async def test_what_was_edited_by_hand_is_not_authorised(home: Path, edited: str) -> None:
    async with a_bench(home) as bench:
        one = await claimed(bench)

        def answered(tx: Tx) -> None:
            tx.proposals.approve(one.lease.proposal_id, "chat", "chat", "f", covers=("policy.ask",), statement="s")

        await bench.app.store.write(answered)
        behind_its_back(f"sqlite:///{home / 'rutter-ap.db'}", edited)

        with pytest.raises(StoreError) as tampered:
            await one.authorised()
        assert tampered.value.error_code == "store.tampered"


async def test_the_lease_is_renewed_while_a_request_is_away(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lease, "renewed_every_seconds", 0.01)
    async with a_bench(home, ALLOW) as bench:
        leaving = bench.wire.gate(lambda request: request.method == "POST")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bench.pay, "NW-2291", "100.00")
            with anyio.fail_after(20):
                await leaving.reached.wait()
                [sending] = await bench.proposals()
                bench.clock.instant += timedelta(seconds=LEASE_SECONDS - 1)
                renewed = bench.clock.now() + timedelta(seconds=LEASE_SECONDS)
                while (await bench.proposal(sending.id)).lease_until != renewed:
                    await anyio.lowlevel.checkpoint()
            leaving.go.set()
        assert (await bench.proposal(sending.id)).state == "posted"


class Accident(PayBillWrite):
    """A payment during which something unforeseen happens: while it is drafted, or while it is sent."""

    def __init__(self, *, drafting: Exception | None = None, sending: Exception | None = None) -> None:
        self.drafting, self.sending = drafting, sending

    async def draft(self, prepared: PreparedWrite, company: Company) -> BillPaymentCreate:
        if self.drafting is not None:
            raise self.drafting
        return await super().draft(prepared, company)

    async def send(
        self, prepared: PreparedWrite, draft: BillPaymentCreate, company: Company, key: str, *, again: bool
    ) -> Any:
        outcome = await super().send(prepared, draft, company, key, again=again)
        if self.sending is not None:
            raise self.sending
        return outcome


@pytest.mark.parametrize(
    ("accident", "again", "state", "spent"),
    [
        (Accident(drafting=BadInput("not this way")), False, "failed", "0.00"),
        (Accident(drafting=BadInput("not this way")), True, "unknown", "100.00"),
        (Accident(drafting=RuntimeError("a bug")), False, "unknown", "100.00"),
        (Accident(sending=RuntimeError("a bug")), False, "unknown", "100.00"),
        (Accident(sending=BadInput("said too late")), False, "unknown", "100.00"),
        (Accident(sending=RuntimeError("a bug")), True, "unknown", "100.00"),
    ],
)
async def test_an_accident_frees_only_what_surely_did_not_leave(
    home: Path, accident: Accident, again: bool, state: str, spent: str
) -> None:
    async with a_bench(home, ALLOW) as bench:
        lost, send = await lost_payment(bench), bench.app.dispatcher.send
        of = (lost.prepared, bench.company, lost.lease, lost.policy, lost.attempt.before)
        settled = await send(accident, *of, again=again)

        assert (settled.state, await bench.spent()) == (state, spent)


@pytest.mark.parametrize("again", [False, True])
async def test_what_may_not_leave_again_is_unknown_not_failed(home: Path, again: bool) -> None:
    async with a_bench(home, ALLOW) as bench:
        lost, send = await lost_payment(bench), bench.app.dispatcher.send
        bench.wire.writes.clear()
        await bench.app.store.write(lambda tx: tx.controls.freeze("Ana"))
        of = (lost.prepared, bench.company, lost.lease, lost.policy, lost.attempt.before)
        settled = await send(PayBillWrite(), *of, again=again)

        assert bench.wire.payments_sent == []
        assert (settled.state, await bench.spent()) == (("unknown", "100.00") if again else ("failed", "0.00"))


async def test_read_back_begins_with_the_record_rutter_named(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        lost = await lost_payment(bench)
        ids = [await bench.pay_by_hand("NW-2291", "100.00", key) for key in ("first", "second")]
        write, before = PayBillWrite(), lost.attempt.before
        for named, other in (ids, ids[::-1]):
            found = await write.read_back(lost.prepared, bench.company, SimpleNamespace(id=named), before)
            assert [one.id for one in found] == [named, other]
        nobodys = SimpleNamespace(id="11111111-1111-4111-8111-111111111111")
        assert await write.read_back(lost.prepared, bench.company, nobodys, before) == ()


@pytest.mark.parametrize(
    ("changed", "is_ours"),
    [
        ({}, True),
        ({"account_id": None}, True),
        ({"vendor_id": None}, True),
        ({"account_id": "22222222-2222-4222-8222-222222222222"}, False),
        ({"vendor_id": "22222222-2222-4222-8222-222222222222"}, False),
        ({"currency_code": "EUR"}, False),
        ({"transaction_date": "2026-02-27T00:00:00+00:00"}, False),
        ({"transaction_date": None}, True),
        ({"status": "void"}, False),
        ({"linked_bills": "nonsense"}, False),
    ],
    ids=str,
)
async def test_a_payment_of_somebody_else_is_never_ours(home: Path, changed: dict[str, Any], is_ours: bool) -> None:
    async with a_bench(home, ALLOW) as bench:
        lost = await lost_payment(bench)
        by_hand = await bench.pay_by_hand("NW-2291", "100.00")
        edit(bench, "bill_payment", by_hand, **changed)
        find = PayBillWrite().find

        found = await find(lost.prepared, bench.company, lost.attempt.before)
        assert [one.id for one in found] == ([by_hand] if is_ours else [])
        # Nor one that was there before, or another amount.
        assert await find(lost.prepared, bench.company, lost.attempt.before | {"payments": [by_hand]}) == ()
        assert lost.prepared.money is not None
        other = replace(lost.prepared, money=lost.prepared.money + lost.prepared.money)
        assert await find(other, bench.company, lost.attempt.before) == ()


@pytest.mark.parametrize(("currency", "open_credits"), [("USD", "80.00"), ("EUR", "0.00")])
async def test_open_credits_are_summed_in_their_own_currency(home: Path, currency: str, open_credits: str) -> None:
    async with a_bench(home) as bench:
        bill = await bench.bill("NW-2291")
        assert (await vendor_past(bench.company, bill.vendor_id or "", "USD")).open_credits.text == "0.00"
        account_id = bill.line_items[0].account_id or ""
        draft = BillCreditMemoCreate(
            vendor_id=bill.vendor_id or "",
            issue_date=START,
            currency_code="USD",
            line_items=(CreditLineDraft(account_id=account_id, total_amount=Decimal("80.00")),),
        )
        made = await bench.company.rutter.bill_credit_memos.create(draft, idempotency_key="a credit")
        assert isinstance(made, Done)
        edit(bench, "bill_credit_memo", made.record.id, currency_code=currency)

        past = await vendor_past(bench.company, bill.vendor_id or "", "USD")
        assert (past.open_credits.text, past.unusable) == (open_credits, ())
