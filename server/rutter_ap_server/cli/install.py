"""`rutter-ap install`: adds the server to a client's configuration; nothing else changes, and no secret is written."""

from __future__ import annotations

import argparse
import json
import os
import stat
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rutter_ap_server.cli.command import argument, command
from rutter_ap_server.cli.output import line
from rutter_ap_server.clock import Clock
from rutter_ap_server.settings import KNOWN, SettingsError, read_settings
from rutter_ap_tools.errors import BadInput, OperatorError

NAME = "rutter-ap"
_PATHS = ("RUTTER_AP_HOME", "RUTTER_AP_POLICY", "RUTTER_AP_ENV_FILE")


class ClientFileError(OperatorError):
    """The client's configuration cannot be read or written; it was left as it is."""

    code = "client_file"


@dataclass(frozen=True, slots=True)
class Client:
    """One client: its title, the key under which its file lists servers, and whether an entry states its type."""

    title: str
    key: str = "mcpServers"
    typed: bool = True


CLIENTS = {
    "claude-desktop": Client("Claude Desktop", typed=False),
    "claude-code": Client("Claude Code"),
    "cursor": Client("Cursor"),
    "vscode": Client("VS Code", key="servers"),
}


@command(
    argument("client", choices=list(CLIENTS), help="the client to configure"),
    argument("--print", action="store_true", dest="print_only", help="print the configuration and write nothing"),
)
def install(given: argparse.Namespace) -> int:
    """Adds this server to a client's configuration, from the settings of this process."""
    # Wrong settings are said before anything is asked.
    told = read_settings().notify or given.print_only
    environ = os.environ if told else {**os.environ, **_who_is_told()}
    return install_into(given.client, settings_environ=environ, print_only=given.print_only)


def _who_is_told() -> dict[str, str]:
    """The setting for notices, as a person at a terminal answers; nobody is told unless they say so."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return {}
    sys.stderr.write("Nobody is told when a person is needed. Show a notice on this machine's desktop then? [y/N] ")
    sys.stderr.flush()
    is_wanted = sys.stdin.readline().strip().lower() in ("y", "yes")
    return {"RUTTER_AP_NOTIFY": "desktop"} if is_wanted else {}


def install_into(
    client: str,
    *,
    settings_environ: Mapping[str, str],
    print_only: bool,
    home: Path | None = None,
    platform: str = sys.platform,
) -> int:
    """Adds this server to the client's own configuration; with `print_only`, prints the entry and writes nothing.

    Raises `SettingsError` for settings that cannot be used or hold secrets, and `ClientFileError` for a file that is
    not ours to change.
    """
    if client not in CLIENTS:
        raise BadInput(f"the client must be one of {', '.join(CLIENTS)}")
    chosen = CLIENTS[client]
    entry = entry_for(chosen, settings_environ)
    if print_only:
        line(_as_text({chosen.key: {NAME: entry}}).rstrip())
        return 0
    path = config_path(client, settings_environ, home, platform)
    done = add_entry(path, chosen.key, entry)
    if not done.changed:
        line(f"{chosen.title} is already configured in {path}. Nothing was changed.")
        return 0
    line(f"Added {NAME} to {chosen.title} in {path}.")
    if done.backup is not None:
        line(f"The previous file was saved next to it as {done.backup.name}.")
    if not read_settings(settings_environ).notify:
        line("Nobody is told when a person is needed. RUTTER_AP_NOTIFY names who is (desktop, a chat tool, e-mail).")
    line(f"Restart {chosen.title} to load the tools. Run `rutter-ap doctor` to check the installation.")
    return 0


def entry_for(client: Client, environ: Mapping[str, str]) -> dict[str, Any]:
    """The entry by which a client starts the server, from any folder."""
    entry: dict[str, Any] = {"type": "stdio"} if client.typed else {}
    # -P keeps Python from importing modules out of the folder the client happens to start in.
    return entry | {
        "command": str(Path(sys.executable).absolute()),
        "args": ["-P", "-m", "rutter_ap_server", "stdio"],
        "env": plain_settings(environ),
    }


def plain_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The settings that may be written to another program's file: no secrets, and every path absolute."""
    read_settings(environ)
    given = {name: value for name, value in environ.items() if name in KNOWN and value}
    secret = [name for name, value in given.items() if is_secret(name, value)]
    if secret:
        raise SettingsError(
            f"{', '.join(sorted(secret))} would be stored in plain text in the client's configuration",
            next_step="Put secrets in a file of NAME=value lines that only you can read, set RUTTER_AP_ENV_FILE to its "
            "path, unset them here and install again. Nothing was written.",
        )
    return {name: _absolute(name, given[name]) for name in KNOWN if name in given}


