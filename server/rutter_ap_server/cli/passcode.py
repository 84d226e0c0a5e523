"""Asking for a passcode: at the terminal, where it is not shown."""

from __future__ import annotations

import getpass
import sys


def ask_passcode(prompt: str) -> str:
    """From the terminal, unseen; from a pipe only where there is no terminal, for scripts an operator owns."""
    if sys.stdin.isatty():
        return getpass.getpass(prompt, stream=sys.stderr)
    return sys.stdin.readline().rstrip("\r\n")
