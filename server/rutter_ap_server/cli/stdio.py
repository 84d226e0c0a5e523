"""`rutter-ap stdio`: what an MCP client starts."""

from __future__ import annotations

import argparse
import gc

import anyio

from rutter_ap_server.cli.command import command
from rutter_ap_server.settings import read_settings
from rutter_ap_server.stdio import serve_stdio


@command()
def stdio(_: argparse.Namespace) -> int:
    """Serves until the client closes stdin. Raises `SettingsError`."""
    settings = read_settings()
    # What was imported stays for the life of the process: there is nothing among it to collect.
    gc.freeze()
    anyio.run(serve_stdio, settings)
    return 0
