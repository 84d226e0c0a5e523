"""The verbs of collections, one class each: a collection inherits the verbs it has.

Reads raise `RutterError`; writes return a `WriteOutcome` and raise only when nothing was sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Final, Generic, Literal, TypeVar, get_args

import msgspec

from rutter_ap_server.rutter import wire
from rutter_ap_server.rutter.credentials import Secret
from rutter_ap_server.rutter.decode import nonsense, read, read_key
from rutter_ap_server.rutter.errors import InvalidInput, NotReady, NotSupportedHere, UpstreamNonsense
from rutter_ap_server.rutter.exchange import Exchange
from rutter_ap_server.rutter.filters import Filter, Term, filter_text, is_field, sort_text
from rutter_ap_server.rutter.ids import checked_text, is_same_id, path_of, quoted_id
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
# Parameters of every list that have an argument of their own.
_NOT_TO_MATCH: Final = frozenset(
    {"access_token", "cursor", "expand", "filter", "force_fetch", "id_type", "limit", "sort"}
)


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
        if id_type is not None and id_type not in get_args(IdType):
            raise InvalidInput(f"The type of the id must be one of: {', '.join(get_args(IdType))}.")
        query: dict[str, str] = {"id_type": id_type} if id_type else {}
        if force_fetch:
            query["force_fetch"] = "true"
        endpoint = self.endpoint
        record: R = await self._session.read_one(
            endpoint.record, endpoint.one, *self._path(quoted_id(id)), query=query, usable=True
        )
        if id_type != "platform" and not is_same_id(getattr(record, "id", None), id):
            raise nonsense()
        return record

    async def _fetch(
        self, query: Mapping[str, str], cursor: str | None, chosen: Filter | str | None, match: Mapping[str, str] | None
    ) -> RawPage[R]:
        endpoint = self.endpoint
        page = await fetch_page(
            self._session, self._path(), key=endpoint.many, kind=endpoint.record, query=query, cursor=cursor
        )
        platform = page.connection.platform
        # Where the answer does not say which platform it is, it may be one of those.
        if platform and not ignores_filters(platform):
            return page
        if isinstance(chosen, str) and platform:
            raise NotSupportedHere("This company's accounting platform ignores filters; use the timestamps instead.")
        if isinstance(chosen, str):
            raise UpstreamNonsense("Rutter's answer does not say of which platform it is, so nor what it filtered.")
        terms = (chosen.terms if chosen else ()) + tuple(Term(name, "=", text) for name, text in (match or {}).items())
        return replace(page, keep=Filter(terms).matches if terms else None, is_sorted=False)


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
    if cursor is not None:
        query = {**query, "cursor": checked_text(cursor, "The cursor")}
    response = await session.read(*segments, query=query)
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
    """The query of a list. Datetimes become Unix milliseconds, as the older parameters need them.

    Raises `InvalidInput`.
    """
    query = {} if match is None else _matched(match)
    for name, value in options.items():
        if value is None:
            continue
        is_moment = name.endswith(("_min", "_max"))
        if is_moment and not isinstance(value, datetime):
            raise InvalidInput(f"{name} must be a date with a time and a time zone.")
        query[name] = str(milliseconds(value)) if isinstance(value, datetime) else checked_text(value, f"The {name}")
    if limit is not None:
        query["limit"] = str(checked_limit(limit))
    if expand:
        query["expand"] = "platform_data"
    if force_fetch:
        query["force_fetch"] = "true"
    return query


def _matched(match: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(match, Mapping) or any(name in _NOT_TO_MATCH or not is_field(name) for name in match):
        raise InvalidInput("What must match is given by the names of Rutter's older parameters.")
    return {name: checked_text(text, f"The {name} to match") for name, text in match.items()}


def milliseconds(moment: datetime) -> int:
    """A datetime in exact Unix milliseconds. Raises `InvalidInput` for one without a time zone."""
    wire.instant_text(moment)
    seconds = int(moment.replace(microsecond=0).timestamp())
    return seconds * 1000 + moment.microsecond // 1000
