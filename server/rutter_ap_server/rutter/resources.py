"""The verbs of collections, one class each: a collection inherits the verbs it has.

Reads raise `RutterError`; writes return a `WriteOutcome` and raise only when nothing was sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Generic, Literal, TypeVar

import msgspec

from rutter_ap_server.rutter import wire
from rutter_ap_server.rutter.credentials import Secret
from rutter_ap_server.rutter.decode import nonsense, read, read_key
from rutter_ap_server.rutter.errors import NotReady, NotSupportedHere
from rutter_ap_server.rutter.exchange import Exchange
from rutter_ap_server.rutter.filters import Filter, Term, filter_text, sort_text
from rutter_ap_server.rutter.ids import path_of, quoted_id
from rutter_ap_server.rutter.models.base import Draft
from rutter_ap_server.rutter.models.connections import PageConnection
from rutter_ap_server.rutter.paging import PAGE_OBJECTS_MAX, PAGES_MAX, Page, RawPage, Watch, checked_limit, walk
from rutter_ap_server.rutter.platforms import ignores_filters
from rutter_ap_server.rutter.request import Call, Fence, Response

R = TypeVar("R")
C = TypeVar("C", bound=Draft)
U = TypeVar("U", bound=Draft)
IdType = Literal["rutter", "platform"]
ResponseMode = Literal["prefer_sync", "async"]
TIMESTAMPS = frozenset({"created_at", "updated_at", "last_synced_at"})


class DeleteResult(msgspec.Struct, frozen=True):
    """The result of a DELETE. `code`: "deleted", or "not_found" when it was already gone, which is no error."""

    code: str | None = None
    success: bool = True


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[R]):
    """All that differs between one kind of object and the next.

    `one` and `many` are Rutter's names for it, `fields` those to filter and sort by (None where Rutter does not say),
    `documented` the platforms, by their short names, for which Rutter documents each verb. The verbs are read, create,
    update and delete, and our own for what only some fields or calls do: attach, void, apply, replace_lines and so on.
    """

    one: str
    many: str
    record: type[R]
    documented: Mapping[str, str]
    fields: frozenset[str] | None = None

    @property
    def allowed(self) -> frozenset[str] | None:
        return None if self.fields is None else self.fields | TIMESTAMPS


@dataclass(slots=True)
class FirstSync:
    """What is known of a company's first sync, before whose end Rutter refuses reads (Rutter docs: `force_fetch`).

    Where it is bypassed, a refused read is sent once more with `force_fetch`. `reads` counts those: what they answered
    may be incomplete.
    """

    is_bypassed: bool = False
    reads: int = 0

    def bypassing(self, call: Call) -> Call | None:
        """The read that gets past it, and is counted; None where it is not bypassed."""
        if not self.is_bypassed:
            return None
        self.reads += 1
        return replace(call, query={**call.query, "force_fetch": "true"})


@dataclass(frozen=True, slots=True)
class CompanySession:
    """The exchange with Rutter and the token of one company; `fence` is asked before each change of its books."""

    exchange: Exchange
    token: Secret
    fence: Fence | None = None
    first_sync: FirstSync = field(default_factory=FirstSync)

    def watch(self) -> Watch:
        """The time of one walk."""
        return Watch(self.exchange.limits.walk_seconds, self.exchange.clock)

    async def read(self, *segments: str, query: Mapping[str, str] | None = None, on_object: bool = False) -> Response:
        """Sends a read. Raises `RutterError` unless it succeeds."""
        call = Call("GET", path_of(*segments), query=query or {}, token=self.token, on_object=on_object)
        try:
            return await read(self.exchange, call)
        except NotReady:
            past_it = self.first_sync.bypassing(call)
            if past_it is None:
                raise
        return await read(self.exchange, past_it)

    async def read_one(
        self,
        kind: type[R],
        key: str,
        *segments: str,
        query: Mapping[str, str] | None = None,
        on_object: bool = True,
        usable: bool = False,
    ) -> R:
        """Reads the object under a key; `usable` if it may have `trouble`. Raises `RutterError`."""
        response = await self.read(*segments, query=query, on_object=on_object)
        return read_key(response, key, kind, usable=usable)


class Collection(Generic[R]):
    """A kind of object in one company's books."""

    endpoint: ClassVar[Endpoint[Any]]

    def __init__(self, session: CompanySession) -> None:
        self._session = session

    def _path(self, *rest: str) -> tuple[str, ...]:
        return ("accounting", self.endpoint.many, *rest)


