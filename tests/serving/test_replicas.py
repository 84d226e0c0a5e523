"""Two servers on one PostgreSQL store, in front of one Rutter: what one began, the other goes on with."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from cryptography.fernet import Fernet
from mcp.client import Client
from mcp.client.context import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitRequestParams, ElicitResult, ErrorData

from support.http_server import HttpServer, http_server
from support.issuer import Issuer, running_issuer
from support.postgres import running_postgres
from support.sandbox_server import first_token, sandbox_server, settings_of
from support.serving import bill_numbered, done

RESOURCE = "http://127.0.0.1:8080/mcp"


@dataclass
class Replicas:
    """Two servers that are alike, the issuer whose tokens they take, and their Rutter."""

    servers: tuple[HttpServer, HttpServer]
    issuer: Issuer
    announced: dict[str, Any]

    def paid(self) -> list[dict[str, Any]]:
        """Every payment that the ledger has."""
        answer = httpx.get(
            f"{self.announced['base_url']}/accounting/bill_payments",
            params={"access_token": first_token(self.announced), "limit": 500},
            auth=(self.announced["client_id"], self.announced["client_secret"]),
            headers={"X-Rutter-Version": "2024-08-31"},
        )
        found: list[dict[str, Any]] = answer.json()["bill_payments"]
        return found


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    home = tmp_path_factory.mktemp("replicas")
    with (
        running_postgres() as postgres,
        postgres.store_url() as url,
        sandbox_server() as announced,
        running_issuer() as issuer,
    ):
        settings = settings_of(
            announced,
            first_token(announced),
            RUTTER_AP_DATABASE_URL=url,
            RUTTER_AP_SECRET_KEYS=Fernet.generate_key().decode(),
            RUTTER_AP_RESOURCE=RESOURCE,
        )
        with http_server(home / "one", issuer, **settings) as one, http_server(home / "two", issuer, **settings) as two:
            yield Replicas((one, two), issuer, announced)


class RoundRobin(httpx2.AsyncBaseTransport):
    """A proxy that gives each request to the next server."""

    def __init__(self, servers: tuple[HttpServer, ...]) -> None:
        self._next = itertools.cycle(servers)
        self._inner = httpx2.AsyncHTTPTransport()
        self.went_to: list[int] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        port = next(self._next).port
        self.went_to.append(port)
        request.url = request.url.copy_with(port=port)
        request.headers["host"] = f"127.0.0.1:{port}"
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


async def accepts(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult | ErrorData:
    return ElicitResult(action="accept", content={"approve": True})


@asynccontextmanager
async def behind_a_proxy(replicas: Replicas, **claims: Any) -> AsyncIterator[tuple[Client, RoundRobin]]:
    proxy = RoundRobin(replicas.servers)
    headers = {"authorization": f"Bearer {replicas.issuer.token(RESOURCE, **claims)}"}
    async with httpx2.AsyncClient(transport=proxy, headers=headers, timeout=60) as http:
        transport = streamable_http_client(f"{replicas.servers[0].address}/mcp", http_client=http)
        async with Client(transport, elicitation_callback=accepts) as client:
            yield client, proxy


async def test_a_question_of_one_is_answered_at_the_other(replicas: Replicas) -> None:
    before = len(replicas.paid())
    async with behind_a_proxy(replicas) as (client, proxy):
        await client.call_tool("link_account", {"role": "funding", "account": "Operating Checking"})
        bill = await bill_numbered(client, "NW-2291")
        proxy.went_to.clear()
        paid = await done(client, "pay_bill", bill_id=bill["id"], amount="10.00")
        assert paid["status"] == "posted"
        assert len(set(proxy.went_to)) == 2
        assert len(replicas.paid()) == before + 1


async def test_many_callers_at_both_pay_a_bill_once(replicas: Replicas) -> None:
    before, outcomes = len(replicas.paid()), list[str]()

    async def pay(subject: str, bill_id: str) -> None:
        async with behind_a_proxy(replicas, sub=subject) as (client, _):
            result = await client.call_tool("pay_bill", {"bill_id": bill_id, "amount": "11.00"})
            outcomes.append("refused" if result.is_error else str((result.structured_content or {})["status"]))

    async with behind_a_proxy(replicas) as (client, _):
        await client.call_tool("link_account", {"role": "funding", "account": "Operating Checking"})
        bill = await bill_numbered(client, "BH-5520")
        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(pay, f"caller {number}", bill["id"])
    assert len(replicas.paid()) == before + 1
    assert len(outcomes) == 8
