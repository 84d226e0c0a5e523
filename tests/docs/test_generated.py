"""README's figures are generated, and are those of `rutter-ap tools`."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from rutter_ap_server.cli.main import main
from rutter_ap_tools.catalogue import CATALOGUE

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_figures_that_are_wrong_are_corrected(docs: ModuleType) -> None:
    assert f"{len(CATALOGUE)} typed tools" in README
    assert docs.readme(README.replace(f"{len(CATALOGUE)} typed tools", "7 typed tools")) == README
    with pytest.raises(AssertionError, match="README says once"):
        docs.readme("No figures at all.")


def test_readme_and_the_tools_command_name_the_same_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools"]) == 0
    figures = capsys.readouterr().out.splitlines()[-1].partition(": ")[2].rstrip(".")
    assert figures.startswith("about ")
    assert figures in README
