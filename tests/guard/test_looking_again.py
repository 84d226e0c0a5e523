"""What recovery takes up, looks for and believes: each condition by itself, on what is open and what is in doubt."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from rutter_ap_server.clock import Clock
from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.dispatch import Dispatcher
from rutter_ap_server.guard.lease import LEASE_SECONDS, Lease
from rutter_ap_server.guard.own_writes import LAG_MAX
from rutter_ap_server.guard.policy import PolicyFile
from rutter_ap_server.guard.recovery import Recovery
from rutter_ap_server.processes import Processes
from rutter_ap_server.store.attempts import DOUBTED
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.errors import StoreError
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import IN_FLIGHT_STATES, State
from rutter_ap_tools.errors import Refused
from support.bench import Bench, a_bench
from support.lagging import photographed, up_to_date
from support.refusals import refused_for
from support.store_rows import a_proposal, behind_its_back, put

ALLOW = '[tools]\npay_bill = "allow"\n'
BILL = "NW-2291"
AN_INSTANT = timedelta(microseconds=1)


@pytest.fixture
def recovery(store: Store, tmp_path: Path) -> Recovery:
    """Recovery over a store alone."""
    return Recovery(store, Dispatcher(store, PolicyFile(tmp_path / "policy.toml", store), anyio.sleep, Processes(None)))


async def test_all_that_is_in_flight_waits_but_lines_of_an_open_run(store: Store, recovery: Recovery) -> None:
    of = {state: put(store, state=state) for state in State}
    for state, run in of.items():
        put(store, state="released", run_id=run.id, company_name=f"line of {state}")
    waiting = await recovery.waiting()

    assert {one.state for one in waiting if one.run_id is None} == set(IN_FLIGHT_STATES)
    of_lines = {one.company_name for one in waiting if one.run_id is not None}
    assert of_lines == {f"line of {state}" for state in State if state not in IN_FLIGHT_STATES}


async def test_none_that_waits_is_hidden_by_many(store: Store, recovery: Recovery) -> None:
    many = [a_proposal(digest=f"{number:064}", state="released") for number in range(201)]

    def add(tx: Tx) -> None:
        for one in many:
            tx.proposals.add(one)

    store.write_now(add)
    assert {one.id for one in await recovery.waiting()} == {one.id for one in many}


async def test_what_is_in_doubt_is_listed_unless_damaged(store: Store, recovery: Recovery, tmp_path: Path) -> None:
    doubted, booked, failed, damaged = [put(store, state="released") for _ in range(4)]

    def settle(tx: Tx) -> None:
        for one, outcome in ((doubted, DOUBTED), (booked, DOUBTED), (failed, "failed"), (damaged, DOUBTED)):
            tx.attempts.add(one.id, one.id, {})
            tx.attempts.settle(one.id, outcome, upstream_id=None, job_id=None, reason=None)
            tx.proposals.move(one.id, [State.RELEASED], State.POSTED if one is booked else State.FAILED)

    store.write_now(settle)
    behind_its_back(
        f"sqlite:///{tmp_path / 'ap.db'}", f"UPDATE proposals SET amount = 'much' WHERE id = '{damaged.id}'"
    )
    assert [one.id for one in await recovery.doubted()] == [doubted.id]


async def in_doubt(bench: Bench, fault: str = "turned down") -> Proposal:
    """A payment of 100.00 that only an answer said had failed."""
    bench.wire.faults = [fault]
    if fault == "turned down after":
        bench.wire.read_faults = {f"/bills/{(await bench.bill(BILL)).id}": "stale_read"}
    with pytest.raises(Refused):
        await bench.pay(BILL, "100.00")
    bench.wire.read_faults = {}
    (found,) = [one for one in await bench.proposals() if one.state == "failed"]
    assert await bench.spent() == "100.00"
    return found


async def settled(bench: Bench, proposal: Proposal, company: Company | None = None) -> tuple[str, str, str | None]:
    """Its state, what counts, and the outcome of its attempt, after it was looked for again."""
    await bench.app.recovery.look_again(proposal, company or bench.company)
    attempt = await bench.app.store.read(lambda tx: tx.attempts.last(proposal.id))
    assert attempt is not None
    return (await bench.proposal(proposal.id)).state, await bench.spent(), attempt.outcome


STILL_IN_DOUBT, BELIEVED = ("failed", "100.00", "doubted"), ("failed", "0.00", "failed")


@pytest.mark.parametrize(
    ("later", "then"), [(timedelta(0), STILL_IN_DOUBT), (LAG_MAX, STILL_IN_DOUBT), (LAG_MAX + AN_INSTANT, BELIEVED)]
)
async def test_a_failure_is_believed_once_the_ledger_would_show_it(
    home: Path, later: timedelta, then: tuple[str, str, str]
) -> None:
    async with a_bench(home, ALLOW) as bench:
        failed = await in_doubt(bench)
        bench.clock.instant += later

        assert await settled(bench, failed) == then
        entries = await bench.app.store.read(lambda tx: [one.kind for one in tx.audit.entries(failed.id)])
        assert entries.count("not_booked") == (then is BELIEVED)


async def test_what_it_finds_once_is_posted_and_twice_is_left_open(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        failed = await in_doubt(bench, "turned down after")
        by_hand = await bench.pay_by_hand(BILL, "100.00")
        bench.clock.instant += LAG_MAX + AN_INSTANT
        assert await settled(bench, failed) == STILL_IN_DOUBT

        await bench.company.rutter.bill_payments.void(by_hand, idempotency_key="a mistake")
        assert await settled(bench, failed) == ("posted", "100.00", "posted")


def another_connection(company: Company) -> Company:
    """The same ledger, connected once more."""
    return replace(company, identity=replace(company.identity, id="another", ledger_id=company.id))


def wrong_clock(company: Company) -> Company:
    """By the machine's own clock, which is not at the time that is on the bench."""
    return replace(company, clock=Clock())


