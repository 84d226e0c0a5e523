"""`pytest tests/language --accept-snapshots` writes what the assistant sees now, instead of comparing it."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The one command that accepts a change of what the assistant sees; the diff is then reviewed like code."""
    parser.addoption("--accept-snapshots", action="store_true", help="rewrite tests/language/snapshots")


@pytest.fixture
def accept_snapshots(request: pytest.FixtureRequest) -> bool:
    """Whether this run accepts changes."""
    return bool(request.config.getoption("--accept-snapshots", default=False))
