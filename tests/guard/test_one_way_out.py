"""Every request of a write passes the same checks as of the moment it leaves, whoever sends it and however often."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard import lease as leases
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.guard.lease import LEASE_SECONDS, Lease
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.pay_bill import PayBillWrite
from rutter_ap_server.rutter.models.payments import BillPaymentCreate
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.errors import ApError
from support.bench import PASSCODE, Bench, PowerCut, a_bench

ALLOW = '[tools]\npay_bill = "allow"\n'
REFUSE = '[tools]\npay_bill = "refuse"\n'
LIMITED = """
[currencies.USD]
approve_above = "500.00"
two_approvers_above = "900.00"
single_limit = "700.00"
day_limit = "700.00"
vendor_day_limit = "700.00"
"""
BLOCKED = '[vendors]\nblocked = ["Northwind Utilities"]\n'
Meanwhile = Callable[[Bench, Proposal], Awaitable[None]]


class Interrupted(PayBillWrite):
    """A payment whose process is suspended after it was authorised and before its request leaves."""

    def __init__(self, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self.meanwhile = meanwhile

    async def draft(self, prepared: PreparedWrite, company: Company) -> BillPaymentCreate:
        drafted = await super().draft(prepared, company)
        await self.meanwhile()
        return drafted


async def authorised(bench: Bench, amount: str = "100.00") -> Proposal:
    """A payment that was authorised and journalled; its process died before the request left."""
    bench.wire.faults = ["power cut before"]
    with pytest.raises(PowerCut):
        await bench.pay("NW-2291", amount)
    bench.wire.writes.clear()
    (proposal,) = [one for one in await bench.proposals() if one.state == "dispatching"]
    return proposal


async def goes_on(bench: Bench, proposal: Proposal, meanwhile: Meanwhile) -> Proposal:
    """The process sends it, and all that happens meanwhile happens just before the request leaves."""
    lease = bench.app.dispatcher.lease_on(proposal.id)
    assert await bench.app.store.write(lambda tx: lease.take_over(tx, proposal.lease_owner))

    async def happens() -> None:
        await meanwhile(bench, proposal)

    before = {"payments": [], "due": "684.20"}
    policy, prepared = await bench.app.policy.read(), PreparedWrite.of(proposal)
    return await bench.app.dispatcher.send(Interrupted(happens), prepared, bench.company, lease, policy, before)


async def sleeps_an_hour(bench: Bench, proposal: Proposal) -> None:
    bench.clock.instant += timedelta(hours=1)


async def is_taken_over(bench: Bench, proposal: Proposal) -> None:
    current = await bench.proposal(proposal.id)
    other = Lease(proposal.id, "another/process")
    assert await bench.app.store.write(lambda tx: other.take_over(tx, current.lease_owner))


async def is_settled_and_paid_anew(bench: Bench, proposal: Proposal) -> None:
    await is_taken_over(bench, proposal)
    other = Lease(proposal.id, "another/process")
    await bench.app.dispatcher.settler.fail(other, "resolved.failed", "it did not happen")
    assert (await bench.pay("NW-2291", "99.00")).status == "posted"
    bench.wire.writes.clear()


async def is_frozen(bench: Bench, proposal: Proposal) -> None:
    await bench.app.store.write(lambda tx: tx.controls.freeze("Ana"))


async def policy_changes(bench: Bench, proposal: Proposal) -> None:
    bench.policy(REFUSE)


async def policy_breaks(bench: Bench, proposal: Proposal) -> None:
    bench.policy("[tools")


@pytest.mark.parametrize(
    ("meanwhile", "state"),
    [
        (sleeps_an_hour, "failed"),
        (is_taken_over, "dispatching"),
        (is_settled_and_paid_anew, "failed"),
        (is_frozen, "failed"),
        (policy_changes, "failed"),
        (policy_breaks, "failed"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
async def test_nothing_leaves_once_it_may_not(home: Path, meanwhile: Meanwhile, state: str) -> None:
    async with a_bench(home, ALLOW) as bench:
        settled = await goes_on(bench, await authorised(bench), meanwhile)

        assert (settled.state, bench.wire.payments_sent) == (state, [])


async def test_what_is_still_authorised_leaves(home: Path) -> None:
    async def nothing(bench: Bench, proposal: Proposal) -> None:
        pass

    async with a_bench(home, ALLOW) as bench:
        settled = await goes_on(bench, await authorised(bench), nothing)

        assert (settled.state, bench.wire.payments_sent) == ("posted", [settled.id])


async def test_the_other_clock_ends_a_lease_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def wall_clock_is_set_back(bench: Bench, proposal: Proposal) -> None:
        later = leases.elapsed_seconds() + LEASE_SECONDS
        monkeypatch.setattr(leases, "elapsed_seconds", lambda: later)

    async with a_bench(home, ALLOW) as bench:
        settled = await goes_on(bench, await authorised(bench), wall_clock_is_set_back)

        assert (settled.state, bench.wire.payments_sent) == ("failed", [])


async def test_a_release_by_who_was_removed_sends_nothing(home: Path) -> None:
    async def approver_leaves(bench: Bench, proposal: Proposal) -> None:
        await bench.remove_approver("Ben")

    async with a_bench(home, '[tools]\npay_bill = "approve"\n') as bench:
        await bench.approver("Ana", "Ben")
        held = await bench.pay("NW-2291", "100.00")
        bench.wire.faults = ["power cut before"]
        with pytest.raises(PowerCut):
            await bench.approve(held.proposal_id, "Ben")
        bench.wire.writes.clear()

        settled = await goes_on(bench, await bench.proposal(held.proposal_id), approver_leaves)
        assert (settled.state, bench.wire.payments_sent) == ("failed", [])


async def test_a_retry_of_the_client_is_fenced_as_well(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        proposal = await authorised(bench)
        bench.wire.faults = ["error after"]
        gate = bench.wire.gate(lambda request: request.method == "POST")

        async def freezes_between(bench: Bench, proposal: Proposal) -> None:
            gate.go.set()

        sleep = bench.app.companies  # the client's own pause between two attempts
        assert sleep is not None
        exchange: Any = bench.company.rutter.bills._session.exchange

        async def freeze(_seconds: float) -> None:
            await is_frozen(bench, proposal)

        exchange.sleep = freeze
        settled = await goes_on(bench, proposal, freezes_between)
        assert bench.wire.payments_sent == [proposal.id]
        assert settled.state == "unknown"


@pytest.mark.parametrize("policy", [REFUSE, LIMITED.replace('\nday_limit = "700.00', '\nday_limit = "99.99'), BLOCKED])
async def test_recovery_sends_nothing_that_would_not_leave_today(home: Path, policy: str) -> None:
    async with a_bench(home, ALLOW) as bench:
        proposal = await authorised(bench)
        bench.policy(policy)
        bench.clock.instant += timedelta(seconds=LEASE_SECONDS + 1)
        for _ in range(2):
            await bench.app.recover()

        found = await bench.proposal(proposal.id)
        assert (found.state, bench.wire.payments_sent, await bench.spent()) == ("unknown", [], "100.00")
        attempt = await bench.app.store.read(lambda tx: tx.attempts.last(proposal.id))
        assert attempt is not None
        assert "it would not be sent today" in str(attempt.reason)
        entries = await bench.app.store.read(lambda tx: [one.kind for one in tx.audit.entries(proposal.id)])
        assert entries.count("unknown") == 1


async def test_recovery_counts_what_was_reserved_meanwhile(home: Path) -> None:
    async with a_bench(home, ALLOW + LIMITED) as bench:
        lost = await authorised(bench, "400.00")
        # Without the lock, a payment of another bill takes most of what the day allows.
        assert (await bench.pay("FT-802", "300.00")).status == "posted"
        bench.wire.writes.clear()
        bench.policy(ALLOW + LIMITED.replace("700.00", "699.99"))
        bench.clock.instant += timedelta(seconds=LEASE_SECONDS + 1)
        await bench.app.recover()
        assert ((await bench.proposal(lost.id)).state, bench.wire.payments_sent) == ("unknown", [])

        bench.policy(ALLOW + LIMITED)
        await bench.app.recover()
        assert ((await bench.proposal(lost.id)).state, bench.wire.payments_sent) == ("posted", [lost.id])
        assert await bench.spent() == "700.00"


async def test_a_late_outcome_is_recorded_though_it_was_settled(home: Path) -> None:
    """A request that left before its process slept is booked, whatever a person said meanwhile."""
    async with a_bench(home, ALLOW) as bench:
        proposal = await authorised(bench)
        gate = bench.wire.gate(lambda request: request.method == "POST")

        async def nothing(bench: Bench, proposal: Proposal) -> None:
            pass

        async def settles() -> None:
            await gate.reached.wait()
            await is_taken_over(bench, proposal)
            other = Lease(proposal.id, "another/process")
            await bench.app.dispatcher.settler.fail(other, "resolved.failed", "it did not happen")
            assert await bench.spent() == "0.00"
            gate.go.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(settles)
            settled = await goes_on(bench, proposal, nothing)

        assert (settled.state, await bench.spent()) == ("posted", "100.00")
        assert "ledger.booked_after_all" in [one.code for one in settled.findings]


async def test_a_refusal_after_the_books_changed_frees_nothing(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["turned down after"]
        result = await bench.pay("NW-2291", "100.00")

        assert (result.status, await bench.spent()) == ("posted", "100.00")
        assert await bench.paid("NW-2291") == [Decimal("100.00")]


async def test_a_refusal_is_not_believed_while_the_ledger_is_silent(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:

        def goes_dark() -> None:
            bench.wire.is_down = True

        bench.wire.faults, bench.wire.then = ["turned down after"], goes_dark
        result = await bench.pay("NW-2291", "100.00")
        assert (result.status, await bench.spent()) == ("unknown", "100.00")

        bench.wire.is_down = False
        await bench.app.recover()
        assert (await bench.proposal(result.proposal_id)).state == "posted"


def lets_go(crashed: Bench) -> None:
    """The system lets go of a lock when its process ends."""
    assert crashed.app.processes._held is not None
    os.close(crashed.app.processes._held)
    crashed.app.processes._held = None


async def test_a_crashed_process_blocks_nobody(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        crashed = bench.another()
        crashed.wire.faults = ["power cut before"]
        with pytest.raises(PowerCut):
            await crashed.pay("NW-2291", "100.00")
        lets_go(crashed)

        result = await bench.pay("NW-2291", "200.00")
        assert result.status in ("posted", "held")
        assert Decimal("100.00") in await bench.paid("NW-2291")
        await crashed.app.aclose()


async def test_a_process_that_crashed_recovering_blocks_nobody(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["lost before"]
        lost = await bench.pay("NW-2291", "100.00")
        crashed = bench.another()
        gate = crashed.wire.gate(lambda request: True)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(crashed.app.recover)
            await gate.reached.wait()
            lets_go(crashed)
            await bench.app.recover()
            found = await bench.proposal(lost.proposal_id)
            gate.go.set()
        assert found.state == "posted"
        assert await bench.paid("NW-2291") == [Decimal("100.00")]
        await crashed.app.aclose()


async def test_a_process_that_only_sleeps_keeps_its_lease(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        sleeping = bench.another()
        sleeping.wire.faults = ["power cut before"]
        with pytest.raises(PowerCut):
            await sleeping.pay("NW-2291", "100.00")

        with pytest.raises(ApError, match="already in progress"):
            await bench.pay("NW-2291", "200.00")
        assert await bench.paid("NW-2291") == []
        await sleeping.app.aclose()


async def test_a_person_names_the_record_that_it_is(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        await bench.approver("Ana")
        bench.wire.faults = ["lost before"]
        lost = await bench.pay("NW-2291", "100.00")
        # Somebody recorded it by hand, at what was really paid: no look would find this.
        by_hand = await bench.pay_by_hand("NW-2291", "99.00")
        await bench.app.recover()
        assert (await bench.proposal(lost.proposal_id)).state == "unknown"

        settle = bench.app.approvals.settle_by_hand
        who: dict[str, Any] = {"by": Proof("Ana", PASSCODE), "channel": "terminal", "company": bench.company}
        for wrong in ("", "11111111-1111-4111-8111-111111111111"):
            with pytest.raises(ApError, match="does not show it"):
                await settle(lost.proposal_id or "", "posted", record_id=wrong, **who)
        settled = await settle(lost.proposal_id or "", "posted", record_id=by_hand, **who)

        assert settled.state == "posted"
        assert settled.record is not None
        assert (settled.record["id"], settled.record["amount"]["amount"]) == (by_hand, "99.00")
