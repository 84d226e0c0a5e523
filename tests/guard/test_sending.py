"""How long one waits and looks before an outcome is believed, what is noted of it, and when nothing is being sent."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import httpx
import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.dispatch import in_order
from rutter_ap_server.guard.lease import LEASE_SECONDS, Lease
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.run_sending import DOUBTFUL_MAX
from rutter_ap_server.guard.writes.pay_bill import PayBillWrite
from rutter_ap_server.rutter.errors import BadRequest
from rutter_ap_server.rutter.outcomes import Done, Rejected, Unknown, WriteOutcome
from rutter_ap_server.store.attempts import Attempt
from rutter_ap_server.store.errors import Tampered
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.wire import Record
from rutter_sandbox.companies import company_by
from rutter_sandbox.records import Books
from support.bench import Bench, PowerCut, a_bench, codes, no_time
from support.facts import ids_of
from support.meanwhile import edit
from support.people import HearsProgress
from support.runs import ALLOW as RUNS
from support.runs import PLAIN, ROOMY, run_of
from support.store_rows import a_proposal, behind_its_back, put

ALLOW = '[tools]\npay_bill = "allow"\n'
BILL = "NW-2291"
# Of what becomes of a line, that for which a request leaves.
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
        outcome = Rejected(BadRequest("no", untrusted_detail="The vendor is on hold."), job_id)
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


async def test_what_is_not_shown_in_three_seconds_is_unknown(home: Path) -> None:
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
        # The first look is at once.
        assert one.pauses.seconds == []


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
        # One without a job cannot be asked what it says.
        (None, Rejected(BadRequest("no")), "doubted", "100.00"),
        ("j1", Unknown("j1", "job_unreadable"), "doubted", "100.00"),
        ("j1", Rejected(BadRequest("no")), "failed", "0.00"),
    ],
)
async def test_a_refusal_is_believed_at_once_only_if_it_is_said_twice(
    home: Path, job_id: str | None, of_job: WriteOutcome[Any], outcome: str, spent: str
) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await on_its_way(bench)
        one.write = FromItsJob(of_job)

        assert (await one.refused(job_id)).state == "failed"
        attempt = await one.attempt()
        assert (attempt.outcome, attempt.job_id, await bench.spent()) == (outcome, job_id, spent)
        assert "The vendor is on hold" in str(attempt.reason)
        assert one.pauses.seconds == [1.0]


async def test_what_was_refused_and_shows_a_second_later_is_posted(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await on_its_way(bench)
        one.pauses.happens[1.0] = one.by_hand

        assert (await one.refused()).state == "posted"
        assert ((await one.attempt()).job_id, await bench.spent()) == ("j1", "100.00")


@pytest.mark.parametrize(("records", "named"), [(2, 2), (6, 5)])
async def test_records_of_which_nobody_knows_which_are_for_a_person(home: Path, records: int, named: int) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await on_its_way(bench)
        shown = [await one.by_hand(str(number)) for number in range(records)]

        assert (await one.refused()).state == "unknown"
        attempt = await one.attempt()
        assert attempt.job_id == "j1"
        assert f"the ledger shows {records} that may be it" in str(attempt.reason)
        assert sum(each in str(attempt.reason) for each in shown) == named
        assert one.pauses.seconds == []


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
                await anyio.wait_all_tasks_blocked()
                tasks.start_soon(stops)
                await anyio.wait_all_tasks_blocked()
                tasks.start_soon(works, second)
                await anyio.wait_all_tasks_blocked()
                first.set()
                await anyio.wait_all_tasks_blocked()
                assert (said, dispatcher.is_stopping) == (["done"], True)
                second.set()
            assert said == ["done", "done", "idle"]
            said.clear()


class StillRunning(PayBillWrite):
    """A payment whose job had not ended when Rutter was last asked."""

    async def send(self, *_: Any, **__: Any) -> WriteOutcome[Any]:
        return Unknown("j7", "still_running")


async def test_a_job_that_had_not_ended_is_kept_to_be_asked(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await on_its_way(bench)
        of = (StillRunning(), one.prepared, bench.company, one.lease, one.policy, one.before)

        assert (await bench.app.dispatcher.send(*of)).state == "unknown"
        assert ((await one.attempt()).job_id, (await one.attempt()).reason) == ("j7", "still_running")


async def released(bench: Bench) -> str:
    """A payment that was released, and that nobody claimed yet."""
    bench.policy('[tools]\npay_bill = "ask"\n')
    held = str((await bench.pay(BILL, "100.00")).proposal_id)
    bench.policy(ALLOW)
    await bench.app.store.write(lambda tx: tx.proposals.move(held, [State.HELD], State.RELEASED))
    return held


async def test_what_cannot_be_judged_stays_released(home: Path) -> None:
    async with a_bench(home) as bench:
        ours, dispatch = await released(bench), bench.app.dispatcher.dispatch
        bench.wire.is_down = True
        with pytest.raises(ApError):
            await dispatch(ours, bench.company)
        bench.wire.is_down = False
        bench.policy("[tools")
        with pytest.raises(ApError):
            await dispatch(ours, bench.company)

        waiting = await bench.proposal(ours)
        assert (waiting.state, waiting.lease_owner, bench.wire.writes) == ("released", None, [])
        bench.policy(ALLOW)
        assert (await dispatch(ours, bench.company)).state == "posted"


async def test_two_tasks_send_it_once_and_both_hear_of_it(home: Path) -> None:
    async with a_bench(home) as bench:
        ours, states = await released(bench), list[str]()

        async def sends() -> None:
            states.append((await bench.app.dispatcher.dispatch(ours, bench.company)).state)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sends)
            tasks.start_soon(sends)
        assert (states, bench.wire.payments_sent) == (["posted"] * 2, [ours])


async def test_nothing_is_claimed_or_judged_by_a_wrong_clock(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_bench(home) as bench:
        held = await bench.proposal((await bench.pay("BH-5520", "90.00")).proposal_id)
        ours = await released(bench)
        monkeypatch.setattr(FixedClock, "is_machines", True)

        assert (await bench.app.dispatcher.dispatch(ours, bench.company)).state == "released"
        assert await bench.app.dispatcher.reassess(held.id, bench.company) == held
        assert bench.wire.writes == []


class ClockGoesWrong(PayBillWrite):
    """A payment before whose request the clock is set."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch

    async def draft(self, prepared: PreparedWrite, company: Company) -> Any:
        drafted = await super().draft(prepared, company)
        self.patch.setattr(FixedClock, "is_machines", True)
        return drafted


