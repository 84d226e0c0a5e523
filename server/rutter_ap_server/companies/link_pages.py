"""The practice company's sign-in pages for a person's browser: served from this process, on this machine, when needed.

Rutter's own pages stand in the internet; the embedded sandbox has no address until somebody wants to link with it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio

if TYPE_CHECKING:
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
    """Only the pages for linking, only on the loopback address, and only from the first link shown until `aclose`."""

    def __init__(self, sandbox: AsgiApp) -> None:
        self._sandbox = sandbox
        self._starting = anyio.Lock()
        self._origin = ""
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def shown(self, link_url: str) -> str:
        """A link of the sandbox's as the person's browser can open it; starts the pages the first time."""
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
        # It outlives the call that needed it first, so that it is no child of that call's task.
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        self._task.add_done_callback(lambda _: listener.close())

    async def _only_pages(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A page of another site must not reach it under a name of its own: only this very address is answered."""
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if scope["path"].startswith(_PAGES) and f"http://{host}" == self._origin:
            await self._sandbox(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"There is nothing here but the pages for linking.\n"})


def _server_of(pages: AsgiApp) -> uvicorn.Server:
    """A server that leaves the process's signals to whoever runs it, and says nothing on stdout."""
    # Imported late: most processes never show such a page.
    import uvicorn

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
