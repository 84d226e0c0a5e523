"""The bills that fit a question, in its order: Rutter's filters know no "or", so each status is a stream of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rutter_ap_server.lookup.bill_question import Wanted
from rutter_ap_server.lookup.office import Office
from rutter_ap_server.lookup.streams import PAGE_SIZE, PAGES_MAX, WALK_PAGES_MAX, Stream, pack, resume
from rutter_ap_server.rutter.abilities import ignores_filters

if TYPE_CHECKING:
    from rutter_ap_server.rutter.models.bills import Bill
    from rutter_ap_server.rutter.paging import Page


class BillStream:
    """The streams of each wanted status, merged. `stuck` when the bound of pages was met before the end."""

    def __init__(self, wanted: Wanted, streams: list[Stream[Bill]]) -> None:
        self._wanted = wanted
        self._streams = streams
        self.pages_left = PAGES_MAX

    @property
    def ended(self) -> bool:
        """Whether there is nothing more."""
        return all(stream.ended for stream in self._streams)

    @property
    def stuck(self) -> bool:
        """Whether more pages are needed than may be read."""
        return not self.pages_left and any(stream.waits for stream in self._streams)

    @property
    def cursor(self) -> str:
        """Where to go on."""
        return pack(self._wanted.digest, self._streams)

    async def next(self) -> Bill | None:
        """The next bill that fits; None at the end, and when stuck."""
        while True:
            for stream in self._streams:
                while stream.waits and self.pages_left:
                    await stream.fill()
                    self.pages_left -= 1
            ready = [stream for stream in self._streams if stream.head is not None]
            if self.stuck or not ready:
                return None
            stream = self._first(ready)
            bill = stream.head
            assert bill is not None
            stream.advance()
            if self._wanted.is_past(bill):
                stream.end()
            elif self._wanted.matches(bill, stream.label):
                return bill

    def _first(self, ready: list[Stream[Bill]]) -> Stream[Bill]:
        heads = [(self._wanted.order(stream.head), at) for at, stream in enumerate(ready) if stream.head is not None]
        return ready[(max if self._wanted.latest_first else min)(heads)[1]]


async def open_stream(office: Office, wanted: Wanted, cursor: str) -> BillStream:
    """The stream of a question, from its beginning or from a cursor. Raises `BadInput` for another one's cursor."""
    if ignores_filters(office.company.platform):
        stream = _stream(office, wanted, None)
        resume(cursor, wanted.digest, [stream])
        await _hold_sorted(office, wanted, stream)
        return BillStream(wanted, [stream])
    streams = [_stream(office, wanted, status) for status in wanted.statuses]
    resume(cursor, wanted.digest, streams)
    return BillStream(wanted, streams)


async def _hold_sorted(office: Office, wanted: Wanted, stream: Stream[Bill]) -> None:
    """Everything that fits, for a platform that ignores filters and sorting: both are done here."""
    found = {bill.id: bill async for bill in office.ledger.bills.walk(pages_max=WALK_PAGES_MAX)}
    fitting = [bill for bill in found.values() if wanted.matches(bill, None)]
    stream.hold(sorted(fitting, key=wanted.order, reverse=wanted.latest_first))


def _stream(office: Office, wanted: Wanted, status: str | None) -> Stream[Bill]:
    async def fetch(cursor: str | None) -> Page[Bill]:
        return await office.ledger.bills.list(
            filter=wanted.upstream(status), sort=wanted.sort, cursor=cursor, limit=PAGE_SIZE
        )

    return Stream(fetch, label=status)
