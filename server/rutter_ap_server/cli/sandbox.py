"""`rutter-ap sandbox`: the embedded Rutter, served on its own port."""

from __future__ import annotations

import argparse
from pathlib import Path

from rutter_ap_server.cli.command import argument, command
from rutter_sandbox.serve import serve


@command(
    argument("--port", type=int, default=0, help="the port to listen on (default: any free port)"),
    argument("--bills", type=int, default=0, help="how many extra bills to create, for load tests"),
    argument("--file", help="keep the books in this file (default: in memory)"),
    argument("--admin", action="store_true", help="enable the endpoints that inject faults"),
)
def sandbox(given: argparse.Namespace) -> int:
    """Serves until it is stopped; the first line on stdout is one JSON object with the address and credentials."""
    file = Path(given.file) if given.file else None
    return serve(port=given.port, bills=given.bills, file=file, admin=given.admin)
