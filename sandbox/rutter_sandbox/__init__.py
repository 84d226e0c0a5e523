"""A Rutter to practise on: the documented wire over real double-entry books. It is not Rutter, and says so.

Importing this package loads nothing else, because the server imports it at start-up and may never need it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from rutter_sandbox.sandbox import Sandbox, SandboxConnection

__all__ = ["Sandbox", "SandboxConnection", "open_sandbox"]


def open_sandbox(
    file: Path | None = None, *, today: date | None = None, bills: int = 0, admin: bool = False
) -> Sandbox:
    """Open the company in `file` (in memory when left out), seeding it once if it is empty.

    `today` fixes the day the story is told on and makes every id and timestamp repeatable. `bills` generates
    that many more bills for load, when the books are seeded. `admin` opens the endpoints that switch faults on.
    """
    from rutter_sandbox.sandbox import Sandbox

    return Sandbox.open(file, today=today, bills=bills, admin=admin)


def __getattr__(name: str) -> object:
    if name in {"Sandbox", "SandboxConnection"}:
        from rutter_sandbox import sandbox

        return getattr(sandbox, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