def is_secret(name: str, value: str) -> bool:
    """Whether a setting must stay out of another program's file; an address may hold a password before its @.

    Whoever has the address of a webhook may post there, so of those who are told only the desktop is no secret.
    """
    if name == "RUTTER_AP_NOTIFY":
        return value.split() != ["desktop"]
    return any(word in name for word in ("CLIENT_ID", "SECRET", "TOKEN")) or (name.endswith("_URL") and "@" in value)


def _absolute(name: str, value: str) -> str:
    if name in _PATHS:
        return str(Path(value).expanduser().absolute())
    if name == "RUTTER_AP_FILES":
        parts = [part.strip() for part in value.split(os.pathsep) if part.strip()]
        return os.pathsep.join(str(Path(part).expanduser().absolute()) for part in parts)
    if name == "RUTTER_AP_DATABASE_URL" and value.startswith("sqlite:///"):
        return "sqlite:///" + str(Path(value.removeprefix("sqlite:///")).absolute())
    return value


def config_path(client: str, environ: Mapping[str, str], home: Path | None, platform: str) -> Path:
    """Where a client keeps its configuration on this system (each client's own documentation)."""
    moved: Mapping[str, str] = environ if home is None else {}
    base = home or Path.home()
    if client == "claude-code":
        return Path(moved.get("CLAUDE_CONFIG_DIR") or base) / ".claude.json"
    if client == "cursor":
        return base / ".cursor" / "mcp.json"
    if platform == "darwin":
        folder = base / "Library" / "Application Support"
    elif platform == "win32":
        folder = Path(moved.get("APPDATA") or base / "AppData" / "Roaming")
    else:
        folder = Path(moved.get("XDG_CONFIG_HOME") or base / ".config")
    if client == "vscode":
        return folder / "Code" / "User" / "mcp.json"
    return folder / "Claude" / "claude_desktop_config.json"


@dataclass(frozen=True, slots=True)
class Added:
    """Whether the file was changed, and where it is kept as it was; a new file has no backup."""

    changed: bool
    backup: Path | None = None


def add_entry(path: Path, key: str, entry: dict[str, Any]) -> Added:
    """Adds or replaces our entry. The file is replaced whole or not at all.

    Raises `ClientFileError`, and then the file is as it was.
    """
    try:
        # A configuration kept elsewhere and linked here stays a link.
        path = path.resolve()
        before = path.read_bytes() if path.exists() else None
        content = _parsed(before, path, key)
        if content.get(key, {}).get(NAME) == entry:
            return Added(changed=False)
        content[key] = content.get(key, {}) | {NAME: entry}
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(path.stat().st_mode) if before is not None else 0o600
        backup = _keep(path, before, mode) if before is not None else None
        _replace(path, _as_text(content), mode, before)
    except (OSError, RuntimeError):  # the latter for links that lead in a circle
        raise ClientFileError(
            f"{path} cannot be read or written",
            next_step="Check who owns the file and its folder, or add what `--print` shows by hand.",
        ) from None
    return Added(changed=True, backup=backup)


def _parsed(before: bytes | None, path: Path, key: str) -> dict[str, Any]:
    if before is None or not before.strip():
        return {}
    try:
        content = json.loads(before.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict) and isinstance(content.get(key, {}), dict):
        return content
    raise ClientFileError(
        f"{path} is not plain JSON that can be edited safely, so it was left as it is",
        next_step="Add what `--print` shows by hand; comments and trailing commas would otherwise be lost.",
    )


def _keep(path: Path, content: bytes, mode: int) -> Path:
    backup = path.with_name(f"{path.name}.backup-{Clock().now():%Y%m%dT%H%M%S%fZ}")
    # Made with its final mode, since the file may hold other servers' secrets.
    with open(os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(content)
    return backup


def _replace(path: Path, text: str, mode: int, before: bytes | None) -> None:
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(number, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        if before is not None and path.read_bytes() != before:
            raise ClientFileError(
                f"another program changed {path} in the meantime, so it was left as it is",
                next_step="Close the client, then install again.",
            )
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _as_text(content: dict[str, Any]) -> str:
    text = json.dumps(content, indent=2, ensure_ascii=False)
    if any("\ud800" <= c <= "\udfff" for c in text):
        # Half a character, which some clients' histories hold, can only be written as an escape.
        text = json.dumps(content, indent=2)
    return text + "\n"
