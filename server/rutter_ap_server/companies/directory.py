"""Finds records by id or name. When a name matches several records, it never guesses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import anyio

from rutter_ap_server.clock import Clock
from rutter_ap_server.rutter import CompanyClient
from rutter_ap_server.rutter.errors import NotFoundUpstream, NotSupportedHere, WalkTooLong
from rutter_ap_server.rutter.models.accounts import Account
from rutter_ap_server.rutter.models.vendors import Vendor
from rutter_ap_tools.errors import Ambiguous, ApError, AssistantError, BadInput, NotFound
from rutter_ap_tools.records import RecordKind
from rutter_ap_tools.text import clean, fold
from rutter_ap_tools.wire import Named

_FRESH = timedelta(minutes=5)
_PAGES_MAX = 40
_CANDIDATES_MAX = 8
_LOOK_THERE = "A person can look in the accounting platform."


@dataclass(frozen=True, slots=True)
class CachedList:
    """The records of one kind by id, as read at one moment; not `whole` when there were more than the limit.

    A partial list is enough to show names and find some records, but cannot prove that a name is unique. `nameless`
    counts records without an id, to which nothing can refer.
    """

    read_at: datetime
    by_id: dict[str, Any]
    whole: bool
    nameless: int = 0


class Directory:
    """One company's records by name. Lists are cached for minutes, for display; writes read records again by id."""

    def __init__(self, rutter: CompanyClient, clock: Clock) -> None:
        self._rutter = rutter
        self._clock = clock
        self._lists: dict[str, CachedList] = {}
        self._closed: tuple[datetime, date | None] | None = None
        # Whoever asks for a list while it is being read waits for it.
        self._turns: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)
        # Vendors with more documents of a kind than can be read, by that kind's plural and their id.
        self.large: set[tuple[str, str]] = set()
        # Of collections with more pages than were asked for: how many that was, by the plural.
        self.pages_more_than: dict[str, int] = {}

    async def vendors(self, *, refresh: bool = False) -> dict[str, Vendor]:
        """Every vendor by id. Raises `WalkTooLong` when there are too many."""
        return await self.every("vendor", refresh=refresh)

    async def accounts(self, *, refresh: bool = False) -> dict[str, Account]:
        """Every ledger account by id. Raises `WalkTooLong` when there are too many."""
        return await self.every("account", refresh=refresh)

    async def closed_up_to(self) -> date | None:
        """The last day of the closed period according to the company's record; None if it does not say."""
        async with self._turns["company_info"]:
            return await self._closed_up_to()

    async def _closed_up_to(self) -> date | None:
        now, bypassed = self._clock.now(), self._rutter.first_sync.reads
        if self._closed is not None and timedelta(0) <= now - self._closed[0] < _FRESH:
            return self._closed[1]
        extras = (await self._rutter.company_info()).additional_fields
        closing = extras.closing_date if extras is not None else None
        day = closing.date() if closing is not None else None
        if self._rutter.first_sync.reads == bypassed:
            self._closed = (now, day)
        return day

    def forget(self) -> None:
        """Drops the cached lists, after something was written."""
        self._lists.clear()

    async def vendor(self, reference: str) -> Vendor:
        """The one vendor with that id or exactly that name, ignoring case."""
        found: Vendor = await self.one("vendor", reference)
        return found

    async def vendor_to_read(self, reference: str) -> Vendor:
        """Like `vendor`, for reads: a single vendor whose name contains the text will do; the result names it."""
        try:
            return await self.vendor(reference)
        except Ambiguous as several:
            if len(several.candidates) != 1:
                raise
            return await self.vendor(several.candidates[0][0])

    async def account(self, reference: str) -> Account:
        """The one account with that id, or exactly that name or number."""
        found: Account = await self.one("account", reference)
        return found

    async def one(self, kind: str, reference: str) -> Any:
        """The one record of a kind (see `RecordKind`) with that id, or exactly that name, number or code.

        Raises `Ambiguous` if several match or only part of a name does, `NotFound` if none does, and `NotOffered`
        where the platform has no such records.
        """
        wanted = fold(reference)
        records: dict[str, Any] = {}
        for refresh in (False, True):
            cached_list = await self.cached_list(kind, refresh=refresh)
            records = cached_list.by_id
            if reference in records:
                return records[reference]
            if not cached_list.whole:
                return await self._by_id_alone(kind, reference)
            exact = [r for r in records.values() if wanted and wanted in map(fold, r.names)]
            if len(exact) == 1:
                return exact[0]
            if exact:
                raise Ambiguous(
                    f"several {RecordKind(kind).plural_words} have that name", candidates=_candidates(exact)
                )
        near = [r for r in records.values() if wanted and any(wanted in fold(text) for text in r.names)]
        if near:
            raise Ambiguous(
                f"no {RecordKind(kind).words} has exactly that name, but these names contain it",
                candidates=_candidates(near),
            )
        if not records:
            # On some platforms an empty list says that Rutter cannot read it.
            words = f"Rutter lists no {RecordKind(kind).plural_words} of this company at all"
            raise NotFound(f"{words}, so whether it has this one is not known", next_step=_LOOK_THERE)
        raise NotFound(f"this company has no {RecordKind(kind).words} with that id or name", next_step=_look_up(kind))

    async def cached_list(self, kind: str, *, refresh: bool = False) -> CachedList:
        """The records of a kind, at most 20,000 of them. Raises `NotOffered` where the platform has none."""
        asked_at = self._clock.now()
        async with self._turns[kind]:
            return await self._cached_list(kind, asked_at, refresh=refresh)

    def count(self, kind: str) -> int | None:
        """How many records of a kind were listed the last time; None if they were not, or not all of them."""
        known = self._lists.get(kind)
        return len(known.by_id) if known is not None and known.whole else None

    async def _cached_list(self, kind: str, asked_at: datetime, *, refresh: bool) -> CachedList:
        cached_list = self._lists.get(kind)
        now, bypassed = self._clock.now(), self._rutter.first_sync.reads
        # What another call began to read after this one had asked is as fresh as it asks for.
        is_old = cached_list is not None and refresh and cached_list.read_at <= asked_at
        if cached_list is None or is_old or not timedelta(0) <= now - cached_list.read_at < _FRESH:
            by_id: dict[str, Any] = {}
            whole, nameless = True, 0
            try:
                async for record in self._endpoint(kind).walk(pages_max=_PAGES_MAX):
                    if record.id:
                        by_id[record.id] = record
                    else:
                        nameless += 1
            except WalkTooLong:
                whole = False
            except NotSupportedHere:
                raise NotOffered(RecordKind(kind)) from None
            cached_list = CachedList(now, by_id, whole, nameless)
            # What was read before the first sync has finished is read again, since more may have come in.
            if self._rutter.first_sync.reads == bypassed:
                self._lists[kind] = cached_list
        return cached_list

    async def every(self, kind: str, *, refresh: bool) -> dict[str, Any]:
        """Every record of a kind by id. Raises `WalkTooLong` when there are too many, and `NotOffered`."""
        cached_list = await self.cached_list(kind, refresh=refresh)
        if not cached_list.whole:
            raise WalkTooLong(
                f"This company has more {RecordKind(kind).plural_words} than can be searched.",
                next_step="A person can do this in the accounting platform.",
            )
        return cached_list.by_id

    async def _by_id_alone(self, kind: str, reference: str) -> Any:
        """Looks up an id only: in a partial list a name cannot be known to be unique."""
        try:
            return await self._endpoint(kind).get(reference)
        except (NotFoundUpstream, BadInput):
            raise NotFound(
                f"this company has no {RecordKind(kind).words} with that id, and too many to search by name",
                next_step=_look_up(kind),
            ) from None

    def _endpoint(self, kind: str) -> Any:
        return getattr(self._rutter, RecordKind(kind).plural)


