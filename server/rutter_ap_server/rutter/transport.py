"""The lowest layer: credentials and access tokens are added here, below everything that logs or raises.

`httpx.AsyncClient` is not used: it logs every URL at INFO and attaches the request to its exceptions. A transport does
neither, follows no redirects and keeps no cookies.
"""

from __future__ import annotations

import logging
import ssl
from urllib.parse import quote

import httpx

from rutter_ap_server.rutter.credentials import Credentials, Secret

TOKEN_EXTENSION = "rutter_access_token"  # noqa: S105 - the name of a slot, not a token


class TokenTransport(httpx.AsyncBaseTransport):
    """Adds the Authorization header, and the access token from the request's extensions."""

    def __init__(self, inner: httpx.AsyncBaseTransport, credentials: Credentials) -> None:
        self._inner = inner
        self._credentials = credentials

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._inner.handle_async_request(self._signed(request))

    def _signed(self, request: httpx.Request) -> httpx.Request:
        extensions = dict(request.extensions)
        token = extensions.pop(TOKEN_EXTENSION, None)
        url = request.url
        if isinstance(token, Secret):
            pair = b"access_token=" + quote(token.reveal(), safe="").encode("ascii")
            url = url.copy_with(query=url.query + b"&" + pair if url.query else pair)
        headers = httpx.Headers(request.headers)
        headers["Authorization"] = self._credentials.authorization()
        return httpx.Request(request.method, url, headers=headers, stream=request.stream, extensions=extensions)

    async def aclose(self) -> None:
        await self._inner.aclose()


def network_transport(
    *, connections_max: int, proxy: httpx.Proxy | None = None, verify: ssl.SSLContext | bool = True
) -> httpx.AsyncBaseTransport:
    """The transport to the real network: verified TLS, HTTP/1.1, kept-alive connections, no retries of its own."""
    # Common servers close an idle connection after 5 s. A write sent at that very moment would end as unknown, so we
    # close the connection first.
    limits = httpx.Limits(
        max_connections=connections_max, max_keepalive_connections=connections_max, keepalive_expiry=3.0
    )
    return httpx.AsyncHTTPTransport(verify=verify, limits=limits, proxy=proxy, retries=0)


def quiet_network_log() -> None:
    """Keeps httpcore from writing response headers at DEBUG, unless its level was set explicitly."""
    logger = logging.getLogger("httpcore")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
