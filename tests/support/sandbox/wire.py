"""Talks to a sandbox in process as a caller over HTTP would, and reads its numbers exactly as they were sent."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec

from rutter_sandbox import Sandbox, SandboxConnection

TODAY = date(2026, 3, 16)
VERSION = "2024-08-31"
COMPANIES = (
    *("Harbor & Pine", "Brook & Field", "Meridian Components", "Cedar Health"),
    *("Willow Works", "Alder Dental", "Tamar Pottery", "Quarry & Lime", "Saltmarsh Bakery"),
)
"""The practice companies by name, in the order of their connections."""

LISTED = ("bills", "bill_payments", "bill_credit_memos", "accounts")

Json = dict[str, Any]
_decoder = msgspec.json.Decoder(float_hook=Decimal)


def basic(client_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back; `json` reads every number as a Decimal or an int, never as a float."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return _decoder.decode(self.raw)

    @property
    def job_id(self) -> str | None:
        return self.headers.get("x-rutter-job-id")

    @property
    def error_code(self) -> str:
        return str(self.json["error_code"])


class Wire:
    """One caller of one company. Every request goes through the ASGI app, headers, query string and all."""

    def __init__(self, sandbox: Sandbox, platform: str = "QUICKBOOKS") -> None:
        self.sandbox = sandbox
        # A platform may be played by several companies; the name of one finds the others.
        self.connection: SandboxConnection = next(
            one for one in sandbox.connections if platform in {one.platform, one.name}
        )
        self.token = self.connection.access_token
        self.platform = platform
        self._runner = asyncio.Runner()

    def close(self) -> None:
        self._runner.close()

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str | None] | None = None,
        **query: Any,
    ) -> Answered:
        """Send one request. `raw` is a body as bytes; a header or a query parameter given as None is left out."""
        sent: dict[str, str | None] = {
            "authorization": basic(self.sandbox.client_id, self.sandbox.client_secret),
            "x-rutter-version": VERSION,
            "host": "sandbox",
        }
        sent |= {name.lower(): value for name, value in (headers or {}).items()}
        asked = {"access_token": self.token, **query}
        text = urlencode({name: str(value) for name, value in asked.items() if value is not None})
        content = raw if raw is not None else b"" if body is None else encoded(body)
        pairs = [(name.encode(), value.encode("latin-1")) for name, value in sent.items() if value is not None]
        return self._runner.run(self._send(method, f"/versioned{path}", text, pairs, content))

    async def _send(
        self, method: str, path: str, query: str, headers: list[tuple[bytes, bytes]], content: bytes
    ) -> Answered:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": headers,
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.sandbox.asgi(scope, receive, send)
        raw = b"".join(message.get("body", b"") for message in sent[1:])
        named = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        return Answered(sent[0]["status"], named, raw)

    def get(self, path: str, **query: Any) -> Json:
        response = self.call("GET", path, **query)
        assert response.status == 200, response
        found: Json = response.json
        return found

    def send(self, method: str, noun: str, fields: Json, *, key: str | None = None, **query: Any) -> Answered:
        """A write of `fields` under the envelope key that the path calls for."""
        plural = noun.split("/", maxsplit=1)[0]
        return self.call(method, f"/accounting/{noun}", {ENVELOPES[plural]: fields}, headers=keyed(key), **query)

    def create(self, plural: str, **fields: object) -> Json:
        """A write that must succeed; gives the object back."""
        response = self.send("POST", plural, fields)
        assert response.status == 200, response
        made: Json = response.json[ENVELOPES[plural]]
        return made

    def pages(self, plural: str, limit: int = 500, **query: Any) -> Iterator[list[Json]]:
        """Every page of a list, as a walk finds them."""
        cursor = None
        for _ in itertools.count():
            page = self.get(f"/accounting/{plural}", limit=limit, cursor=cursor, **query)
            yield page[plural]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def every(self, plural: str, **query: Any) -> list[Json]:
        return [one for page in self.pages(plural, **query) for one in page]

    def by_number(self, number: str) -> Json:
        return next(one for one in self.every("bills") if one["document_number"] == number)

    def named(self, plural: str, name: str) -> Json:
        field = {"vendors": "vendor_name", "customers": "customer_name"}.get(plural, "name")
        return next(one for one in self.every(plural) if one[field] == name)

    def of_type(self, account_type: str) -> Json:
        return next(one for one in self.every("accounts") if one["account_type"] == account_type)

    def books(self) -> dict[str, list[Json]]:
        """Everything that a refused write must leave as it was. Business Central has no credits."""
        lacks = {"bill_credit_memos"} if self.connection.platform == "DYNAMICS365" else set()
        return {plural: [] if plural in lacks else self.every(plural) for plural in LISTED}


On = Callable[[str], Wire]
"""Gives a caller of the company on that platform."""


ENVELOPES = {
    "bills": "bill",
    "bill_payments": "bill_payment",
    "bill_credit_memos": "bill_credit_memo",
    "bill_credit_applications": "bill_credit_application",
    "accounts": "account",
    "vendors": "vendor",
    "customers": "customer",
    "items": "item",
    "classes": "class",
    "departments": "department",
    "tax_rates": "tax_rate",
    "payment_terms": "payment_term",
    "purchase_orders": "purchase_order",
}


def keyed(key: str | None) -> dict[str, str | None]:
    return {"Idempotency-Key": key}


def encoded(body: object) -> bytes:
    """JSON with exact numbers: a Decimal is written digit for digit."""
    return json.dumps(_marked(body)).replace('"\\u0000', "").replace('\\u0000"', "").encode()


def _marked(value: object) -> object:
    if isinstance(value, Decimal):
        return f"\0{value}\0"
    if isinstance(value, dict):
        return {name: _marked(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_marked(one) for one in value]
    return value
