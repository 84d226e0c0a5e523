"""The ASGI app: routes each request and marks every response as the sandbox's."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections import deque

from rutter_sandbox import accounting, admin, asgi, clock, connections, events, fault_answers, faults, jobs, pages
from rutter_sandbox.database import Database, named_id
from rutter_sandbox.errors import Refusal, bad_request, not_implemented
from rutter_sandbox.wire import Call, Response, authenticate, refused, require_version

_SEEN_MAX = 50
_PATH_KEPT_MAX = 200


class App:
    """Serves every route of the sandbox. It keeps nothing of the books between two requests."""

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
        """Sends the response, or does to the connection what the call's fault says."""
        try:
            call.fault = self.faults.choose(call) if call.path.startswith("/versioned/") else ""
        except Refusal as refusal:
            await asgi.send_response(send, self._stamped(call, refused(refusal)))
            return
        fault = call.fault.partition("=")[0]
        seconds = faults.seconds_of(call.fault)
        if fault in faults.BEFORE:
            self._note(call, 0)
            await asgi.vanish(receive, send, seconds)
            return
        response = self.handle(call)
        if fault == "slow":
            await asgi.delay(receive, send, seconds)
        if fault in faults.AFTER:
            await asgi.vanish(receive, send, seconds)
        elif fault in {faults.CUT_MID_BODY, faults.NO_ANSWER_MID_BODY}:
            await asgi.send_half(receive, send, response, seconds)
        elif fault in {faults.DRIPPING, faults.ENDLESS}:
            await asgi.send_without_end(receive, send, response, seconds, dripping=fault == faults.DRIPPING)
        else:
            await asgi.send_response(send, response)

    def handle(self, call: Call) -> Response:
        """Handles one call. Nothing is awaited here, so no two requests interleave within a transaction."""
        try:
            response = fault_answers.instead(call) or self._routed(call)
        except Refusal as refusal:
            response = refused(refusal)
        return self._stamped(call, response)

    def _routed(self, call: Call) -> Response:
        try:
            response = self._route(call)
        except Refusal as refusal:
            if call.fault != faults.TOKEN_QUOTED:
                raise
            response = refused(refusal)
        return fault_answers.afterwards(call, response)

    def _stamped(self, call: Call, response: Response) -> Response:
        response.headers["X-Rutter-Request-ID"] = self._request_id()
        response.headers["X-Rutter-Sandbox"] = "true"
        response.headers["Date"] = clock.http_date(faults.date_off_seconds(call.fault))
        self._note(call, response.status)
        return response

    def _note(self, call: Call, status: int) -> None:
        """Records a call for the home page. Status 0 means that no response was sent."""
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
                return admin.handle(self.database, self.faults, call, rest)
        raise not_implemented("No such page. The API is under /versioned.")

    def _versioned(self, call: Call, rest: list[str]) -> Response:
        if call.method == "POST" and rest == ["item", "public_token", "exchange"]:
            require_version(call)
            return connections.exchange(self.database, call)
        authenticate(call)
        require_version(call)
        match rest:
            case ["accounting", *noun]:
                return accounting.handle(self.database, call, noun)
            case ["connections", *noun]:
                return connections.handle(self.database, call, noun)
            case ["jobs", job_id] if call.method == "GET":
                return jobs.read_job(self.database, job_id)
            case ["events"] if call.method == "GET":
                return events.list_events(self.database, call)
            case ["configs", "webhooks", *config_id] if call.method == "GET" and len(config_id) <= 1:
                return events.read_configs(self.database, config_id[0] if config_id else None)
        raise not_implemented("No such endpoint.")
