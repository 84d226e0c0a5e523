"""The command line in this process: what a person types, and what they see. Only what needs a process starts one."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.cli.main import main


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed with --json."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Terminal:
    """Runs commands on one home. Nothing is a terminal here: a passcode is read from what is typed."""

    home: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, *words: str, typed: str = "", **settings: str) -> Ended:
        with self.monkeypatch.context() as patch:
            patch.setenv("RUTTER_AP_HOME", str(self.home))
            for name, value in settings.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", io.StringIO(f"{typed}\n" if typed else ""))
            self.capsys.readouterr()
            try:
                status = main(words)
            except SystemExit as wrong_usage:
                status = int(str(wrong_usage.code))
        return Ended(status, *self.capsys.readouterr())


def in_a_process(home: Path, *words: str, typed: str = "") -> Ended:
    """The program in a process of its own, with its input from a pipe."""
    done = subprocess.run(
        [sys.executable, "-m", "rutter_ap_server", *words],
        input=f"{typed}\n" if typed else "",
        env=os.environ | {"RUTTER_AP_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)
