"""One ASGI app: MCP for both generations of the protocol, and what proxies and probes ask."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rutter_ap_prompts import instructions
from rutter_ap_server.http.door import behind_door, metadata_routes
from rutter_ap_server.http.tokens import Tokens
from rutter_ap_server.http.webhooks import PATH as WEBHOOKS
from rutter_ap_server.http.webhooks import Webhooks
from rutter_ap_server.listening import MCP_PATH, Listening
from rutter_ap_server.mcp.context import Context
from rutter_ap_server.mcp.server import build_server, everything
from rutter_ap_server.serving import ServingApp
from rutter_ap_server.store.errors import StoreError
from rutter_ap_tools.catalogue import narrowed
from rutter_ap_tools.scopes import permitting
from rutter_ap_tools.tool import Tool

BODY_BYTES_MAX = 2_000_000
# Some clients open a session for each call and never end it.
SESSION_IDLE_SECONDS = 300
_READY_SECONDS = 5
_PLAIN = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
logger = logging.getLogger("rutter_ap.http")


@dataclass(slots=True)
class Leaving:
    """Whether this process is about to end, so that a proxy sends its requests elsewhere.

    A client of the older protocol keeps a stream open on which it only listens, for as long as it is there. Nobody
    waits for these.
    """

    is_leaving: bool = False
    streams: set[anyio.CancelScope] = field(default_factory=set)

    def end_streams(self) -> None:
        """Ends the streams on which nothing is being answered; their clients open others, at another process."""
        for one in self.streams:
            one.cancel()


def http_app(app: ServingApp, tokens: Tokens | None, webhooks: Webhooks | None, leaving: Leaving) -> ASGIApp:
    """All that this process serves over HTTP. Without `tokens`, whoever can reach it may ask.

    There are `webhooks` where there is a client secret, with which Rutter signs them.
    """
    settings, listening = app.settings, app.settings.listening
    tools = narrowed(toolsets=settings.toolsets, read_only=settings.read_only)
    allowed = everything if tokens is None else granted
    sessions = _sessions(build_server(app, tools, instructions=instructions(), allowed=allowed), listening)
    mcp: ASGIApp = sessions.asgi_app
    if tokens is not None:
        mcp = behind_door(mcp, tokens, listening)

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        async with sessions.run():
            yield

    routes = [
        Route("/healthz", _healthz, methods=["GET"]),
        Route("/readyz", _readyz(app, leaving), methods=["GET"]),
        Route(MCP_PATH, _Endpoint(mcp, leaving), methods=["GET", "POST", "DELETE"]),
    ]
    if tokens is not None:
        routes += metadata_routes(listening)
    if webhooks is not None:
        routes.append(Route(WEBHOOKS, webhooks.receive, methods=["POST"]))
    return _Logged(Starlette(routes=routes, lifespan=life), {route.path for route in routes})


def granted(ctx: Context) -> Callable[[Tool[Any, Any]], bool]:
    """What the token of this call grants; without one, nothing."""
    token = get_access_token()
    return permitting(token.scopes if token is not None else ())


def _sessions(server: Server[Any], listening: Listening) -> StreamableHTTPSessionManager:
    # Only our own Host and Origin, so that no page of another site reaches it by a name of its own (DNS rebinding).
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=list(listening.hosts),
        allowed_origins=list(listening.origins),
    )
    return StreamableHTTPSessionManager(
        server,
        security_settings=security,
        max_request_body_size=BODY_BYTES_MAX,
        session_idle_timeout=SESSION_IDLE_SECONDS,
    )


class _Endpoint:
    """An ASGI app as a route takes it: a class is given the whole request, and its streams."""

    def __init__(self, app: ASGIApp, leaving: Leaving) -> None:
        self._app = app
        self._leaving = leaving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        is_open = False

        async def noted(message: Message) -> None:
            nonlocal is_open
            is_open = message["type"] == "http.response.start" or message.get("more_body", False)
            await send(message)

        with anyio.CancelScope() as ends:
            self._leaving.streams.add(ends)
            try:
                await self._app(scope, receive, noted)
            finally:
                self._leaving.streams.discard(ends)
        if ends.cancelled_caught and is_open:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _healthz(_: Request) -> Response:
    """The process answers."""
    return PlainTextResponse("ok", headers=_PLAIN)


def _readyz(app: ServingApp, leaving: Leaving) -> Callable[[Request], Any]:
    async def readyz(_: Request) -> Response:
        """Whether a call would find its store, and this process is not about to end."""
        if leaving.is_leaving:
            return PlainTextResponse("leaving", 503, _PLAIN)
        try:
            with anyio.fail_after(_READY_SECONDS):
                # It is left behind when it takes too long: nothing of it is needed.
                look = partial(app.store.read_now, lambda tx: tx.controls.frozen_by())
                await anyio.to_thread.run_sync(look, abandon_on_cancel=True)
        except (StoreError, TimeoutError):
            return PlainTextResponse("the store does not answer", 503, _PLAIN)
        return PlainTextResponse("ready", headers=_PLAIN)

    return readyz


class _Logged:
    """Says of each request its method, path and status, but no query and no unknown path: they may hold a secret."""

    def __init__(self, app: ASGIApp, paths: set[str]) -> None:
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            path = scope["path"] if scope["path"] in self._paths else "another path"
            took_ms = round((time.monotonic() - began) * 1000)
            logger.info("%s %s %d %d ms", scope["method"] if path in self._paths else "-", path, status, took_ms)
