"""Builds the wheel and, from it, the bundle that Claude Desktop installs with a double click.

    python scripts/bundle.py [FOLDER]        (default: dist/)

The bundle is an MCPB of server type `uv` (MCPB manifest 0.4). It holds our own code; the host fetches Python and the
pinned dependencies, because some of them are compiled and cannot be included for every system. The same sources always
give the same bytes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from rutter_ap_prompts.loader import load_prompts
from rutter_ap_tools.catalogue import CATALOGUE
from rutter_ap_tools.tool import TOOLSETS

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# A host on Windows ends the server by closing its input, as everywhere; signals are only heard where there are any.
PLATFORMS = ["darwin", "linux", "win32"]
ICON = ROOT / "scripts" / "data" / "icon.png"
# The bundle's entry point, for its host and for a person who types a command. A host passes `${user_config.NAME}` on
# literally for a field nobody filled in.
START = '''"""Starts the server, or runs a command; a field the person left empty is no setting."""

import os
import sys

for name, value in list(os.environ.items()):
    if name.startswith("RUTTER_") and value.startswith("${user_config."):
        del os.environ[name]

from rutter_ap_server.cli.main import main  # noqa: E402

sys.exit(main(sys.argv[1:] or ["stdio"]))
'''
# What the host asks the person for: the setting, the kind of field, its title, its default, and what it means in words
# of somebody who never saw a configuration file.
FIELDS: tuple[tuple[str, str, str, str | bool, str], ...] = (
    (
        "RUTTER_ENVIRONMENT",
        "string",
        "Which books",
        "embedded",
        "embedded: a practice company on this computer, which needs no account. production: your company's real books, "
        "with the id and secret below. sandbox: Rutter's own test companies.",
    ),
    ("RUTTER_CLIENT_ID", "string", "Rutter client id", "", "From your account at Rutter. Empty for practice."),
    ("RUTTER_CLIENT_SECRET", "string", "Rutter client secret", "", "From your account at Rutter. Empty for practice."),
    (
        "RUTTER_ACCESS_TOKEN",
        "string",
        "Rutter access token",
        "",
        "Only for a connection that you already have. The assistant makes others when you ask it to connect a company.",
    ),
    (
        "RUTTER_AP_FILES",
        "directory",
        "Folder with invoices",
        "",
        "The assistant may read and attach what is in this folder, and no other file. Put only invoices there.",
    ),
    (
        "RUTTER_AP_NOTIFY",
        "string",
        "Who is told",
        "",
        "Who is told when a payment waits for a person: desktop for a notice on this computer, a chat tool's webhook "
        "(https://…) or e-mail (smtp://…); several are separated by blanks. Empty: nobody is told.",
    ),
    (
        "RUTTER_AP_DESK",
        "string",
        "Approvals desk",
        "",
        "Payments that need a person are released on a page in your browser, on this computer alone. Empty: "
        "at its usual port. A number: at that port. off: there is no page.",
    ),
    (
        "RUTTER_AP_APPROVALS_URL",
        "string",
        "Approvals desk elsewhere",
        "",
        "Only if your company runs the desk on a server: its address.",
    ),
    ("RUTTER_AP_READ_ONLY", "boolean", "Read only", False, "The assistant can look at everything and write nothing."),
    (
        "RUTTER_AP_TOOLSETS",
        "string",
        "Toolsets",
        "",
        f"Which parts the assistant is offered, separated by commas: {', '.join(TOOLSETS)}. Empty: all.",
    ),
    ("RUTTER_AP_POLICY", "file", "Policy file", "", "Your own limits and tiers. Empty: the built-in ones."),
    ("RUTTER_AP_HOME", "directory", "Home folder", "", "Where proposals and their history are kept. Empty: as usual."),
    (
        "RUTTER_AP_TIME_ZONE",
        "string",
        "Time zone",
        "",
        "Whose day counts as today, such as America/New_York. Empty: this computer's.",
    ),
)
SENSITIVE = {"RUTTER_CLIENT_ID", "RUTTER_CLIENT_SECRET", "RUTTER_ACCESS_TOKEN", "RUTTER_AP_NOTIFY"}


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist"
    wheel = build_wheel(folder)
    bundle = folder / f"rutter-ap-{PROJECT['version']}.mcpb"
    write_bundle(bundle, wheel)
    for path in (wheel, bundle):
        sys.stdout.write(f"{path}  {path.stat().st_size / 1024:.0f} KiB\n")
    return 0


def build_wheel(folder: Path) -> Path:
    """Builds the wheel with the project's own backend, which fetches nothing."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder.absolute())]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
    return folder / f"rutter_ap-{PROJECT['version']}-py3-none-any.whl"


