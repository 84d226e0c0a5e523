"""A store with a clock that stands, and the other sides of the channels on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.store.engine import Store
from support.chat_tool import ChatTool, running_chat_tool
from support.store_rows import START


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands until the test moves it."""
    return FixedClock(START)


@pytest.fixture
def store(tmp_path: Path, clock: FixedClock) -> Iterator[Store]:
    """An open store."""
    opened = Store(f"sqlite:///{tmp_path / 'ap.db'}", clock)
    yield opened
    opened.close()


@pytest.fixture
def chat_tool() -> Iterator[ChatTool]:
    """A real HTTP server of its own."""
    with running_chat_tool() as tool:
        yield tool
