"""Serves the sandbox on its own port: binds, announces its address in one line, then runs until it is stopped."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import uvicorn

from rutter_sandbox.jsons import encode
from rutter_sandbox.sandbox import Sandbox, open_sandbox

_BACKLOG = 512


def serve(
    port: int = 0,
    bills: int = 0,
    file: Path | None = None,
    host: str = "127.0.0.1",
    admin: bool = False,
    today: date | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT; exit status 0. The first line on stdout is one JSON object."""
    listener = _listen(host, port)
    sandbox = open_sandbox(file, today=today, bills=bills, admin=admin)
    sandbox.courier.start()
    try:
        config = uvicorn.Config(
            sandbox.asgi,
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=2,
        )
        server = _Server(config)
        server.stop_on_signals()
        _announce(listener, sandbox)
        server.run(sockets=[listener])
    finally:
        sandbox.courier.stop()
        sandbox.close()
        listener.close()
    return 0


class _Server(uvicorn.Server):
    """Treats a signal as the ordinary way to stop; uvicorn itself would raise it again after shutting down."""

    def stop_on_signals(self) -> None:
        """From now on, and so before the address is announced, a signal ends the process with exit status 0."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.handle_exit)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio only turns off Nagle's delay for sockets that say they are TCP; without it each response waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(_BACKLOG)
    return listener


def _announce(listener: socket.socket, sandbox: Sandbox) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    rows = [
        {"name": one.name, "platform": one.platform, "access_token": one.access_token} for one in sandbox.connections
    ]
    line = {
        "base_url": f"http://{shown}:{port}/versioned",
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "connections": rows,
    }
    sys.stdout.write(encode(line).decode() + "\n")
    sys.stdout.flush()
