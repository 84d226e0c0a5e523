"""A web server for this machine alone, in the event loop of the process whose pages it serves."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import anyio
import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_BACKLOG = 64
# A person's last click is still answered; then what it started is waited for by whoever stops the process.
_STOP_SECONDS = 3
# The second is what Windows says of a port that another program has for itself.
_TAKEN = (errno.EADDRINUSE, errno.EACCES)


class LocalServer:
    """Serves an app on sockets that already listen, from now until `aclose`, or until the process ends."""

    def __init__(self, app: AsgiApp, listening: list[socket.socket]) -> None:
        self.port: int = listening[0].getsockname()[1]
        self._listening = listening
        self._server = _Quiet(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                interface="asgi3",
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=_STOP_SECONDS,
            )
        )
        # It outlives the call that first needed it, so it must not be a child of that call's task.
        self._task = asyncio.create_task(self._serve())

    @property
    def is_serving(self) -> bool:
        """Whether it still serves."""
        return not self._task.done()

    async def aclose(self) -> None:
        """Takes no more requests, and returns once those on their way were answered, or took too long."""
        self._server.should_exit = True
        with anyio.CancelScope(shield=True):
            await asyncio.wait([self._task], timeout=_STOP_SECONDS + 1)

    async def _serve(self) -> None:
        try:
            await self._server.serve(sockets=self._listening)
        finally:
            for one in self._listening:
                one.close()


class _Quiet(uvicorn.Server):
    """A server that leaves signals to the process it is a part of."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(port: int) -> list[socket.socket] | None:
    """Sockets by which only this machine reaches the port, 0 for any; None if another program holds it.

    A browser takes `localhost` for either address, so both must be ours where there are both.
    """
    first = _bound(socket.AF_INET, "127.0.0.1", port)
    if first is None:
        return None
    try:
        second = _bound(socket.AF_INET6, "::1", first.getsockname()[1])
    except OSError:
        # There is no such address here.
        return [first]
    if second is None:
        first.close()
        return listen(0) if port == 0 else None
    return [first, second]


def listen_at(host: str, port: int) -> list[socket.socket]:
    """Sockets on every address of that name here; none if another program holds one, or there is no such address."""
    listening: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return []
    for family, address in dict.fromkeys((one[0], str(one[4][0])) for one in found):
        try:
            one = _bound(family, address, port)
        except OSError:
            # A name may have addresses that this machine has not.
            continue
        if one is None:
            for other in listening:
                other.close()
            return []
        listening.append(one)
    return listening


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket | None:
    """A listening socket; None if the port is taken. Raises `OSError` if there is no such address."""
    # Said to be TCP, so that the event loop sends small answers at once.
    one = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform == "win32":
            # There the other option would let two programs listen at once.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # Connections of a server that has just ended do not keep the next from its port.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((host, port))
        one.listen(_BACKLOG)
    except OSError as error:
        one.close()
        if error.errno in _TAKEN:
            return None
        raise
    return one
