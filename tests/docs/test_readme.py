"""README's commands are run as they stand: what a newcomer types must work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from rutter_ap_server.guard.policy import parse_policy

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.strip()
    for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
# These two are what is running now: asking make whether it knows them is as far as a test of itself can go.
RUNNING = ("make test", "make check")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_works_as_it_stands(command: str, tmp_path: Path) -> None:
    words = command.replace(".venv/bin/rutter-ap", f"{sys.executable} -m rutter_ap_server").strip()
    if command in RUNNING:
        words = command.replace("make", "make --dry-run")
    environ = os.environ | {"RUTTER_AP_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}
    done = subprocess.run(
        words,
        shell=True,
        cwd=ROOT,
        env=environ,
        input="a long enough passcode\n",
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, (
        f"{command} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    )


def test_the_readme_names_every_command_it_is_said_to() -> None:
    assert "make demo" in COMMANDS
    assert any("install claude-desktop" in command for command in COMMANDS)


def test_the_changelog_starts_with_the_version_of_the_package() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert version is not None
    assert newest is not None
    assert newest[1] == version[1]


def test_every_make_target_of_the_contract_exists() -> None:
    for target in ("demo", "test", "check", "bench", "record", "crash", "soak", "conformance", "bundle"):
        done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"make {target}: {done.stderr}"


def test_the_lock_names_no_index_and_pins_everything_by_hash() -> None:
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


def test_the_policy_on_its_page_is_one_that_can_be_used() -> None:
    page = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    assert len(blocks) == 1
    policy = parse_policy(blocks[0])
    assert str(policy.limit("USD", "single_limit")) == "50000.00 USD"
