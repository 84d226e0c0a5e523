"""One reading of a ledger: what several facts need is asked for once, and what does not wait for the rest side by side.

Made for one judgement and thrown away with it: nothing in a reading is newer than the moment it was read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

import anyio

from rutter_ap_server.rutter import CompanyClient
from rutter_ap_tools.errors import ApError

T = TypeVar("T")
RecordsOf = Literal["accounts", "bill_payments", "bills", "vendors"]
"""Collections whose records are read by id, by Rutter's names for them."""


class Records(Protocol):
    """Reads single records."""

    async def get(self, many: RecordsOf, record_id: str) -> Any:
        """The record of that collection as the ledger shows it now. Raises `RutterError`."""

    def lately(self, many: RecordsOf) -> Sequence[Any]:
        """Other records of it that were shown meanwhile, each as it was shown last."""


@dataclass(frozen=True, slots=True)
class OneByOne:
    """Each record by a request of its own."""

    rutter: CompanyClient

    async def get(self, many: RecordsOf, record_id: str) -> Any:
        """The record as the ledger shows it now. Raises `RutterError`."""
        return await getattr(self.rutter, many).get(record_id)

    def lately(self, many: RecordsOf) -> Sequence[Any]:
        """Nothing else is shown."""
        return ()


@dataclass(slots=True)
class _Answer:
    is_there: anyio.Event = field(default_factory=anyio.Event)
    value: Any = None
    error: ApError | None = None
    is_lost: bool = False

    def result(self) -> Any:
        if self.error is not None:
            raise self.error.with_traceback(None)
        return self.value


class Reading:
    """What was read of one ledger since one moment; an error is an answer too.

    `lists` is an earlier reading whose lists still count: only single records are then read again. `began` is when the
    oldest of it was read.
    """

    def __init__(self, records: Records, *, lists: Reading | None = None) -> None:
        self.began: float = anyio.current_time() if lists is None else lists.began
        self._records = records
        self._lists = lists
        self._answers: dict[Hashable, _Answer] = {}

    async def record(self, many: RecordsOf, record_id: str) -> Any:
        """The record, asked for once. Raises `RutterError`."""
        return await self._once((many, record_id), lambda: self._records.get(many, record_id))

    async def once(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """What `read` returns or raises; it is called once for a key, however many ask."""
        if self._lists is not None:
            return await self._lists.once(key, read)
        return await self.anew(key, read)

    async def anew(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """The same, whatever an earlier reading has of it."""
        found: T = await self._once(key, read)
        return found

    def lately(self, many: RecordsOf) -> Sequence[Any]:
        """Records of a collection that were shown after its lists were read."""
        return self._records.lately(many)

    def known(self, key: Hashable) -> Any:
        """What was read under a key; None if nothing was."""
        if self._lists is not None:
            return self._lists.known(key)
        answer = self._answers.get(key)
        return answer.value if answer is not None and answer.is_there.is_set() else None

    def know(self, many: RecordsOf, record_id: str, record: Any) -> None:
        """Keeps a record that a list has shown, unless it was asked for already."""
        answer = self._answers.setdefault((many, record_id), _Answer(value=record))
        if answer.value is record:
            answer.is_there.set()

    async def _once(self, key: Hashable, read: Callable[[], Awaitable[Any]]) -> Any:
        while (answer := self._answers.get(key)) is not None:
            await answer.is_there.wait()
            if not answer.is_lost:
                return answer.result()
        answer = self._answers[key] = _Answer(is_lost=True)
        try:
            answer.value = await read()
            answer.is_lost = False
        except ApError as error:
            answer.error, answer.is_lost = error, False
        finally:
            if answer.is_lost:
                # Whoever asked first has gone, and the next one asks itself.
                del self._answers[key]
            answer.is_there.set()
        return answer.result()
