"""`rutter-ap approvers`: who may approve. A passcode is asked for, and is never an argument."""

from __future__ import annotations

import argparse

from rutter_ap_server.app import App
from rutter_ap_server.cli.command import AS_JSON, argument
from rutter_ap_server.cli.output import line, print_json
from rutter_ap_server.cli.passcode import ACTING, ask_new_passcode, ask_proof, ask_proof_of
from rutter_ap_server.cli.running import CHANNEL, app_command
from rutter_ap_server.guard.passkeys import fingerprint_of
from rutter_ap_tools.text import clean

_NAME = argument("name", help="the approver's name")
_BY = argument("--as", dest="acting", metavar="NAME", default="", help="another approver, if the old one is lost")


@app_command(_NAME, ACTING)
async def add(app: App, given: argparse.Namespace) -> int:
    """Adds an approver; from the second on, one who is there already must consent with their passcode."""
    by = await ask_proof(app, given.acting)
    await app.approvals.add_approver(given.name, ask_new_passcode(), channel=CHANNEL, by=by)
    line(f"{clean(given.name)} may now approve proposals.")
    return 0


@app_command(_NAME, _BY)
async def passcode(app: App, given: argparse.Namespace) -> int:
    """Changes an approver's passcode, with the old one or with another approver's."""
    acting = given.acting or given.name
    by = await ask_proof_of(app, acting)
    await app.approvals.change_passcode(given.name, ask_new_passcode(), channel=CHANNEL, by=by)
    line(f"{clean(given.name)} has a new passcode.")
    return 0


@app_command(_NAME, ACTING)
async def remove(app: App, given: argparse.Namespace) -> int:
    """Removes an approver, with an approver's passcode; the last one with their own."""
    by = await ask_proof(app, given.acting)
    await app.approvals.remove_approver(given.name, channel=CHANNEL, by=by)
    line(f"{clean(given.name)} may no longer approve proposals.")
    return 0


@app_command(AS_JSON)
async def list_approvers(app: App, given: argparse.Namespace) -> int:
    """Who may approve."""
    found, passkeys = await app.store.read(lambda tx: (tx.approvers.active(), tx.passkeys.active()))
    keys = {one.id: [fingerprint_of(key.public_key) for key in passkeys if key.approver_id == one.id] for one in found}
    if given.json:
        print_json(
            [
                {"id": one.id, "name": one.name, "added_at": one.added_at.isoformat(), "passkeys": keys[one.id]}
                for one in found
            ]
        )
        return 0
    for approver in found:
        line(approver.name)
        for key in keys[approver.id]:
            line(f"  passkey {key}")
    if not found:
        line("There is no approver yet. Add one with `rutter-ap approvers add NAME`.")
    return 0
