"""Serving one assistant over stdio, and stopping without leaving a payment unrecorded."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server.stdio import stdio_server

from rutter_ap_prompts import instructions
from rutter_ap_server.app import App
from rutter_ap_server.mcp.server import build_server
from rutter_ap_tools.catalogue import narrowed
from rutter_ap_tools.errors import ApError

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

_DRAIN_SECONDS = 10
_FIRST_RECOVERY_SECONDS = 2
_RECOVERY_SECONDS = 60
logger = logging.getLogger("rutter_ap")


async def serve_stdio(app: App) -> None:
    """Serves until the client closes stdin or the process is told to stop."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s %(levelname)s %(message)s")
    settings = app.settings
    tools = narrowed(toolsets=settings.toolsets, read_only=settings.read_only)
    server = build_server(app.backend, tools, instructions=instructions(), live_data=app.live_data)
    async with anyio.create_task_group() as tasks:
        if sys.platform != "win32":
            # Windows has no signals to receive: there a client closes stdin, and what is on its way is still recorded.
            tasks.start_soon(_stop_when_told, app)
        if not settings.read_only:
            tasks.start_soon(_recover_now_and_then, app)
        await _run(server)
        tasks.cancel_scope.cancel()
    await app.aclose()


async def _run(server: Server[Any]) -> None:
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


async def _stop_when_told(app: App) -> None:
    """Drains on SIGTERM and SIGINT: the thread that reads stdin cannot be interrupted, so the process ends itself."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as told:
        async for _ in told:
            with anyio.move_on_after(_DRAIN_SECONDS):
                if "dispatcher" in app.__dict__:
                    await app.dispatcher.drain()
            os._exit(0)


async def _recover_now_and_then(app: App) -> None:
    """Takes up what an earlier process left open; first a moment after the start, so as not to slow it."""
    pause = _FIRST_RECOVERY_SECONDS
    while True:
        await anyio.sleep(pause)
        pause = _RECOVERY_SECONDS
        try:
            await app.recover()
        except ApError as error:
            logger.warning("recovery: %s", error.error_code)
