"""Commands for the operator: stop and allow writes, check the audit chain, upload a file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rutter_ap_server.app import App
from rutter_ap_server.cli.command import AS_JSON, argument, command
from rutter_ap_server.cli.output import line, print_json
from rutter_ap_server.cli.passcode import ACTING, ask_proof
from rutter_ap_server.cli.running import CHANNEL, app_command
from rutter_ap_server.documents.files import Documents
from rutter_ap_server.settings import read_settings
from rutter_ap_server.store.audit import Anchor, Verification
from rutter_ap_server.store.check import Comparison
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.text import clean, quote


@app_command()
async def freeze(app: App, _: argparse.Namespace) -> int:
    """Stops every write at once. Stopping needs no passcode: whoever notices something may do it."""

    def work(tx: Tx) -> None:
        tx.controls.freeze("a person at the terminal")
        tx.audit.append("frozen", actor=CHANNEL)

    await app.store.write(work)
    line("All writes are stopped. Allow them again with `rutter-ap unfreeze`.")
    return 0


@app_command(ACTING)
async def unfreeze(app: App, given: argparse.Namespace) -> int:
    """Allows writes again, with an approver's passcode."""
    await app.approvals.unfreeze(channel=CHANNEL, by=await ask_proof(app, given.acting))
    line("Writes are allowed again, as the policy says.")
    return 0


@app_command(
    AS_JSON, argument("--anchor", metavar="FILE", help="an exported anchor; also detects entries cut off the end")
)
async def verify_audit(app: App, given: argparse.Namespace) -> int:
    """Walks the chain and holds every table against it.

    Exit 1 when the chain does not hold, is not the one an anchor kept elsewhere was taken from, or a row differs.
    """
    anchor = Anchor.from_json(_read(given.anchor)) if given.anchor else None
    found, tables = await app.store.read(lambda tx: (tx.audit.verify(anchor), tx.checks.everything()))
    if given.json:
        _print_verified(found, tables)
    else:
        if found.holds:
            line(f"The chain is intact: {found.entries} entries, head {found.head}.")
        else:
            line(f"The chain is broken at entry {found.broken_at}: {found.reason}. Intact before it: {found.entries}.")
        _say_differences(tables)
    return 0 if found.holds and not tables.differences else 1


def _print_verified(found: Verification, tables: Comparison) -> None:
    shown: dict[str, Any] = {"holds": found.holds, "entries": found.entries, "head": found.head}
    if not found.holds:
        shown |= {"broken_at": found.broken_at, "reason": found.reason}
    differing = [{name: getattr(one, name) for name in one.__slots__} for one in tables.differences]
    print_json(
        shown
        | {
            "tables_hold": not differing,
            "rows_compared": tables.compared,
            "rows_not_compared": tables.not_compared,
            "differences": differing,
        }
    )


def _say_differences(tables: Comparison) -> None:
    for one in tables.differences:
        row = f"{one.table} {clean(one.key, 200)}"
        if one.what == "added":
            line(f"{row}: this row was added by hand; the chain does not know it.")
        elif one.what == "removed":
            line(f"{row}: this row was removed by hand; the chain says that it exists.")
        else:
            chain, stored = (quote(value, 100) or "nothing" for value in (one.chain, one.stored))
            line(f"{row}: {one.field} was changed by hand; the chain says {chain}, the table {stored}.")
    if tables.differences:
        count = len({(one.table, one.key) for one in tables.differences})
        line(f"{count} {'row differs' if count == 1 else 'rows differ'} from the chain, of {tables.compared} compared.")
    else:
        line(f"The tables are as the chain says: {tables.compared} rows compared.")
    if tables.not_compared:
        line(f"{tables.not_compared} rows were written by an earlier version, so not all of them could be compared.")


@app_command(argument("--anchor", action="store_true", help="only the head, to be kept on another machine"))
async def export_audit(app: App, given: argparse.Namespace) -> int:
    """The chain as JSON lines, one entry each; or only its head, to be kept where this machine cannot change it."""

    def export(tx: Tx) -> None:
        if given.anchor:
            line(tx.audit.anchor().json)
            return
        for entry in tx.audit.entries():
            shown = {name: getattr(entry, name) for name in entry.__slots__}
            shown |= {"body": json.loads(entry.body), "rows": json.loads(entry.rows or "[]")}
            line(json.dumps(shown, sort_keys=True))

    await app.store.read(export)
    return 0


@command(argument("file", help="the file to upload"))
def upload(given: argparse.Namespace) -> int:
    """Stores a person's file and prints its handle."""
    settings = read_settings()
    documents = Documents(settings.files, settings.home / "uploads")
    line(documents.put_in(Path(given.file)))
    return 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise BadInput("the anchor's file cannot be read", next_step="Check the path.") from None