class Reads(Collection[R]):
    """A kind that can be listed and fetched."""

    async def list(
        self,
        *,
        filter: Filter | str | None = None,  # noqa: A002 - Rutter's own name
        sort: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
        expand: bool = False,
        force_fetch: bool = False,
        updated_at_min: datetime | None = None,
        updated_at_max: datetime | None = None,
        last_synced_at_min: datetime | None = None,
        match: Mapping[str, str] | None = None,
    ) -> Page[R]:
        """One page: 50 objects unless `limit` (1 to 500) says otherwise, newest change first unless `sort` does.

        The three timestamps are the older way to filter, and the only one on Sage Intacct and Sage Business Cloud,
        which ignore filters: there a built `filter` and `match` are applied to the page here, and a `filter` given as a
        string is refused. `match` holds Rutter's older exact-match parameters, such as `document_number` of bills.
        """
        query = list_query(
            filter=None if filter is None else filter_text(filter, self.endpoint.allowed),
            sort=None if sort is None else sort_text(sort, self.endpoint.allowed),
            limit=limit,
            expand=expand,
            force_fetch=force_fetch,
            updated_at_min=updated_at_min,
            updated_at_max=updated_at_max,
            last_synced_at_min=last_synced_at_min,
            match=match,
        )
        return (await self._fetch(query, cursor, filter, match)).page()

    def walk(
        self,
        *,
        filter: Filter | str | None = None,  # noqa: A002 - Rutter's own name
        sort: str = "updated_at ASC",
        page_size: int = PAGE_OBJECTS_MAX,
        pages_max: int = PAGES_MAX,
        expand: bool = False,
        force_fetch: bool = False,
        updated_at_min: datetime | None = None,
        updated_at_max: datetime | None = None,
        last_synced_at_min: datetime | None = None,
        match: Mapping[str, str] | None = None,
    ) -> AsyncIterator[R]:
        """Every object, one page in memory at a time, oldest change first.

        In that order nothing is missed when objects change during the walk: a changed one appears again at the end, so
        the same id may be yielded twice, and the later one counts. Where the platform ignores the order, the walk reads
        again what has changed meanwhile. Raises `WalkTooLong` when `pages_max` or `Limits.walk_seconds` is not enough.
        """
        query = list_query(
            filter=None if filter is None else filter_text(filter, self.endpoint.allowed),
            sort=sort_text(sort, self.endpoint.allowed),
            limit=page_size,
            expand=expand,
            force_fetch=force_fetch,
            updated_at_min=updated_at_min,
            updated_at_max=updated_at_max,
            last_synced_at_min=last_synced_at_min,
            match=match,
        )

        def fetch(cursor: str | None, *, since: datetime | None = None) -> Awaitable[RawPage[R]]:
            later = max(since, last_synced_at_min or since) if since else None
            again = query if later is None else {**query, "last_synced_at_min": str(milliseconds(later))}
            return self._fetch(again, cursor, filter, match)

        return walk(fetch, pages_max=pages_max, watch=self._session.watch())

    async def get(self, id: str, *, id_type: IdType | None = None, force_fetch: bool = False) -> R:  # noqa: A002
        """One object by its Rutter id, or by the platform's with `id_type="platform"`. Raises `NotFoundUpstream`."""
        query: dict[str, str] = {"id_type": id_type} if id_type else {}
        if force_fetch:
            query["force_fetch"] = "true"
        endpoint = self.endpoint
        return await self._session.read_one(
            endpoint.record, endpoint.one, *self._path(quoted_id(id)), query=query, usable=True
        )

    async def _fetch(
        self, query: Mapping[str, str], cursor: str | None, chosen: Filter | str | None, match: Mapping[str, str] | None
    ) -> RawPage[R]:
        endpoint = self.endpoint
        page = await fetch_page(
            self._session, self._path(), key=endpoint.many, kind=endpoint.record, query=query, cursor=cursor
        )
        if not ignores_filters(page.connection.platform):
            return page
        if isinstance(chosen, str):
            raise NotSupportedHere("This company's accounting platform ignores filters; use the timestamps instead.")
        terms = (chosen.terms if chosen else ()) + tuple(Term(name, "=", text) for name, text in (match or {}).items())
        return replace(page, keep=Filter(terms).matches) if terms else page


async def fetch_page(
    session: CompanySession,
    segments: tuple[str, ...],
    *,
    key: str,
    kind: type[R],
    query: Mapping[str, str],
    cursor: str | None,
) -> RawPage[R]:
    """One page under its plural key. Raises `RutterError`."""
    response = await session.read(*segments, query=query if cursor is None else {**query, "cursor": cursor})
    try:
        envelope = wire.decode_envelope(response.body, key)
    except wire.NotReadable:
        envelope = None
    if envelope is None:
        raise nonsense(response)
    if len(envelope.items) > PAGE_OBJECTS_MAX:
        raise nonsense(response)
    return RawPage(envelope.items, kind, envelope.next_cursor, envelope.connection or PageConnection())


def list_query(
    *,
    limit: int | None = None,
    expand: bool = False,
    force_fetch: bool = False,
    match: Mapping[str, str] | None = None,
    **options: str | datetime | None,
) -> dict[str, str]:
    """The query of a list. Datetimes become Unix milliseconds, as the older parameters need them."""
    query: dict[str, str] = dict(match or {})
    for name, value in options.items():
        if isinstance(value, datetime):
            query[name] = str(milliseconds(value))
        elif value is not None:
            query[name] = value
    if limit is not None:
        query["limit"] = str(checked_limit(limit))
    if expand:
        query["expand"] = "platform_data"
    if force_fetch:
        query["force_fetch"] = "true"
    return query


def milliseconds(moment: datetime) -> int:
    """A datetime in exact Unix milliseconds. Raises `InvalidInput` for one without a time zone."""
    wire.instant_text(moment)
    seconds = int(moment.replace(microsecond=0).timestamp())
    return seconds * 1000 + moment.microsecond // 1000
