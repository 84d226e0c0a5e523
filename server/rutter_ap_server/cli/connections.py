"""`rutter-ap connect` and `connections`: connect companies, list, rename and remove them, re-encrypt their tokens."""

from __future__ import annotations

import argparse
import sys

import anyio

from rutter_ap_server.app import App
from rutter_ap_server.cli.command import AS_JSON, argument
from rutter_ap_server.cli.output import line, note, print_json
from rutter_ap_server.cli.running import CHANNEL, app_command
from rutter_ap_server.interaction import NO_INTERACTION
from rutter_ap_server.rutter.models.connections import ConnectionEntry
from rutter_ap_server.store.errors import StoreError
from rutter_ap_tools.connections import ConnectionRow, ConnectLedger, ConnectResult
from rutter_ap_tools.errors import BadInput, NotFound, RetryError
from rutter_ap_tools.text import clean
from rutter_ap_tools.validate import read_arguments

_WAIT_SECONDS = 900
_PAUSE_SECONDS = 2
_CONNECTION = argument("connection", help="the connection's id or name")


@app_command(
    argument("--name", default="", help="what to call the company, up to 30 characters"),
    argument(
        "--connection", default="", help="id of a connection to finish, to sign in to again, or to add from Rutter"
    ),
    argument(
        "--wait",
        type=int,
        default=_WAIT_SECONDS,
        help=f"seconds to wait for the person to finish (default: {_WAIT_SECONDS}; 0: print the link and exit)",
    ),
    AS_JSON,
)
async def connect(app: App, given: argparse.Namespace) -> int:
    """Prints the link and waits until a person has connected the company; interrupted, nothing is lost."""
    result = await _begun(app, given)
    if result.status == "waiting":
        _show_link(result, given)
        if app.settings.embedded and not given.wait:
            note("The practice company's page is only served while this command waits, or while the server runs.")
        result = await _until_connected(app, result, given.wait)
    if given.json:
        print_json(result.model_dump(mode="json", exclude_none=True))
    elif result.status == "connected":
        line(f"Connected: {result.company.name or result.company.id} ({result.platform}).")
    elif given.wait:
        note("Nobody has finished it yet. Run the same command to continue with the same link.")
    # Asked to wait, it failed when nobody came; asked only for the link, it did not.
    return 0 if result.status == "connected" or not given.wait else 1


@app_command(
    argument("--all", action="store_true", help="include connections that exist only at Rutter"),
    AS_JSON,
)
async def list_connections(app: App, given: argparse.Namespace) -> int:
    """Each connection with its health; with --all those that only Rutter knows."""
    found = await app.connect_flow.listed("", actor=CHANNEL, read_only=app.settings.read_only)
    others = await app.connect_flow.connections.elsewhere() if given.all else []
    if given.json:
        shown = found.model_dump(mode="json", exclude_none=True, include={"connections", "environment"})
        print_json(shown | ({"elsewhere": [_entry(one) for one in others]} if given.all else {}))
        return 0
    for row in found.connections:
        # The practice company's page goes when this program ends.
        _row(row.model_copy(update={"sign_in_url": None}) if app.settings.embedded else row)
    for one in others:
        entry = _entry(one)
        line(f"{entry['id']}  {entry['status']:<12} {entry['platform']:<18} {entry['name']}  (only at Rutter)")
    if not found.connections and not others:
        line("No company is connected yet. Run `rutter-ap connect`.")
    return 0


@app_command(_CONNECTION, argument("name", help="the new name, up to 30 characters"), AS_JSON)
async def rename(app: App, given: argparse.Namespace) -> int:
    """Renames a connection."""
    connections = app.connect_flow.connections
    kept, name = await connections.saved(given.connection), clean(given.name, 80)
    await connections.rename(kept, name, actor=CHANNEL)
    if given.json:
        print_json({"id": kept.id, "name": name})
    else:
        line(f"{kept.id} is now called {name}.")
    return 0


