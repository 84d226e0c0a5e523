"""A home that others could have prepared is refused, whoever runs the program: its policy and keys would be theirs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rutter_ap_server.settings import SettingsError, make_home, read_settings
from support.terminal import Terminal

OTHERS = "RUTTER_AP_HOME belongs to another user"
WRITABLE = "other users may write to RUTTER_AP_HOME"


def someone_elses(home: Path, monkeypatch: pytest.MonkeyPatch, *, link: bool = False) -> None:
    """The home as another user's: really so where the tests may give it away, else by what this user is called."""
    home.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(home, 12345, 12345, follow_symlinks=not link)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)


def test_the_home_of_somebody_else_is_refused(home: Path, rutter_ap: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    someone_elses(home, monkeypatch)
    for words in (("proposals", "list"), ("upload", __file__), ("freeze",), ("policy", "check"), ("audit", "verify")):
        ended = rutter_ap(*words)
        assert ended.status == 2, words
        assert OTHERS in ended.err, words
        assert "set RUTTER_AP_HOME to a folder of your own" in ended.err
    assert list(home.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
@pytest.mark.parametrize("words", [("stdio",), ("doctor",), ("connections", "list")])
def test_a_process_of_root_refuses_it_too(home: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    someone_elses(home, monkeypatch)
    ended = subprocess.run(
        [sys.executable, "-m", "rutter_ap_server", *words],
        env=os.environ | {"RUTTER_AP_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 2
    assert OTHERS in ended.stdout + ended.stderr
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("mode", [0o777, 0o702, 0o1777])
def test_a_home_that_all_may_write_is_refused(home: Path, rutter_ap: Terminal, mode: int) -> None:
    home.mkdir()
    home.chmod(mode)
    ended = rutter_ap("proposals", "list")
    assert (ended.status, WRITABLE in ended.err, "chmod 700" in ended.err) == (2, True, True)
    assert home.stat().st_mode & 0o7777 == mode
    home.chmod(0o700)
    assert rutter_ap("proposals", "list").status == 0


def test_a_home_of_the_own_group_is_closed_to_it(home: Path) -> None:
    """As many systems create folders."""
    home.mkdir()
    home.chmod(0o775)
    make_home(read_settings({"RUTTER_AP_HOME": str(home)}).home)
    assert home.stat().st_mode & 0o777 == 0o700


def test_a_home_of_another_group_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    home.chmod(0o770)
    group = home.stat().st_gid
    monkeypatch.setattr(os, "getegid", lambda: group + 1)
    with pytest.raises(SettingsError, match=WRITABLE):
        make_home(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a link away")
def test_a_link_of_somebody_else_is_no_home(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    home.symlink_to(tmp_path / "real")
    make_home(home)
    someone_elses(home, monkeypatch, link=True)
    with pytest.raises(SettingsError, match=OTHERS):
        make_home(home)