@pytest.mark.parametrize("through", [another_connection, wrong_clock])
async def test_nothing_is_believed_through(home: Path, through: Callable[[Company], Company]) -> None:
    async with a_bench(home, ALLOW) as bench:
        failed = await in_doubt(bench)
        bench.clock.instant += LAG_MAX + AN_INSTANT

        assert await settled(bench, failed, through(bench.company)) == STILL_IN_DOUBT
        assert await settled(bench, failed) == BELIEVED


async def lost(bench: Bench, fault: str = "lost after") -> Proposal:
    """A payment of 100.00 whose outcome is unknown."""
    bench.wire.faults = [fault]
    result = await bench.pay(BILL, "100.00")
    assert result.status == "unknown"
    return await bench.proposal(result.proposal_id)


async def test_no_record_of_another_on_its_way_is_taken(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        failed = await in_doubt(bench, "turned down after")
        other = replace(failed, id="other", digest="e" * 64, state=State.DISPATCHING)
        await bench.app.store.write(lambda tx: tx.proposals.add(other))
        assert await settled(bench, failed) == STILL_IN_DOUBT


@pytest.mark.parametrize("through", [another_connection, wrong_clock])
async def test_nothing_is_resolved_through(home: Path, through: Callable[[Company], Company]) -> None:
    async with a_bench(home, ALLOW) as bench:
        one, resolve = await lost(bench), bench.app.recovery.resolve

        assert await resolve(one, through(bench.company)) == one == await bench.proposal(one.id)
        assert (await resolve(one, bench.company)).state == "posted"


async def test_whoever_could_not_look_keeps_no_lease(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await lost(bench)
        bench.wire.is_down = True
        with refused_for("rutter_unavailable"):
            await bench.app.recovery.resolve(one, bench.company)
        assert (await bench.proposal(one.id)).lease_owner is None


async def test_nothing_is_asked_about_what_another_sends(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await lost(bench)
        other = Lease(one.id, "another/process")
        assert await bench.app.store.write(other.take_over)
        bench.wire.is_down = True
        current = await bench.app.recovery.resolve(one, bench.company)
        assert (current.state, current.lease_owner) == ("unknown", other.owner)


async def test_what_rutter_has_named_is_looked_for_and_not_sent_again(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        start = await photographed(bench, f"/bills/{(await bench.bill(BILL)).id}")
        await bench.pay(BILL, "100.00", dry_run=True)
        start()
        one = await lost(bench, "none")
        for state in ("unknown", "posted"):
            assert (await bench.app.recovery.resolve(one, bench.company)).state == state
            assert bench.wire.payments_sent == [one.id]
            up_to_date(bench)


async def test_a_policy_that_is_broken_sends_nothing_again(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await lost(bench, "lost before")
        bench.policy("[tools")
        assert (await bench.app.recovery.resolve(one, bench.company)).state == "unknown"
        assert bench.wire.payments_sent == [one.id]


async def test_what_cannot_leave_again_may_have_left_before(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await lost(bench, "lost before")
        bench.wire.faults = ["never left"] * 20
        assert (await bench.app.recovery.resolve(one, bench.company)).state == "unknown"
        assert (await bench.spent(), set(bench.wire.payments_sent)) == ("100.00", {one.id})


async def test_what_was_edited_by_hand_is_not_resolved(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await lost(bench)
        behind_its_back(f"sqlite:///{home / 'rutter-ap.db'}", "UPDATE attempts SET idempotency_key = 'another'")
        with refused_for("store.tampered"):
            await bench.app.recovery.resolve(one, bench.company)
        assert (await bench.proposal(one.id)).state == "unknown"


async def test_only_what_an_ended_process_left_is_taken_up(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        failed = await in_doubt(bench, "turned down after")
        ended = Processes(home / "processes")
        ended.announce()
        assert ended._held is not None
        # The system lets go of its lock.
        os.close(ended._held)

        def left(proposal_id: str, owner: str) -> None:
            of_another_bill: dict[str, Any] = {
                "bill_id": proposal_id,
                "fields": failed.fields | {"bill_id": proposal_id},
            }
            of_another_bill |= {"state": State.RELEASED, "digest": proposal_id}

            def leave(tx: Tx) -> None:
                tx.proposals.add(replace(failed, id=proposal_id, **of_another_bill))
                assert Lease(proposal_id, owner).claim(tx)

            bench.app.store.write_now(leave)

        # Of the first nobody knows whether its process has ended, though its lease has run out.
        left("unknown", "some process/1")
        bench.clock.instant += timedelta(seconds=LEASE_SECONDS + 1)
        left("ended", f"{ended.own}/1")
        await bench.app.recovery.take_up_abandoned(bench.company)

        states = [(await bench.proposal(one)).state for one in ("unknown", "ended", failed.id)]
        assert states == ["dispatching", "released", "posted"]


@pytest.mark.parametrize("when", ["before it is looked for", "while it is looked for"])
async def test_what_was_edited_by_hand_is_not_believed(home: Path, when: str) -> None:
    async with a_bench(home, ALLOW) as bench:
        # What is found at once is no more believed than what is not found at all.
        failed = await in_doubt(bench, "turned down after" if when == "before it is looked for" else "turned down")
        bench.clock.instant += LAG_MAX + AN_INSTANT

        def edit(*_: object) -> bool:
            behind_its_back(f"sqlite:///{home / 'rutter-ap.db'}", "UPDATE attempts SET idempotency_key = 'another'")
            return False

        if when == "before it is looked for":
            edit()
        else:
            bench.wire.gate(edit)
        with pytest.raises(StoreError) as tampered:
            await bench.app.recovery.look_again(failed, bench.company)
        assert (tampered.value.error_code, await bench.spent()) == ("store.tampered", "100.00")
        assert (await bench.proposal(failed.id)).state == "failed"


async def test_what_another_posts_meanwhile_stays_posted(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        failed = await in_doubt(bench)
        bench.clock.instant += LAG_MAX + AN_INSTANT

        def post(tx: Tx) -> None:
            tx.proposals.move(failed.id, [State.FAILED], State.POSTED)
            tx.attempts.settle(failed.id, "posted", upstream_id="r1", job_id=None, reason=None)
            tx.spend.settle(failed.id, "post")

        def posts(_request: object) -> bool:
            bench.app.store.write_now(post)
            return True

        bench.wire.gate(posts).go.set()
        assert await settled(bench, failed) == ("posted", "100.00", "posted")


async def test_a_job_that_has_not_ended_says_nothing(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.write_fault = "job_never_ends"
        one = await lost(bench, "none")
        posted = await bench.app.recovery.resolve(one, bench.company)
        assert (posted.state, bench.wire.payments_sent) == ("posted", [one.id])


async def lost_with_a_job(bench: Bench, *, ends_with: tuple[int, bytes] | None) -> Proposal:
    """A payment that was booked by a job which had not ended; now it has, and says this, or what was booked."""
    bench.wire.write_fault = "job_never_ends"
    one = await lost(bench, "none")
    bench.wire.write_fault = ""
    with bench.sandbox._database.writing() as tx:
        tx.sql.execute("UPDATE jobs SET polls_left = 0 WHERE polls_left != 0")
        if ends_with is not None:
            tx.sql.execute("UPDATE jobs SET http_status = ?, response = ? WHERE polls_left = 0", ends_with)
    return one


async def test_a_job_that_ended_names_what_it_booked(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await lost_with_a_job(bench, ends_with=None)
        (booked,) = [link.id for link in (await bench.bill(BILL)).linked_payments]
        # Without the job nobody could tell the two apart.
        await bench.pay_by_hand(BILL, "100.00")
        posted = await bench.app.recovery.resolve(one, bench.company)

        assert (posted.state, (posted.record or {})["id"], bench.wire.payments_sent) == ("posted", booked, [one.id])


async def test_a_job_that_was_refused_ends_it(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await lost_with_a_job(bench, ends_with=(450, b'{"error_type": "PLATFORM_ERROR", "error_code": "NO"}'))
        (booked,) = [link.id for link in (await bench.bill(BILL)).linked_payments]
        await bench.company.rutter.bill_payments.void(booked or "", idempotency_key="it was never there")
        failed = await bench.app.recovery.resolve(one, bench.company)

        assert (failed.state, await bench.spent(), bench.wire.payments_sent) == ("failed", "0.00", [one.id])
