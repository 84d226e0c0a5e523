"""The program at a real terminal: a pseudo-terminal of a given width, its controlling one, so that Ctrl-C works."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from types import TracebackType
from typing import Self

CTRL_C, CTRL_D = "\x03", "\x04"
_TIMEOUT_SECONDS = 60
_LAUNCH = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from rutter_ap_server.cli.main import main
sys.exit(main())
"""
_STYLE = re.compile(r"\x1b\[[\d;]*m")


class RealTerminal:
    """One command, and all it has shown so far."""

    def __init__(self, home: Path, *words: str, columns: int = 80, **settings: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=os.environ | {"RUTTER_AP_HOME": str(home), "TERM": "xterm-256color", **settings},
            start_new_session=True,
        )
        os.close(slave)
        self.raw = ""
        self._read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        os.close(self._master)
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    @property
    def shown(self) -> str:
        """What it has shown, without colours."""
        return _STYLE.sub("", self.raw).replace("\r\n", "\n")

    def until(self, prompt: str) -> None:
        """Waits for a question."""
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while not self.shown.endswith(prompt):
            assert time.monotonic() < deadline, self.raw
            assert self._more(1), self.raw
        # A passcode is typed once the terminal no longer echoes.
        while "asscode" in prompt and self._echoes():
            assert time.monotonic() < deadline, self.raw
            self._more(0.02)

    def type(self, text: str) -> None:
        """Types keys; a line needs its own end."""
        os.write(self._master, text.encode())

    def ended(self) -> int:
        """Waits for its end; its exit status."""
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while self._more(1):
            assert time.monotonic() < deadline, self.raw
        return self._process.wait(timeout=_TIMEOUT_SECONDS)

    def _echoes(self) -> bool:
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    def _more(self, seconds: float) -> bool:
        """Reads what is there; False at the end."""
        if not select.select([self._master], [], [], seconds)[0]:
            return True
        try:
            read = os.read(self._master, 65536)
        except OSError:
            return False
        self._read += read
        self.raw = self._read.decode(errors="ignore")
        return bool(read)


def at_terminal(home: Path, *words: str, columns: int = 80, **settings: str) -> RealTerminal:
    """A command that asks nothing, when it has ended."""
    with RealTerminal(home, *words, columns=columns, **settings) as terminal:
        assert terminal.ended() == 0, terminal.raw
    return terminal
