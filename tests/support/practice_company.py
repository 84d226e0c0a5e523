"""A company of the practice Rutter for a test of the lookups: any of its platforms, pages as small as wanted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import httpx

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.companies.company import Company, CompanyIdentity
from rutter_ap_server.companies.directory import Directory
from rutter_ap_server.documents.files import Documents
from rutter_ap_server.rutter import Credentials, RutterClient
from rutter_sandbox import Sandbox
from support.seeded import seeded_sandbox

TODAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class SmallPages(httpx.AsyncBaseTransport):
    """The way to a Rutter whose pages hold at most `objects_max`; it keeps what was asked for.

    Lists named in `missing` are answered as Rutter answers what a platform lacks, and bytes in `replaced` are put in
    the place of others on their way here.
    """

    def __init__(self, sandbox: Sandbox, objects_max: int) -> None:
        self.sandbox = sandbox
        self._inner = httpx.ASGITransport(sandbox.asgi)
        self._objects_max = objects_max
        self.asked: list[str] = []
        self.missing: set[str] = set()
        self.replaced: dict[bytes, bytes] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Passes a request on with a smaller limit."""
        self.asked.append(f"{request.method} {request.url.path}")
        if "limit" in request.url.params:
            limit = min(int(request.url.params["limit"]), self._objects_max)
            request.url = request.url.copy_set_param("limit", limit)
        if request.url.path.rsplit("/", 1)[1] in self.missing:
            return httpx.Response(404, json={"error_code": "NOT_FOUND"})
        answer = await self._inner.handle_async_request(request)
        if not self.replaced:
            return answer
        body = await answer.aread()
        for old, new in self.replaced.items():
            body = body.replace(old, new)
        return httpx.Response(answer.status_code, headers={"content-type": "application/json"}, content=body)


@asynccontextmanager
async def practice(
    tmp_path: Path,
    platform: str = "QUICKBOOKS",
    *,
    page_objects_max: int = 500,
    bills: int = 0,
    over: Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport] = lambda inner: inner,
) -> AsyncIterator[tuple[Company, SmallPages]]:
    """The seeded company on that platform, with so many bills more, and the wire to it, over which another may lie.

    Instead of a platform it may be a company's name, or a connection's id: several companies share a platform.
    """
    sandbox = seeded_sandbox(today=TODAY, bills=bills)
    connection = next(c for c in sandbox.connections if platform in (c.platform, c.name, c.id))
    wire = SmallPages(sandbox, page_objects_max)
    client = RutterClient(
        Credentials(sandbox.client_id, sandbox.client_secret), base_url="http://sandbox/versioned", transport=over(wire)
    )
    clock = FixedClock(NOON)
    books = client.connection(connection.access_token)
    try:
        company = Company(
            identity=CompanyIdentity(connection.id, connection.name, connection.platform, "embedded"),
            rutter=books,
            directory=Directory(books, clock),
            documents=Documents((tmp_path,), tmp_path / "uploads"),
            clock=clock,
        )
        yield company, wire
    finally:
        await client.aclose()
        sandbox.close()
