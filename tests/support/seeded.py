"""Books and stores that are made once in a process and then copied: making them takes longer than most of the tests.

A copy holds what the first opening of an empty one makes, byte for byte.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from rutter_ap_server.clock import Clock
from rutter_ap_server.store.engine import Store
from rutter_sandbox import Sandbox, open_sandbox
from rutter_sandbox.database import Database

STORE = "rutter-ap.db"
BOOKS = "sandbox.db"


def seeded_sandbox(*, today: date, bills: int = 0, admin: bool = False) -> Sandbox:
    """`open_sandbox` of that day, in memory."""
    database = Database(None, today)
    database._connection.deserialize(_books_in_memory(today, bills))
    return Sandbox(database, admin=admin)


def empty_store(home: Path) -> Path:
    """The file of an empty store in that home."""
    return _put(home / STORE, _store())


def practice_home(home: Path) -> None:
    """A home in which everything has been opened once: an empty store, and the practice company as of today."""
    empty_store(home)
    _put(home / BOOKS, _books_in_a_file(datetime.now(UTC).date()))


def _put(file: Path, content: bytes) -> Path:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_bytes(content)
    return file


@cache
def _books_in_memory(today: date, bills: int) -> bytes:
    sandbox = open_sandbox(today=today, bills=bills)
    content = sandbox._database._connection.serialize()
    sandbox.close()
    return content


@cache
def _books_in_a_file(_today: date) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        open_sandbox(Path(folder, BOOKS)).close()
        return Path(folder, BOOKS).read_bytes()


@cache
def _store() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        Store(f"sqlite:///{folder}/{STORE}", Clock()).close()
        return Path(folder, STORE).read_bytes()
