"""Opening the store: only its owner may read it, and a file that is not ours is named and left as it is."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from rutter_ap_server.clock import Clock
from rutter_ap_server.store.engine import Store, StoreError
from rutter_ap_server.store.states import State
from support.store_rows import START, a_proposal, put


def digest_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def url_of(file: Path) -> str:
    return f"sqlite:///{file}"


def refused(file: Path) -> StoreError:
    before, mtime = digest_of(file), file.stat().st_mtime_ns
    with pytest.raises(StoreError) as error:
        Store(url_of(file), Clock())
    assert (digest_of(file), file.stat().st_mtime_ns) == (before, mtime)
    assert sorted(p.name for p in file.parent.iterdir()) == [file.name]
    assert str(file) not in error.value.message
    return error.value


def test_only_the_owner_can_read_the_store_and_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "new" / "home" / "ap.db"
    mask = os.umask(0)
    try:
        store = Store(url_of(file), Clock())
        put(store)
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in file.parent.iterdir()}
    finally:
        os.umask(mask)
    store.close()

    assert modes == {"ap.db": 0o600, "ap.db-wal": 0o600, "ap.db-shm": 0o600}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_file_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    file = tmp_path / "ap.db"
    Store(url_of(file), Clock()).close()
    file.chmod(0o644)

    Store(url_of(file), Clock()).close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_was_written_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    file = tmp_path / "ap.db"
    first = Store(url_of(file), Clock())
    proposal = put(first)
    first.close()

    again = Store(url_of(file), Clock())
    assert again.read_now(lambda tx: tx.proposals.get(proposal.id)) == proposal
    again.close()


def test_every_commit_is_synced_to_the_disk(tmp_path: Path) -> None:
    store = Store(url_of(tmp_path / "ap.db"), Clock())
    names = ("journal_mode", "synchronous", "foreign_keys")
    with store._engine.connect() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]
    store.close()

    assert found == ["wal", 2, 1]


@pytest.mark.parametrize("content", [b"not a database at all", b"SQLite format 3\x00" + b"\xff" * 4096, b"\x00" * 5000])
def test_a_file_that_is_no_database_is_named_and_left_unchanged(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "ap.db"
    file.write_bytes(content)

    assert refused(file).message == "the store's file is not a database of this program, or is damaged"


def test_a_database_of_another_program_gets_no_tables_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE songs (title TEXT)")
        other.commit()

    assert refused(file).message == "the store's file is not a database of this program, or is damaged"


def test_another_programs_table_of_our_name_is_not_ours(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE meta (key TEXT, value TEXT)")
        other.execute("INSERT INTO meta VALUES ('seeded', 'yes')")
        other.commit()

    assert refused(file).message == "the store's file is not a database of this program, or is damaged"


@pytest.mark.parametrize("version", ["99", "one", ""])
def test_a_store_of_another_version_is_unchanged_and_says_so(tmp_path: Path, version: str) -> None:
    file = tmp_path / "ap.db"
    Store(url_of(file), Clock()).close()
    with closing(sqlite3.connect(file)) as other:
        other.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (version,))
        other.commit()

    error = refused(file)
    assert error.message == "the store was created by another version of this program"
    assert "Nothing was changed" in error.next_step


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite://",
        "sqlite:///",
        "mysql://localhost/ap",
        "sqlite:///:memory:",
        "sqlite:///file:ap?mode=memory&uri=true",
    ],
)
def test_an_address_that_names_no_store_we_can_keep_is_refused(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError) as error:
        Store(url, Clock())

    assert "RUTTER_AP_DATABASE_URL" in error.value.message
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_place_of_the_file_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be created"):
        Store(url_of(tmp_path), Clock())


def test_a_file_damaged_while_it_is_open_is_an_error_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "ap.db"
    store = Store(url_of(file), Clock())
    put(store)
    store.close()
    file.write_bytes(b"damage" * 2000)

    with pytest.raises(StoreError):
        store.read_now(lambda tx: tx.proposals.in_states([State.HELD]))
    with pytest.raises(StoreError):
        store.write_now(lambda tx: tx.controls.freeze("Ana"))
    store.close()


def test_an_error_of_the_database_carries_none_of_its_text(tmp_path: Path) -> None:
    store = Store(url_of(tmp_path / "ap.db"), Clock())
    secret = a_proposal(summary="a secret memo")
    store.write_now(lambda tx: tx.proposals.add(secret))

    with pytest.raises(StoreError) as error:
        store.write_now(lambda tx: tx.proposals.add(secret))
    store.close()
    assert (error.value.message, error.value.__cause__) == ("the store could not be read or written", None)
    assert error.value.__suppress_context__


def test_many_who_open_one_new_file_at_once_find_one_store(tmp_path: Path) -> None:
    file = tmp_path / "ap.db"
    opened: list[Store] = []
    together = threading.Barrier(8)

    def open_it() -> None:
        together.wait()
        opened.append(Store(url_of(file), Clock()))

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(opened) == 8
    proposal = put(opened[0], created_at=START)
    assert [s.read_now(lambda tx: tx.proposals.get(proposal.id)) for s in opened] == [proposal] * 8
    for store in opened:
        store.close()
