"""A walk shows every object that is there from its beginning to its end, whatever changes meanwhile.

The list here is kept as a platform without sorting keeps it: the newest change first, each page from where the last one
ended. What changes during the walk moves to the front, past the walk.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rutter_ap_server.rutter import equal, errors
from support.scripted_upstream import TOKEN, answer, bill, client_for, page

START = datetime(2026, 2, 1, tzinfo=UTC)
PAGE = 3


class Unsorted(httpx.AsyncBaseTransport):
    """A ledger of bills, of which some change before each request, as `changes` says."""

    def __init__(self, size: int, changes: list[list[int]], *, platform: str = "SAGE_INTACCT") -> None:
        self.moment = 0
        self.platform = platform
        self.changes = changes
        self.stamps = {f"b-{number}": self._tick() for number in range(size)}
        self.requests = 0
        self.silent: set[int] = set()

    def _tick(self) -> int:
        self.moment += 1
        return self.moment

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        names = sorted(self.stamps)
        for number in self.changes.pop(0) if self.changes else []:
            self.stamps[names[number % len(names)]] = self._tick()
        params = request.url.params
        rows = sorted(((stamp, name) for name, stamp in self.stamps.items()), reverse=True)
        if "last_synced_at_min" in params:
            since = datetime.fromtimestamp(int(params["last_synced_at_min"]) / 1000, UTC)
            rows = [row for row in rows if self._at(row[0]) >= since]
        if "cursor" in params:
            rows = [row for row in rows if row[0] < int(params["cursor"])]
        shown = rows[:PAGE]
        cursor = str(shown[-1][0]) if len(rows) > PAGE else None
        body = page([self._bill(*row) for row in shown], cursor, platform=self.platform)
        # The answer need not say of which platform it is.
        return answer(200, body if self.requests not in self.silent else body | {"connection": None})

    @staticmethod
    def _at(stamp: int) -> datetime:
        return START + timedelta(hours=stamp)

    def _bill(self, stamp: int, name: str) -> dict[str, Any]:
        at = self._at(stamp).isoformat()
        return bill(name, updated_at=at, last_synced_at=at, memo=str(stamp))


async def walked(ledger: Unsorted) -> dict[str, str | None]:
    async with client_for(ledger) as client:
        return {each.id: each.memo async for each in client.connection(TOKEN).bills.walk(page_size=PAGE)}


@given(
    size=st.integers(0, 14),
    changes=st.lists(st.lists(st.integers(0, 13), max_size=4), max_size=8),
    platform=st.sampled_from(["SAGE_INTACCT", "SAGE_BUSINESS_CLOUD"]),
)
@settings(deadline=None, max_examples=100)
def test_no_bill_is_passed_by_and_the_latest_copy_comes_last(
    size: int, changes: list[list[int]], platform: str
) -> None:
    ledger = Unsorted(size, changes if size else [], platform=platform)
    seen = anyio.run(walked, ledger)
    assert set(seen) == set(ledger.stamps)
    if not ledger.changes:
        # Nothing changed during the last reading: what was seen last is what is there.
        assert seen == {name: str(stamp) for name, stamp in ledger.stamps.items()}


async def test_a_bill_that_moves_past_the_walk_is_read_all_the_same() -> None:
    # Of nine bills on three pages, the oldest two change before the second page is read.
    ledger = Unsorted(9, [[], [0, 1]])
    assert set(await walked(ledger)) == set(ledger.stamps)


@pytest.mark.parametrize("silent", [{1}, {2}, {3}, {1, 2, 3, 4, 5}])
@pytest.mark.parametrize("platform", ["SAGE_INTACCT", "sage_business_cloud"])
async def test_pages_that_do_not_say_their_platform_lose_nothing(silent: set[int], platform: str) -> None:
    ledger = Unsorted(9, [[], [0, 1]], platform=platform)
    ledger.silent = silent
    assert set(await walked(ledger)) == set(ledger.stamps)


async def test_a_filter_holds_where_the_platform_is_not_said() -> None:
    async with client_for(Unsaid()) as client:
        books = client.connection(TOKEN)
        found = [each.id async for each in books.bills.walk(filter=equal("document_number", "2"))]
        assert set(found) == {"b-2"}
        with pytest.raises(errors.UpstreamNonsense):
            await books.bills.list(filter='document_number="2"')


class Unsaid(httpx.AsyncBaseTransport):
    """A page of bills that heeds no filter, and does not say whose it is."""

    async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
        rows = [bill(f"b-{number}", document_number=str(number)) for number in range(4)]
        return answer(200, {"bills": rows, "next_cursor": None})


async def test_what_does_not_change_is_not_read_twice() -> None:
    for size, requests in ((3, 1), (9, 4)):
        ledger = Unsorted(size, [])
        assert len(await walked(ledger)) == size
        assert ledger.requests == requests


async def test_books_that_never_stand_still_end_the_walk_in_an_error() -> None:
    ledger = Unsorted(9, [[number, number + 1, number + 2, number + 3] for number in range(1000)])
    with pytest.raises(errors.WalkTooLong):
        await walked(ledger)


async def test_a_walk_that_is_sorted_is_read_once() -> None:
    ledger = Unsorted(9, [], platform="XERO")
    assert len(await walked(ledger)) == 9
    assert ledger.requests == 3
