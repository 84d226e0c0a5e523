"""The edge to the ASGI server: reads whole requests, sends responses, and breaks connections on purpose."""

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
_DRIP_SECONDS = 0.1
_BLANKS = b" " * 65_536
# A caller in process holds the whole body, so that one without end is given up for it.
_KEPT_BYTES_MAX = 64 * 1024 * 1024


class ClientLeft(Exception):
    """The client disconnected in the middle of a request, so nothing of it may be carried out."""


async def lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def read_call(scope: Scope, receive: Receive) -> Call:
    """Reads one request. A body over the limit is read to its end but kept only as far as needed to detect that."""
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


async def send_response(send: Send, response: Response) -> None:
    await _start(send, response)
    await send({"type": "http.response.body", "body": response.body})


async def _start(send: Send, response: Response, *, endless: bool = False) -> None:
    headers = [
        (b"content-type", response.content_type.encode()),
        *([] if endless else [(b"content-length", str(len(response.body)).encode())]),
        *((name.lower().encode(), value.encode()) for name, value in response.headers.items()),
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})


async def vanish(receive: Receive, send: Send, silent_seconds: int) -> None:
    """Sends no response. The connection stays silent for that time, or until the client gives up, and is then cut."""
    transport = _transport_of(send)
    if transport is None:
        raise _broken("ReadTimeout" if silent_seconds else "RemoteProtocolError")
    if silent_seconds:
        await _until_gone(receive, silent_seconds)
    transport.abort()
    await _until_gone(receive, _GONE_SECONDS_MAX)


def _broken(name: str) -> Exception:
    """The error for a caller in process, where there is no connection to cut: the one that its HTTP client would raise.

    The sandbox does not import HTTP clients; when the caller has not loaded httpx either, it is an OSError.
    """
    kind = getattr(sys.modules.get("httpx"), name, ConnectionResetError)
    error: Exception = kind("broken by a sandbox fault")
    return error


async def send_half(receive: Receive, send: Send, response: Response, silent_seconds: int) -> None:
    """Announces the whole body, sends half of it, stays silent for that time, and cuts the connection."""
    transport = _transport_of(send)
    if transport is None:
        raise _broken("ReadTimeout" if silent_seconds else "RemoteProtocolError")
    await _start(send, response)
    await send({"type": "http.response.body", "body": response.body[: len(response.body) // 2], "more_body": True})
    if silent_seconds:
        await _until_gone(receive, silent_seconds)
    transport.close()
    await _until_gone(receive, _GONE_SECONDS_MAX)


async def send_without_end(
    receive: Receive, send: Send, response: Response, seconds_max: int, *, dripping: bool
) -> None:
    """Sends the body, a byte at a time or at once, and then blanks until the client gives up or that time is over."""
    transport, loop = _transport_of(send), asyncio.get_running_loop()
    await _start(send, response, endless=True)
    rest = (bytes([one]) for one in response.body) if dripping else iter([response.body])
    blank, pause = (b" ", _DRIP_SECONDS) if dripping else (_BLANKS, 0)
    deadline, size = loop.time() + seconds_max, 0
    while loop.time() < deadline and not (transport and transport.is_closing()):
        part = next(rest, blank)
        size += len(part)
        if transport is None and size > _KEPT_BYTES_MAX:
            break
        await send({"type": "http.response.body", "body": part, "more_body": True})
        await asyncio.sleep(pause)
    if transport is None:
        raise _broken("ReadTimeout")
    transport.abort()
    await _until_gone(receive, _GONE_SECONDS_MAX)


async def delay(receive: Receive, send: Send, seconds: int) -> None:
    """Waits for that time, or until the client gives up."""
    if _transport_of(send) is None:
        await asyncio.sleep(seconds)
    else:
        await _until_gone(receive, seconds)


async def hang_up(receive: Receive, send: Send) -> bool:
    """Cuts the connection of a call that the stopping server cannot finish. False when there is none to cut."""
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
    """The transport behind uvicorn's `send`, a method of its request cycle. There is no public way to get it."""
    cycle = getattr(send, "__self__", None)
    transport = getattr(cycle, "transport", None)
    return transport if isinstance(transport, asyncio.Transport) else None
