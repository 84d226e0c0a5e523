"""The command line of a test: on a home that nothing else uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.terminal import Terminal


@pytest.fixture
def rutter_ap(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """`rutter-ap`, as a person types it."""
    return Terminal(home, capsys, monkeypatch)
