"""Records for writes that are sent at the same time: what several of them ask for is read by one request, if it can be.

What was written a moment ago is always read after it was asked for. What nobody need have changed may have been read
just before, within a round trip or two: the facts of a payment on its own are as old by the time it is sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from rutter_ap_server.at_once import both
from rutter_ap_server.companies.reading import RecordsOf
from rutter_ap_server.rutter import CompanyClient
from rutter_ap_server.rutter.errors import BadRequest, NotSupportedHere
from rutter_ap_server.rutter.filters import Filter, equal
from rutter_ap_server.rutter.paging import PAGE_OBJECTS_MAX
from rutter_ap_tools.errors import ApError

_SECONDS_MAX = 1.5


@dataclass(frozen=True, slots=True)
class Shows:
    """A page of a list."""

    sort: str | None = None
    filter: Filter | None = None
    records_max: int = PAGE_OBJECTS_MAX


Pages = tuple[Shows, ...]
_BY_CHANGE = "last_synced_at DESC"
_NEWEST = Shows(sort=_BY_CHANGE)
_OPEN = Shows(sort=_BY_CHANGE, filter=equal("status", "open"))
# More than are written at once, whoever else is at work.
_LATEST = Shows(sort=_BY_CHANGE, records_max=100)
# What to look at for many records at once. Where that shows less than half of them, the next is looked at from then on.
# Each step of the bills shows those that changed last: somebody may enter a bill again while the first is being paid.
_AS_THEY_ARE: dict[RecordsOf, tuple[Pages, ...]] = {
    "bills": ((_NEWEST,), (_OPEN, _LATEST), (_LATEST,)),
    "vendors": ((Shows(),), ()),
}
_JUST_CHANGED: dict[RecordsOf, tuple[Pages, ...]] = {"bills": ((_LATEST,), ()), "bill_payments": ((_LATEST,), ())}


@dataclass(eq=False, slots=True)
class _Wish:
    is_taken: bool = False
    is_answered: bool = False
    record: Any = None
    error: ApError | None = None
    # Set as well when whoever took it was cut off.
    is_over: anyio.Event = field(default_factory=anyio.Event)

    def answer(self, record: Any = None, error: ApError | None = None) -> None:
        self.record, self.error, self.is_answered = record, error, True
        self.is_over.set()


class Together:
    """Reads single records for several callers; `pages` says where to look for many of them at once, step by step.

    So many round trips are waited for others to ask as well, `waits`, or until `nobody_else` says that none will. An
    answer may have been read `before` round trips before it was asked for.
    """

    def __init__(
        self,
        rutter: CompanyClient,
        pages: dict[RecordsOf, tuple[Pages, ...]],
        *,
        waits: float,
        before: float = 0.0,
        nobody_else: Callable[[], Awaitable[None]] = anyio.sleep_forever,
    ) -> None:
        self._rutter = rutter
        self._pages = dict(pages)
        self._waits, self._before = waits, before
        self._nobody_else = nobody_else
        self._wishes: defaultdict[RecordsOf, dict[str, _Wish]] = defaultdict(dict)
        self._turns: defaultdict[RecordsOf, anyio.Lock] = defaultdict(anyio.Lock)
        self._seen: dict[tuple[RecordsOf, str], tuple[float, Any]] = {}
        self._round_trip_seconds = 0.0

    async def get(self, many: RecordsOf, record_id: str) -> Any:
        """The record as the ledger shows it now. Raises `RutterError`."""
        while True:
            wish = self._wishes[many].setdefault(record_id, _Wish())
            await self._granted(many, wish)
            if wish.error is not None:
                raise wish.error.with_traceback(None)
            if wish.is_answered:
                return wish.record

    async def _granted(self, many: RecordsOf, wish: _Wish) -> None:
        """Reads all that is wished for now, unless somebody else took this wish along."""
        taken: dict[str, _Wish] = {}
        async with self._turns[many]:
            if not wish.is_taken:
                self._answer_what_was_seen(many)
            if not wish.is_taken and not wish.is_answered:
                await self._wait_for_others()
                taken = self._wishes.pop(many)
                for one in taken.values():
                    one.is_taken = True
                if self._before:
                    # Whoever asks meanwhile may find its answer there, too.
                    await self._answer(many, taken)
        if not self._before:
            await self._answer(many, taken)
        await wish.is_over.wait()

    async def _wait_for_others(self) -> None:
        with anyio.move_on_after(min(self._round_trip_seconds * self._waits, _SECONDS_MAX)):
            await self._nobody_else()

    def lately(self, many: RecordsOf) -> Sequence[Any]:
        """The records of a collection that were shown since it was made."""
        return [record for (of, _), (_, record) in self._seen.items() if of == many]

    def _answer_what_was_seen(self, many: RecordsOf) -> None:
        """Answers what was read a moment ago, if that is as good."""
        since = anyio.current_time() - min(self._round_trip_seconds * self._before, _SECONDS_MAX)
        for record_id, wish in list(self._wishes[many].items()):
            began, record = self._seen.get((many, record_id), (0.0, None))
            if record is not None and began > since:
                wish.answer(record)
                del self._wishes[many][record_id]

    async def _answer(self, many: RecordsOf, wishes: dict[str, _Wish]) -> None:
        if not wishes:
            return
        began = anyio.current_time()
        try:
            # A page that may answer the next ones as well is worth a request for one record.
            if self._steps(many)[0] and (len(wishes) > 1 or self._before):
                await self._look_them_up(many, wishes)
            async with anyio.create_task_group() as tasks:
                for record_id, wish in wishes.items():
                    if not wish.is_answered:
                        tasks.start_soon(self._ask, many, record_id, wish)
        finally:
            for wish in wishes.values():
                wish.is_over.set()
        self._round_trip_seconds = anyio.current_time() - began

    def _steps(self, many: RecordsOf) -> tuple[Pages, ...]:
        return self._pages.get(many, ((),))

    async def _look_them_up(self, many: RecordsOf, wishes: dict[str, _Wish]) -> None:
        """Answers what the pages of this step show, and goes on to the next step where that is too little."""
        began = anyio.current_time()
        try:
            records = await self._shown_by(many, *self._steps(many)[0])
        except ApError as error:
            self._page_failed(many, wishes, error)
            return
        for record in _readable(records):
            self._note(many, record.id, began, record)
            wish = wishes.get(record.id)
            if wish is not None:
                wish.answer(record)
        shown = sum(wish.is_answered for wish in wishes.values())
        if shown * 2 < len(wishes):
            self._pages[many] = self._steps(many)[1:] or self._steps(many)

    async def _shown_by(self, many: RecordsOf, page: Shows, *more: Shows) -> list[Any]:
        if more:
            first, others = await both(lambda: self._shown_by(many, page), lambda: self._shown_by(many, *more))
            return [*first, *others]
        asked = getattr(self._rutter, many).list(filter=page.filter, sort=page.sort, limit=page.records_max)
        return list((await asked).items)

    def _page_failed(self, many: RecordsOf, wishes: dict[str, _Wish], error: ApError) -> None:
        """Each is asked for by itself; but where what is new is always to be seen, nothing is answered without it."""
        if self._steps(many)[-1] and not isinstance(error, BadRequest | NotSupportedHere):
            for wish in wishes.values():
                wish.answer(error=error)
        else:
            self._pages[many] = ((),)

    def _note(self, many: RecordsOf, record_id: str, began: float, record: Any) -> None:
        if self._before:
            self._seen[(many, record_id)] = (began, record)

    async def _ask(self, many: RecordsOf, record_id: str, wish: _Wish) -> None:
        began = anyio.current_time()
        try:
            record = await getattr(self._rutter, many).get(record_id)
        except ApError as error:
            wish.answer(error=error)
        else:
            self._note(many, record_id, began, record)
            wish.answer(record)


def _readable(records: Iterable[Any]) -> Iterable[Any]:
    return (one for one in records if not one.trouble)


def as_they_are(rutter: CompanyClient) -> Together:
    """For records that nobody need have changed."""
    return Together(rutter, _AS_THEY_ARE, waits=0.2, before=2.0)


def just_changed(rutter: CompanyClient, nobody_else: Callable[[], Awaitable[None]]) -> Together:
    """For records that were written a moment ago; `nobody_else` returns once no other is being written."""
    return Together(rutter, _JUST_CHANGED, waits=3.0, nobody_else=nobody_else)
