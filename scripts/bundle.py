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

from rutter_ap_server.settings import KNOWN
from rutter_ap_tools.catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Windows is left out as long as the server can only be stopped by POSIX signals.
PLATFORMS = ["darwin", "linux"]
# The bundle's entry point. A host passes `${user_config.NAME}` on literally for a field nobody filled in.
START = '''"""Starts the server; a field the person left empty is no setting."""

import os
import sys

for name, value in list(os.environ.items()):
    if name.startswith("RUTTER_") and value.startswith("${user_config."):
        del os.environ[name]

from rutter_ap_server.cli.main import main  # noqa: E402

sys.exit(main(["stdio"]))
'''
# What the host asks the person for: the setting, the kind of field, its title and its default.
FIELDS: tuple[tuple[str, str, str, str | bool], ...] = (
    ("RUTTER_ENVIRONMENT", "string", "Environment", "embedded"),
    ("RUTTER_CLIENT_ID", "string", "Rutter client id", ""),
    ("RUTTER_CLIENT_SECRET", "string", "Rutter client secret", ""),
    ("RUTTER_ACCESS_TOKEN", "string", "Rutter access token", ""),
    ("RUTTER_AP_FILES", "directory", "Folder with invoices", ""),
    ("RUTTER_AP_READ_ONLY", "boolean", "Read only", False),
    ("RUTTER_AP_TOOLSETS", "string", "Toolsets", ""),
    ("RUTTER_AP_POLICY", "file", "Policy file", ""),
    ("RUTTER_AP_HOME", "directory", "Home folder", ""),
    ("RUTTER_AP_APPROVALS_URL", "string", "Approvals desk", ""),
    ("RUTTER_AP_TIME_ZONE", "string", "Time zone", ""),
    ("RUTTER_AP_NOTIFY", "string", "Who is told", ""),
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
                "description": KNOWN[setting][:1].upper() + KNOWN[setting][1:] + ".",
                "required": False,
                "default": default,
                **({"sensitive": True} if setting in SENSITIVE else {}),
            }
            for setting, kind, title, default in FIELDS
        },
        "tools": [{"name": tool.name, "description": tool.title} for tool in CATALOGUE],
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
