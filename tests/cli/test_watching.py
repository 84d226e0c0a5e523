"""`rutter-ap proposals watch`: what waits and what becomes of it, as it happens, in a process of its own."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import pytest

from support.serving import PASSCODE, held_payment
from support.terminal import Terminal

BILL = "NW-2291"


@contextmanager
def watching(home: Path, *options: str) -> Iterator[Queue[str]]:
    """The lines as they are printed, read through a pipe."""
    command = [sys.executable, "-m", "rutter_ap_server", "proposals", "watch", *options]
    environ = os.environ | {"RUTTER_AP_HOME": str(home)}
    lines = Queue[str]()
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        out = process.stdout

        def read() -> None:
            for one in out:
                lines.put(one)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield lines
        finally:
            process.kill()
            reader.join()


def test_it_says_what_waits_and_then_each_change(home: Path, rutter_ap: Terminal) -> None:
    proposal_id = held_payment(home, BILL, "88.31")
    rutter_ap("approvers", "add", "Dana", typed=PASSCODE)
    with watching(home, "--json") as lines:
        first = json.loads(lines.get(timeout=30))
        assert (first["event"], first["proposal_id"], first["by"]) == ("held", proposal_id, "assistant (mcp)")
        assert (first["approvals"], first["environment"]) == (0, "embedded")
        assert rutter_ap("proposals", "approve", proposal_id, typed=PASSCODE).status == 0
        told = [json.loads(lines.get(timeout=30)) for _ in range(2)]
        assert [(one["event"], one["by"]) for one in told] == [("approved", "Dana"), ("posted", "guard")]
        assert told[-1]["state"] == "posted"
        rutter_ap("freeze")
        assert json.loads(lines.get(timeout=30)).items() >= {"event": "frozen", "by": "terminal"}.items()


def test_a_person_reads_a_line_each(home: Path, rutter_ap: Terminal) -> None:
    proposal_id = held_payment(home, BILL, "88.31")
    with watching(home) as lines:
        line = lines.get(timeout=30).rstrip("\n")
        assert re.fullmatch(rf"\d\d:\d\d:\d\d  held        {proposal_id[:8]}  Pay 88\.31 USD to .*", line), line
        assert line.endswith("Harbor & Pine Ltd (embedded)")
        rutter_ap("proposals", "withdraw", proposal_id)
        assert "  withdrawn   " in lines.get(timeout=30)


@pytest.mark.parametrize("change", ["at = 'x'", "actor = x'ff'"])
def test_a_hand_edited_entry_does_not_end_a_watch(home: Path, rutter_ap: Terminal, change: str) -> None:
    proposal_id = held_payment(home, BILL, "88.31")
    with watching(home) as lines:
        assert "held" in lines.get(timeout=30)
        # Inserted by hand, as no entry of ours is.
        with sqlite3.connect(home / "rutter-ap.db") as connection:
            connection.execute(
                "create trigger edited after insert on audit when new.kind = 'frozen' "
                f"begin update audit set {change} where seq = new.seq; end"
            )
        rutter_ap("freeze")
        assert "frozen" in lines.get(timeout=15)
        with sqlite3.connect(home / "rutter-ap.db") as connection:
            connection.execute("drop trigger edited")
        rutter_ap("proposals", "withdraw", proposal_id)
        said = [lines.get(timeout=15)]
        while "withdrawn" not in said[-1]:
            said.append(lines.get(timeout=15))
