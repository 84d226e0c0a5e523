"""The edge to the ASGI server: reading a call whole, sending an answer, and breaking the connection on purpose."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from rutter_sandbox.wire import Call, Response, query_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_BYTES_MAX = 32 * 1024 * 1024
_GONE_SECONDS_MAX = 5


class ClientLeft(Exception):
    """The connection went away in the middle of a request, of which nothing may be carried out."""


async def lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def read_call(scope: Scope, receive: Receive) -> Call:
    """Read one request. A body above the limit is read to its end, and kept only so far as to show it."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        if size <= BODY_BYTES_MAX:
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        more = message.get("more_body", False)
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    origin = f"{scope.get('scheme', 'http')}://{headers.get('host', 'localhost')}"
    query = query_of(scope.get("query_string", b""))
    return Call(scope["method"], scope["path"], query, headers, b"".join(parts), origin)


async def send_answer(send: Send, answer: Response) -> None:
    await _start(send, answer)
    await send({"type": "http.response.body", "body": answer.body})


async def _start(send: Send, answer: Response) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in answer.headers.items()),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})


async def vanish(receive: Receive, send: Send, silent_seconds: int) -> None:
    """Never answer. The connection stays silent so long, or until the client gives up, and is then cut."""
    transport = _transport_of(send)
    if transport is None:
        raise _broken("ReadTimeout" if silent_seconds else "RemoteProtocolError")
    if silent_seconds:
        await _until_gone(receive, silent_seconds)
    transport.abort()
    await _until_gone(receive, _GONE_SECONDS_MAX)


def _broken(name: str) -> Exception:
    """What a caller in process gets: there is no connection to cut, so it is the error its client would raise.

    The client's library is not ours to import; when the caller has not loaded it either, an OSError says the same.
    """
    kind = getattr(sys.modules.get("httpx"), name, ConnectionResetError)
    error: Exception = kind("broken by a sandbox fault")
    return error


async def send_half(receive: Receive, send: Send, answer: Response) -> None:
    """Promise the whole body, send half of it, and cut the connection."""
    transport = _transport_of(send)
    if transport is None:
        raise _broken("RemoteProtocolError")
    await _start(send, answer)
    await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
    transport.close()
    await _until_gone(receive, _GONE_SECONDS_MAX)


async def delay(receive: Receive, send: Send, seconds: int) -> None:
    """Wait so long, or until the client gives up."""
    if _transport_of(send) is None:
        await asyncio.sleep(seconds)
    else:
        await _until_gone(receive, seconds)


async def hang_up(receive: Receive, send: Send) -> bool:
    """Cut the connection of a call that the server has no time left for; False when there is none to cut."""
    transport = _transport_of(send)
    if transport is None:
        return False
    transport.abort()
    await _until_gone(receive, _GONE_SECONDS_MAX)
    return True


async def _until_gone(receive: Receive, seconds: int) -> None:
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return


def _transport_of(send: Send) -> asyncio.Transport | None:
    """The socket behind uvicorn's `send`, which is a method of its request cycle; there is no public way to it."""
    cycle = getattr(send, "__self__", None)
    transport = getattr(cycle, "transport", None)
    return transport if isinstance(transport, asyncio.Transport) else None