async def test_nothing_leaves_once_the_clock_is_wrong(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await on_its_way(bench)
        bench.wire.writes.clear()
        of = (ClockGoesWrong(monkeypatch), one.prepared, bench.company, one.lease, one.policy, one.before)

        assert (await bench.app.dispatcher.send(*of)).state == "failed"
        assert bench.wire.writes == []


async def test_only_what_waits_is_judged_again(home: Path) -> None:
    async with a_bench(home) as bench:
        held = str((await bench.pay(BILL, "100.00")).proposal_id)
        looking, reassess = bench.wire.gate(lambda _: True), bench.app.dispatcher.reassess
        before = await bench.proposal(held)

        async def closed_meanwhile() -> None:
            await looking.reached.wait()
            await bench.app.store.write(lambda tx: tx.proposals.move(held, [State.HELD], State.DECLINED))
            looking.go.set()

        bench.policy('[tools]\npay_bill = "refuse"\n')
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(closed_meanwhile)
            closed = await reassess(held, bench.company)
        assert (closed.state, closed.findings) == ("declined", before.findings)
        # And the ledger is not asked about what is closed.
        bench.wire.is_down = True
        assert await reassess(held, bench.company) == closed


@pytest.mark.parametrize(
    ("policy", "frozen", "state", "code"),
    [
        ('[tools]\npay_bill = "refuse"\n', False, "refused", "policy.refuse"),
        ('[tools]\npay_bill = "approve"\n', False, "held", "policy.approve"),
        ("", True, "held", "freeze.active"),
    ],
)
async def test_a_held_proposal_is_judged_as_of_now(
    home: Path, policy: str, frozen: bool, state: str, code: str
) -> None:
    async with a_bench(home) as bench:
        held = str((await bench.pay(BILL, "100.00")).proposal_id)
        bench.policy(policy)
        if frozen:
            await bench.app.store.write(lambda tx: tx.controls.freeze("Ana"))

        judged = await bench.app.dispatcher.reassess(held, bench.company)
        assert (judged.state, code in codes(judged), judged) == (state, True, await bench.proposal(held))


async def test_what_was_edited_by_hand_is_not_judged_again(home: Path) -> None:
    async with a_bench(home) as bench:
        held = str((await bench.pay(BILL, "100.00")).proposal_id)
        behind_its_back(f"sqlite:///{home / 'rutter-ap.db'}", "UPDATE proposals SET amount = '1.00'")

        with pytest.raises(Tampered):
            await bench.app.dispatcher.reassess(held, bench.company)


async def test_only_a_process_that_let_go_has_ended(home: Path) -> None:
    async with a_bench(home) as bench:
        other, ended = bench.another(), bench.app.dispatcher.ended
        owner = other.app.dispatcher.lease_on("p").owner
        assert [ended(one) for one in (None, "", "nobody/1", owner)] == [None] * 4

        # The system lets go of its lock.
        assert other.app.processes._held is not None
        os.close(other.app.processes._held)
        other.app.processes._held = None
        assert ended(owner) == owner
        await other.app.aclose()


PAYS = RUNS + ROOMY
NUMBERS = [*PLAIN, "AP-310", "INV-1051"]


def deleted(bench: Bench, bill_id: str) -> None:
    """Somebody deletes a bill in the accounting platform."""
    connection_id = bench.sandbox.connections[0].id
    with bench.sandbox._database.writing() as tx:
        company = company_by(tx.sql, "id", connection_id)
        assert company is not None
        Books(tx, company).remove("bill", {"id": bill_id})


class Begins(HearsProgress):
    """A client in whose run something happens before the first payment is sent."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__()
        self._happens = happens

    async def report_progress(self, done: float, total: float, _message: str) -> None:
        if not self.told:
            self._happens()
        await super().report_progress(done, total, _message)


@pytest.mark.parametrize(
    ("happens", "states", "told"),
    [
        # A bill that is gone, or whose amounts cannot be used, is no reason for the others to wait.
        ("ok gone unusable ok ok", "posted released released posted posted", 5),
        ("gone unusable ok ok ok", "released released posted posted posted", 5),
        # What was begun before anything was in doubt goes on.
        ("ok gone lost lost ok", "posted released unknown unknown posted", 5),
        # Two in a row of which nothing is known are, and two with another between them are not.
        ("lost lost ok ok ok", "unknown unknown released released released", 2),
        ("lost ok lost ok ok", "unknown posted unknown posted posted", 5),
        ("silent silent ok ok ok", "released released released released released", 2),
        ("silent ok ok ok ok", "released posted posted posted posted", 5),
        ("lost silent ok ok ok", "unknown released released released released", 2),
        # The run's lease has run out, so that another process may be sending the rest.
        ("late ok ok ok ok", "posted released released released released", 1),
    ],
)
async def test_a_run_goes_on_until_too_much_is_in_doubt(home: Path, happens: str, states: str, told: int) -> None:
    async with a_bench(home, PAYS) as bench:
        ids = [(await bench.bill(number)).id for number in NUMBERS]
        each = dict(zip(ids, happens.split(), strict=True))

        def silent(request: httpx.Request, response: httpx.Response) -> httpx.Response:
            if each.get(request.url.path.rpartition("/")[2]) == "silent":
                raise httpx.ReadTimeout("no answer")
            return response

        def happen() -> None:
            for bill_id, what in each.items():
                if what == "gone":
                    deleted(bench, bill_id)
                elif what == "unusable":
                    edit(bench, "bill", bill_id, currency_code="XXX")
            bench.wire.fault_for = lambda body: (
                "lost before" if any(what == "lost" and bill_id in body for bill_id, what in each.items()) else ""
            )
            bench.wire.answers = silent
            # Nor does a page show such a bill.
            bench.wire.page_bills_max = 1 if "silent" in happens else 0

        def let_the_lease_run_out() -> None:
            bench.wire.then = lambda: None
            bench.clock.instant += timedelta(seconds=LEASE_SECONDS)

        if "late" in happens:
            bench.wire.then = let_the_lease_run_out
        client = Begins(happen)
        result = await run_of(bench, *NUMBERS, interaction=client)
        lines = {line.bill_id: line.state for line in await bench.proposals() if line.run_id is not None}
        assert [lines[bill_id] for bill_id in ids] == states.split()
        assert client.told == [(number, 5) for number in range(told + 1)]
        assert result.status == ("posted" if "released" not in states and "unknown" not in states else "unknown")


async def test_a_run_that_goes_on_passes_over_what_is_in_doubt(home: Path) -> None:
    async with a_bench(home, PAYS) as bench:
        bench.wire.faults = ["lost before"] * DOUBTFUL_MAX
        await run_of(bench, *NUMBERS, interaction=HearsProgress())
        run = next(one for one in await bench.proposals() if one.tool == "propose_payment_run")
        lease = bench.app.dispatcher.lease_on(run.id)
        bench.clock.instant += timedelta(seconds=LEASE_SECONDS)
        assert await bench.app.store.write(lease.take_over)
        await bench.app.dispatcher.send_lines(lease, bench.company, HearsProgress())
        lines = [line.state for line in await bench.proposals() if line.run_id is not None]
        assert sorted(lines) == ["posted"] * (len(NUMBERS) - DOUBTFUL_MAX) + ["unknown"] * DOUBTFUL_MAX


async def test_a_run_sends_nothing_while_its_process_stops(home: Path) -> None:
    async with a_bench(home, PAYS) as bench:
        bench.app.dispatcher.is_stopping = True
        await run_of(bench, *PLAIN)

        lines = [line.state for line in await bench.proposals() if line.run_id is not None]
        assert (lines, bench.wire.writes) == (["released"] * 3, [])


def test_lines_are_sent_in_the_order_of_their_bills() -> None:
    run = a_proposal(fields={"lines": [{"bill_id": "b2"}, {"bill_id": "b1"}]})
    lines = [a_proposal(bill_id=of) for of in (None, "b1", "b2")]

    assert [line.bill_id for line in in_order(run, lines)] == ["b2", "b1", None]


async def test_what_has_begun_is_not_cancelled_half_way(home: Path) -> None:
    async with a_bench(home) as bench:
        is_done = False
        with anyio.CancelScope() as caller:
            async with bench.app.dispatcher.busy():
                caller.cancel()
                await no_time(0)
                is_done = True
        assert is_done


async def test_a_held_line_does_not_wait_for_those_released_with_it(home: Path) -> None:
    async with a_bench(home, PAYS) as bench:
        bench.wire.faults = ["lost before"] * 2
        await run_of(bench, *[*PLAIN][::-1])
        (line,) = [one for one in await bench.proposals() if one.state == "released"]
        await bench.app.store.write(lambda tx: tx.proposals.move(line.id, [State.RELEASED], State.HELD))

        judged = await bench.app.dispatcher.reassess(line.id, bench.company)
        # Its vendor's other payment is in doubt, but was released together with it.
        assert (judged.state, "vendor.in_flight" in codes(judged)) == ("held", False)
