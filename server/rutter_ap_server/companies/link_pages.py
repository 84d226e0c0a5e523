"""Serves the practice company's sign-in pages to a browser on this machine, only when they are needed.

Rutter's own pages are on the internet; the embedded sandbox has no address until someone wants to connect to it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import anyio
import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_HOST = "127.0.0.1"
_PAGES = "/link/"
_BACKLOG = 16
_STOP_SECONDS_MAX = 3


class LinkPages:
    """Serves only the link pages, only on the loopback address, and only from the first link shown until `aclose`."""

    def __init__(self, sandbox: AsgiApp) -> None:
        self._sandbox = sandbox
        self._starting = anyio.Lock()
        self._origin = ""
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def shown(self, link_url: str) -> str:
        """A sandbox link as an address that a browser can open; starts the server the first time."""
        async with self._starting:
            if self._server is None:
                await self._start()
        return self._origin + urlsplit(link_url).path

    async def aclose(self) -> None:
        """Stops serving."""
        if self._server is None or self._task is None:
            return
        self._server.should_exit = True
        with anyio.CancelScope(shield=True), anyio.move_on_after(_STOP_SECONDS_MAX):
            await asyncio.wait([self._task])
        self._server = self._task = None

    async def _start(self) -> None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind((_HOST, 0))
        listener.listen(_BACKLOG)
        self._origin = f"http://{_HOST}:{listener.getsockname()[1]}"
        self._server = _server_of(self._only_pages)
        # It outlives the call that first needed it, so it must not be a child of that call's task.
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        self._task.add_done_callback(lambda _: listener.close())

    async def _only_pages(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accepts requests for exactly this address only, so that another site cannot reach it by DNS rebinding."""
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if scope["path"].startswith(_PAGES) and f"http://{host}" == self._origin:
            await self._sandbox(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"text/plain")]})
        await send(
            {"type": "http.response.body", "body": b"Only the pages for connecting a company are served here.\n"}
        )


def _server_of(pages: AsgiApp) -> uvicorn.Server:
    """A server that leaves signal handling to the process and prints nothing to stdout."""

    class Quiet(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Quiet(
        uvicorn.Config(
            pages,
            log_config=None,
            access_log=False,
            lifespan="off",
            interface="asgi3",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=1,
        )
    )
