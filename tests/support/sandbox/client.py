"""Calls a sandbox in process through httpx, as a program would that was written against Rutter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from rutter_sandbox import Sandbox
from support.sandbox.wire import TODAY
from support.seeded import seeded_sandbox

ORIGIN = "http://sandbox"


@dataclass(frozen=True, slots=True)
class Caller:
    """A sandbox and a client with its credentials; every call goes to the main company unless told otherwise."""

    sandbox: Sandbox
    client: httpx.AsyncClient

    @property
    def token(self) -> str:
        return self.sandbox.connections[0].access_token

    async def send(
        self, method: str, path: str, body: object = None, *, token: str | None = None, fault: str = "", **query: Any
    ) -> httpx.Response:
        """One request below /versioned."""
        headers = {"X-Sandbox-Fault": fault} if fault else {}
        asked = {"access_token": token or self.token, **query}
        return await self.client.request(method, f"/versioned{path}", params=asked, json=body, headers=headers)

    async def get(self, path: str, **query: Any) -> Any:
        """The answer of a read that must succeed."""
        return _good(await self.send("GET", path, **query))

    async def post(self, path: str, body: object = None, **query: Any) -> Any:
        """The answer of a write that must succeed."""
        return _good(await self.send("POST", path, body, **query))

    async def switch(self, name: str, body: object) -> Any:
        """Turn one of the sandbox's own switches."""
        return _good(await self.client.put(f"/sandbox/{name}", json=body))

    async def every(self, plural: str, **query: Any) -> list[dict[str, Any]]:
        """A whole list, walked page by page."""
        rows: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await self.get(f"/accounting/{plural}", limit=500, cursor=cursor, **query)
            rows += page[plural]
            cursor = page["next_cursor"] or ""
            if not cursor:
                return rows

    async def bill(self, number: str) -> dict[str, Any]:
        found = await self.get("/accounting/bills", filter=f'document_number="{number}"')
        return dict(found["bills"][0])

    async def account(self, name: str = "Operating Checking") -> dict[str, Any]:
        found = await self.get("/accounting/accounts", filter=f'name="{name}"')
        return dict(found["accounts"][0])

    async def payment_of(self, number: str, amount: str = "10.00") -> dict[str, Any]:
        """The body of a payment on the bill with that number."""
        link = {"id": (await self.bill(number))["id"], "allocated_amount": float(amount)}
        fields = {"account_id": (await self.account())["id"], "transaction_date": TODAY.isoformat()}
        return {"bill_payment": fields | {"linked_bills": [link]}}


def _good(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


@asynccontextmanager
async def calling(*, bills: int = 0, admin: bool = True) -> AsyncIterator[Caller]:
    """A sandbox of this test's own, in memory."""
    sandbox = seeded_sandbox(today=TODAY, bills=bills, admin=admin)
    transport = httpx.ASGITransport(app=sandbox.asgi)
    credentials = httpx.BasicAuth(sandbox.client_id, sandbox.client_secret)
    headers = {"X-Rutter-Version": "2024-08-31"}
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, auth=credentials, headers=headers) as client:
        yield Caller(sandbox, client)
    sandbox.close()
