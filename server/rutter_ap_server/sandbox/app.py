"""The ASGI app: a request in, the right room to answer it, and on every answer the headers that say sandbox."""

from __future__ import annotations

import itertools
import logging
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from rutter_ap_server.sandbox import accounting, connections, jobs
from rutter_ap_server.sandbox.database import Database, named_id
from rutter_ap_server.sandbox.errors import Refusal, bad_request, not_implemented
from rutter_ap_server.sandbox.wire import Answer, Call, authenticate, query_of, refused, require_version

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_BYTES_MAX = 32 * 1024 * 1024
_SEEN_MAX = 50
_log = logging.getLogger(__name__)


class App:
    """Answers everything the sandbox serves. It keeps nothing of the books between two requests."""

    def __init__(self, database: Database, *, admin: bool) -> None:
        self.database = database
        self.admin = admin
        self.seen: deque[tuple[str, str, int]] = deque(maxlen=_SEEN_MAX)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            call = await _read_call(scope, receive)
            await _send(send, self.answer(call))

    def answer(self, call: Call) -> Answer:
        """Answer one call. Nothing is awaited here, so a request never interleaves with another's transaction."""
        try:
            answer = self._route(call)
        except Refusal as refusal:
            answer = refused(refusal)
        answer.headers["X-Rutter-Request-ID"] = self._request_id()
        answer.headers["X-Rutter-Sandbox"] = "true"
        self.seen.append((call.method, call.path, answer.status))
        return answer

    def _request_id(self) -> str:
        if self.database.is_repeatable:
            return named_id(f"request/{next(self._numbers)}")
        return str(uuid.uuid4())

    def _route(self, call: Call) -> Answer:
        if len(call.body) > BODY_BYTES_MAX:
            raise bad_request("The request is too large.")
        match call.segments:
            case ["versioned", *rest]:
                return self._versioned(call, rest)
        raise not_implemented("No such page. The API is under /versioned.")

    def _versioned(self, call: Call, rest: list[str]) -> Answer:
        if call.method == "POST" and rest == ["item", "public_token", "exchange"]:
            require_version(call)
            return connections.exchange(self.database, call)
        authenticate(call)
        require_version(call)
        match rest:
            case ["accounting", *noun]:
                return accounting.answer(self.database, call, noun)
            case ["connections", *noun]:
                return connections.answer(self.database, call, noun)
            case ["jobs", job_id] if call.method == "GET":
                with self.database.writing() as tx:
                    return jobs.read_job(tx, job_id)
        raise not_implemented("No such endpoint.")


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _read_call(scope: Scope, receive: Receive) -> Call:
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        parts.append(message.get("body", b"") if size <= BODY_BYTES_MAX else b"")
        size += len(parts[-1])
        more = message.get("more_body", False)
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    origin = f"{scope.get('scheme', 'http')}://{headers.get('host', 'localhost')}"
    query = query_of(scope.get("query_string", b""))
    return Call(scope["method"], scope["path"], query, headers, b"".join(parts), origin)


async def _send(send: Send, answer: Answer) -> None:
    headers = [(b"content-type", answer.content_type.encode()), (b"content-length", str(len(answer.body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
