"""A real browser, in a thread of its own, in front of a desk that runs as a person starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from support.browser import CHROMIUM, Driver, Running
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
    command = [sys.executable, "-m", "rutter_ap_server", "desk", "--port", "0", "--no-open"]
    environ = os.environ | {"RUTTER_AP_HOME": str(home), "TZ": "UTC"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        url = next(word.rstrip(";") for word in said.split() if word.startswith("http"))
        yield Running(url, home, usual, large)
        process.terminate()
        process.wait(60)
