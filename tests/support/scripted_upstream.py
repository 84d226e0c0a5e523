"""An upstream that follows a script, and a time that passes only when someone sleeps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from rutter_ap_server.rutter import Credentials, Limits, RutterClient

CLIENT_ID = "client-6a1f"
CLIENT_SECRET = "client-secret-77e0"
TOKEN = "4d8a3c52-0000-4000-8000-access-token"
CONNECTION = {"id": "c-1", "orgId": "o-1", "platform": "QUICKBOOKS"}


class FakeTime:
    """A clock that stands still except in `sleep`."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Scripted(httpx.AsyncBaseTransport):
    """Answers the requests it gets with the given answers, in order, and keeps the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.bodies: list[bytes] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.bodies.append(await request.aread())
        if not self.answers:
            # No exception that the client takes for one of the network.
            pytest.fail(f"the script has no answer left for {request.method} {request.url.path}")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def paths(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.requests]


def answer(status: int = 200, body: Any = None, **headers: str) -> httpx.Response:
    """A JSON answer; header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = json.dumps({} if body is None else body).encode()
    return httpx.Response(status, content=content, headers={"content-type": "application/json", **named})


def refusal(status: int, code: str = "SOME_CODE", message: str = "upstream words", **headers: str) -> httpx.Response:
    """An error as Rutter words it."""
    body = {"error_type": "CONNECTION_ERROR", "error_code": code, "error_message": message}
    return answer(status, body, **headers)


def page(
    items: Sequence[Any], cursor: str | None = None, *, plural: str = "bills", platform: str = "QUICKBOOKS"
) -> Any:
    """The body of a list."""
    return {plural: list(items), "next_cursor": cursor, "connection": {**CONNECTION, "platform": platform}}


def bill(key: str = "b-1", **changes: Any) -> dict[str, Any]:
    """A small bill as Rutter sends it."""
    return {"id": key, "amount_due": 9.34, "total_amount": 14.34, "currency_code": "USD", "status": "open"} | changes


def client_for(
    transport: httpx.AsyncBaseTransport, time: FakeTime | None = None, limits: Limits | None = None
) -> RutterClient:
    """A client over a script, in a time of its own."""
    time = time or FakeTime()
    return RutterClient(
        Credentials(CLIENT_ID, CLIENT_SECRET),
        base_url="https://rutter.test/versioned",
        transport=transport,
        sleep=time.sleep,
        clock=time.clock,
        limits=limits,
    )
