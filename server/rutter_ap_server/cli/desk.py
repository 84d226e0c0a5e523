"""`rutter-ap desk`: the approvals desk on this machine, in a browser."""

from __future__ import annotations

import argparse
import socket
import sys
import webbrowser

import anyio.to_thread
import uvicorn

from rutter_ap_server.app import App
from rutter_ap_server.cli.command import argument
from rutter_ap_server.cli.output import line
from rutter_ap_server.cli.running import app_command
from rutter_ap_server.web.desk import desk_app
from rutter_ap_tools.errors import OperatorError

PORT = 8765
_GRACE_SECONDS = 30


@app_command(
    argument("--port", type=int, default=PORT, help=f"the port to listen on (default: {PORT}; 0 for any free one)"),
    argument("--no-open", action="store_true", help="only print the address; open no browser"),
)
async def desk(app: App, given: argparse.Namespace) -> int:
    """Serves the desk to this machine alone until it is stopped."""
    listening = _listen(given.port)
    host = f"localhost:{listening.getsockname()[1]}"
    served = desk_app(app.approvals, app.connect_flow, hosts=[host])
    config = uvicorn.Config(
        served,
        log_level="error",
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    line(f"The approvals desk is at http://{host}/approvals; stop it with Ctrl-C.")
    sys.stdout.flush()
    if not given.no_open:
        await anyio.to_thread.run_sync(webbrowser.open, f"http://{host}/approvals")
    with listening:
        await uvicorn.Server(config).serve(sockets=[listening])
    await app.dispatcher.drain()
    return 0


def _listen(port: int) -> socket.socket:
    """A socket that only this machine reaches. Raises `OperatorError` if the port is taken."""
    listening = socket.socket()
    try:
        listening.bind(("127.0.0.1", port))
        listening.listen()
    except (OSError, OverflowError):
        listening.close()
        raise OperatorError(
            f"port {port} is not free", code="desk.port", next_step="Run it with --port and another number, or 0."
        ) from None
    return listening
