"""The books of every practice company, twice: as the sandbox wrote them, and as the client read them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

import anyio
import httpx
import msgspec

from rutter_ap_server.rutter import CompanyClient, Credentials, RutterClient
from rutter_ap_server.rutter.models.base import Record
from rutter_sandbox import Sandbox, SandboxConnection
from support.seeded import seeded_sandbox

TODAY = date(2026, 11, 20)
KINDS = {"bills": "Bill", "bill_payments": "BillPayment"}
_exact = msgspec.json.Decoder(float_hook=Decimal)


class Overheard(httpx.AsyncBaseTransport):
    """The way to the sandbox in process; keeps each request and each answer."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._inner = httpx.ASGITransport(app=sandbox.asgi)
        self.requests: list[httpx.Request] = []
        self.answers: list[bytes] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Passes a request on."""
        await request.aread()
        self.requests.append(request)
        answer = await self._inner.handle_async_request(request)
        self.answers.append(await answer.aread())
        return answer

    @property
    def query(self) -> dict[str, str]:
        """What the last request asked for, beside the token."""
        return {name: text for name, text in self.requests[-1].url.params.items() if name != "access_token"}

    @property
    def body(self) -> Any:
        """What the last request held."""
        return _exact.decode(self.requests[-1].content)

    @property
    def answer(self) -> Any:
        """The last answer, its numbers digit for digit."""
        return _exact.decode(self.answers[-1])


@dataclass(frozen=True, slots=True)
class Ledger:
    """A sandbox, a client on it, and what passed between the two."""

    sandbox: Sandbox
    client: RutterClient
    wire: Overheard

    def company(self, platform: str = "QUICKBOOKS") -> CompanyClient:
        """The first company on that platform."""
        return self.client.connection(self.connection(platform).access_token)

    def connection(self, platform: str = "QUICKBOOKS") -> SandboxConnection:
        """Its connection."""
        return next(one for one in self.sandbox.connections if one.platform == platform)

    async def switch(self, name: str, state: object) -> None:
        """Turns one of the sandbox's own switches, which must be open."""
        transport = httpx.ASGITransport(app=self.sandbox.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox/sandbox") as switches:
            (await switches.put(f"/{name}", json=state)).raise_for_status()


@asynccontextmanager
async def ledger(*, bills: int = 0, admin: bool = False) -> AsyncIterator[Ledger]:
    """A sandbox of this test's own, with so many bills more, and a client that waits for no job."""
    sandbox = seeded_sandbox(today=TODAY, bills=bills, admin=admin)
    wire = Overheard(sandbox)
    credentials = Credentials(sandbox.client_id, sandbox.client_secret)
    try:
        async with RutterClient(
            credentials, base_url="http://sandbox/versioned", transport=wire, sleep=_no_wait
        ) as client:
            yield Ledger(sandbox, client, wire)
    finally:
        sandbox.close()


async def _no_wait(_seconds: float) -> None:
    await anyio.lowlevel.checkpoint()


@dataclass(frozen=True, slots=True)
class Seen:
    """One record of one company, as written and as read."""

    company: str
    platform: str
    raw: dict[str, Any]
    read: Record


@cache
def everything(collection: str) -> tuple[Seen, ...]:
    """Every record of that kind in every practice company where it can be listed."""
    return anyio.run(_everything, collection)


async def _everything(collection: str) -> tuple[Seen, ...]:
    found: list[Seen] = []
    async with ledger() as books:
        for connection in books.sandbox.connections:
            kind: Any = getattr(books.client.connection(connection.access_token), collection)
            cursor = None
            while True:
                page = await kind.list(limit=500, cursor=cursor, expand=True, force_fetch=True)
                raws = books.wire.answer[collection]
                for raw, read in zip(raws, page.items, strict=True):
                    found.append(Seen(connection.id, connection.platform, raw, read))
                cursor = page.next_cursor
                if cursor is None:
                    break
    return tuple(found)


def values(raw: Any, path: str) -> Iterator[Any]:
    """What stands at a path of names in a record as written; in every member of a list. Empty ones are left out."""
    if isinstance(raw, list):
        for one in raw:
            yield from values(one, path)
    elif path and isinstance(raw, dict):
        name, _, rest = path.partition(".")
        yield from values(raw.get(name), rest)
    elif raw not in (None, "", {}):
        yield raw


def first_at(node: Any, path: str) -> Any:
    """What stands at a path of names; of a list, in its first member."""
    for name in path.split("."):
        node = (node[0] if isinstance(node, list) else node)[name]
    return node


def fills(collection: str, path: str) -> tuple[int, int]:
    """How many records hold something at a path, which a zero is not, and how many there are."""
    every = everything(collection)
    return sum(any(value != 0 for value in values(one.raw, path)) for one in every), len(every)
