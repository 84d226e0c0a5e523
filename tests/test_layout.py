"""The house rules, one test for each: where imports may point, how long a module may be, who may do I/O.

Every test lists all the places that break its rule, so one run shows the whole work.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
SERVER = "rutter_ap_server"
PACKAGES = {
    f"server/{SERVER}": "server",
    "tools/rutter_ap_tools": "tools",
    "prompts/rutter_ap_prompts": "prompts",
    "sandbox/rutter_sandbox": "sandbox",
}

LINES_MAX = 500
TEST_NAME_CHARACTERS_MAX = 60

# Imports inside functions keep the start of the server fast: the lazy seam in stdio.py, and the default home. Imports
# for type checkers alone belong to that seam. Both hide who imports whom, so their number only ever goes down.
FUNCTION_IMPORTS_MAX = 2
TYPE_CHECKING_IMPORTS_MAX = 3

# A room may import rooms of a lower number, and its own.
ROOMS = {
    "rutter_ap_tools": 0,
    "rutter_ap_prompts": 0,
    "rutter_sandbox": 0,
    f"{SERVER}.secret": 0,
    f"{SERVER}.at_once": 0,
    f"{SERVER}.clock": 1,
    f"{SERVER}.processes": 1,
    f"{SERVER}.installed": 1,
    f"{SERVER}.local_server": 1,
    f"{SERVER}.time_zones": 1,
    f"{SERVER}.listening": 1,
    f"{SERVER}.notices.addresses": 1,
    f"{SERVER}.settings": 2,
    f"{SERVER}.interaction": 1,
    f"{SERVER}.rutter": 2,
    f"{SERVER}.store": 2,
    f"{SERVER}.documents": 3,
    f"{SERVER}.notices": 3,
    f"{SERVER}.companies": 4,
    f"{SERVER}.reads": 5,
    f"{SERVER}.guard": 6,
    f"{SERVER}.services": 7,
    f"{SERVER}.backend": 8,
    f"{SERVER}.mcp": 9,
    f"{SERVER}.web": 9,
    f"{SERVER}.app": 10,
    f"{SERVER}.serving": 11,
    f"{SERVER}.looking_after": 11,
    f"{SERVER}.stdio": 12,
    f"{SERVER}.http": 12,
    f"{SERVER}.cli": 13,
    f"{SERVER}.__main__": 14,
}
# Rooms that a room must not import although they lie lower: the client and the store are usable alone.
FORBIDDEN = {f"{SERVER}.rutter": {f"{SERVER}.settings", f"{SERVER}.clock"}, f"{SERVER}.store": {f"{SERVER}.settings"}}
# Tools that cannot import the guard cannot bypass it, and a sandbox that shares nothing of ours can disagree with us.
IMPORT_NOTHING_OF_OURS = {"rutter_ap_tools", "rutter_ap_prompts", "rutter_sandbox", f"{SERVER}.secret"}

# The registry of companies sends nothing: it hands the client a transport that leads to the embedded sandbox. Notices
# go to chat tools, never to Rutter.
NAMES_HTTPX = (
    f"{SERVER}.rutter",
    f"{SERVER}.companies.registry",
    f"{SERVER}.notices.channels",
    f"{SERVER}.http",
)
READS_ENVIRONMENT = f"{SERVER}.settings"

# Programs that are started by hand or by one test, not helpers of other tests.
TEST_PROGRAMS = {
    "crash/campaign.py",
    "mutation/run.py",
    "soak/enemy.py",
    "soak/soak.py",
    "conformance/run.py",
    "conformance/server.py",
    "conformance/inspector.py",
}


@dataclass(frozen=True)
class Module:
    """One file of the program, read and parsed."""

    name: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str | None:
        return _room_of(self.name)


@cache
def _modules() -> tuple[Module, ...]:
    found = []
    for package, source_root in PACKAGES.items():
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT / source_root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            text = path.read_text(encoding="utf-8")
            found.append(Module(name, text, ast.parse(text)))
    return tuple(found)


@cache
def _test_files() -> dict[str, ast.Module]:
    """Every Python file below tests/, by its path from there."""
    folder = ROOT / "tests"
    return {
        path.relative_to(folder).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.py"))
    }


def _room_of(module: str) -> str | None:
    found = [room for room in ROOMS if module == room or module.startswith(room + ".")]
    return max(found, key=len) if found else None


def _names_in(node: ast.AST) -> Iterator[str]:
    """What one import statement names; nothing for any other statement."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module is not None:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def _statements(node: ast.AST) -> tuple[ast.stmt, ...]:
    """Every statement below a node, however deep; expressions are not looked into."""
    found: list[ast.stmt] = []
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.stmt):
            found.append(inner)
        if isinstance(inner, ast.stmt | ast.ExceptHandler | ast.match_case):
            found += _statements(inner)
    return tuple(found)


