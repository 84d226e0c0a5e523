"""Which processes of this machine still run, so that what a crashed one was sending need not wait for its lease.

Each process holds a lock on a file of its own, which the system lets go of when the process ends, however it ends. A
lock that can be had proves that its process is gone; a file that is missing, or belongs to another machine, proves
nothing.
"""

from __future__ import annotations

import os
import time
import uuid
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such locks: there a lease always has to run out.
    fcntl = None  # type: ignore[assignment]

_KEPT_SECONDS = 7 * 24 * 3600


class Processes:
    """The processes that share a folder; without one, none can be known to have ended."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._held: int | None = None
        self.own = str(uuid.uuid4())

    def announce(self) -> None:
        """Holds this process's lock from now until it ends. A folder that cannot be used leaves it unannounced."""
        if self._folder is None or self._held is not None or fcntl is None:
            return
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._forget_old()
            held = os.open(self._folder / self.own, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._held = held

    def has_ended(self, process: str) -> bool:
        """Whether that process is known to have ended."""
        if self._folder is None or fcntl is None or not _is_name(process):
            return False
        try:
            found = os.open(self._folder / process, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return False
        try:
            fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(found)
        return True

    def close(self) -> None:
        """Says that this process ends: nothing of it is left to take over."""
        if self._held is not None and self._folder is not None:
            with suppress(OSError):
                (self._folder / self.own).unlink()
            os.close(self._held)
            self._held = None

    def _forget_old(self) -> None:
        assert self._folder is not None
        before = time.time() - _KEPT_SECONDS
        for file in self._folder.iterdir():
            if _is_name(file.name) and file.lstat().st_mtime < before and self.has_ended(file.name):
                file.unlink()


def _is_name(text: str) -> bool:
    """Whether it is an id of ours: what stands in a store must not name another file."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
