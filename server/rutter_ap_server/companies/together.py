"""Records for writes that are sent at the same time: what several of them ask for is read by one request, if it can be.

What was written a moment ago is always read after it was asked for. What nobody need have changed may have been read
just before, within a round trip or two: the facts of a payment on its own are as old by the time it is sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from rutter_ap_server.companies.reading import RecordsOf
from rutter_ap_server.rutter import CompanyClient
from rutter_ap_server.rutter.errors import BadRequest, NotSupportedHere
from rutter_ap_server.rutter.filters import Filter, equal
from rutter_ap_server.rutter.paging import PAGE_OBJECTS_MAX
from rutter_ap_tools.errors import ApError

_SECONDS_MAX = 1.5


@dataclass(frozen=True, slots=True)
class Shows:
    """A page that may show many of the records asked for; with `news`, what changed last is to be shown as well."""

    sort: str | None = None
    filter: Filter | None = None
    records_max: int = PAGE_OBJECTS_MAX
    news: bool = False


# Somebody may enter a bill again while the first one is being paid.
_OPEN = Shows(sort="last_synced_at DESC", filter=equal("status", "open"), news=True)
_AS_THEY_ARE: dict[RecordsOf, Shows] = {"bills": _OPEN, "vendors": Shows()}
# More than are written at once, whoever else is at work.
_LATEST_MAX = 100
_CHANGED = Shows(sort="last_synced_at DESC", records_max=_LATEST_MAX)
# Whatever became of it by then: what was paid twice already is no longer open.
_NEWS = Shows(sort="last_synced_at DESC", records_max=_LATEST_MAX, news=True)
_JUST_CHANGED: dict[RecordsOf, Shows] = {"bills": _CHANGED, "bill_payments": _CHANGED}


@dataclass(slots=True)
class _Wish:
    is_answered: bool = False
    record: Any = None
    error: ApError | None = None


class Together:
    """Reads single records for several callers; `lists` says where to look for many of them at once.

    So many round trips are waited for others to ask as well, `waits`, or until `nobody_else` says that none will. An
    answer may have been read `before` round trips before it was asked for.
    """

    def __init__(
        self,
        rutter: CompanyClient,
        lists: dict[RecordsOf, Shows],
        *,
        waits: float,
        before: float = 0.0,
        nobody_else: Callable[[], Awaitable[None]] = anyio.sleep_forever,
    ) -> None:
        self._rutter = rutter
        self._lists = dict(lists)
        self._waits, self._before = waits, before
        self._nobody_else = nobody_else
        self._wishes: defaultdict[RecordsOf, dict[str, _Wish]] = defaultdict(dict)
        self._turns: defaultdict[RecordsOf, anyio.Lock] = defaultdict(anyio.Lock)
        self._seen: dict[tuple[RecordsOf, str], tuple[float, Any]] = {}
        self._round_trip_seconds = 0.0

    async def get(self, many: RecordsOf, record_id: str) -> Any:
        """The record as the ledger shows it now. Raises `RutterError`."""
        wish = self._wishes[many].setdefault(record_id, _Wish())
        async with self._turns[many]:
            if not wish.is_answered:
                self._answer_what_was_seen(many)
            if not wish.is_answered:
                await self._wait_for_others()
                # Not there any more where somebody took it along and was cancelled.
                wish = self._wishes[many].setdefault(record_id, wish)
                await self._answer(many, self._wishes.pop(many))
        if wish.error is not None:
            raise wish.error.with_traceback(None)
        return wish.record

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
                wish.record, wish.is_answered = record, True
                del self._wishes[many][record_id]

    async def _answer(self, many: RecordsOf, wishes: dict[str, _Wish]) -> None:
        began = anyio.current_time()
        # A page that may answer the next ones as well is worth a request for one record.
        if many in self._lists and (len(wishes) > 1 or self._before):
            await self._look_them_up(many, wishes)
        async with anyio.create_task_group() as tasks:
            for record_id, wish in wishes.items():
                if not wish.is_answered:
                    tasks.start_soon(self._ask, many, record_id, wish)
        self._round_trip_seconds = anyio.current_time() - began

    async def _look_them_up(self, many: RecordsOf, wishes: dict[str, _Wish]) -> None:
        """Answers what one page shows. One that shows less than half of it is asked for its news alone, if at all."""
        shows, began = self._lists[many], anyio.current_time()
        pages = [shows, _NEWS] if shows.news and shows.filter is not None else [shows]
        records, failures = list[Any](), list[BaseException]()

        async def look(page: Shows) -> None:
            asked = getattr(self._rutter, many).list(filter=page.filter, sort=page.sort, limit=page.records_max)
            try:
                records.extend((await asked).items)
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException as error:  # noqa: BLE001 - raised outside the group, which would wrap it
                failures.append(error)

        async with anyio.create_task_group() as tasks:
            for page in pages:
                tasks.start_soon(look, page)
        for failure in failures:
            if not isinstance(failure, ApError):
                raise failure
            self._page_failed(many, wishes, failure)
            return
        for record in _readable(records):
            self._note(many, record.id, began, record)
            wish = wishes.get(record.id)
            if wish is not None:
                wish.record, wish.is_answered = record, True
        shown = sum(wish.is_answered for wish in wishes.values())
        if shown * 2 < len(wishes):
            self._ask_for_news(many)

    def _ask_for_news(self, many: RecordsOf) -> None:
        if self._lists.pop(many).news:
            self._lists[many] = _NEWS

    def _page_failed(self, many: RecordsOf, wishes: dict[str, _Wish], error: ApError) -> None:
        """Each is asked for by itself; but where news were asked for, and may be there, nothing is answered."""
        if self._lists[many].news and not isinstance(error, BadRequest | NotSupportedHere):
            for wish in wishes.values():
                wish.error, wish.is_answered = error, True
        else:
            del self._lists[many]

    def _note(self, many: RecordsOf, record_id: str, began: float, record: Any) -> None:
        if self._before:
            self._seen[(many, record_id)] = (began, record)

    async def _ask(self, many: RecordsOf, record_id: str, wish: _Wish) -> None:
        began = anyio.current_time()
        try:
            wish.record = await getattr(self._rutter, many).get(record_id)
            self._note(many, record_id, began, wish.record)
        except ApError as error:
            wish.error = error
        wish.is_answered = True


def _readable(records: Iterable[Any]) -> Iterable[Any]:
    return (one for one in records if not one.trouble)


def as_they_are(rutter: CompanyClient) -> Together:
    """For records that nobody need have changed."""
    return Together(rutter, _AS_THEY_ARE, waits=0.2, before=1.5)


def just_changed(rutter: CompanyClient, nobody_else: Callable[[], Awaitable[None]]) -> Together:
    """For records that were written a moment ago; `nobody_else` returns once no other is being written."""
    return Together(rutter, _JUST_CHANGED, waits=2.0, nobody_else=nobody_else)
