"""A store without a guard, for rules and sums that need no ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.store.engine import Store
from support.seeded import empty_store
from support.store_rows import START


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands until the test moves it."""
    return FixedClock(START)


@pytest.fixture
def store(tmp_path: Path, clock: FixedClock) -> Iterator[Store]:
    """An open store."""
    opened = Store(f"sqlite:///{empty_store(tmp_path).rename(tmp_path / 'ap.db')}", clock)
    yield opened
    opened.close()
