"""Commands about connected companies: link one, list, rename and remove them, and seal their tokens anew."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from rutter_ap_server.cli.approvals import run
from rutter_ap_tools.errors import BadInput, NotFound, RetryError
from rutter_ap_tools.text import clean

if TYPE_CHECKING:
    from rutter_ap_server.app import App
    from rutter_ap_server.rutter.models.connections import ConnectionEntry
    from rutter_ap_tools.connections import ConnectionRow, ConnectResult

_ACTOR = "terminal"
_WAIT_SECONDS = 900
_PAUSE_SECONDS = 2

Subparsers = argparse._SubParsersAction  # argparse has no public name for it


def add_commands(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """Adds `connect` and `connections` to the command line."""
    link = commands.add_parser("connect", help="link a company's ledger; prints the page a person opens")
    link.add_argument("--name", default="", help="what to call the company, up to 30 characters")
    link.add_argument("--connection", default="", help="finish, sign in again, or take up one that Rutter has: its id")
    link.add_argument("--wait", type=int, default=_WAIT_SECONDS, help="seconds to wait for the person; 0 for none")
    link.add_argument("--json", action="store_true")
    link.set_defaults(command=connect)
    actions = commands.add_parser("connections", help="the connected companies").add_subparsers(
        metavar="ACTION", required=True
    )
    listing = actions.add_parser("list", help="each with its health")
    listing.add_argument("--all", action="store_true", help="those too that Rutter has and this program does not")
    listing.set_defaults(command=list_connections)
    name = actions.add_parser("rename", help="call one something else, here and at Rutter")
    name.add_argument("connection", help="its id or name")
    name.add_argument("name", help="up to 30 characters")
    name.set_defaults(command=rename)
    removing = actions.add_parser("remove", help="forget one, here and at Rutter; its books stay as they are")
    removing.add_argument("connection", help="its id or name")
    removing.add_argument("--yes", action="store_true", help="do not ask")
    removing.set_defaults(command=remove)
    sealing = actions.add_parser("reseal", help="seal every stored token under the first key of RUTTER_AP_SECRET_KEYS")
    sealing.set_defaults(command=reseal)
    for action in (listing, name, removing, sealing):
        action.add_argument("--json", action="store_true")


def connect(arguments: argparse.Namespace) -> int:
    """Prints the link and waits until somebody linked the company behind it; interrupted, nothing is lost."""

    async def work(app: App) -> int:
        result = await _begun(app, arguments)
        if result.status == "waiting":
            _show_link(result, arguments)
            if app.settings.embedded and not arguments.wait:
                sys.stderr.write("The practice company's page is only there while this program waits, or serves.\n")
            result = await _until_linked(app, result, arguments.wait)
        if arguments.json:
            _json(result.model_dump(mode="json", exclude_none=True))
        elif result.status == "connected":
            _line(f"Connected: {result.company.name or result.company.id} ({result.platform}).")
        elif arguments.wait:
            sys.stderr.write("Nobody linked it yet. The same command takes it up again, under the same link.\n")
        # Asked to wait, it failed when nobody came; asked only for the link, it did not.
        return 0 if result.status == "connected" or not arguments.wait else 1

    return run(work)


def list_connections(arguments: argparse.Namespace) -> int:
    """Each connection with its health; with --all those that only Rutter knows."""

    async def work(app: App) -> int:
        connect_flow = app.connect_flow
        found = await connect_flow.listed("", actor=_ACTOR, read_only=app.settings.read_only)
        others = await connect_flow.keeping.elsewhere() if arguments.all else []
        if arguments.json:
            shown = found.model_dump(mode="json", exclude_none=True, include={"connections", "environment"})
            return _json(shown | ({"elsewhere": [_entry(one) for one in others]} if arguments.all else {}))
        for row in found.connections:
            # The practice company's page goes when this program ends.
            _row(row.model_copy(update={"sign_in_url": None}) if app.settings.embedded else row)
        for one in others:
            entry = _entry(one)
            _line(f"{entry['id']}  {entry['status']:<12} {entry['platform']:<18} {entry['name']}  (only at Rutter)")
        if not found.connections and not others:
            _line("No company is connected yet: rutter-ap connect")
        return 0

    return run(work)


def rename(arguments: argparse.Namespace) -> int:
    """Calls a connection something else."""

    async def work(app: App) -> int:
        keeping = app.connect_flow.keeping
        kept, name = await keeping.kept(arguments.connection), clean(arguments.name, 80)
        await keeping.rename(kept, name, actor=_ACTOR)
        if arguments.json:
            return _json({"id": kept.id, "name": name})
        _line(f"{kept.id} is called {name} now.")
        return 0

    return run(work)


def remove(arguments: argparse.Namespace) -> int:
    """Forgets a connection here and at Rutter, once a person said so."""

    async def work(app: App) -> int:
        keeping = app.connect_flow.keeping
        kept = await keeping.kept(arguments.connection)
        named = f"{clean(kept.name, 80) or 'the connection'} ({kept.id})"
        sys.stderr.write(
            f"Rutter would forget {named} and all it read from it; to use it again, somebody must link it anew. The "
            "books themselves are not touched.\n"
        )
        if not arguments.yes and not _says_yes():
            raise BadInput("it was not confirmed", next_step="Nothing was removed. Type yes, or give --yes.")
        await keeping.remove(kept, actor=_ACTOR)
        if arguments.json:
            return _json({"id": kept.id, "removed": True})
        _line(f"{named} is removed.")
        return 0

    return run(work)


def reseal(arguments: argparse.Namespace) -> int:
    """Seals every stored secret under the first key."""

    async def work(app: App) -> int:
        count = await app.connect_flow.keeping.reseal(actor=_ACTOR)
        if arguments.json:
            return _json({"resealed": count})
        _line(f"{count} stored secrets are sealed under the first key; the others can go.")
        return 0

    return run(work)


async def _begun(app: App, arguments: argparse.Namespace) -> ConnectResult:
    from rutter_ap_server.interaction import NoOpener
    from rutter_ap_server.store.errors import StoreError
    from rutter_ap_tools.connections import ConnectLedger
    from rutter_ap_tools.validate import read_arguments

    given = {"name": arguments.name, "connection_id": arguments.connection}
    ask = read_arguments(ConnectLedger, given)
    try:
        return await app.connect_flow.connect(ask, actor=_ACTOR, opener=NoOpener())
    except (NotFound, StoreError):
        # An operator may take up what only Rutter knows, and what is sealed under a key that was lost.
        if not arguments.connection:
            raise
    await app.connect_flow.joining.adopt(arguments.connection, actor=_ACTOR)
    return await app.connect_flow.connect(ask, actor=_ACTOR, opener=NoOpener())


async def _until_linked(app: App, result: ConnectResult, wait_seconds: int) -> ConnectResult:
    """Looks every few seconds; a person at a sign-in page is not hurried."""
    import anyio

    from rutter_ap_server.interaction import NoOpener
    from rutter_ap_tools.connections import ConnectLedger

    ask = ConnectLedger(connection_id=result.company.id)
    try:
        with anyio.move_on_after(wait_seconds):
            while result.status == "waiting":
                await anyio.sleep(_PAUSE_SECONDS)
                try:
                    result = await app.connect_flow.connect(ask, actor=_ACTOR, opener=NoOpener())
                except RetryError:
                    continue
    except anyio.get_cancelled_exc_class():
        sys.stderr.write("Interrupted. Nothing is lost: the same command takes it up again.\n")
        raise
    return result


def _show_link(result: ConnectResult, arguments: argparse.Namespace) -> None:
    # With --json stdout is one JSON value, so that the link stands beside it.
    stream = sys.stderr if arguments.json else sys.stdout
    stream.write(f"Open this page and sign in there:\n  {result.link_url}\n")
    stream.flush()


def _row(row: ConnectionRow) -> None:
    synced = f"  last synced {row.last_synced_at:%Y-%m-%d %H:%M} UTC" if row.last_synced_at else ""
    _line(f"{row.id}  {row.health:<12} {row.platform or '':<18} {row.name or ''}{synced}")
    if row.problem:
        _line(f"    {row.problem}")
    if row.sign_in_url:
        _line(f"    sign in at {row.sign_in_url}")
    elif row.health in ("needs_reauth", "waiting"):
        _line(f"    rutter-ap connect --connection {row.id}")


def _entry(entry: ConnectionEntry) -> dict[str, str]:
    """A connection that only Rutter knows, without its token and its link."""
    return {
        "id": entry.id,
        "name": clean(entry.name, 60),
        "platform": clean(entry.platform, 40),
        "status": clean(entry.status, 20),
    }


def _says_yes() -> bool:
    sys.stderr.write("Type yes to remove it: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() == "yes"


def _json(value: Any) -> int:
    _line(json.dumps(value, indent=2, ensure_ascii=False))
    return 0


def _line(text: str) -> None:
    sys.stdout.write(text + "\n")
