"""Where every write is refused, no command releases one either."""

from __future__ import annotations

from pathlib import Path

from support.serving import PASSCODE, held_payment
from support.terminal import Terminal


def test_a_terminal_that_may_only_read_releases_nothing(home: Path, rutter_ap: Terminal, tmp_path: Path) -> None:
    loose = tmp_path / "loose.toml"
    loose.write_text('[currencies.USD]\ntwo_approvers_above = "90000.00"\n', encoding="utf-8")
    proposal_id = held_payment(home, "FT-802", "27350.00")
    rutter_ap("approvers", "add", "Dana", typed=PASSCODE)
    approve = ("proposals", "approve", proposal_id)
    writing = rutter_ap(*approve, typed=PASSCODE, RUTTER_AP_POLICY=str(loose))
    assert "policy" in writing.err
    assert "POSTED" not in writing.out
    reading = rutter_ap(*approve, typed=PASSCODE, RUTTER_AP_POLICY=str(loose), RUTTER_AP_READ_ONLY="true")
    assert "POSTED" not in reading.out
