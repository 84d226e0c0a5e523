"""Commands for whoever runs the server: policy, freeze, the audit chain, the catalogue."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rutter_ap_server.app import App
    from rutter_ap_server.store.engine import Tx


def show_policy(arguments: argparse.Namespace) -> int:
    """The policy in force and its version. Raises `PolicyError` for a broken file."""
    app = _app()
    policy = app.policy.read()
    source = str(app.policy.path) if app.policy.path.exists() else "the built-in default"
    shown = {"source": source, "version": policy.version, "policy": policy.model_dump(mode="json")}
    if arguments.json:
        _line(json.dumps(shown, indent=2))
        return 0
    _line(f"# {source}, version {policy.version}")
    for section, values in shown["policy"].items():  # type: ignore[attr-defined]
        _toml(section, values)
    return 0


def check_policy(arguments: argparse.Namespace) -> int:
    """Whether a policy file can be used; the error names the line or field."""
    from rutter_ap_server.guard.policy import PolicyError, PolicyFile

    path = Path(arguments.file) if arguments.file else _app().policy.path
    if arguments.file and not path.is_file():
        raise PolicyError("there is no such policy file", next_step="Check the path.")
    policy = PolicyFile(path).read()
    _line(f"The policy can be used; version {policy.version}.")
    return 0


def freeze(_: argparse.Namespace) -> int:
    """Stops every write at once."""

    def work(tx: Tx) -> None:
        tx.people.freeze("a person at the terminal")
        tx.audit.append("frozen", actor="terminal")

    _store(work)
    _line("All writes are stopped. Allow them again with `rutter-ap unfreeze`.")
    return 0


def unfreeze(_: argparse.Namespace) -> int:
    """Allows writes again."""

    def work(tx: Tx) -> None:
        tx.people.unfreeze()
        tx.audit.append("unfrozen", actor="terminal")

    _store(work)
    _line("Writes are allowed again, each as the policy says.")
    return 0


def verify_audit(arguments: argparse.Namespace) -> int:
    """Walks the chain; exit 1 when it does not hold."""
    app = _app()
    try:
        found = app.store.read_now(lambda tx: tx.audit.verify())
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


def export_audit(_: argparse.Namespace) -> int:
    """The chain as JSON lines, one entry each."""
    app = _app()

    def export(tx: Tx) -> None:
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
    from rutter_ap_server.mcp_server import listed
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
        _line(f"{tool.name:<14} {tool.risk.value:<12} {size:>6} bytes  {tool.title}")
    _line(f"{len(tools)} tools, {sum(sizes)} bytes, about {sum(sizes) // 4} tokens")
    return 0


def _app() -> App:
    from rutter_ap_server.app import open_app

    return open_app()


def _store(work: Any) -> None:
    app = _app()
    try:
        app.store.write_now(work)
    finally:
        app.store.close()


def _toml(section: str, values: dict[str, Any]) -> None:
    nested = {key: value for key, value in values.items() if isinstance(value, dict)}
    flat = {key: value for key, value in values.items() if not isinstance(value, dict)}
    if flat:
        _line(f"\n[{section}]")
        for key, value in flat.items():
            _line(f"{key} = {json.dumps(value)}")
    for key, value in nested.items():
        _toml(f"{section}.{key}", value)


def _line(text: str) -> None:
    sys.stdout.write(text + "\n")
