"""Serves the practice company's sign-in pages to a browser on this machine, only when they are needed.

Rutter's own pages are on the internet; the embedded sandbox has no address until someone wants to connect to it.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import anyio

from rutter_ap_server.local_server import AsgiApp, LocalServer, Receive, Scope, Send, listen

_HOST = "127.0.0.1"
_PAGES = "/link/"


class LinkPages:
    """Serves only the link pages, only on the loopback address, and only from the first link shown until `aclose`."""

    def __init__(self, sandbox: AsgiApp) -> None:
        self._sandbox = sandbox
        self._starting = anyio.Lock()
        self._origin = ""
        self._server: LocalServer | None = None

    async def shown(self, link_url: str) -> str:
        """A sandbox link as an address that a browser can open; starts the server the first time."""
        async with self._starting:
            if self._server is None:
                listening = listen(0)
                assert listening is not None, "the system names a port that is free"
                self._server = LocalServer(self._only_pages, listening)
                self._origin = f"http://{_HOST}:{self._server.port}"
        return self._origin + urlsplit(link_url).path

    async def aclose(self) -> None:
        """Stops serving."""
        if self._server is not None:
            await self._server.aclose()
            self._server = None

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
