"""The contract suite runs over every kind of store: each is one parameter here, and the tests know only its URL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.store.engine import Store
from support.postgres import Postgres, running_postgres
from support.seeded import empty_store
from support.store_rows import START


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, one for each process that runs tests."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty store of this test's own."""
    if request.param == "sqlite":
        yield f"sqlite:///{empty_store(tmp_path / 'home')}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.store_url() as url:
        yield url


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
