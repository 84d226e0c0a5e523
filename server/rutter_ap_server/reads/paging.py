"""Reads upstream lists in order, and resumes them from a cursor of our own."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rutter_ap_server.rutter.paging import Page
from rutter_ap_tools.errors import BadInput

R = TypeVar("R")
PAGES_MAX = 20
PAGE_SIZE = 200
WALK_PAGES_MAX = 40
NOT_ALL_SEEN = "The search is not complete yet; call again with the cursor to continue."


@dataclass(slots=True)
class Stream(Generic[R]):
    """One upstream list being read in order.

    `at` is the cursor of the current page and `skip` the number of its records already used; together they say where
    to resume. `label` is what the list was filtered by when several are merged.
    """

    fetch: Callable[[str | None], Awaitable[Page[R]]]
    label: str | None = None
    at: str | None = None
    skip: int = 0
    ended: bool = False
    page: tuple[R, ...] | None = None
    following: str | None = None

    @property
    def head(self) -> R | None:
        """The next record, if the current page has one."""
        return self.page[self.skip] if self.page is not None and self.skip < len(self.page) else None

    @property
    def waits(self) -> bool:
        """Whether a page must be read before the next record is known."""
        return self.head is None and not self.ended

    async def fill(self) -> None:
        """Reads the page at `at`."""
        read = await self.fetch(self.at)
        self.page, self.following = read.items, read.next_cursor
        self._turn()

    def hold(self, records: Sequence[R]) -> None:
        """Uses a list that was already read and sorted as the only page; `skip` still applies."""
        if not self.ended:
            self.page, self.following = tuple(records), None
            self._turn()

    def advance(self) -> None:
        """Moves past the next record."""
        self.skip += 1
        self._turn()

    def end(self) -> None:
        """Ends the stream: nothing after this can match."""
        self.ended, self.page = True, None

    def _turn(self) -> None:
        if self.head is None:
            self.page, self.skip, self.at, self.ended = None, 0, self.following, self.following is None


@dataclass(slots=True)
class PageOf(Generic[R]):
    """One page of results; `more` when others may follow, `stuck` when it is not full because of the page limit."""

    records: list[R]
    more: bool
    stuck: bool


async def take(stream: Stream[R], fits: Callable[[R], bool], limit: int) -> PageOf[R]:
    """The next `limit` matching records of one stream, within the page limit."""
    found: list[R] = []
    pages_left = PAGES_MAX
    while len(found) < limit:
        while stream.waits and pages_left:
            await stream.fill()
            pages_left -= 1
        record = stream.head
        if record is None:
            break
        stream.advance()
        if fits(record):
            found.append(record)
    return PageOf(found, more=not stream.ended, stuck=stream.waits and len(found) < limit)


def pack(question: str, streams: Sequence[Stream[R]]) -> str:
    """A cursor that records where each stream stopped; `question` identifies the query it belongs to."""
    value = [question, [[s.at, s.skip, s.ended] for s in streams]]
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


def resume(cursor: str, question: str, streams: Sequence[Stream[R]]) -> None:
    """Resumes the streams from a cursor. Raises `BadInput` for another query's cursor."""
    if not cursor:
        return
    positions = _unpack(cursor, question)
    if positions is None or len(positions) != len(streams):
        raise BadInput("`cursor` does not belong to this query; omit it to start again")
    for stream, (at, skip, ended) in zip(streams, positions, strict=True):
        stream.at, stream.skip, stream.ended = at, skip, ended


def _unpack(cursor: str, question: str) -> list[tuple[str | None, int, bool]] | None:
    try:
        named, positions = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        read = [(at, skip, ended) for at, skip, ended in positions]
    except (ValueError, TypeError):
        return None
    fits = all(
        isinstance(at, str | None) and type(skip) is int and skip >= 0 and isinstance(ended, bool)
        for at, skip, ended in read
    )
    return read if fits and named == question else None
