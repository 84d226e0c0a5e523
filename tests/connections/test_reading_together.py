"""Records for writes sent at the same time: one page answers many, each is answered, and none with what is too old."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from rutter_ap_server.companies.together import Together, as_they_are, just_changed
from rutter_ap_server.rutter.errors import NotFoundUpstream, UpstreamUnavailable
from support.bench import Bench, a_bench

# The page of open bills, and beside it that of what changed last.
NOBODY = "00000000-0000-4000-8000-000000000000"
OPEN = ("NW-2291", "NW-2304", "BH-5520")


class Asked:
    """The reads that reached Rutter since it was made, lists without their queries."""

    def __init__(self, bench: Bench) -> None:
        self.paths: list[str] = []
        bench.wire.answers = self._note

    def _note(self, request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if request.method == "GET":
            self.paths.append(request.url.path.rpartition("/accounting/")[2])
        return response


async def together(reads: Together, many: Any, ids: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def one(record_id: str) -> None:
        try:
            found[record_id] = await reads.get(many, record_id)
        except NotFoundUpstream as error:
            found[record_id] = error

    async with anyio.create_task_group() as tasks:
        for record_id in ids:
            tasks.start_soon(one, record_id)
    return found


@asynccontextmanager
async def open_bills(home: Path) -> AsyncIterator[tuple[Bench, list[str]]]:
    async with a_bench(home) as bench:
        yield bench, [(await bench.bill(number)).id for number in OPEN]


async def test_bills_asked_for_together_are_read_by_a_page(home: Path) -> None:
    async with open_bills(home) as (bench, ids):
        asked = Asked(bench)
        found = await together(as_they_are(bench.company.rutter), "bills", ids)
        assert [found[one].id for one in ids] == ids
        assert asked.paths == ["bills"]


async def test_one_bill_that_was_paid_is_asked_for_by_itself(home: Path) -> None:
    async with open_bills(home) as (bench, [first, *_]):
        asked = Asked(bench)
        reads = just_changed(bench.company.rutter, anyio.lowlevel.checkpoint)
        assert (await reads.get("bills", first)).id == first
        assert asked.paths == [f"bills/{first}"]


async def test_a_page_answers_who_asks_a_moment_later(home: Path) -> None:
    async with open_bills(home) as (bench, ids):
        asked, reads = Asked(bench), as_they_are(bench.company.rutter)
        await reads.get("bills", ids[0])
        reads._round_trip_seconds = 60.0
        assert [(await reads.get("bills", one)).id for one in ids] == ids
        assert asked.paths == ["bills"]


async def test_what_no_page_shows_is_asked_for_by_itself(home: Path) -> None:
    async with open_bills(home) as (bench, ids):
        asked = Asked(bench)
        found = await together(as_they_are(bench.company.rutter), "bills", [*ids, NOBODY])
        assert isinstance(found[NOBODY], NotFoundUpstream)
        assert [found[one].id for one in ids] == ids
        assert asked.paths == ["bills", f"bills/{NOBODY}"]


@pytest.mark.parametrize(("many", "times"), [("vendors", 1), ("bills", 3)])
async def test_a_page_that_shows_little_is_asked_for_news_alone(home: Path, many: str, times: int) -> None:
    async with open_bills(home) as (bench, _):
        asked, reads = Asked(bench), as_they_are(bench.company.rutter)
        unknown = [NOBODY.replace("8", str(number)) for number in range(5)]
        for _ in range(2):
            await together(reads, many, unknown)
        assert asked.paths.count(many) == times


async def test_bills_that_are_new_are_shown_with_those_asked_for(home: Path) -> None:
    async with open_bills(home) as (bench, [first, *others]):
        reads = as_they_are(bench.company.rutter)
        await reads.get("bills", first)
        assert {one.id for one in reads.lately("bills")} >= {first, *others}
        assert reads.lately("vendors") == []


async def test_without_its_news_no_bill_is_answered(home: Path) -> None:
    async with open_bills(home) as (bench, [first, *_]):

        def silent(request: httpx.Request, response: httpx.Response) -> httpx.Response:
            raise httpx.ReadTimeout("no answer")

        bench.wire.answers = silent
        with pytest.raises(UpstreamUnavailable):
            await as_they_are(bench.company.rutter).get("bills", first)


async def test_a_page_that_fails_leaves_each_to_itself(home: Path) -> None:
    async with open_bills(home) as (bench, ids):

        def refused(request: httpx.Request, response: httpx.Response) -> httpx.Response:
            is_list = request.url.path.endswith("/bills")
            return httpx.Response(400, json={"error_code": "BAD_REQUEST"}, request=request) if is_list else response

        bench.wire.answers = refused
        found = await together(as_they_are(bench.company.rutter), "bills", ids)
        assert [found[one].id for one in ids] == ids


async def test_a_bill_that_was_just_paid_is_read_as_it_is(home: Path) -> None:
    async with open_bills(home) as (bench, ids):
        reads = just_changed(bench.company.rutter, anyio.lowlevel.checkpoint)
        before = await together(reads, "bills", ids)
        paid = await bench.pay_by_hand(OPEN[0], "684.20")
        after = await together(reads, "bills", ids)
        assert (before[ids[0]].status, after[ids[0]].status) == ("open", "paid")
        assert [link.id for link in after[ids[0]].linked_payments] == [paid]


async def test_a_payment_is_found_on_the_page_of_the_latest(home: Path) -> None:
    async with open_bills(home) as (bench, _):
        paid = [await bench.pay_by_hand(number, "10.00", key=number) for number in OPEN[:2]]
        asked = Asked(bench)
        found = await together(just_changed(bench.company.rutter, anyio.lowlevel.checkpoint), "bill_payments", paid)
        assert [found[one].id for one in paid] == paid
        assert asked.paths == ["bill_payments"]


@pytest.mark.parametrize(("slowly", "status"), [(True, "open"), (False, "paid")])
async def test_an_answer_is_as_old_as_a_round_trip_or_two(home: Path, slowly: bool, status: str) -> None:
    async with open_bills(home) as (bench, ids):
        reads = as_they_are(bench.company.rutter)
        await together(reads, "bills", ids)
        # As if the last answer had taken so long.
        reads._round_trip_seconds = 60.0 if slowly else 0.0
        await bench.pay_by_hand(OPEN[0], "684.20")
        assert (await reads.get("bills", ids[0])).status == status


async def test_what_was_cut_off_is_read_by_the_next_one(home: Path) -> None:
    async with open_bills(home) as (bench, [first, second, *_]):
        reads, found = just_changed(bench.company.rutter, anyio.lowlevel.checkpoint), list[str]()
        gate = bench.wire.gate(lambda request: request.url.path.endswith(f"/bills/{first}"))

        async def ask(record_id: str) -> None:
            found.append((await reads.get("bills", record_id)).id)

        async with anyio.create_task_group() as outer:
            async with anyio.create_task_group() as inner:
                inner.start_soon(ask, first)
                await gate.reached.wait()
                outer.start_soon(ask, first)
                outer.start_soon(ask, second)
                inner.cancel_scope.cancel()
            gate.go.set()
        assert sorted(found) == sorted([first, second])
