"""`rutter-ap approvers`: who may approve. A passcode is asked for, and is never an argument."""

from __future__ import annotations

import argparse
import sys

from rutter_ap_server.app import App
from rutter_ap_server.cli.command import AS_JSON, argument
from rutter_ap_server.cli.output import line, print_json
from rutter_ap_server.cli.passcode import ask_passcode
from rutter_ap_server.cli.running import CHANNEL, app_command
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.text import clean

_NAME = argument("name", help="the approver's name")


@app_command(_NAME)
async def add(app: App, given: argparse.Namespace) -> int:
    """Adds an approver; at a terminal the passcode is asked for twice."""
    passcode = ask_passcode("New passcode: ")
    if sys.stdin.isatty() and ask_passcode("Repeat the passcode: ") != passcode:
        raise BadInput("the two passcodes differ", next_step="Try again. Nothing was changed.")
    await app.approvals.add_approver(given.name, passcode, channel=CHANNEL)
    line(f"{clean(given.name)} may now approve proposals.")
    return 0


@app_command(_NAME)
async def remove(app: App, given: argparse.Namespace) -> int:
    """Removes an approver."""
    await app.approvals.remove_approver(given.name, channel=CHANNEL)
    line(f"{clean(given.name)} may no longer approve proposals.")
    return 0


@app_command(AS_JSON)
async def list_approvers(app: App, given: argparse.Namespace) -> int:
    """Who may approve."""
    found = await app.store.read(lambda tx: tx.approvers.active())
    if given.json:
        print_json([{"name": one.name, "added_at": one.added_at.isoformat()} for one in found])
        return 0
    for approver in found:
        line(approver.name)
    if not found:
        line("There is no approver yet. Add one with `rutter-ap approvers add NAME`.")
    return 0
