"""How long one waits and looks before an outcome is believed, what is noted of it, and when nothing is being sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.lease import Lease
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.pay_bill import PayBillWrite
from rutter_ap_server.rutter.errors import BadRequest
from rutter_ap_server.rutter.outcomes import Done, Rejected, Unknown, WriteOutcome
from rutter_ap_server.store.attempts import Attempt
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.wire import Record
from support.bench import Bench, PowerCut, a_bench, codes
from support.facts import ids_of
from support.store_rows import put

ALLOW = '[tools]\npay_bill = "allow"\n'
BILL = "NW-2291"
Happens = Callable[[], Awaitable[object]]


@dataclass
class Pauses:
    """Pauses that take no time. In each of them something may happen."""

    seconds: list[float] = field(default_factory=list)
    happens: dict[float, Happens] = field(default_factory=dict)

    async def __call__(self, seconds: float) -> None:
        """A pause."""
        self.seconds.append(seconds)
        if seconds in self.happens:
            await self.happens[seconds]()


def pauses_of(bench: Bench) -> Pauses:
    noted = Pauses()
    bench.app.dispatcher._sleep = noted
    return noted


class FromItsJob(PayBillWrite):
    """A payment of which Rutter's job says what became of it."""

    def __init__(self, outcome: WriteOutcome[Any]) -> None:
        self.outcome = outcome

    async def outcome_of_job(self, company: Company, job_id: str) -> WriteOutcome[Any]:
        assert job_id == "j1"
        return self.outcome


class NotShown(PayBillWrite):
    """A payment that the ledger does not show."""

    async def read_back(self, *_: Any) -> tuple[Record, ...]:
        return ()


@dataclass
class OnItsWay:
    """A payment of 100.00 USD that was sent, and of which nothing is known."""

    bench: Bench
    lease: Lease
    prepared: PreparedWrite
    policy: Policy
    pauses: Pauses
    write: PayBillWrite = field(default_factory=PayBillWrite)
    before: dict[str, Any] = field(default_factory=lambda: {"payments": [], "due": "684.20"})

    async def refused(self, job_id: str | None = "j1") -> Proposal:
        """Rutter says that it was refused."""
        outcome = Rejected(BadRequest("no"), job_id)
        of = (self.write, self.prepared, self.bench.company, self.lease, self.before, outcome)
        return await self.bench.app.dispatcher.refused(*of)

    async def done(self, record: object) -> Proposal:
        """Rutter says that it was done."""
        of = (self.write, self.prepared, self.bench.company, self.lease, self.before, Done(record, "j1"))
        return await self.bench.app.dispatcher.read_back(*of)

    async def by_hand(self, key: str = "by hand") -> str:
        """The ledger shows it from now on; the id there."""
        return await self.bench.pay_by_hand(BILL, "100.00", key)

    async def attempt(self) -> Attempt:
        """What is noted of it."""
        found = await self.bench.app.store.read(lambda tx: tx.attempts.last(self.lease.proposal_id))
        assert found is not None
        return found


async def on_its_way(bench: Bench) -> OnItsWay:
    bench.wire.faults = ["power cut before"]
    with pytest.raises(PowerCut):
        await bench.pay(BILL, "100.00")
    (proposal,) = await bench.proposals()
    lease = bench.app.dispatcher.lease_on(proposal.id)
    assert await bench.app.store.write(lambda tx: lease.take_over(tx, proposal.lease_owner))
    return OnItsWay(bench, lease, PreparedWrite.of(proposal), await bench.app.policy.read(), pauses_of(bench))


async def test_a_claim_waits_three_seconds_for_another_write(home: Path) -> None:
    async with a_bench(home) as bench:
        store, pauses, fields = bench.app.store, pauses_of(bench), ids_of("b1", "v1")
        other = put(store, state="dispatching", fields=fields)
        ours = put(store, state="released", fields=fields)
        dispatch = bench.app.dispatcher.dispatch

        assert (await dispatch(ours.id, bench.company)).state == "released"
        assert pauses.seconds == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6]

        async def settled() -> None:
            await store.write(lambda tx: tx.proposals.move(other.id, [State.DISPATCHING], State.FAILED))
            await store.write(lambda tx: tx.proposals.move(ours.id, [State.RELEASED], State.DECLINED))

        # What need not wait, because it may be claimed or never will be, does not.
        pauses.seconds.clear()
        pauses.happens[0.1] = settled
        assert (await dispatch(ours.id, bench.company)).state == "declined"
        assert (await dispatch(ours.id, bench.company)).state == "declined"
        assert pauses.seconds == [0.05, 0.1]


