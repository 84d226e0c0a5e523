"""The door of the desk: who may ask at all. Every page and every form passes it, and leaves with the same headers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES_MAX = 2_000_000
_SAFE_METHODS = ("GET", "HEAD")
# Nothing from elsewhere, nothing inline, no frame around it, and forms post here only; there is one script.
_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), publickey-credentials-get=(self), "
    "publickey-credentials-create=(self)",
    "cache-control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Door:
    """Lets requests in that name one of `hosts` and come from one of our own pages."""

    app: ASGIApp
    hosts: Collection[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refused = self._refused(scope["method"], Headers(scope=scope), scope["path"])
        await (refused or self.app)(scope, _bounded(receive), _with_headers(send))

    def _refused(self, method: str, headers: Headers, path: str) -> Response | None:
        host = headers.get("host", "")
        if host not in self.hosts:
            name, _, port = host.rpartition(":")
            if name in ("127.0.0.1", "[::1]") and f"localhost:{port}" in self.hosts and method in _SAFE_METHODS:
                # A passkey belongs to a name, never to a number, so there is one address only.
                return RedirectResponse(f"http://localhost:{port}{path}", 307)
            return PlainTextResponse("This desk has another address.", 421)
        if method in _SAFE_METHODS:
            return None
        if method != "POST":
            return PlainTextResponse("This desk knows GET and POST.", 405)
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        # A browser says where a form comes from (Fetch Metadata; RFC 6454). One that says neither is none of ours.
        from_here = site == "same-origin" if site else origin is not None and origin.partition("://")[2] == host
        return None if from_here else PlainTextResponse("This form is of another page.", 403)


def _bounded(receive: Receive) -> Receive:
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > BODY_BYTES_MAX:
            raise HTTPException(413, "This is larger than any form of this desk.")
        return message

    return bounded


def _with_headers(send: Send) -> Send:
    async def headed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                # A file to be saved has a policy of its own, which allows even less.
                headers.setdefault(name, value)
        await send(message)

    return headed
