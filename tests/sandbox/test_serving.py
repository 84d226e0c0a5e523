"""The sandbox as a process: what it prints, how it stops, and the file it keeps."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rutter_sandbox import open_sandbox
from support.sandbox.processes import Served
from support.sandbox.wire import TODAY


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_one_line_says_where_it_is_and_either_signal_ends_it(how: signal.Signals) -> None:
    running = Served(None, today=TODAY.isoformat())
    assert running.process.stdout is not None
    running.process.send_signal(how)
    assert running.process.stdout.read() == b"", "nothing follows the first line"
    assert running.end() == 0
    assert running.line.keys() == {"base_url", "client_id", "client_secret", "connections"}
    assert running.base_url.endswith("/versioned")
    assert [one["platform"] for one in running.line["connections"]] == [
        "QUICKBOOKS",
        "XERO",
        "NETSUITE",
        "SAGE_INTACCT",
        *("DYNAMICS365", "DYNAMICS365", "SAGE_BUSINESS_CLOUD", "QUICKBOOKS_DESKTOP", "QUICKBOOKS"),
    ]
    assert all(one.keys() == {"name", "platform", "access_token"} for one in running.line["connections"])


def test_books_of_another_version_are_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "books.sqlite"
    open_sandbox(file).close()
    with closing(sqlite3.connect(file)) as books:
        books.execute("PRAGMA user_version = 99")
    with pytest.raises(RuntimeError, match="another version of the sandbox"):
        open_sandbox(file)
