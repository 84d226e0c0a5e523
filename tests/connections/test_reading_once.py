"""One reading of a ledger: every answer is asked for once, errors too, and whoever waits is never left without one."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from rutter_ap_server.at_once import side_by_side
from rutter_ap_server.companies.reading import Reading, RecordsOf
from rutter_ap_server.rutter.errors import NotFoundUpstream, UpstreamUnavailable


class Ledger:
    """Counts what it is asked; `gate` holds answers back, `errors` are raised in turn."""

    def __init__(self, *errors: Exception) -> None:
        self.asked: list[tuple[str, str]] = []
        self.errors = list(errors)
        self.gate = anyio.Event()
        self.gate.set()

    async def get(self, many: RecordsOf, record_id: str) -> Any:
        self.asked.append((many, record_id))
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        return f"{record_id} as read {len(self.asked)}"

    def lately(self, many: RecordsOf) -> list[Any]:
        return []


async def test_a_record_is_asked_for_once() -> None:
    ledger = Ledger()
    reading = Reading(ledger)
    first = [
        await reading.record("bills", "b1"),
        await reading.record("bills", "b1"),
        await reading.record("bills", "b2"),
    ]
    assert first == ["b1 as read 1", "b1 as read 1", "b2 as read 2"]
    assert ledger.asked == [("bills", "b1"), ("bills", "b2")]


async def test_ids_of_two_collections_are_told_apart() -> None:
    ledger = Ledger()
    reading = Reading(ledger)
    assert await reading.record("bills", "1") != await reading.record("vendors", "1")


async def test_who_asks_meanwhile_gets_the_same_answer() -> None:
    ledger, found = Ledger(), list[Any]()
    ledger.gate = anyio.Event()
    reading = Reading(ledger)

    async def ask() -> None:
        found.append(await reading.record("bills", "b1"))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        ledger.gate.set()
    assert (found, len(ledger.asked)) == (["b1 as read 1"] * 5, 1)


async def test_an_error_is_an_answer_too() -> None:
    ledger = Ledger(NotFoundUpstream("there is no such bill"))
    reading = Reading(ledger)
    for _ in range(2):
        with pytest.raises(NotFoundUpstream):
            await reading.record("bills", "b1")
    assert len(ledger.asked) == 1


async def test_what_was_cut_off_is_asked_again() -> None:
    ledger, found = Ledger(), list[Any]()
    ledger.gate = anyio.Event()
    reading = Reading(ledger)

    async def ask() -> None:
        found.append(await reading.record("bills", "b1"))

    async with anyio.create_task_group() as outer:
        async with anyio.create_task_group() as inner:
            inner.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            outer.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            inner.cancel_scope.cancel()
        await anyio.wait_all_tasks_blocked()
        ledger.gate.set()
    assert (found, len(ledger.asked)) == (["b1 as read 2"], 2)


async def test_a_bug_is_no_answer() -> None:
    ledger = Ledger(ZeroDivisionError())
    reading = Reading(ledger)
    with pytest.raises(ZeroDivisionError):
        await reading.record("bills", "b1")
    assert await reading.record("bills", "b1") == "b1 as read 2"


async def test_what_a_list_showed_is_not_asked_for() -> None:
    ledger = Ledger()
    reading = Reading(ledger)
    reading.know("bills", "b1", "as listed")
    assert (await reading.record("bills", "b1"), ledger.asked) == ("as listed", [])


async def test_what_was_asked_for_stays_as_it_was_answered() -> None:
    ledger = Ledger()
    reading = Reading(ledger)
    await reading.record("bills", "b1")
    reading.know("bills", "b1", "as listed")
    assert await reading.record("bills", "b1") == "b1 as read 1"


async def test_lists_of_an_earlier_reading_count_records_do_not() -> None:
    ledger, reads = Ledger(), list[str]()

    async def read() -> str:
        reads.append("list")
        return "a list"

    earlier = Reading(ledger)
    await earlier.record("bills", "b1")
    await earlier.once("bills of v1", read)
    later = Reading(ledger, lists=earlier)
    assert (await later.once("bills of v1", read), later.known("bills of v1"), reads) == ("a list", "a list", ["list"])
    assert await later.record("bills", "b1") == "b1 as read 2"


async def test_nothing_is_known_before_it_is_read() -> None:
    reading = Reading(Ledger())
    assert reading.known("bills of v1") is None

    async def fails() -> str:
        raise UpstreamUnavailable("Rutter has failed")

    with pytest.raises(UpstreamUnavailable):
        await reading.once("bills of v1", fails)
    assert reading.known("bills of v1") is None


async def test_what_fails_beside_others_hides_nothing() -> None:
    ledger = Ledger(NotFoundUpstream("there is no such bill"))
    reading = Reading(ledger)
    await side_by_side(lambda: reading.record("bills", "b1"), lambda: reading.record("bills", "b2"))
    assert await reading.record("bills", "b2") == "b2 as read 2"
    with pytest.raises(NotFoundUpstream):
        await reading.record("bills", "b1")
    assert len(ledger.asked) == 2
