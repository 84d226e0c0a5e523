"""Recording and replaying: one option records again, otherwise the cassettes answer and the network is shut off."""

from __future__ import annotations

import os

import pytest

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
