"""`rutter-ap serve`: many assistants over HTTP."""

from __future__ import annotations

import argparse
import gc

import anyio

from rutter_ap_server.cli.command import command
from rutter_ap_server.http.serve import serve_http
from rutter_ap_server.settings import read_settings


@command()
def serve(_: argparse.Namespace) -> int:
    """Serves until it is told to stop. Raises `SettingsError` and `OperatorError`."""
    settings = read_settings()
    # What was imported stays for the life of the process: there is nothing among it to collect.
    gc.freeze()
    anyio.run(serve_http, settings)
    return 0
