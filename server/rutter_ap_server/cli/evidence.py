"""`rutter-ap evidence`: everything known about one payment, as JSON for programs and as a page for people."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from rutter_ap_server.app import App
from rutter_ap_server.cli.command import PROPOSAL, argument
from rutter_ap_server.cli.output import line, print_json
from rutter_ap_server.cli.proposals import proposal_named
from rutter_ap_server.cli.running import app_command
from rutter_ap_server.guard.reports.evidence import gather_evidence
from rutter_ap_server.web.evidence import as_json, page
from rutter_ap_tools.errors import OperatorError


@app_command(
    PROPOSAL,
    argument("--out", default=".", metavar="FOLDER", help="the folder to write into (default: the current one)"),
    argument("--json", action="store_true", help="print the JSON and write no files"),
)
async def evidence(app: App, given: argparse.Namespace) -> int:
    """Writes `evidence-ID.json` and `evidence-ID.html` into a folder, readable by their owner alone."""
    proposal = await proposal_named(app, given.proposal)
    gathered = await gather_evidence(app.store, proposal, await app.company_of(proposal))
    if given.json:
        print_json(gathered)
        return 0
    for ending, content in ((".json", as_json(gathered)), (".html", page(gathered))):
        target = Path(given.out) / f"evidence-{proposal.id}{ending}"
        _write_private(target, content)
        line(str(target))
    return 0


def _write_private(target: Path, content: str) -> None:
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
    except OSError:
        raise OperatorError(
            "the evidence files cannot be written there",
            code="evidence.not_written",
            next_step="Choose a folder with --out.",
        ) from None
