"""Commands for whoever runs the server: freeze, the audit chain, the catalogue."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rutter_ap_server.app import App
    from rutter_ap_server.store.engine import Tx


def freeze(_: argparse.Namespace) -> int:
    """Stops every write at once."""

    def work(tx: Tx) -> None:
        tx.controls.freeze("a person at the terminal")
        tx.audit.append("frozen", actor="terminal")

    _store(work)
    _line("All writes are stopped. Allow them again with `rutter-ap unfreeze`.")
    return 0


def unfreeze(_: argparse.Namespace) -> int:
    """Allows writes again."""

    def work(tx: Tx) -> None:
        tx.controls.unfreeze()
        tx.audit.append("unfrozen", actor="terminal")

    _store(work)
    _line("Writes are allowed again, each as the policy says.")
    return 0


def verify_audit(arguments: argparse.Namespace) -> int:
    """Walks the chain; exit 1 when it does not hold, or is not the one an anchor kept elsewhere was taken from."""
    from rutter_ap_server.store.audit import Anchor

    app = _app()
    try:
        anchor = Anchor.from_json(_read(arguments.anchor)) if arguments.anchor else None
        found = app.store.read_now(lambda tx: tx.audit.verify(anchor))
    finally:
        app.store.close()
    if arguments.json:
        shown: dict[str, Any] = {"holds": found.holds, "entries": found.entries, "head": found.head}
        if not found.holds:
            shown |= {"broken_at": found.broken_at, "reason": found.reason}
        _line(json.dumps(shown, indent=2))
    elif found.holds:
        _line(f"The chain holds: {found.entries} entries, head {found.head}.")
    else:
        _line(
            f"The chain is broken at entry {found.broken_at}: {found.reason}. Before it, {found.entries} entries hold."
        )
    return 0 if found.holds else 1


def export_audit(arguments: argparse.Namespace) -> int:
    """The chain as JSON lines, one entry each; or only its head, to be kept where this machine cannot change it."""
    app = _app()

    def export(tx: Tx) -> None:
        if arguments.anchor:
            _line(tx.audit.anchor().json)
            return
        for entry in tx.audit.entries():
            shown = {name: getattr(entry, name) for name in entry.__slots__} | {"body": json.loads(entry.body)}
            _line(json.dumps(shown, sort_keys=True))

    try:
        app.store.read_now(export)
    finally:
        app.store.close()
    return 0


def list_tools(arguments: argparse.Namespace) -> int:
    """The catalogue as an assistant sees it, with what it costs to be told it."""
    from rutter_ap_server.mcp.server import listed
    from rutter_ap_server.settings import read_settings
    from rutter_ap_tools.catalogue import narrowed

    settings = read_settings()
    tools = narrowed(toolsets=settings.toolsets, read_only=settings.read_only)
    wire = [listed(tool).model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
    sizes = [len(json.dumps(tool, separators=(",", ":")).encode()) for tool in wire]
    if arguments.json:
        _line(json.dumps({"tools": wire, "bytes": sum(sizes)}, indent=2))
        return 0
    for tool, size in zip(tools, sizes, strict=True):
        _line(f"{tool.name:<19} {tool.risk.value:<12} {size:>6} bytes  {tool.title}")
    _line(f"{len(tools)} tools, {sum(sizes)} bytes, about {sum(sizes) // 4} tokens")
    return 0


def _read(path: str) -> str:
    from rutter_ap_tools.errors import BadInput

    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise BadInput("the anchor's file cannot be read", next_step="Check the path.") from None


def _app() -> App:
    from rutter_ap_server.app import open_app

    return open_app()


def _store(work: Any) -> None:
    app = _app()
    try:
        app.store.write_now(work)
    finally:
        app.store.close()


def _line(text: str) -> None:
    sys.stdout.write(text + "\n")
