"""Serving one assistant over stdio, and stopping without leaving a payment unrecorded.

Starting loads the MCP SDK and the language only, so that a client is not kept waiting for what it may not need. All
else is loaded behind one seam, `LazyApp`: in a thread once the tools were listed, or by the first request to need it.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from rutter_ap_prompts import instructions
from rutter_ap_server.looking_after import look_after
from rutter_ap_server.mcp.server import build_server
from rutter_ap_server.mcp.unreadable import AnsweredStream, claimed_stdin
from rutter_ap_server.settings import Settings
from rutter_ap_tools.catalogue import narrowed
from rutter_ap_tools.wire import build_models

if TYPE_CHECKING:
    # Behind the lazy seam.
    from rutter_ap_server.serving import ServingApp

_DRAIN_SECONDS = 10
# Long enough for the list of tools to have left before loading competes with it for the processor.
_WARM_UP_AFTER_SECONDS = 0.05


class LazyApp:
    """The app, loaded and made when it is first needed. `app` is None until then."""

    def __init__(self, settings: Settings) -> None:
        self.app: ServingApp | None = None
        self._settings = settings
        self._loading = anyio.Lock()

    async def opened(self) -> ServingApp:
        """The app; loading it leaves the event loop free."""
        async with self._loading:
            if self.app is None:
                app_class = await anyio.to_thread.run_sync(_load)
                self.app = app_class(self._settings, hosts_desk=True)
            return self.app

    async def warm_up(self) -> None:
        """Loads the app a moment from now, so that the first call costs what the second does. Opens nothing."""
        await anyio.sleep(_WARM_UP_AFTER_SECONDS)
        # Whatever is wrong is said by the first request that needs the app.
        with suppress(Exception):
            await self.opened()


def _load() -> type[ServingApp]:
    # Importing makes hundreds of thousands of objects that all stay: collecting among them only costs time.
    gc.disable()
    try:
        from rutter_ap_server.serving import ServingApp  # noqa: PLC0415 - the one lazy seam of serving

        build_models()
    finally:
        gc.freeze()
        gc.enable()
    return ServingApp


async def serve_stdio(settings: Settings) -> None:
    """Serves until the client closes stdin or the process is told to stop."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s %(levelname)s %(message)s")
    tools = narrowed(toolsets=settings.toolsets, read_only=settings.read_only)
    lazy = LazyApp(settings)
    async with anyio.create_task_group() as tasks:
        server = build_server(
            lazy, tools, instructions=instructions(), on_listed=lambda: tasks.start_soon(lazy.warm_up)
        )
        if sys.platform != "win32":
            # Windows has no signals to receive: there a client closes stdin, and what is on its way is still recorded.
            tasks.start_soon(_stop_when_told, lazy)
        look_after(lazy.opened, settings, tasks)
        await _run(server)
        tasks.cancel_scope.cancel()
    if lazy.app is not None:
        await lazy.app.aclose()


async def _run(server: Server[Any]) -> None:
    async with stdio_server(claimed_stdin()) as (read, write):
        await server.run(AnsweredStream(read, write), write, server.create_initialization_options())


async def _stop_when_told(lazy: LazyApp) -> None:
    """Drains on SIGTERM and SIGINT: the thread that reads stdin cannot be interrupted, so the process ends itself."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as told:
        async for _ in told:
            with anyio.move_on_after(_DRAIN_SECONDS):
                if lazy.app is not None:
                    if lazy.app.desk is not None:
                        await lazy.app.desk.aclose()
                    await lazy.app.dispatcher.drain()
                    await lazy.app.policy.leave()
            os._exit(0)