async def test_what_the_ledger_does_not_show_in_three_seconds_is_unknown(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await on_its_way(bench)
        assert (await one.done(SimpleNamespace(id="r9"))).state == "unknown"

        attempt = await one.attempt()
        assert one.pauses.seconds == [0.3, 1.0, 2.0]
        assert (attempt.upstream_id, attempt.job_id) == ("r9", "j1")
        assert (attempt.outcome, attempt.reason) == ("unknown", "the ledger does not show it yet")


async def test_an_answer_that_names_no_record_is_kept_without(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await on_its_way(bench)
        one.write = NotShown()

        assert (await one.done(object())).state == "unknown"
        assert (await one.attempt()).upstream_id is None


@pytest.mark.parametrize("is_down", [False, True])
async def test_the_ledger_is_looked_at_until_it_shows_it(home: Path, is_down: bool) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await on_its_way(bench)
        named = SimpleNamespace(id=await one.by_hand() if is_down else "")
        bench.wire.is_down = is_down

        async def shows_it() -> None:
            bench.wire.is_down = False
            named.id = named.id or await one.by_hand()

        one.pauses.happens[1.0] = shows_it
        posted = await one.done(named)
        assert (posted.state, (posted.record or {})["id"], codes(posted)) == ("posted", named.id, [])
        assert one.pauses.seconds == [0.3, 1.0]
        assert ((await one.attempt()).job_id, (await one.attempt()).upstream_id) == ("j1", named.id)


async def test_the_record_rutter_names_is_ours_and_others_are_said(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await on_its_way(bench)
        other, ours = await one.by_hand("1"), await one.by_hand("2")

        posted = await one.done(SimpleNamespace(id=ours))
        assert (posted.state, (posted.record or {})["id"], codes(posted)) == ("posted", ours, ["ledger.two_records"])
        assert other in posted.findings[0].message


async def test_a_record_that_is_anothers_outcome_is_not_ours(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await on_its_way(bench)
        named = await one.by_hand("1")
        await one.by_hand("2")
        another = put(bench.app.store)
        await bench.app.store.write(lambda tx: tx.attempts.add(another.id, another.id, {}))
        taken = {"upstream_id": named, "job_id": None, "reason": None}
        await bench.app.store.write(lambda tx: tx.attempts.settle(another.id, "posted", **taken))

        assert (await one.done(SimpleNamespace(id=named))).state == "unknown"


@pytest.mark.parametrize(
    ("job_id", "of_job", "outcome", "spent"),
    [
        (None, None, "doubted", "100.00"),
        ("j1", Unknown("j1", "job_unreadable"), "doubted", "100.00"),
        ("j1", Rejected(BadRequest("no")), "failed", "0.00"),
    ],
)
async def test_a_refusal_is_believed_at_once_only_if_it_is_said_twice(
    home: Path, job_id: str | None, of_job: WriteOutcome[Any] | None, outcome: str, spent: str
) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await on_its_way(bench)
        if of_job is not None:
            one.write = FromItsJob(of_job)

        assert (await one.refused(job_id)).state == "failed"
        attempt = await one.attempt()
        assert (attempt.outcome, attempt.job_id, await bench.spent()) == (outcome, job_id, spent)
        assert one.pauses.seconds == [1.0]


async def test_what_was_refused_and_shows_a_second_later_is_posted(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await on_its_way(bench)
        one.pauses.happens[1.0] = one.by_hand

        assert (await one.refused()).state == "posted"
        assert ((await one.attempt()).job_id, await bench.spent()) == ("j1", "100.00")


async def test_two_records_after_a_refusal_are_for_a_person(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await on_its_way(bench)
        shown = [await one.by_hand(key) for key in ("1", "2")]

        assert (await one.refused()).state == "unknown"
        attempt = await one.attempt()
        assert attempt.job_id == "j1"
        assert all(each in str(attempt.reason) for each in ("the ledger shows 2", *shown))


async def test_a_refusal_is_unknown_while_the_ledger_is_silent(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await on_its_way(bench)
        bench.wire.is_down = True

        assert (await one.refused()).state == "unknown"
        attempt = await one.attempt()
        assert (attempt.job_id, attempt.reason) == ("j1", "it was refused, and the ledger could not be looked at")


async def test_a_process_is_idle_once_all_it_sends_has_ended(home: Path) -> None:
    async with a_bench(home) as bench:
        dispatcher, said = bench.app.dispatcher, list[str]()
        await dispatcher.idle()

        async def works(until: anyio.Event) -> None:
            async with dispatcher.busy():
                await until.wait()
            said.append("done")

        async def stops() -> None:
            await dispatcher.drain()
            said.append("idle")

        for _ in range(2):
            first, second = anyio.Event(), anyio.Event()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(works, first)
                tasks.start_soon(works, second)
                await anyio.wait_all_tasks_blocked()
                tasks.start_soon(stops)
                first.set()
                await anyio.wait_all_tasks_blocked()
                assert (said, dispatcher.is_stopping) == (["done"], True)
                second.set()
            assert said == ["done", "done", "idle"]
            said.clear()
