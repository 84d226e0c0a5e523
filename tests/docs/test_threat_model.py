"""The threat model names an enemy only with the tests that play it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_enemy_is_played_by_a_test() -> None:
    text = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    rows = [row.split(" | ") for row in text.splitlines() if row.startswith("| **")]
    played = {row[0]: re.findall(r"`([\w/]+\.py)`", row[3]) for row in rows}

    assert len(played) >= 12
    assert not [enemy for enemy, tests in played.items() if not tests]
    assert not [name for tests in played.values() for name in tests if not (ROOT / "tests" / name).is_file()]
