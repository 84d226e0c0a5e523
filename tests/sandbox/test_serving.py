"""The sandbox as a process: what it prints, how it stops, and the file it keeps."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rutter_sandbox import open_sandbox
from support.sandbox.serve_command import ENDS_WITHIN_SECONDS, serving


def test_the_first_line_says_where_it_is_and_nothing_follows() -> None:
    with serving() as served:
        line = served.announced
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(ENDS_WITHIN_SECONDS) == 0
        assert served.process.stdout is not None
        assert served.process.stdout.read() == b""
    assert line.keys() == {"base_url", "client_id", "client_secret", "connections"}
    assert line["base_url"].endswith("/versioned")
    assert [one["platform"] for one in line["connections"]] == ["QUICKBOOKS", "XERO", "NETSUITE", "SAGE_INTACCT"]
    assert all(one.keys() == {"name", "platform", "access_token"} for one in line["connections"])


def test_an_interrupt_is_an_ordinary_end() -> None:
    with serving() as served:
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(ENDS_WITHIN_SECONDS) == 0


def test_books_of_another_version_are_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "books.sqlite"
    open_sandbox(file).close()
    with closing(sqlite3.connect(file)) as books:
        books.execute("PRAGMA user_version = 99")
    with pytest.raises(RuntimeError, match="another version of the sandbox"):
        open_sandbox(file)