@app_command(_CONNECTION, argument("--yes", action="store_true", help="do not ask for confirmation"), AS_JSON)
async def remove(app: App, given: argparse.Namespace) -> int:
    """Removes a connection here and at Rutter, once a person has confirmed it."""
    connections = app.connect_flow.connections
    kept = await connections.saved(given.connection)
    named = f"{clean(kept.name, 80) or 'the connection'} ({kept.id})"
    note(
        f"This removes {named} here and at Rutter, with everything Rutter has read from it. To use it again, somebody "
        "must connect it again. The company's books are not touched."
    )
    if not given.yes and not _confirmed():
        raise BadInput("the removal was not confirmed", next_step="Nothing was removed. Type yes, or pass --yes.")
    await connections.remove(kept, actor=CHANNEL)
    if given.json:
        print_json({"id": kept.id, "removed": True})
    else:
        line(f"Removed {named}.")
    return 0


@app_command(AS_JSON)
async def reseal(app: App, given: argparse.Namespace) -> int:
    """Re-encrypts every stored secret with the first key."""
    count = await app.connect_flow.connections.reseal(actor=CHANNEL)
    if given.json:
        print_json({"resealed": count})
    else:
        line(f"Stored secrets re-encrypted with the first key: {count}. The other keys can be removed.")
    return 0


async def _begun(app: App, given: argparse.Namespace) -> ConnectResult:
    query = read_arguments(ConnectLedger, {"name": given.name, "connection_id": given.connection})
    try:
        return await app.connect_flow.connect(query, actor=CHANNEL, interaction=NO_INTERACTION)
    except (NotFound, StoreError):
        # An operator may take up what only Rutter knows, and what is sealed under a key that was lost.
        if not given.connection:
            raise
    await app.connect_flow.onboarding.adopt(given.connection, actor=CHANNEL)
    return await app.connect_flow.connect(query, actor=CHANNEL, interaction=NO_INTERACTION)


async def _until_connected(app: App, result: ConnectResult, wait_seconds: int) -> ConnectResult:
    """Looks every few seconds; a person at a sign-in page is not hurried."""
    query = ConnectLedger(connection_id=result.company.id)
    try:
        with anyio.move_on_after(wait_seconds):
            while result.status == "waiting":
                await anyio.sleep(_PAUSE_SECONDS)
                try:
                    result = await app.connect_flow.connect(query, actor=CHANNEL, interaction=NO_INTERACTION)
                except RetryError:
                    continue
    except anyio.get_cancelled_exc_class():
        note("Interrupted. Nothing is lost: run the same command to continue.")
        raise
    return result


def _show_link(result: ConnectResult, given: argparse.Namespace) -> None:
    # With --json stdout is one JSON value, so the link goes to stderr.
    say = note if given.json else line
    say(f"Open this page and sign in there:\n  {result.link_url}")
    sys.stdout.flush()


def _row(row: ConnectionRow) -> None:
    synced = f"  last synced {row.last_synced_at:%Y-%m-%d %H:%M} UTC" if row.last_synced_at else ""
    line(f"{row.id}  {row.health:<12} {row.platform or '':<18} {row.name or ''}{synced}")
    if row.problem:
        line(f"    {row.problem}")
    if row.sign_in_url:
        line(f"    Sign in at {row.sign_in_url}")
    elif row.health in ("needs_reauth", "waiting"):
        line(f"    Run `rutter-ap connect --connection {row.id}`.")


def _entry(entry: ConnectionEntry) -> dict[str, str]:
    """A connection that only Rutter knows, without its token and its link."""
    return {
        "id": entry.id,
        "name": clean(entry.name, 60),
        "platform": clean(entry.platform, 40),
        "status": clean(entry.status, 20),
    }


def _confirmed() -> bool:
    sys.stderr.write("Type yes to remove it: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() == "yes"
