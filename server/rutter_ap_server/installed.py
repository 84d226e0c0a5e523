"""How this program is called where it is installed, since whoever reads a hint may not have it on their path."""

from __future__ import annotations

import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

_PROGRAM = "`rutter-ap "
# The program of the bundle for Claude Desktop, beside our packages.
_OF_THE_BUNDLE = Path(__file__).parents[1] / "server.py"


def as_installed(text: str) -> str:
    """A text with every `rutter-ap …` in it as a person can type it on this machine, whatever their folder or path."""
    return text.replace(_PROGRAM, f"`{own_command()} ")


@cache
def own_command() -> str:
    """The command with its full path, quoted for the shell of this system."""
    python = Path(sys.executable).absolute()
    script = python.with_name("rutter-ap.exe" if sys.platform == "win32" else "rutter-ap")
    if _OF_THE_BUNDLE.is_file():
        words = [str(python), str(_OF_THE_BUNDLE)]
    elif script.is_file():
        words = [str(script)]
    else:
        words = [str(python), "-P", "-m", "rutter_ap_server"]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)
