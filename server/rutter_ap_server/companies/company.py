"""One connected company and everything a call needs to work with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, TypeVar

from rutter_ap_server.at_once import side_by_side
from rutter_ap_server.clock import Clock
from rutter_ap_server.companies.directory import Directory
from rutter_ap_server.companies.reading import OneByOne, Reading, Records, RecordsOf
from rutter_ap_server.documents.files import Documents
from rutter_ap_server.rutter import CompanyClient
from rutter_ap_server.rutter.errors import NotFoundUpstream
from rutter_ap_server.rutter.models.base import Record
from rutter_ap_server.store.errors import StoreError
from rutter_ap_tools.errors import NotFound
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import CompanyNamed

T = TypeVar("T")
Environment = Literal["embedded", "sandbox", "production"]
FIRST_SYNC_NOTE = (
    "The first sync of this company has not finished: records may be missing from what is shown, so nothing is known "
    "not to exist."
)


async def _none(ledger_id: str, ids: Collection[str]) -> int:
    return 0


@dataclass(frozen=True, slots=True)
class CompanyIdentity:
    """Identifies a company. `id` is Rutter's connection id; `name` is its display name, cleaned."""

    id: str
    name: str
    platform: str
    environment: Environment
    # Another id where the ledger was connected before; None if it is this one, and empty while nobody knows.
    ledger_id: str | None = None

    @property
    def named(self) -> CompanyNamed:
        """As it appears in every result."""
        return CompanyNamed(id=self.id, name=clean(self.name) or None)


@dataclass(frozen=True, slots=True)
class Company:
    """A company's identity, Rutter client, name directory, files and clock, whose "today" is the company's date.

    `written_here` says how many of the records with these ids in a ledger this program wrote, or may have. `reading`
    is what was read of it for one judgement; without one, everything is asked for whenever it is needed.
    """

    identity: CompanyIdentity
    rutter: CompanyClient
    directory: Directory
    documents: Documents
    clock: Clock
    written_here: Callable[[str, Collection[str]], Awaitable[int]] = _none
    reading: Reading | None = None
    # How often the first sync was bypassed before this call, for which the registry makes a value of its own.
    _reads_before: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_reads_before", self.rutter.first_sync.reads)

    def read_once(self, records: Records | None = None, *, lists: Reading | None = None) -> Company:
        """The same company for one judgement, in which nothing is asked for twice (see `Reading`)."""
        once = replace(self, reading=Reading(records or OneByOne(self.rutter), lists=lists))
        object.__setattr__(once, "_reads_before", self._reads_before)
        return once

    def unread(self) -> Company:
        """The same company, without what was read of it."""
        if self.reading is None:
            return self
        anew = replace(self, reading=None)
        object.__setattr__(anew, "_reads_before", self._reads_before)
        return anew

    async def record(self, many: RecordsOf, record_id: str) -> Any:
        """A record by its id. Raises `RutterError`."""
        if self.reading is None:
            return await OneByOne(self.rutter).get(many, record_id)
        return await self.reading.record(many, record_id)

    async def once(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """What `read` returns or raises, which is called once for a key in each reading."""
        return await read() if self.reading is None else await self.reading.once(key, read)

    def lately(self, many: RecordsOf) -> Sequence[Any]:
        """Records that were shown after the lists of this reading were read; they count before those."""
        return () if self.reading is None else self.reading.lately(many)

    def know(self, many: RecordsOf, record: Record) -> None:
        """Keeps a record that a list showed for this reading; one that cannot be read whole is asked for by itself."""
        if self.reading is not None and not record.trouble:
            self.reading.know(many, record.id, record)

    async def ahead(self, *reads: Callable[[], Awaitable[object]]) -> None:
        """Reads side by side what is needed soon, so that it is there then; without a reading it would not be."""
        if self.reading is not None:
            await side_by_side(*reads)

    def known(self, key: Hashable) -> Any:
        """What was read under a key in this reading; None if nothing was."""
        return None if self.reading is None else self.reading.known(key)

    def clock_trouble(self, now: datetime) -> str | None:
        """Why nothing may be written while the store's clock shows `now`: it, or our own, is not Rutter's beyond doubt.

        Not the store's time: where a clock that was wrong once left that ahead, it stays ahead until the clock has
        caught up, perhaps for years, and the operator could set no clock to end it.
        Empty where Rutter has told no time. A clock that was set by hand, as for a test, is held against nothing.
        """
        if not self.clock.is_machines:
            return None
        for whose, shown in (("the store's", now), ("this machine's", self.clock.now())):
            difference = self.rutter.time.difference(shown)
            if difference is None:
                return ""
            if difference.is_too_far:
                return f"{whose} clock is {difference}"
        return None

    @property
    def id(self) -> str:
        """Rutter's connection id."""
        return self.identity.id

    @property
    def ledger_id(self) -> str:
        """What everything about this company is kept under, through whichever connection it is reached.

        Raises `StoreError` while that is not known: whatever was kept, counted or locked before would be missed.
        """
        known = self.identity.ledger_id
        if known == "":
            raise StoreError("the store could not be read or written")
        return self.id if known is None else known

    @property
    def name(self) -> str:
        """The display name, cleaned."""
        return self.identity.name

    @property
    def platform(self) -> str:
        """The accounting platform, by Rutter's name for it."""
        return self.identity.platform

    @property
    def environment(self) -> Environment:
        """Whether this is a production company, Rutter's sandbox, or the embedded practice company."""
        return self.identity.environment

    @property
    def named(self) -> CompanyNamed:
        """As it appears in every result."""
        return self.identity.named.model_copy(update={"note": FIRST_SYNC_NOTE if self.is_incomplete else None})

    @property
    def is_incomplete(self) -> bool:
        """Whether anything was read for this call before the first sync had finished, so that "none" means nothing."""
        return self.rutter.first_sync.reads > self._reads_before


@contextmanager
def said_of_first_sync(company: Company) -> Iterator[None]:
    """What is not found during the first sync may be there all the same, and the error says so."""
    try:
        yield
    except (NotFound, NotFoundUpstream) as error:
        if company.is_incomplete:
            error.next_step = f"{FIRST_SYNC_NOTE} {error.next_step}".strip()
        raise