def _all_imports(tree: ast.Module) -> Iterator[str]:
    """Every import, also those inside functions and those for type checkers."""
    for node in _statements(tree):
        yield from _names_in(node)


def _for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _statements_at_start(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """What runs when the module is imported."""
    for node in body:
        yield node
        if isinstance(node, ast.If):
            yield from _statements_at_start([] if _for_type_checkers(node) else node.body)
            yield from _statements_at_start(node.orelse)
        elif isinstance(node, ast.Try | ast.With):
            yield from _statements_at_start(node.body)


def _modules_needed(node: ast.stmt, modules: Collection[str]) -> Iterator[str]:
    """The modules of ours that an import statement needs to be complete."""
    if isinstance(node, ast.ImportFrom) and node.module is not None:
        full = {f"{node.module}.{alias.name}" for alias in node.names}
        yield from full & set(modules)
        if node.module in modules and not full <= set(modules):
            yield node.module
    elif isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in modules)


def _calls(tree: ast.Module) -> set[str]:
    return {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


def _import_statements(nodes: Iterable[ast.AST]) -> set[ast.AST]:
    return {inner for node in nodes for inner in _statements(node) if isinstance(inner, ast.Import | ast.ImportFrom)}


def _none(failures: Iterable[str]) -> None:
    found = list(failures)
    assert not found, "\n" + "\n".join(found)


def test_every_module_opens_with_why_it_exists() -> None:
    _none(module.name for module in _modules() if not ast.get_docstring(module.tree))


def test_no_module_is_longer_than_the_limit() -> None:
    """The limit is a fence, not a goal: a module has one reason to change."""
    lengths = {module.name: module.text.count("\n") for module in _modules()}
    _none(f"{name} has {lines} lines" for name, lines in lengths.items() if lines > LINES_MAX)


def test_the_guard_keys_by_the_ledger() -> None:
    """What is kept under a connection's id is missed once the ledger is connected anew: `company.id` is for showing."""
    as_connection = ("connection_id", "ledger_id", "require_in_use(", "(company_id, company.id)")
    _none(
        f"{module.name}: {line.strip()}"
        for module in _modules()
        if module.room == f"{SERVER}.guard"
        for line in module.text.splitlines()
        if re.search(r"company\.id\b", line) and not any(sign in line for sign in as_connection)
    )


def test_no_module_prints() -> None:
    """What the program says goes through one place."""
    _none(module.name for module in _modules() if "print(" in module.text and "print" in _calls(module.tree))


def test_imports_are_absolute() -> None:
    _none(
        f"{module.name}, line {node.lineno}"
        for module in _modules()
        for node in _statements(module.tree)
        if isinstance(node, ast.ImportFrom) and node.level
    )


def test_every_module_belongs_to_a_room() -> None:
    _none(module.name for module in _modules() if module.room is None and module.name != SERVER)


def test_imports_point_to_lower_rooms() -> None:
    def allowed(room: str, other: str | None) -> bool:
        if other is None or other == room:
            return True
        return ROOMS[other] < ROOMS[room] and other not in FORBIDDEN.get(room, ())

    _none(
        f"{module.name} imports {name}"
        for module in _modules()
        for name in _all_imports(module.tree)
        if module.room is not None and not allowed(module.room, _room_of(name))
    )


def test_tools_prompts_and_sandbox_import_nothing_of_ours() -> None:
    _none(
        f"{module.name} imports {name}"
        for module in _modules()
        for name in _all_imports(module.tree)
        if module.room in IMPORT_NOTHING_OF_OURS and _room_of(name) not in {None, module.room}
    )


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Of what runs at import; a circle that only type checkers see is no circle.

    `from package import module` needs that module only, and not that the package itself is complete.
    """
    names = {module.name for module in _modules()}
    arrows = {
        module.name: {
            name
            for statement in _statements_at_start(module.tree.body)
            for name in _modules_needed(statement, names)
            if name != module.name
        }
        for module in _modules()
    }
    # Modules that import nothing that is left are taken away until only the circles remain, and what leads to them.
    while done := {name for name, imported in arrows.items() if not imported}:
        arrows = {name: imported - done for name, imported in arrows.items() if name not in done}
    _none(f"{name} imports {', '.join(sorted(imported))}" for name, imported in arrows.items())


def test_only_the_client_sends_requests() -> None:
    libraries = {"httpx", "httpx2", "requests", "urllib3", "aiohttp"}
    _none(
        module.name
        for module in _modules()
        if libraries & {name.split(".")[0] for name in _all_imports(module.tree)}
        and not module.name.startswith(NAMES_HTTPX)
    )


def test_the_environment_is_read_in_one_place() -> None:
    """Commands hand the environment on; only the settings look into it."""
    _none(
        module.name
        for module in _modules()
        if any(way in module.text for way in ("os.environ[", "os.environ.get", "getenv("))
        and module.name != READS_ENVIRONMENT
    )


def test_few_imports_are_hidden_in_functions() -> None:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    hidden = {
        module.name: len(_import_statements(node for node in _statements(module.tree) if isinstance(node, functions)))
        for module in _modules()
        if module.name.startswith(SERVER)
    }
    assert sum(hidden.values()) <= FUNCTION_IMPORTS_MAX, {name: count for name, count in hidden.items() if count}


def test_few_imports_are_for_type_checkers_alone() -> None:
    hidden = {
        module.name: len(_import_statements(node for node in _statements(module.tree) if _for_type_checkers(node)))
        for module in _modules()
        if module.name.startswith(SERVER)
    }
    assert sum(hidden.values()) <= TYPE_CHECKING_IMPORTS_MAX, {name: count for name, count in hidden.items() if count}


def test_the_name_of_a_test_is_a_short_sentence() -> None:
    """A docstring holds what does not fit."""
    _none(
        f"{path}: {node.name} has {len(node.name)} characters"
        for path, tree in _test_files().items()
        for node in _statements(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and len(node.name) > TEST_NAME_CHARACTERS_MAX
    )


def test_helpers_of_tests_live_in_support() -> None:
    def is_test(path: str) -> bool:
        return Path(path).name.startswith("test_") or Path(path).name == "conftest.py"

    _none(
        path
        for path in _test_files()
        if not is_test(path) and not path.startswith("support/") and path not in TEST_PROGRAMS
    )


def test_no_test_imports_another_test() -> None:
    """What two tests share is a helper."""
    rooms = {path.split("/")[0] for path in _test_files() if "/" in path} - {"support"}
    programs = tuple(program.removesuffix(".py").replace("/", ".") for program in TEST_PROGRAMS)
    _none(
        f"{path} imports {name}"
        for path, tree in _test_files().items()
        for name in _all_imports(tree)
        if name.split(".")[0] in rooms and not name.startswith(programs)
    )


def test_what_is_called_slow_exists() -> None:
    assignments = [node for node in _test_files()["conftest.py"].body if isinstance(node, ast.Assign)]
    (slow,) = [node.value for node in assignments if ast.unparse(node.targets[0]) == "SLOW"]
    _none(place for place in ast.literal_eval(slow) if not (ROOT / "tests" / place).exists())
