"""One company behind one access token: its books, its health, its synchronisation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime
from typing import TypeVar

from rutter_ap_server.rutter.collections import Collections
from rutter_ap_server.rutter.credentials import Revealing, Secret
from rutter_ap_server.rutter.decode import change, read_key, read_success, usable
from rutter_ap_server.rutter.errors import InvalidInput
from rutter_ap_server.rutter.exchange import Exchange
from rutter_ap_server.rutter.ids import checked_secret, checked_text, checked_texts, path_of
from rutter_ap_server.rutter.models.company import CompanyInfo
from rutter_ap_server.rutter.models.connections import ConnectionDetail, ConnectionStatus
from rutter_ap_server.rutter.models.events import OBJECT_DELETED, Event
from rutter_ap_server.rutter.paging import PAGE_OBJECTS_MAX, PAGES_MAX, Page, RawPage, walk
from rutter_ap_server.rutter.request import Call, Fence, Response
from rutter_ap_server.rutter.resources import CompanySession, FirstSync, fetch_page, list_query
from rutter_ap_server.rutter.wire import encode_body

T = TypeVar("T")


class CompanyClient(Collections):
    """Everything that can be done with one company's books. It only holds a token until a collection is used."""

    def __init__(
        self,
        exchange: Exchange,
        access_token: str | Revealing,
        *,
        fence: Fence | None = None,
        first_sync: FirstSync | None = None,
    ) -> None:
        self.first_sync = first_sync or FirstSync()
        token = checked_secret(access_token, "The access token")
        super().__init__(CompanySession(exchange, token, fence, self.first_sync))
        # For the text in a file, which must keep its bytes; all else comes without them.
        self.secrets = exchange.secrets
        self.secrets.learn(access_token)
        self.time = exchange.time

    def __repr__(self) -> str:
        return "CompanyClient(access_token=********)"

    def fenced(self, fence: Fence) -> CompanyClient:
        """The same company, for one write: `fence` is asked just before each attempt of a change leaves."""
        session = self._session
        return CompanyClient(session.exchange, session.token, fence=fence, first_sync=session.first_sync)

    async def company_info(self, *, expand: bool = False, force_fetch: bool = False) -> CompanyInfo:
        """The company itself. Raises `RutterError`."""
        query = {"expand": "platform_data"} if expand else {}
        if force_fetch:
            query["force_fetch"] = "true"
        return await self._session.read_one(
            CompanyInfo, "company_info", "accounting", "company_info", query=query, on_object=False
        )

    async def status(self) -> ConnectionStatus:
        """The health of the connection. Raises `RutterError`."""
        return await self._session.read_one(ConnectionStatus, "status", "connections", "status", on_object=False)

    async def detail(self) -> ConnectionDetail:
        """The connection as its own token sees it. Raises `RutterError`."""
        return await self._session.read_one(
            ConnectionDetail, "connection", "connections", "access_token", on_object=False
        )

    async def events(
        self,
        *,
        type: str = OBJECT_DELETED,  # noqa: A002 - Rutter's own name
        resources: Sequence[str] = (),
        last_synced_at_min: datetime | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[Event]:
        """One page of events; the only documented type is deletions. `resources`: some of EVENT_RESOURCES."""
        query = self._events_query(type, resources, last_synced_at_min, limit)
        return (await self._events_page(query, cursor)).page()

    def walk_events(
        self,
        *,
        type: str = OBJECT_DELETED,  # noqa: A002 - Rutter's own name
        resources: Sequence[str] = (),
        last_synced_at_min: datetime | None = None,
        page_size: int = PAGE_OBJECTS_MAX,
        pages_max: int = PAGES_MAX,
    ) -> AsyncIterator[Event]:
        """Every event of a type. Raises `WalkTooLong` when `pages_max` is not enough."""
        query = self._events_query(type, resources, last_synced_at_min, page_size)

        def fetch(cursor: str | None, *, since: datetime | None = None) -> Awaitable[RawPage[Event]]:
            # Events come in the order in which they happened: none is passed by, and none is read again.
            return self._events_page(query, cursor)

        return walk(fetch, pages_max=pages_max, watch=self._session.watch())

    @staticmethod
    def _events_query(
        type: str,  # noqa: A002 - Rutter's own name
        resources: Sequence[str],
        last_synced_at_min: datetime | None,
        limit: int | None,
    ) -> dict[str, str]:
        chosen = ",".join(checked_texts(resources, "The resources")) or None
        return list_query(
            type=checked_text(type, "The type"), resources=chosen, last_synced_at_min=last_synced_at_min, limit=limit
        )

    async def _events_page(self, query: dict[str, str], cursor: str | None) -> RawPage[Event]:
        return await fetch_page(self._session, ("events",), key="events", kind=Event, query=query, cursor=cursor)

    async def incremental_sync(self, object_types: Sequence[str] | None = None) -> None:
        """Queues a synchronisation of some of SYNC_OBJECT_TYPES, or of all that are configured.

        It has finished when `detail().last_sync_completed_at` changes. Raises `RutterError`.
        """
        if object_types is not None and not object_types:
            raise InvalidInput("An empty list of object types would sync nothing; omit it to sync all.")
        body = {} if object_types is None else {"object_types": checked_texts(object_types, "The object types")}
        await self._change("incremental_sync", read_success, body=body)

    async def backfill(
        self,
        *,
        start_date: date,
        object_types: Sequence[str],
        end_date: date | None = None,
        include_webhooks: bool = False,
        remarks: str | None = None,
    ) -> None:
        """Queues a backfill of older data, at most five years back. Raises `RutterError`."""
        body: dict[str, object] = {
            "start_date": _day(start_date),
            "object_types": checked_texts(object_types, "The object types"),
            "include_webhooks": include_webhooks,
        }
        if end_date is not None:
            body["end_date"] = _day(end_date)
        if remarks is not None:
            body["remarks"] = remarks
        await self._change("backfill", read_success, body=body)

    async def rotate_token(self) -> Secret:
        """A new access token. The old one, and with it this object, stops working: store the new one at once.

        Raises `WriteOutcomeUnknown` without a readable response: the old token may be gone. Keep it, and ask
        `connections.list`, which has the one that works.
        """
        return await self._change("access_token/invalidate", _new_token, hands_over=True)

    async def _change(
        self,
        path: str,
        reading: Callable[[Response], T],
        *,
        body: Mapping[str, object] | None = None,
        hands_over: bool = False,
    ) -> T:
        content = None if body is None else encode_body(body)
        call = Call(
            "POST", path_of("connections", path), token=self._session.token, body=content, hands_over=hands_over
        )
        return await change(self._session.exchange, call, reading)


def _new_token(response: Response) -> Secret:
    return usable(response, read_key(response, "new_access_token", Secret))


def _day(moment: date) -> str:
    if not isinstance(moment, date):
        raise InvalidInput("A day to start or to end at must be a date.")
    # A datetime is a date too, and would keep its time.
    return date(moment.year, moment.month, moment.day).isoformat()