def vendor_name(vendor: Vendor) -> str:
    """The vendor's display name."""
    return vendor.label


def account_name(account: Account) -> str:
    """The account's display name."""
    return account.label


def _candidates(records: Iterable[Any]) -> list[tuple[str, str]]:
    named = ((r.id, clean(", ".join(r.names))) for r in records)
    return sorted(named, key=lambda pair: pair[1])[:_CANDIDATES_MAX]


def _look_up(kind: str) -> str:
    return f"Look it up with find_records (kind={kind}) and use the id shown there."


_CHARACTERS_MAX = 80


class NameResolver:
    """Resolves ids to names for one result. It never fails: an id alone is still worth showing."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._kinds: dict[str, dict[str, Any]] = {}

    async def named(self, kind: str, record_id: str) -> Named:
        """A record by its id, with its name if known; `kind` is a `RecordKind`."""
        if kind not in self._kinds:
            self._kinds[kind] = await self._read(kind)
        record = self._kinds[kind].get(record_id)
        name = clean(record.label, _CHARACTERS_MAX) if record is not None else ""
        return Named(id=record_id, name=name or None)

    async def _read(self, kind: str) -> dict[str, Any]:
        try:
            return (await self._directory.cached_list(kind)).by_id
        except ApError:
            return {}


class NotOffered(AssistantError):
    """The accounting platform, or the plan of this connection, does not offer such records."""

    code = "platform.unsupported"

    def __init__(self, kind: RecordKind) -> None:
        super().__init__(
            f"Rutter does not offer the {kind.plural_words} of this company's accounting platform or plan",
            next_step=f"Do not retry. {kind.instead}",
        )
