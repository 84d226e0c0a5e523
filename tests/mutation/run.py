"""`make mutants`: whether a test notices each small change of the code that money depends on.

A part is a few modules with the tests that cover them (`parts.toml`). A snapshot of the tree is taken, so that it may
be worked on meanwhile. The part's tests run once, to learn which of them reach which line; then each mutant is tried by
a process of its own, with only the tests that reach it, the quickest killers first. The mutated source is given to the
import system in memory: no file is ever changed. What survives and is not explained in `survivors/` is printed, and
more than 3 % of that fails the part.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import coverage
import pytest

from support.mutations import Mutant, mutants_of

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SURVIVORS = HERE / "survivors"
SOURCES = "server/rutter_ap_server"
UNEXPLAINED_MAX = 0.03
# The plugins were imported before: how their assertions are shown does not matter here.
_OPTIONS = (
    "-q",
    "-x",
    "-n0",
    "-p",
    "no:cacheprovider",
    "-k",
    "not postgres",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
)
_ROOTS = ("server", "tools", "prompts", "sandbox", "tests")
_OURS = ("rutter_ap_server", "rutter_ap_tools", "rutter_ap_prompts", "rutter_sandbox", "support")
_NOT_AHEAD = ("__main__", "_pytest", "pytest", "conftest", "tests")
UNREACHED = "no test reaches it"
# A test that takes six times as long as it did, and at least this long, hangs; what hangs elsewhere has this longer.
_TEST_SECONDS_MIN = 15.0
_ELSEWHERE_SECONDS = 30.0
# What outlives the tests that take so long together is said to live: the others are asked by the whole suite.
_ASKED_SECONDS_MAX = 150.0
_OUTCOMES = {0: "survived", -signal.SIGALRM: "timed out"}
# How a process ends that could not even ask the tests.
_BROKEN = 99


@dataclass(slots=True)
class Known:
    """What one run of the part's tests without a change told: how long each took, and which reach a line."""

    seconds: dict[str, float]
    reached: dict[str, dict[int, list[str]]]
    imported: list[str]
    kills: Counter[str] = field(default_factory=Counter)
    # Who killed a mutant when it was last tried, and what ended by itself.
    killers: dict[str, str] = field(default_factory=dict)

    def tests_of(self, mutant: Mutant) -> list[str]:
        """The tests that may notice it, first those that noticed others and those that are quick."""
        lines = self.reached.get(mutant.module, {})
        exactly, nearby = (
            {test for line in range(first, last + 1) for test in lines.get(line, ())}
            for first, last in (mutant.lines, mutant.around)
        )
        # The tracer loses a coroutine that was resumed, so whatever reaches the function may reach the line.
        tests = exactly | nearby
        if "" in tests:
            # It runs as the module is imported, and whatever imports what it made may notice.
            tests = set(self.seconds)
        before = self.killers.get(mutant.digest)
        ordered = sorted(
            tests, key=lambda one: (one != before, one not in exactly, -self.kills[one], self.seconds.get(one, 0))
        )
        together = accumulate(self.seconds.get(one, 0) for one in ordered)
        asked = [one for one, so_far in zip(ordered, together, strict=True) if so_far <= _ASKED_SECONDS_MAX]
        return asked or ordered[:1]


@dataclass(slots=True)
class Last:
    """Which test noticed each mutant, by its digest, when the part was last run: the next run asks it first."""

    path: Path
    killers: dict[str, str]

    @classmethod
    def of(cls, part: str) -> Last:
        """What is kept of a part; nothing, if it was never run here."""
        path = ROOT / ".mutants" / f"{part}.json"
        return cls(path, json.loads(path.read_text()) if path.exists() else {})

    def write(self) -> None:
        """Keeps it."""
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(json.dumps(self.killers, indent=0))


class Timed:
    """Notes how long each test takes, and which of them run each line."""

    def __init__(self, modules: Sequence[Path]) -> None:
        self.seconds: dict[str, float] = {}
        self.measured = coverage.Coverage(data_file=None, include=[str(one) for one in modules])
        self.measured.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """Each test is a context of its own."""
        started = time.monotonic()
        self.measured.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self.measured.switch_context("")
            self.seconds[item.nodeid] = time.monotonic() - started


