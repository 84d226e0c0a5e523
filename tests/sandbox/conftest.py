"""A company to ask: a fresh sandbox for each test, and callers of the companies in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rutter_sandbox import Sandbox
from support.sandbox.wire import TODAY, On, Wire
from support.seeded import seeded_sandbox


@pytest.fixture
def on() -> Iterator[On]:
    """One sandbox; calling this gives a caller of the company on that platform."""
    sandbox: Sandbox = seeded_sandbox(today=TODAY)
    wires: list[Wire] = []

    def wire_on(platform: str) -> Wire:
        wires.append(Wire(sandbox, platform))
        return wires[-1]

    yield wire_on
    for wire in wires:
        wire.close()
    sandbox.close()


@pytest.fixture
def wire(on: On) -> Wire:
    return on("QUICKBOOKS")
