"""A short crash campaign with every run of the suite; `make crash` is the long one."""

from __future__ import annotations

from pathlib import Path

from crash.campaign import campaign


def test_books_and_records_agree_after_servers_were_killed(tmp_path: Path) -> None:
    outcome = campaign(kills=2, seed=20, folder=tmp_path, lease_seconds=2.0).outcome
    assert outcome.problems == ()
    assert outcome.posted > 0, "a campaign in which nothing was paid proves nothing"
    assert outcome.open == 0
