"""Serving over HTTP from the start of a process to its end, which loses no payment and cuts no answer short."""

from __future__ import annotations

import logging
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import anyio
import httpx
import uvicorn

from rutter_ap_server.http.app import Leaving, http_app
from rutter_ap_server.http.keys import IssuerKeys
from rutter_ap_server.http.tokens import Tokens
from rutter_ap_server.http.webhooks import Webhooks
from rutter_ap_server.local_server import listen_at
from rutter_ap_server.looking_after import look_after
from rutter_ap_server.serving import ServingApp
from rutter_ap_server.settings import Settings, SettingsError
from rutter_ap_tools.errors import OperatorError

# Long enough for a proxy that asks every second to look away.
LOOK_AWAY_SECONDS = 2
_STOP_SECONDS = 20
logger = logging.getLogger("rutter_ap.http")


async def serve_http(settings: Settings) -> None:
    """Serves until the process is told to stop. Raises `SettingsError`, and `OperatorError` if the port is taken."""
    listening = settings.listening
    if problems := listening.problems():
        raise SettingsError("; ".join(problems))
    _log_to(sys.stderr)
    sockets = listen_at(listening.host, listening.port)
    if not sockets:
        raise OperatorError(
            "the address cannot be listened on: another program holds its port, or it is not of this machine",
            code="serve.port",
            next_step="Set RUTTER_AP_HOST and RUTTER_AP_PORT to an address of this machine that is free.",
        )
    # A desk that this process opens can be reached from this machine only.
    app, leaving = ServingApp(settings, hosts_desk=listening.is_loopback), Leaving()
    async with httpx.AsyncClient(follow_redirects=False) as client, anyio.create_task_group() as tasks:
        tokens = None
        if listening.issuer:
            keys = IssuerKeys(listening.issuer, client)
            tokens = Tokens(keys, issuer=listening.issuer, resource=listening.resource)
            tasks.start_soon(keys.keep_fresh)
        webhooks = Webhooks(app) if settings.client_secret.reveal() else None
        if webhooks is not None:
            tasks.start_soon(webhooks.work)
        server = _Server(
            uvicorn.Config(
                http_app(app, tokens, webhooks, leaving),
                log_config=None,
                access_log=False,
                lifespan="on",
                interface="asgi3",
                ws="none",
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=_STOP_SECONDS,
            )
        )
        look_after(app.opened, settings, tasks)
        if sys.platform != "win32":
            tasks.start_soon(_stop_when_told, server, app, leaving)
        logger.info("serving MCP at %s", listening.resource or f"http://{listening.host}:{listening.port}/mcp")
        await server.serve(sockets=sockets)
        tasks.cancel_scope.cancel()
    if not server.force_exit:
        await app.dispatcher.drain()
    await app.aclose()


class _WithoutTexts(logging.Formatter):
    """Says of an exception its kind and where it was raised: its text may hold anything."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name that `logging` gives it
        kind, _, trace = ei
        return "".join([*traceback.format_tb(trace), kind.__name__ if kind is not None else ""])


def _log_to(stream: TextIO) -> None:
    """Warnings of all, and a line of ours for each request. The SDK's quote what a request says, so it says nothing."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_WithoutTexts("%(name)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    logger.setLevel(logging.INFO)


async def _stop_when_told(server: uvicorn.Server, app: ServingApp, leaving: Leaving) -> None:
    """On the first signal new requests go elsewhere and those on their way are answered; on the second all ends now."""
    async with anyio.create_task_group() as tasks:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as told:
            async for _ in told:
                if leaving.is_leaving:
                    server.should_exit = server.force_exit = True
                    return
                leaving.is_leaving = True
                # A run stops after the payment that is on its way; another process goes on with it.
                tasks.start_soon(app.dispatcher.drain)
                tasks.start_soon(_look_away, server, leaving)


async def _look_away(server: uvicorn.Server, leaving: Leaving) -> None:
    """A proxy that asks whether this process is ready is given the time to notice."""
    await anyio.sleep(LOOK_AWAY_SECONDS)
    server.should_exit = True
    leaving.end_streams()


class _Server(uvicorn.Server):
    """A server that leaves signals to the process it is the whole of, which then ends with status 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
