"""`rutter-ap serve` as a process of its own, and the official client in front of it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO

import httpx
import httpx2
from mcp.client import Client
from mcp.client.session import ElicitationFnT
from mcp.client.streamable_http import streamable_http_client

from support.issuer import RESOURCE, Issuer

_START_SECONDS = 60


class HttpServer:
    """A running server, and where it is."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
        self.process = process
        self.port = port
        self.address = f"http://127.0.0.1:{port}"
        self.resource = RESOURCE.format(port)
        self._log = log

    def stop(self, told: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal; the exit status."""
        self.process.send_signal(told)
        return self.process.wait(timeout=60)

    def log(self) -> str:
        """What it has written on stderr."""
        self._log.seek(0)
        return self._log.read().decode()

    def wait(self) -> None:
        """Until it is ready."""
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if httpx.get(f"{self.address}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(self.log())


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


@contextmanager
def http_server(home: Path, issuer: Issuer | None = None, **settings: str) -> Iterator[HttpServer]:
    """Starts one; with an issuer it takes that one's tokens, and without one it asks for none."""
    port = free_port()
    environ = _environ(home, port, issuer) | settings
    command = [sys.executable, "-m", "rutter_ap_server", "serve"]
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, env=environ, stdout=log, stderr=log) as process:
        try:
            server = HttpServer(process, port, log)
            server.wait()
            yield server
        finally:
            process.kill()


def _environ(home: Path, port: int, issuer: Issuer | None) -> dict[str, str]:
    environ = {"RUTTER_AP_HOME": str(home), "RUTTER_AP_PORT": str(port), "RUTTER_AP_DESK": "off", "TZ": "UTC"}
    if issuer is None:
        return environ
    return environ | {"RUTTER_AP_ISSUER": issuer.address, "RUTTER_AP_RESOURCE": RESOURCE.format(port)}


@asynccontextmanager
async def over_http(
    server: HttpServer, token: str = "", *, mode: str = "auto", answering: ElicitationFnT | None = None
) -> AsyncIterator[Client]:
    """A client with that token."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        transport = streamable_http_client(f"{server.address}/mcp", http_client=http)
        async with Client(transport, mode=mode, elicitation_callback=answering) as client:
            yield client
