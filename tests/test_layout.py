"""House rules as a test: which way imports run, how long a module may be, what it opens with, who may do I/O."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINES_MAX = 500
SERVER = "rutter_ap_server"

# A room may import rooms of a lower number, and its own. The sandbox imports nothing of ours, so that it can disagree.
ROOMS = {
    "rutter_ap_tools": 0,
    "rutter_ap_prompts": 0,
    "rutter_sandbox": 0,
    f"{SERVER}.secret": 0,
    f"{SERVER}.clock": 1,
    f"{SERVER}.settings": 1,
    f"{SERVER}.interaction": 1,
    f"{SERVER}.rutter": 2,
    f"{SERVER}.store": 2,
    f"{SERVER}.documents": 3,
    f"{SERVER}.companies": 4,
    f"{SERVER}.reads": 5,
    f"{SERVER}.guard": 6,
    f"{SERVER}.backend": 7,
    f"{SERVER}.mcp": 8,
    f"{SERVER}.app": 9,
    f"{SERVER}.mcp.stdio": 10,
    f"{SERVER}.cli": 11,
    f"{SERVER}.__main__": 12,
}
# Which levels a room must not see although they lie lower.
APART = {f"{SERVER}.rutter": {f"{SERVER}.settings", f"{SERVER}.clock"}, f"{SERVER}.store": {f"{SERVER}.settings"}}
NO_IMPORTS_OF_OURS = ("rutter_ap_tools", "rutter_ap_prompts", "rutter_sandbox", f"{SERVER}.secret")


def modules() -> list[Path]:
    """Every module of the program."""
    folders = [
        ROOT / "server" / SERVER,
        ROOT / "tools" / "rutter_ap_tools",
        ROOT / "prompts" / "rutter_ap_prompts",
        ROOT / "sandbox" / "rutter_sandbox",
    ]
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str | None:
    found = [room for room in ROOMS if module == room or module.startswith(room + ".")]
    return max(found, key=len) if found else None


def imports_of(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, "imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_keeps_the_house_rules(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module opens with a line that says why it exists"
    assert text.count("\n") <= LINES_MAX, "a module has one reason to change"
    names = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert "print" not in names, "what a program says goes through one place"
    module = name_of(path)
    room = room_of(module)
    if module == SERVER:
        return
    assert room is not None, f"{module} belongs to no room; give it one in ROOMS"
    for imported in imports_of(tree):
        _check(room, imported)


def _check(room: str, imported: str) -> None:
    other = room_of(imported)
    if other is None or other == room:
        return
    assert room not in NO_IMPORTS_OF_OURS, f"{room} imports nothing of ours, not even {other}"
    assert ROOMS[other] < ROOMS[room], f"{room} must not import {other}: imports run one way"
    assert other not in APART.get(room, ()), f"{room} must not know {other}"


def test_only_the_client_sends_requests() -> None:
    """Everything else asks the client; the transport to the embedded sandbox is handed in by the companies."""
    allowed = (f"{SERVER}.rutter", f"{SERVER}.companies.registry")
    for path in modules():
        module = name_of(path)
        named = {name.split(".")[0] for name in imports_of(ast.parse(path.read_text(encoding="utf-8")))}
        if named & {"httpx", "requests", "urllib3", "aiohttp", "httpx2"}:
            assert module.startswith(allowed), f"{module} must not send requests of its own"


def test_the_environment_is_read_in_one_place() -> None:
    """Commands hand the environment on; only the settings look into it."""
    for path in modules():
        module = name_of(path)
        text = path.read_text(encoding="utf-8")
        if "os.environ[" in text or "getenv(" in text or "os.environ.get" in text:
            assert module == f"{SERVER}.settings", f"{module} must take settings, not read the environment"
