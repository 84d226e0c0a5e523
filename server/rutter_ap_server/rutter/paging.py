"""Pages, and walks over all pages that end, miss nothing, and hold one page at a time (Rutter docs: Pagination)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

from rutter_ap_server.rutter import wire
from rutter_ap_server.rutter.errors import UpstreamNonsense, WalkTooLong
from rutter_ap_server.rutter.models.base import Record
from rutter_ap_server.rutter.models.connections import PageConnection
from rutter_ap_tools.errors import BadInput

R = TypeVar("R")
PAGE_OBJECTS_MAX = 500
PAGES_MAX = 10_000


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

    def __iter__(self) -> Iterator[R]:
        for raw in self.raw_items:
            record = self._decoded(raw)
            if self.keep is None or self.keep(record):
                yield record

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


Fetch = Callable[[str | None], Awaitable[RawPage[R]]]


def checked_limit(limit: int) -> int:
    """A page size Rutter accepts. Raises `BadInput`."""
    if not 1 <= limit <= PAGE_OBJECTS_MAX:
        raise BadInput(f"A page must hold 1 to {PAGE_OBJECTS_MAX} objects.")
    return limit


async def walk(fetch: Fetch[R], *, pages_max: int) -> AsyncIterator[R]:
    """Every object of every page. Raises `UpstreamNonsense` on a cursor seen before, `WalkTooLong` at the limit."""
    if pages_max < 1:
        raise BadInput("A walk must have at least one page.")
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(pages_max):
        page = await fetch(cursor)
        for record in page:
            yield record
        cursor = page.next_cursor
        if not cursor:
            return
        if cursor in seen:
            raise UpstreamNonsense(
                "Rutter sent a cursor a second time; the walk would not end.", code="cursor_repeated"
            )
        seen.add(cursor)
    raise WalkTooLong(f"There are more than {pages_max} pages.")
