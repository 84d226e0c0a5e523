"""A real browser, in a thread of its own, in front of a desk that runs as a person starts it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from support.browser import CHROMIUM, Driver, Running, served
from support.desk import LARGE_BILL, a_desk


@pytest.fixture(scope="session")
def drive() -> Iterator[Driver]:
    """The browser. In CI a missing one fails; elsewhere it is a reason to skip."""
    if CHROMIUM is None:
        missing = "there is no Chromium here: apt-get install chromium-headless-shell"
        if os.environ.get("NEED_BROWSER") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    driver = Driver()
    yield driver
    driver.end()


@pytest.fixture
def running(home: Path) -> Iterator[Running]:
    """`rutter-ap desk`, with a usual payment and one for two people."""

    async def prepare() -> tuple[str, str]:
        async with a_desk(home) as desk:
            return await desk.held(), await desk.held(LARGE_BILL)

    usual, large = anyio.run(prepare)
    with served(home, usual, large) as running:
        yield running
