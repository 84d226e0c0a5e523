"""A real browser in front of the official host of MCP Apps."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.browser import CHROMIUM, Driver
from support.card_host import bundled, missing


@pytest.fixture(scope="session")
def host_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The host's script. In CI what is missing fails; elsewhere it is a reason to skip."""
    if why := missing():
        if os.environ.get("NEED_BROWSER") == "1":
            pytest.fail(why)
        pytest.skip(why)
    return bundled(tmp_path_factory.mktemp("host"))


@pytest.fixture(scope="session")
def drive(host_script: Path) -> Iterator[Driver]:
    """The browser. In CI a missing one fails; elsewhere it is a reason to skip."""
    if CHROMIUM is None:
        why = "there is no Chromium here: apt-get install chromium-headless-shell"
        if os.environ.get("NEED_BROWSER") == "1":
            pytest.fail(why)
        pytest.skip(why)
    driver = Driver()
    yield driver
    driver.end()
