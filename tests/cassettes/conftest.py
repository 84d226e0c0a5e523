"""Recording and replaying: one option records again, otherwise the cassettes answer and the network is shut off."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from support.clerk import Company
from support.recording import recorded

# Read before any fixture clears them: recording from Rutter itself needs its credentials.
OUTSIDE = {
    name: value
    for name, value in os.environ.items()
    if name.startswith("RUTTER_") and not name.startswith("RUTTER_AP_")
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record",
        action="store_true",
        help="record the cassettes again, from the sandbox or, with credentials, Rutter",
    )


@pytest.fixture
def company(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> Company:
    """The recorded company; its cassette is named after the test."""
    record = bool(request.config.getoption("--record"))
    if not record:

        def shut(*_: Any, **__: Any) -> None:
            raise AssertionError("a replay must not reach for the network")

        monkeypatch.setattr(socket.socket, "connect", shut)
        monkeypatch.setattr(socket, "getaddrinfo", shut)
    name = request.node.name
    return lambda: recorded(name, home, record=record, outside=OUTSIDE)