class Chosen:
    """Runs only these tests, in this order, and notes the first that fails; one that hangs ends the process."""

    def __init__(self, tests: Sequence[str], seconds: dict[str, float], noted: Path) -> None:
        self._places = {test: place for place, test in enumerate(tests)}
        self._seconds = seconds
        self._noted = noted

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leaves the others out."""
        items[:] = sorted(
            (one for one in items if one.nodeid in self._places), key=lambda one: self._places[one.nodeid]
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """Each test has its time."""
        signal.setitimer(signal.ITIMER_REAL, max(_TEST_SECONDS_MIN, 6 * self._seconds.get(item.nodeid, 0)))
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The one that noticed."""
        if report.failed:
            self._noted.write_text(report.nodeid)


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):  # type: ignore[misc]
    """Imports one module with its mutated source."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        self._name, self._path, self._source = name, path, source

    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        """The module, if it is the one."""
        return importlib.util.spec_from_loader(name, self, origin=str(self._path)) if name == self._name else None

    def get_filename(self, fullname: str) -> str:
        """Where it would be."""
        return str(self._path)

    def get_data(self, path: str | Path) -> bytes:
        """Its source; it has no compiled form that is kept."""
        if str(path).endswith(".pyc"):
            raise OSError
        return self._source.encode()


def main() -> int:
    """Runs the parts asked for; 1 if one of them has too many survivors that nobody explained."""
    parts = tomllib.loads((HERE / "parts.toml").read_text())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(parts)}; all if none is given")
    parser.add_argument("--function", default="", help="only mutants in functions whose name contains this")
    parser.add_argument("--again", action="store_true", help="only those that lived when the part was last run")
    parser.add_argument("--workers", type=int, default=2 * (os.cpu_count() or 1))
    asked = parser.parse_args()
    unknown = set(asked.parts) - set(parts)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    failed = [name for name in asked.parts or parts if not _run(name, parts[name], asked)]
    if failed:
        _say(f"too many unexplained survivors: {', '.join(failed)}")
    return 1 if failed else 0


def _run(name: str, part: dict[str, list[str]], asked: argparse.Namespace) -> bool:
    started = time.monotonic()
    last = Last.of(name)
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        scratch = Path(place) / "tree"
        _snapshot(scratch)
        known = _learn(scratch, part)
        known.killers = last.killers
        _preload(known.imported, scratch, part["modules"])
        mutants = [
            mutant
            for module in part["modules"]
            for mutant in mutants_of(
                module,
                (scratch / SOURCES / module).read_text(encoding="utf-8"),
                lambda function: asked.function in function,
            )
            if not (asked.again and mutant.digest in last.killers)
        ]
        _say(f"{name}: {len(mutants)} mutants, {len(known.seconds)} tests")
        explained = _explained()

        def tell(one: Mutant) -> None:
            if one.key not in explained:
                _say(f"\n{one.module}:{one.lines[0]} {one.function}\n  - {one.was}\n  + {one.now}")

        try:
            outcomes = _try_all(scratch, mutants, known, asked.workers, tell)
        finally:
            last.write()
    return _report(name, mutants, outcomes, time.monotonic() - started)


def _snapshot(scratch: Path) -> None:
    """What git knows of, and what is new and not ignored, as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, scratch / name)


def _fork(work: Any, output: Path) -> int:
    """A process that does the work and ends with its result, in a group of its own; its id."""
    child = os.fork()
    if child:
        return child
    result = _BROKEN
    try:
        os.setsid()
        with output.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        result = work()
    except BaseException:  # noqa: BLE001 - this process ends here, whatever it is
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(result)


def _pytest(scratch: Path, arguments: Sequence[str], plugin: object, home: Path) -> int:
    os.chdir(scratch)
    return int(pytest.main([*_OPTIONS, f"--basetemp={home}", *arguments], plugins=[plugin]))


def _learn(scratch: Path, part: dict[str, list[str]]) -> Known:
    noted, output = scratch.parent / "known.json", scratch.parent / "learned"
    modules = {module: scratch / SOURCES / module for module in part["modules"]}

    def work() -> int:
        _forget(scratch)
        timed = Timed(list(modules.values()))
        done = _pytest(scratch, part["tests"], timed, scratch.parent / "learning")
        timed.measured.stop()
        data = timed.measured.get_data()
        reached = {module: data.contexts_by_lineno(str(path)) for module, path in modules.items()}
        theirs = [
            one for one in sys.modules if not str(getattr(sys.modules[one], "__file__", "")).startswith(str(scratch))
        ]
        noted.write_text(json.dumps({"seconds": timed.seconds, "reached": reached, "imported": theirs}))
        return done

    child = _fork(work, output)
    if os.waitpid(child, 0)[1] != 0:
        raise SystemExit(f"without any change a test of the part fails:\n{output.read_text()[-3000:]}")
    read = json.loads(noted.read_text())
    reached = {module: {int(line): tests for line, tests in of.items()} for module, of in read["reached"].items()}
    return Known(read["seconds"], reached, read["imported"])


def _preload(names: Sequence[str], scratch: Path, mutated: Sequence[str]) -> None:
    """Imports once what no mutant changes, so that none of them waits for it: what is not ours, and what is apart."""
    _forget(scratch)
    imports = {name: _imports_of(name, scratch) for name in names if name.partition(".")[0] in _OURS}
    changed = {_name_of(module) for module in mutated}
    while more := {name for name, of in imports.items() if name not in changed and of & changed}:
        changed |= more
    for name in names:
        if name.partition(".")[0] in _NOT_AHEAD or name in changed:
            continue
        try:
            importlib.import_module(name)
        except Exception:  # noqa: BLE001 - then each process imports it by itself
            continue


