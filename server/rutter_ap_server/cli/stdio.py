"""`rutter-ap stdio`: what an MCP client starts."""

from __future__ import annotations

import argparse
import gc

import anyio

from rutter_ap_server.app import open_app
from rutter_ap_server.cli.command import command
from rutter_ap_server.mcp.stdio import serve_stdio


@command()
def stdio(_: argparse.Namespace) -> int:
    """Serves until the client closes stdin. Raises `SettingsError`."""
    app = open_app()
    # What was imported stays for the life of the process: there is nothing among it to collect.
    gc.freeze()
    anyio.run(serve_stdio, app)
    return 0
