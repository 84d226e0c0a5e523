"""README's commands are run as they stand: what a newcomer types must work."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from rutter_ap_server.cli.main import main
from rutter_ap_server.guard.policy import parse_policy
from support.terminal import Terminal

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.strip()
    for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
PROGRAM = ".venv/bin/rutter-ap "
# What each target of the README runs, among others; the demo and the suite themselves run elsewhere.
TARGETS = {
    "make demo": {".venv/bin/rutter-ap demo"},
    "make test": {f".venv/bin/python -m pytest -n {(os.cpu_count() or 1) + 1} --dist loadgroup"},
    "make check": {".venv/bin/ruff check .", ".venv/bin/mypy", ".venv/bin/python scripts/docs.py --check"},
}


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith(PROGRAM)])
def test_a_command_of_the_readme_works(
    command: str, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(home.parent))
    rutter_ap = Terminal(home, capsys, monkeypatch)

    ended = rutter_ap(*shlex.split(command.removeprefix(PROGRAM)), typed="a long enough passcode")

    assert ended.status == 0, f"{command} ended with {ended.status}:\n{ended.out}\n{ended.err}"


def test_the_installed_program_is_the_one_tested_here() -> None:
    (program,) = entry_points(group="console_scripts", name="rutter-ap")
    assert program.load() is main


def test_the_readme_names_no_other_commands() -> None:
    others = [command for command in COMMANDS if not command.startswith(PROGRAM)]
    assert sorted(others) == sorted(TARGETS)
    assert f"{PROGRAM}install claude-desktop --print" in COMMANDS


@pytest.mark.parametrize("target", TARGETS)
def test_a_make_target_runs_what_it_says(target: str) -> None:
    """Only what make would run is looked at: whether it also installs first depends on the checkout."""
    shown = subprocess.run([*target.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert TARGETS[target] <= set(shown.splitlines())


def test_the_changelogs_top_is_the_version() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert version is not None
    assert newest is not None
    assert newest[1] == version[1]


def test_every_make_target_of_the_contract_exists() -> None:
    for target in ("demo", "test", "check", "bench", "record", "crash", "soak", "conformance", "bundle"):
        done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"make {target}: {done.stderr}"


def test_the_lock_names_no_index_and_pins_by_hash() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert "--index" not in text
    entries = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert len(entries) > 30
    assert all("--hash=sha256:" in entry for entry in entries)


def test_every_dependency_is_bounded_above() -> None:
    read = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project, groups = read["project"], read["dependency-groups"]
    listed = [*read["build-system"]["requires"], *project["dependencies"]]
    listed += [one for extra in project["optional-dependencies"].values() for one in extra]
    listed += [one for group in groups.values() for one in group if isinstance(one, str)]
    assert len(listed) > 15
    unbounded = [one for one in listed if not any(s.operator == "<" for s in Requirement(one).specifier)]
    assert unbounded == []


def test_the_policy_on_its_page_is_valid() -> None:
    page = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    assert len(blocks) == 1
    policy = parse_policy(blocks[0])
    assert str(policy.limit("USD", "single_limit")) == "50000.00 USD"
