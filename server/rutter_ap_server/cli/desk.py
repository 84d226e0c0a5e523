"""`rutter-ap desk`: the approvals desk on this machine, in a browser."""

from __future__ import annotations

import argparse
import signal
import sys

import anyio

from rutter_ap_server.app import App
from rutter_ap_server.cli.command import argument
from rutter_ap_server.cli.output import line
from rutter_ap_server.cli.running import app_command
from rutter_ap_server.settings import DESK_PORT
from rutter_ap_tools.errors import OperatorError


@app_command(
    argument("--port", type=int, help=f"the port to listen on (default: that of the server, {DESK_PORT}; 0 for any)"),
    argument("--no-open", action="store_true", help="only print the address; open no browser"),
)
async def desk(app: App, given: argparse.Namespace) -> int:
    """Serves the desk to this machine alone until it is stopped, unless a server of this home does already."""
    local = app.local_desk(app.settings.desk_port if given.port is None else given.port)
    try:
        address = await local.address()
        if not address:
            raise OperatorError(
                "the desk cannot be served: no port is free, or the home folder cannot be written",
                code="desk.port",
                next_step="Run it with --port and another number, or 0; `rutter-ap doctor` checks the home folder.",
            )
        how = "stop it with Ctrl-C" if local.is_served_here else "a server of this home serves it"
        line(f"The approvals desk is at {address}; {how}.")
        sys.stdout.flush()
        if not given.no_open:
            await local.open()
        if local.is_served_here:
            await _told_to_stop()
    finally:
        await local.aclose()
    await app.dispatcher.drain()
    return 0


async def _told_to_stop() -> None:
    if sys.platform == "win32":
        # There Ctrl-C is an exception, which ends every wait.
        await anyio.sleep_forever()
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as told:
        async for _ in told:
            return
