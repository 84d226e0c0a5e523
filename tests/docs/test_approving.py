"""The page for approvers: its screens are the program's own, and it explains every finding there is."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

from rutter_ap_server.cli.main import COMMANDS
from rutter_ap_server.guard.policy.codes import CODES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "approving.md").read_text(encoding="utf-8")


def test_its_screens_are_those_of_the_program_today(docs: ModuleType) -> None:
    taken = docs.screens()
    assert docs.approving(PAGE, taken) == PAGE, "run: make docs"
    assert docs.approving(PAGE.replace("27,350.00 USD", "1.00 USD"), taken) == PAGE
    with pytest.raises(AssertionError, match="one place for the screen list"):
        docs.approving("No screens at all.", taken)


def test_it_explains_every_finding_and_no_other() -> None:
    said = re.findall(r"`([a-z]+\.[a-z_]+)`", PAGE.partition("## What a finding means")[2].partition("\n## ")[0])
    assert len(said) == len(set(said))
    assert set(said) == {*CODES, "policy.ask", "policy.approve", "policy.refuse"}


def test_its_commands_exist() -> None:
    named = set(re.findall(r"rutter-ap (proposals [a-z]+)", PAGE))
    assert len(named) == 7
    assert named <= {entry.words for entry in COMMANDS}


def test_the_readme_names_it() -> None:
    assert "(docs/approving.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