def write_bundle(path: Path, wheel: Path) -> None:
    """Writes the zip: manifest, pins, start, and the wheel unpacked, so that its metadata comes along."""
    pins = pinned()
    contents: dict[str, bytes] = {
        "manifest.json": (json.dumps(manifest(), indent=2, ensure_ascii=False) + "\n").encode(),
        "pyproject.toml": bundle_project(pins).encode(),
        "requirements.txt": ("\n".join(block for _, block in pins) + "\n").encode(),
        "icon.png": ICON.read_bytes(),
        "LICENSE": (ROOT / "LICENSE").read_bytes(),
        "src/server.py": START.encode(),
    }
    with zipfile.ZipFile(wheel) as unpacked:
        contents |= {f"src/{name}": unpacked.read(name) for name in unpacked.namelist() if not name.endswith("/")}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, contents[name])


def manifest() -> dict[str, Any]:
    """The manifest (MCPB MANIFEST.md, 0.4)."""
    return {
        "manifest_version": "0.4",
        "name": PROJECT["name"],
        "display_name": "Accounts payable over Rutter",
        "version": PROJECT["version"],
        "description": PROJECT["description"],
        "author": {"name": "The authors of rutter-ap"},
        "license": PROJECT["license"],
        "icon": "icon.png",
        "keywords": PROJECT["keywords"],
        "server": {
            "type": "uv",
            "entry_point": "src/server.py",
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--directory", "${__dirname}", "src/server.py"],
                "env": {setting: f"${{user_config.{setting.lower()}}}" for setting, *_ in FIELDS},
            },
        },
        "user_config": {
            setting.lower(): {
                "type": kind,
                "title": title,
                "description": description,
                "required": False,
                "default": default,
                **({"sensitive": True} if setting in SENSITIVE else {}),
            }
            for setting, kind, title, default, description in FIELDS
        },
        "tools": [{"name": tool.name, "description": tool.title} for tool in CATALOGUE],
        "prompts": [
            {
                "name": prompt.name,
                "description": prompt.description,
                "arguments": [one.name for one in prompt.arguments],
                "text": prompt.filled({one.name: f"${{arguments.{one.name}}}" for one in prompt.arguments}),
            }
            for prompt in load_prompts()
        ],
        "compatibility": {"platforms": PLATFORMS, "runtimes": {"python": PROJECT["requires-python"]}},
    }


def bundle_project(pins: list[tuple[str, str]]) -> str:
    """A project that is nothing but its dependencies, each at the version this repository was tested with."""
    dependencies = "".join(f"  {json.dumps(pin)},\n" for pin, _ in pins)
    return (
        f'[project]\nname = "rutter-ap-bundle"\nversion = "{PROJECT["version"]}"\n'
        f'requires-python = "{PROJECT["requires-python"]}"\ndependencies = [\n{dependencies}]\n\n'
        "[tool.uv]\npackage = false\n"
    )


def pinned() -> list[tuple[str, str]]:
    """What the program needs at run time, from the lock: each pin, and its block with the hashes."""
    blocks = re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text(encoding="utf-8").strip())
    locked: dict[str, str] = {canonicalize_name(re.split(r"[=\[ ]", block, maxsplit=1)[0]): block for block in blocks}
    return [(locked[name].partition("\\")[0].strip(), locked[name]) for name in sorted(needed(set(locked)))]


def needed(locked: set[str]) -> set[str]:
    """The names among `locked` that the program's own dependencies lead to, on any system."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in PROJECT["dependencies"]]
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if name not in locked or name in found:
            continue
        found.add(name)
        waiting += [r for r in map(Requirement, _requires(name)) if _applies(r, one.extras)]
    return found


def _requires(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:
        # Locked for another system than this one; what it needs in turn is locked beside it.
        return []


def _applies(requirement: Requirement, extras: set[str]) -> bool:
    """Whether a requirement counts: those of other systems do, those of extras nobody asked for do not."""
    if requirement.marker is None or "extra" not in str(requirement.marker):
        return True
    return any(requirement.marker.evaluate({"extra": extra}) for extra in extras)


if __name__ == "__main__":
    sys.exit(main())
