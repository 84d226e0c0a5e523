"""`rutter-ap evidence`: everything known about one payment, as JSON for programs and as a page; and its proof."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rutter_ap_server.app import App
from rutter_ap_server.cli.command import argument, command
from rutter_ap_server.cli.output import line, print_json
from rutter_ap_server.cli.proposals import proposal_named
from rutter_ap_server.cli.running import run_with_app
from rutter_ap_server.guard.reports.evidence import gather_evidence
from rutter_ap_server.guard.reports.proofs import check_evidence
from rutter_ap_server.web.evidence import as_json, page
from rutter_ap_tools.errors import OperatorError
from rutter_ap_tools.text import clean

_FILE_CHARACTERS_MAX = 50_000_000
_SHOWN_CHARACTERS_MAX = 2000


@command(
    argument("proposal", help="the proposal's id, or its first characters; or `verify`, to prove a file offline"),
    argument("file", nargs="?", help="the JSON file to verify"),
    argument("--out", default=".", metavar="FOLDER", help="the folder to write into (default: the current one)"),
    argument("--json", action="store_true", help="print the JSON and write no files"),
    argument("--origin", action="append", default=[], metavar="URL", help="verify: the desk where they were made"),
    argument("--key", action="append", default=[], metavar="FINGERPRINT", help="verify: a passkey they may be by"),
)
def evidence(given: argparse.Namespace) -> int:
    """Writes a proposal's evidence, or verifies a file of it, for which no store and no settings are needed."""
    if given.proposal == "verify":
        return _verify(given)
    if given.file is not None:
        raise OperatorError("only `verify` takes a file", code="evidence.usage", next_step="See --help.")
    return run_with_app(_write, given)


async def _write(app: App, given: argparse.Namespace) -> int:
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


def _verify(given: argparse.Namespace) -> int:
    proof = check_evidence(_read(given.file), origins=given.origin, keys=given.key)
    if given.json:
        print_json({"holds": proof.holds} | asdict(proof))
        return 0 if proof.holds else 1
    for released in dict.fromkeys(one.released for one in proof.signed):
        for label, text in released:
            line(f"{label}: {clean(text, _SHOWN_CHARACTERS_MAX)}")
    for one in proof.signed:
        line(f"{clean(one.approver)} released it, asked at {clean(one.at)}, with the passkey {one.key}")
        line(f"  at {clean(one.origin)}, after reading the statement {clean(one.statement)};")
        line(f"  that the passkey is theirs was witnessed by {clean(one.witness)}.")
    for name in proof.unsigned:
        line(f"{clean(name)} released it without a passkey, which no file can prove.")
    for problem in proof.problems:
        line(f"✕ {problem}")
    line("The file holds." if proof.holds else "The file does not hold: it proves no release of what it says.")
    if proof.holds:
        line(
            "Proven is what stands above, the statement, and the write that it is of. Everything else in the file, such"
        )
        line("as what became of it and when, is what the store said, and is sealed by the file's own hash alone.")
    if proof.holds and not given.key:
        line("Compare the passkeys with those that `rutter-ap approvers list` shows, or give them with --key.")
    return 0 if proof.holds else 1


def _read(path: str | None) -> Any:
    try:
        if path is None:
            raise FileNotFoundError
        with Path(path).open(encoding="utf-8") as file:
            return json.loads(file.read(_FILE_CHARACTERS_MAX))
    except (OSError, ValueError, RecursionError):
        raise OperatorError(
            "there is no evidence file there that can be read",
            code="evidence.not_read",
            next_step="Name the file evidence-ID.json that `rutter-ap evidence ID` wrote.",
        ) from None


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