def _forget(scratch: Path) -> None:
    """From here on, what is ours comes from the snapshot."""
    for name in [one for one in sys.modules if one.partition(".")[0] in _OURS]:
        del sys.modules[name]
    installed = str(ROOT / ".venv")
    others = [one for one in sys.path if one.startswith(installed) or not one.startswith(str(ROOT))]
    sys.path[:] = [*(str(scratch / root) for root in _ROOTS), *others]


def _name_of(module: str) -> str:
    return ".".join(Path(SOURCES, module).with_suffix("").parts[1:]).removesuffix(".__init__")


def _imports_of(name: str, scratch: Path) -> set[str]:
    """The modules that one of ours imports anywhere, and those they are in."""
    place = name.replace(".", "/")
    files = [scratch / root / f"{place}{end}" for root in _ROOTS for end in (".py", "/__init__.py")]
    names = {name.rpartition(".")[0]} if "." in name else set()
    for path in filter(Path.is_file, files):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                names |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
            elif isinstance(node, ast.Import):
                names |= {one.name for one in node.names}
    return names


def _try_all(
    scratch: Path, mutants: Sequence[Mutant], known: Known, workers: int, tell: Callable[[Mutant], None]
) -> list[str]:
    """What became of each mutant: killed, survived, timed out, or no test reaches it; `tell` hears of each survivor."""
    outcomes = [""] * len(mutants)
    running: dict[int, tuple[int, float, list[str]]] = {}
    waiting = list(range(len(mutants)))[::-1]
    while waiting or running:
        while waiting and len(running) < workers:
            at = waiting.pop()
            tests = known.tests_of(mutants[at])
            if not tests:
                outcomes[at] = UNREACHED
                tell(mutants[at])
                continue
            limit = _ELSEWHERE_SECONDS + sum(max(_TEST_SECONDS_MIN, 6 * known.seconds[one]) for one in tests)
            running[_start(scratch, mutants[at], tests, known, at)] = (at, time.monotonic() + limit, tests)
        child, status = os.waitpid(-1, os.WNOHANG)
        if child in running:
            at, _, _ = running.pop(child)
            ended = os.waitstatus_to_exitcode(status)
            if ended == _BROKEN:
                raise SystemExit((scratch.parent / f"{at}.output").read_text())
            outcomes[at] = outcomes[at] or _OUTCOMES.get(ended, "killed")
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            if outcomes[at] == "survived":
                tell(mutants[at])
            killer = scratch.parent / f"{at}.killer"
            if killer.exists():
                known.kills[killer.read_text()] += 1
            if outcomes[at] == "survived":
                known.killers.pop(mutants[at].digest, None)
            else:
                known.killers[mutants[at].digest] = killer.read_text() if killer.exists() else ""
            shutil.rmtree(scratch.parent / f"{at}.home", ignore_errors=True)
            continue
        for late, (at, until, _) in running.items():
            if time.monotonic() > until and not outcomes[at]:
                outcomes[at] = "timed out"
                os.killpg(late, signal.SIGKILL)
        time.sleep(0.02)
    return outcomes


def _start(scratch: Path, mutant: Mutant, tests: list[str], known: Known, at: int) -> int:
    path = scratch / SOURCES / mutant.module
    name = _name_of(mutant.module)
    files = sorted({one.partition("::")[0] for one in tests})
    chosen = Chosen(tests, known.seconds, scratch.parent / f"{at}.killer")

    def work() -> int:
        sys.meta_path.insert(0, Mutated(name, path, mutant.source))
        return _pytest(scratch, files, chosen, scratch.parent / f"{at}.home")

    return _fork(work, scratch.parent / f"{at}.output")


def _report(name: str, mutants: Sequence[Mutant], outcomes: Sequence[str], seconds: float) -> bool:
    explained = _explained()
    lived = [m for m, outcome in zip(mutants, outcomes, strict=True) if outcome not in ("killed", "timed out")]
    open_ones = [one for one in lived if one.key not in explained]
    stale = [key for key in explained if key in {m.key for m in mutants} and key not in {m.key for m in lived}]
    for key in stale:
        _say(f"\nexplained, but no longer alive: {key[0]} {key[1]}\n  + {key[3]}")
    counted = Counter(outcomes)
    share = len(open_ones) / max(1, len(mutants))
    _say(
        f"\n{name}: {len(mutants)} mutants, {seconds:.0f} s: {counted['killed']} killed, {counted['timed out']} timed "
        f"out, {len(lived)} survived ({counted[UNREACHED]} not reached), {len(lived) - len(open_ones)} explained; "
        f"{share:.1%} unexplained"
    )
    return share <= UNEXPLAINED_MAX


def _explained() -> set[tuple[str, str, str, str]]:
    listed = [one for path in sorted(SURVIVORS.glob("*.toml")) for one in tomllib.loads(path.read_text())["survivor"]]
    return {(one["module"], one["function"], one["was"], one["now"]) for one in listed}


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
