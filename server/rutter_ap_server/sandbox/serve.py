"""The sandbox on its own port: binds first, says where it is in one line, then serves until it is told to stop."""

from __future__ import annotations

import socket
import sys
from datetime import date
from pathlib import Path

import uvicorn

from rutter_ap_server.sandbox.jsons import encode
from rutter_ap_server.sandbox.sandbox import Sandbox

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
    sandbox = Sandbox.open(file, today=today, bills=bills, admin=admin)
    try:
        _announce(listener, sandbox)
        config = uvicorn.Config(
            sandbox.asgi,
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=2,
        )
        _Server(config).run(sockets=[listener])
    finally:
        sandbox.close()
        listener.close()
    return 0


class _Server(uvicorn.Server):
    """Takes a signal as the ordinary way to stop: uvicorn would raise it again after shutting down."""

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            super().run(sockets)
        except KeyboardInterrupt:
            return


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
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
