"""Transactions: whole or not at all, one writer at a time, and never half done by a cancellation."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rutter_ap_server.clock import FixedClock, stamp, unstamp
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.states import State
from support.store_rows import START, a_proposal, put


async def test_work_that_raises_leaves_nothing_behind(store: Store) -> None:
    proposal = a_proposal()

    def work(tx: Tx) -> None:
        tx.proposals.add(proposal)
        tx.controls.freeze("Ana")
        raise LookupError("in the middle")

    with pytest.raises(LookupError):
        await store.write(work)
    assert await store.read(lambda tx: (tx.proposals.get(proposal.id), tx.controls.frozen_by())) == (None, None)


async def test_a_cancelled_write_is_completed_and_loses_nothing(store: Store) -> None:
    proposal = a_proposal()
    inside, go_on = threading.Event(), threading.Event()

    def work(tx: Tx) -> None:
        tx.proposals.add(proposal)
        inside.set()
        assert go_on.wait(10)
        tx.audit.append("proposed", actor="guard", proposal_id=proposal.id)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.write, work)
        await anyio.to_thread.run_sync(inside.wait)
        tasks.cancel_scope.cancel()
        go_on.set()
    kept = await store.read(lambda tx: (tx.proposals.get(proposal.id), [e.kind for e in tx.audit.entries()]))
    assert kept == (proposal, ["proposed"])


async def test_a_read_sees_one_moment_though_others_write_meanwhile(store: Store) -> None:
    put(store)
    inside, go_on = threading.Event(), threading.Event()

    def work(tx: Tx) -> tuple[int, int]:
        before = len(tx.proposals.in_states([State.HELD]))
        inside.set()
        assert go_on.wait(10)
        return before, len(tx.proposals.in_states([State.HELD]))

    seen: list[tuple[int, int]] = []
    async with anyio.create_task_group() as tasks:

        async def read() -> None:
            seen.append(await store.read(work))

        tasks.start_soon(read)
        await anyio.to_thread.run_sync(inside.wait)
        await store.write(lambda tx: tx.proposals.add(a_proposal()))
        go_on.set()
    assert seen == [(1, 1)]
    assert len(await store.read(lambda tx: tx.proposals.in_states([State.HELD]))) == 2


async def test_a_writer_waits_until_the_one_before_it_is_done(store: Store) -> None:
    inside, go_on = threading.Event(), threading.Event()
    order: list[str] = []

    def first(tx: Tx) -> None:
        inside.set()
        assert go_on.wait(10)
        order.append("first")
        tx.controls.freeze("first")

    def second(tx: Tx) -> str | None:
        order.append("second")
        return tx.controls.frozen_by()

    seen: list[str | None] = []
    async with anyio.create_task_group() as tasks:

        async def then() -> None:
            seen.append(await store.write(second))

        tasks.start_soon(store.write, first)
        await anyio.to_thread.run_sync(inside.wait)
        tasks.start_soon(then)
        await anyio.lowlevel.checkpoint()
        go_on.set()
    assert order == ["first", "second"]
    assert seen == ["first at 2026-03-02T09:30:00.000000Z"]


async def test_a_transaction_has_one_now(store: Store, clock: FixedClock) -> None:
    def work(tx: Tx) -> tuple[datetime, datetime]:
        before = tx.now
        clock.instant = START + timedelta(hours=1)
        return before, tx.now

    assert await store.write(work) == (START, START)


_SECONDS = st.integers(min_value=86400, max_value=253_000_000_000)
_INSTANTS = st.builds(
    lambda seconds, micros: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=micros),
    _SECONDS,
    st.integers(min_value=0, max_value=999_999),
)


@given(_INSTANTS, _INSTANTS)
def test_stamps_sort_as_the_times_do_and_are_read_back(one: datetime, other: datetime) -> None:
    assert (stamp(one) < stamp(other)) == (one < other)
    assert unstamp(stamp(one)) == one
    assert len(stamp(one)) == len(stamp(other)) == 27


def test_a_stamp_is_the_same_instant_wherever_it_was_taken() -> None:
    east = timezone(timedelta(hours=9))

    assert stamp(START.astimezone(east)) == stamp(START) == "2026-03-02T09:30:00.000000Z"
