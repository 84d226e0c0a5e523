"""The demo: every step is checked, and one that fails is one plain sentence."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

# Imported here, and not by the command alone: the MCP client keeps the stderr it finds when it is imported.
from rutter_ap_server.cli.demo import demo
from rutter_ap_server.cli.demo.invoice import read_invoice
from support.terminal import Terminal


def test_the_demo_runs_from_end_to_end(tmp_path: Path, rutter_ap: Terminal) -> None:
    elsewhere = tmp_path / "real.db"

    # The user's own settings must not reach it: its approver would be added to a real store.
    ended = rutter_ap("demo", RUTTER_AP_DATABASE_URL=f"sqlite:///{elsewhere}", RUTTER_AP_READ_ONLY="true")

    assert ended.status == 0, ended.out + ended.err
    assert ended.out.endswith("\nEvery step went as expected.\n")
    steps = [line for line in ended.out.splitlines() if line[:1].isdigit()]
    assert [step.partition(". ")[0] for step in steps] == [str(number) for number in range(1, len(steps) + 1)]
    assert len(steps) == 12
    assert not elsewhere.exists()
    assert not rutter_ap.home.exists()


def test_a_failed_step_is_one_sentence(rutter_ap: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails inside the MCP client's task group, which must not show."""
    wrong = replace(read_invoice(), total="1.00")
    monkeypatch.setattr(demo, "read_invoice", lambda: wrong)

    ended = rutter_ap("demo")

    assert ended.status == 1
    assert ended.out.splitlines()[-1] == "The demo failed at step 3: the bill should have been entered."
    assert "Traceback" not in ended.out + ended.err
    assert "ExceptionGroup" not in ended.out + ended.err


def test_steps_and_their_failure_as_json() -> None:
    said: list[str] = []
    narrator = demo.Narrator(as_json=True, write=said.append)
    narrator.step("It pays.", "POSTED: 1.00 USD", tool="pay_bill")
    narrator.end("the payment should be held")
    assert [json.loads(line) for line in said] == [
        {"step": 1, "title": "It pays.", "ok": True, "tool": "pay_bill"},
        {"step": "end", "ok": False, "error": "the payment should be held"},
    ]


def test_a_command_that_fails_is_one_sentence(rutter_ap: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "PASSCODE", "short")

    ended = rutter_ap("demo")

    assert ended.status == 1
    assert ended.out.splitlines()[-1].startswith("The demo failed at step 1: `rutter-ap approvers add` exited with 1: ")
    assert os.linesep not in ended.out.splitlines()[-1]
