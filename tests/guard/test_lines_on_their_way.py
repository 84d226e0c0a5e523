"""The lines of a run on their way: how many at once, in which order, and when no other begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as some

from rutter_ap_server.guard.run_sending import DOUBTFUL_MAX, LINES_AT_ONCE, Line, RunReading, RunSending, lines_of
from rutter_ap_server.rutter.errors import NotFoundUpstream, UpstreamUnavailable
from rutter_ap_server.store.errors import StoreError
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from support.people import HearsProgress
from support.store_rows import a_proposal

ENDS = ("posted", "posted", "posted", "unknown", "unreachable", "gone")
DOUBTFUL = ("unknown", "unreachable")


@dataclass
class Upstream:
    """Ends each line as it is told, after some moments; keeps what happened, in order."""

    ends: Sequence[str]
    chance: Random
    log: list[tuple[str, int]] = field(default_factory=list)
    under_way: int = 0
    most: int = 0
    numbers: dict[str, int] = field(default_factory=dict)
    goes_on: bool = True
    is_stopping: bool = False

    async def send(self, line: Line) -> Proposal:
        number = self.numbers[line.proposal.id]
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.log.append(("begins", number))
        try:
            await self._moments()
            while not await line.turn():
                pass
            if not line.may_leave():
                self.log.append(("stays", number))
                return a_proposal(state=State.RELEASED)
            self.log.append(("leaves", number))
            line.leaves()
            await self._moments()
            self.log.append(("answered", number))
            if self.ends[number] not in DOUBTFUL:
                line.answered()
            await self._moments()
        finally:
            self.under_way -= 1
            self.log.append(("ends", number))
        if self.ends[number] == "unreachable":
            raise UpstreamUnavailable("Rutter cannot be reached")
        if self.ends[number] == "gone":
            raise NotFoundUpstream("there is no such bill")
        return a_proposal(state=State(self.ends[number]))

    async def _moments(self) -> None:
        for _ in range(self.chance.randrange(5)):
            await anyio.lowlevel.checkpoint()

    async def may_go_on(self) -> bool:
        return self.goes_on


class Reads:
    """Keeps which lines were begun."""

    def __init__(self) -> None:
        self.begun: list[Line] = []

    def begins(self, line: Line) -> None:
        self.begun.append(line)


def a_run(vendors: Sequence[str]) -> list[Line]:
    reads: Any = Reads()
    proposals = [
        a_proposal(id=f"line-{number}", vendor_id=vendor, state=State.RELEASED) for number, vendor in enumerate(vendors)
    ]
    return lines_of(proposals, reads)


async def sent(
    lines: list[Line], ends: Sequence[str], seed: int = 0, client: HearsProgress | None = None, **more: Any
) -> Upstream:
    upstream = Upstream(ends, Random(seed), numbers={line.proposal.id: n for n, line in enumerate(lines)}, **more)
    sending = RunSending(
        lines,
        upstream.send,
        upstream.may_go_on,
        lambda: upstream.is_stopping,
        client or HearsProgress(),
        done=0,
    )
    await sending.run()
    return upstream


@given(
    some.lists(some.tuples(some.sampled_from("abc"), some.sampled_from(ENDS)), min_size=1, max_size=30),
    some.integers(0, 10_000),
)
def test_every_order_of_events_keeps_the_promises(made: list[tuple[str, str]], seed: int) -> None:
    vendors, ends = [vendor for vendor, _ in made], [end for _, end in made]
    client = HearsProgress()

    async def run() -> Upstream:
        return await sent(a_run(vendors), ends, seed, client)

    upstream = anyio.run(run)
    begun = [number for what, number in upstream.log if what == "begins"]
    assert sorted(begun) == sorted(number for what, number in upstream.log if what == "ends")
    assert len(begun) == len(set(begun))
    assert upstream.most <= LINES_AT_ONCE
    assert [done for done, _ in client.told] == list(range(len(begun) + 1))
    _first_goes_alone_until_one_is_clear(upstream, ends)
    _one_vendor_goes_in_order(upstream, vendors)
    in_a_row = _doubtful_in_a_row(upstream, ends)
    assert len(begun) == len(made) or in_a_row >= DOUBTFUL_MAX
    _none_overtakes_what_stays(upstream, vendors)


def _first_goes_alone_until_one_is_clear(upstream: Upstream, ends: Sequence[str]) -> None:
    open_lines: set[int] = set()
    for what, number in upstream.log:
        if what == "begins":
            assert not open_lines
            open_lines.add(number)
        elif what == "ends":
            open_lines.discard(number)
            if ends[number] == "posted":
                return


def _one_vendor_goes_in_order(upstream: Upstream, vendors: Sequence[str]) -> None:
    for vendor in set(vendors):
        mine = [(what, n) for what, n in upstream.log if vendors[n] == vendor and what in ("leaves", "answered")]
        left = [number for what, number in mine if what == "leaves"]
        assert left == sorted(left)
        # The one before was answered before the next one left.
        assert mine == [(what, number) for number in left for what in ("leaves", "answered")]


def _none_overtakes_what_stays(upstream: Upstream, vendors: Sequence[str]) -> None:
    stayed = set[str]()
    for what, number in upstream.log:
        assert not (stayed and what == "begins")
        assert not (what == "leaves" and vendors[number] in stayed)
        if what == "stays":
            stayed.add(vendors[number])


def _doubtful_in_a_row(upstream: Upstream, ends: Sequence[str]) -> int:
    most = in_a_row = 0
    stayed = {number for what, number in upstream.log if what == "stays"}
    for what, number in upstream.log:
        if what == "ends" and number not in stayed:
            in_a_row = in_a_row + 1 if ends[number] in DOUBTFUL else 0
            most = max(most, in_a_row)
    return most


async def test_lines_of_many_vendors_go_side_by_side() -> None:
    vendors = [f"v{number}" for number in range(20)]
    upstream = await sent(a_run(vendors), ["posted"] * 20)
    assert upstream.most == LINES_AT_ONCE


async def test_lines_of_one_vendor_are_read_ahead() -> None:
    upstream = await sent(a_run(["v"] * 6), ["posted"] * 6, seed=3)
    places = {event: place for place, event in enumerate(upstream.log)}
    assert any(places[("begins", n + 1)] < places[("answered", n)] for n in range(1, 5))


async def test_nothing_begins_once_the_process_stops() -> None:
    upstream = await sent(a_run(["a", "b"]), ["posted"] * 2, is_stopping=True)
    assert upstream.log == []


async def test_nothing_follows_once_the_lease_is_lost() -> None:
    upstream = await sent(a_run(["a", "b"]), ["posted"] * 2, goes_on=False)
    assert {number for _, number in upstream.log} == {0}


async def test_a_store_that_fails_between_lines_is_said_as_it_is() -> None:
    class Unreadable(Upstream):
        async def may_go_on(self) -> bool:
            raise StoreError("the store could not be read or written")

    lines = a_run(["a", "b"])
    upstream = Unreadable(["posted"] * 2, Random(0), numbers={line.proposal.id: n for n, line in enumerate(lines)})
    sending = RunSending(lines, upstream.send, upstream.may_go_on, lambda: False, HearsProgress(), done=0)
    with pytest.raises(StoreError):
        await sending.run()
    assert {number for _, number in upstream.log} == {0}


async def test_a_bug_in_one_line_ends_the_run_and_is_raised() -> None:
    class Buggy(Upstream):
        async def send(self, line: Line) -> Proposal:
            await super().send(line)
            raise ZeroDivisionError

    lines = a_run(["a", "b"])
    upstream = Buggy(["posted"] * 2, Random(0), numbers={line.proposal.id: n for n, line in enumerate(lines)})
    sending = RunSending(lines, upstream.send, upstream.may_go_on, lambda: False, HearsProgress(), done=0)
    with pytest.raises(ZeroDivisionError):
        await sending.run()
    assert {number for _, number in upstream.log} == {0}


async def test_a_turn_that_comes_late_asks_for_new_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rutter_ap_server.guard.run_sending._TURN_SECONDS_MAX", 0)
    first, second = a_run(["v", "v"])
    turns = list[bool]()

    async def wait() -> None:
        turns.append(await second.turn())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        first.answered()
    assert turns == [False]


def test_only_released_lines_are_sent() -> None:
    proposals = [
        a_proposal(id="a", vendor_id="v", state=State.POSTED),
        a_proposal(id="b", vendor_id="v", state=State.RELEASED),
    ]
    reads: Any = RunReading
    [line] = lines_of(proposals, reads)
    assert (line.proposal.id, line.before) == ("b", None)
