"""Asks the person at the terminal: a passcode, unseen and never an argument, or a line of text."""

from __future__ import annotations

import getpass
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def ask_passcode(prompt: str) -> str:
    """From the terminal, unseen; from a pipe only where there is no terminal, for scripts an operator owns."""
    if sys.stdin.isatty():
        with _interrupted_at_once():
            return getpass.getpass(prompt, stream=sys.stderr)
    return sys.stdin.readline().rstrip("\r\n")


def ask_line(prompt: str) -> str:
    """A line a person types; empty where there is no terminal, because nobody would see the question."""
    if not sys.stdin.isatty():
        return ""
    sys.stderr.write(prompt)
    sys.stderr.flush()
    with _interrupted_at_once():
        return sys.stdin.readline().strip()


@contextmanager
def _interrupted_at_once() -> Iterator[None]:
    """Ctrl-C ends the question the first time: the event loop's own handler would only note it and go on reading."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
