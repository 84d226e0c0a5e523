"""The ASGI app: a request in, the right room to answer it, and on every answer the headers that say sandbox."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections import deque

from rutter_sandbox import accounting, admin, asgi, connections, events, faults, jobs, pages
from rutter_sandbox.database import Database, named_id
from rutter_sandbox.errors import Refusal, bad_request, not_implemented
from rutter_sandbox.wire import Call, Response, authenticate, refused, require_version

_SEEN_MAX = 50
_PATH_KEPT_MAX = 200


class App:
    """Answers everything the sandbox serves. It keeps nothing of the books between two requests."""

    def __init__(self, database: Database, *, admin: bool) -> None:
        self.database = database
        self.admin = admin
        self.faults = faults.Faults()
        self.seen: deque[tuple[str, str, int]] = deque(maxlen=_SEEN_MAX)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        if scope["type"] == "lifespan":
            await asgi.lifespan(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _serve(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        try:
            call = await asgi.read_call(scope, receive)
            await self._respond(call, receive, send)
        except asgi.ClientLeft:
            return
        except asyncio.CancelledError:
            # The server stops while a fault keeps this call waiting. In process it is the caller who stops waiting.
            if not await asgi.hang_up(receive, send):
                raise

    async def _respond(self, call: Call, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer over the socket, or do to the socket what the call's fault says."""
        try:
            call.fault = self.faults.choose(call) if call.path.startswith("/versioned/") else ""
        except Refusal as refusal:
            await asgi.send_answer(send, self._stamped(call, refused(refusal)))
            return
        fault = call.fault.partition("=")[0]
        seconds = faults.seconds_of(call.fault)
        if fault in faults.BEFORE:
            self._note(call, 0)
            await asgi.vanish(receive, send, seconds)
            return
        answer = self.answer(call)
        if fault == "slow":
            await asgi.delay(receive, send, seconds)
        if fault in faults.AFTER:
            await asgi.vanish(receive, send, seconds)
        elif fault == faults.CUT_MID_BODY:
            await asgi.send_half(receive, send, answer)
        else:
            await asgi.send_answer(send, answer)

    def answer(self, call: Call) -> Response:
        """Answer one call. Nothing is awaited here, so a request never interleaves with another's transaction."""
        try:
            answer = faults.instead(call.fault) or faults.afterwards(call.fault, self._route(call))
        except Refusal as refusal:
            answer = refused(refusal)
        return self._stamped(call, answer)

    def _stamped(self, call: Call, answer: Response) -> Response:
        answer.headers["X-Rutter-Request-ID"] = self._request_id()
        answer.headers["X-Rutter-Sandbox"] = "true"
        self._note(call, answer.status)
        return answer

    def _note(self, call: Call, status: int) -> None:
        """Remember a call for the page; status 0 stands for a call that was never answered."""
        self.seen.append((call.method, call.path[:_PATH_KEPT_MAX], status))

    def _request_id(self) -> str:
        if self.database.is_repeatable:
            return named_id(f"request/{next(self._numbers)}")
        return str(uuid.uuid4())

    def _route(self, call: Call) -> Response:
        if len(call.body) > asgi.BODY_BYTES_MAX:
            raise bad_request("The request is too large.")
        match call.segments:
            case ["versioned", *rest]:
                return self._versioned(call, rest)
            case [""] if call.method == "GET":
                return pages.home(self.database, list(self.seen))
            case ["link", "connection", company_id] if call.method in {"GET", "POST"}:
                return pages.link(self.database, call, company_id)
            case ["sandbox", *rest] if self.admin:
                return admin.answer(self.database, self.faults, call, rest)
        raise not_implemented("No such page. The API is under /versioned.")

    def _versioned(self, call: Call, rest: list[str]) -> Response:
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
                return jobs.read_job(self.database, job_id)
            case ["events"] if call.method == "GET":
                return events.list_events(self.database, call)
            case ["configs", "webhooks", *config_id] if call.method == "GET" and len(config_id) <= 1:
                return events.read_configs(self.database, config_id[0] if config_id else None)
        raise not_implemented("No such endpoint.")
