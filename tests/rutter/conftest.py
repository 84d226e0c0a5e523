"""Async tests of the client run on asyncio; those that need books get a sandbox and a client on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from rutter_ap_server.rutter import Credentials, RutterClient
from rutter_sandbox import Sandbox
from support.seeded import seeded_sandbox
from support.tour import TODAY


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    opened = seeded_sandbox(today=TODAY)
    yield opened
    opened.close()


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[RutterClient]:
    credentials = Credentials(sandbox.client_id, sandbox.client_secret)
    transport = httpx.ASGITransport(app=sandbox.asgi)
    async with RutterClient(credentials, base_url="http://sandbox/versioned", transport=transport) as opened:
        yield opened
