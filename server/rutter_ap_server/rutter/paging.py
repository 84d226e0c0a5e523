"""Pages, and walks over all pages that end, miss nothing, and hold one page at a time (Rutter docs: Pagination)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

import msgspec

from rutter_ap_server.rutter import wire
from rutter_ap_server.rutter.errors import InvalidInput, UpstreamNonsense, WalkTooLong
from rutter_ap_server.rutter.limiter import Clock
from rutter_ap_server.rutter.models.base import Record
from rutter_ap_server.rutter.models.connections import PageConnection

R = TypeVar("R")
PAGE_OBJECTS_MAX = 500
PAGES_MAX = 10_000
READINGS_MAX = 20
# Rutter's own machines need not agree on the time to the second.
STAMPS_APART_MAX = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """One page. `next_cursor` is None on the last one."""

    items: tuple[R, ...] = field(repr=False)
    next_cursor: str | None = field(repr=False)
    connection: PageConnection


@dataclass(frozen=True, slots=True)
class RawPage(Generic[R]):
    """One page whose objects are decoded on demand."""

    raw_items: list[msgspec.Raw] = field(repr=False)
    kind: type[R]
    next_cursor: str | None = field(repr=False)
    connection: PageConnection
    keep: Callable[[R], bool] | None = None
    is_sorted: bool = True

    def __iter__(self) -> Iterator[R]:
        for raw in self.raw_items:
            record = self._decoded(raw)
            if self.keep is None or self.keep(record):
                yield record

    def began(self, since: datetime | None) -> datetime | None:
        """A moment not before `since`, and before every change made after this page was read; None if untold."""
        stamps = [moment for record in self if (moment := getattr(record, "last_synced_at", None)) is not None]
        known = [since] if since else []
        known += [max(stamps) - STAMPS_APART_MAX] if stamps else []
        return max(known, default=None)

    def marked(self, began: datetime | None) -> Iterator[tuple[int | None, R]]:
        """The objects, each with a mark that changes with it; None for one that was not synced since the walk began."""
        for raw in self.raw_items:
            record = self._decoded(raw)
            if self.keep is None or self.keep(record):
                stamp = getattr(record, "last_synced_at", None)
                yield None if began and stamp and stamp < began else hash(bytes(raw)), record

    def _decoded(self, raw: msgspec.Raw) -> R:
        try:
            return wire.decode(raw, self.kind)
        except wire.NotReadable:
            pass
        # Leaving one out would make a list of debts look complete, and failing would hide all the others: whoever
        # reads the list sets it aside by its `trouble`, and names it.
        if issubclass(self.kind, Record):
            return wire.salvage(raw, self.kind)
        raise UpstreamNonsense(f"Rutter sent a {self.kind.__name__} that cannot be read.")

    def page(self) -> Page[R]:
        return Page(tuple(self), self.next_cursor, self.connection)


class Fetch(Protocol[R]):
    """Fetches the page at a cursor of a list; `since`: only what Rutter has synced since then."""

    def __call__(self, cursor: str | None, *, since: datetime | None = None) -> Awaitable[RawPage[R]]: ...


class Watch:
    """Adds up the time that a walk waits for its pages; what its caller does between them does not count.

    Used as a context around each page; raises `WalkTooLong` once it is more than `seconds_max`.
    """

    def __init__(self, seconds_max: float, clock: Clock) -> None:
        self._seconds_max = seconds_max
        self._clock = clock
        self._began = 0.0
        self._seconds = 0.0

    def __enter__(self) -> None:
        if self._seconds > self._seconds_max:
            raise WalkTooLong(f"The pages took longer than {self._seconds_max:g} s.")
        self._began = self._clock()

    def __exit__(self, *_: object) -> None:
        self._seconds += self._clock() - self._began


def checked_limit(limit: int) -> int:
    """A page size Rutter accepts. Raises `InvalidInput`."""
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= PAGE_OBJECTS_MAX:
        raise InvalidInput(f"A page must hold 1 to {PAGE_OBJECTS_MAX} objects.")
    return limit


async def walk(fetch: Fetch[R], *, pages_max: int, watch: Watch) -> AsyncIterator[R]:
    """Every object of every page, and at the end what has changed meanwhile.

    Where the platform ignores the sort, what changes during the walk may move past it. There the walk reads again what
    was synced since it began, until that shows nothing new. Raises `UpstreamNonsense` on a cursor seen before, and
    `WalkTooLong` at a limit: of pages for each reading, of time for all of them.
    """
    if not isinstance(pages_max, int) or isinstance(pages_max, bool) or pages_max < 1:
        raise InvalidInput("A walk must have at least one page.")
    since: datetime | None = None
    seen: set[int] = set()
    for reading in range(READINGS_MAX):
        began, is_all_sorted, pages, is_new = since, True, 0, reading == 0
        async for page in _pages(fetch, since, pages_max, watch):
            pages += 1
            is_all_sorted = is_all_sorted and page.is_sorted
            if is_all_sorted:
                for record in page:
                    yield record
                continue
            if pages == 1:
                began = page.began(since)
            for mark, record in page.marked(since or began):
                if mark is None or mark not in seen:
                    is_new = True
                    yield record
                if mark is not None:
                    seen.add(mark)
        # One page is of one moment; so is a reading of what an earlier one read too, if it showed nothing else.
        if is_all_sorted or pages <= 1 or (began == since and not is_new):
            return
        since = began
    raise WalkTooLong("The books changed faster than they could be read.")


async def _pages(fetch: Fetch[R], since: datetime | None, pages_max: int, watch: Watch) -> AsyncIterator[RawPage[R]]:
    cursor: str | None = None
    cursors: set[str] = set()
    for _ in range(pages_max):
        with watch:
            page = await fetch(cursor, since=since)
        yield page
        cursor = page.next_cursor
        if not cursor:
            return
        if cursor in cursors:
            raise UpstreamNonsense(
                "Rutter sent a cursor a second time; the walk would not end.", code="cursor_repeated"
            )
        cursors.add(cursor)
    raise WalkTooLong(f"There are more than {pages_max} pages.")
