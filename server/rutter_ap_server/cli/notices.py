"""The command that tries the channels by which people are told."""

from __future__ import annotations

import argparse

from rutter_ap_server.app import App
from rutter_ap_server.cli.output import line
from rutter_ap_server.cli.running import app_command
from rutter_ap_server.notices.channels import NotDelivered, deliver
from rutter_ap_server.notices.words import TITLE, where_to_decide
from rutter_ap_tools.errors import BadInput


@app_command()
async def test(app: App, _: argparse.Namespace) -> int:
    """Sends a test by every channel. Exit 1 if one of them does not get through."""
    if not app.settings.notify:
        raise BadInput(
            "nobody is told: RUTTER_AP_NOTIFY is not set",
            next_step="Set it to one or more addresses, such as desktop; docs/approving.md shows each kind.",
        )
    failed = 0
    for address in app.settings.notify:
        try:
            await deliver(address, f"{TITLE}: a test", where_to_decide(app.settings.approvals_url))
            line(f"sent    {address.words}")
        except NotDelivered as error:
            failed += 1
            line(f"failed  {address.words}: {error}")
    return 1 if failed else 0
