"""README's figures are generated, and are those of `rutter-ap tools`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from rutter_ap_server.cli.main import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def docs(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """scripts/docs.py, which is no package."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    spec = importlib.util.spec_from_file_location("docs_script", ROOT / "scripts" / "docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_figures_that_are_wrong_are_corrected(docs: ModuleType) -> None:
    assert docs.readme(README.replace("24 typed tools", "7 typed tools")) == README
    with pytest.raises(AssertionError, match="README says once"):
        docs.readme("No figures at all.")


def test_readme_and_the_tools_command_name_the_same_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools"]) == 0
    figures = capsys.readouterr().out.splitlines()[-1].partition(": ")[2].rstrip(".")
    assert figures.startswith("about ")
    assert figures in README
