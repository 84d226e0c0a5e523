"""The contract suite runs over every kind of store: each is one parameter here, and the tests know only its URL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.store.engine import Store
from store.making import START


@pytest.fixture(params=["sqlite"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store of this test's own."""
    assert request.param == "sqlite"
    return f"sqlite:///{tmp_path / 'home' / 'rutter-ap.db'}"


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands until the test moves it."""
    return FixedClock(START)


@pytest.fixture
def store(store_url: str, clock: FixedClock) -> Iterator[Store]:
    """An open store."""
    opened = Store(store_url, clock)
    yield opened
    opened.close()
