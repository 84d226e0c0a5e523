"""A hand at the store does not end a watch."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from cli.test_watching import BILL, watching
from support.serving import held_payment
from support.terminal import Terminal


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
        time.sleep(2)
        with sqlite3.connect(home / "rutter-ap.db") as connection:
            connection.execute("drop trigger edited")
        rutter_ap("proposals", "withdraw", proposal_id)
        said = [lines.get(timeout=15)]
        while "withdrawn" not in said[-1]:
            said.append(lines.get(timeout=15))
