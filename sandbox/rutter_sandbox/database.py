"""The SQLite database. Each request is one transaction, so several processes can serve the same company."""

from __future__ import annotations

import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rutter_sandbox import clock, schema

BUSY_TIMEOUT_SECONDS = 20
_NAMESPACE = uuid.UUID("5a4db0c5-0000-4000-8000-72757474657b")


def named_id(name: str) -> str:
    """The id of a seeded object: the same in every sandbox."""
    return str(uuid.uuid5(_NAMESPACE, name))


@dataclass(slots=True)
class Transaction:
    """One request's view of the books. `now` is the same moment for everything the request touches."""

    sql: sqlite3.Connection
    now: str
    salt: str
    fault: str = ""

    def new_id(self) -> str:
        """A new id. The same requests against the same database produce the same ids."""
        query = "UPDATE meta SET value = value + 1 WHERE key = 'sequence' RETURNING value"
        (number,) = self.sql.execute(query).fetchone()
        return named_id(f"{self.salt}/{number}")


class Database:
    """Opens the file or memory, and hands out read and write transactions, one at a time in this process."""

    def __init__(self, file: Path | None, today: date | None) -> None:
        self._lock = threading.Lock()
        self._fixed = today is not None
        self._start = clock.noon_of(today) if today else 0
        self.today = today or clock.utc_today()
        self._random_ids = file is not None and today is None
        self._connection = _connect(file)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @property
    def is_repeatable(self) -> bool:
        return self._fixed

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A consistent view without the write lock. Its `now` is the moment of the last write."""
        with self._lock, _transaction(self._connection, "BEGIN") as sql:
            now, salt = self._last_moment(sql), ""
            yield Transaction(sql, clock.stamp(now), salt)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """All or nothing, under the write lock of every process that has this file open."""
        with self._lock, _transaction(self._connection, "BEGIN IMMEDIATE") as sql:
            version = sql.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._create(sql)
            elif version != schema.SCHEMA_VERSION:
                raise RuntimeError("These books were written by another version of the sandbox; remove the file.")
            moment = self._next_moment(sql)
            salt = sql.execute("SELECT value FROM meta WHERE key = 'salt'").fetchone()[0]
            yield Transaction(sql, clock.stamp(moment), salt)

    @contextmanager
    def discarding(self) -> Iterator[Transaction]:
        """A transaction whose writes are discarded, for reading the books as they were before the last write."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(self._connection, clock.stamp(self._last_moment(self._connection)), "")
            finally:
                self._connection.execute("ROLLBACK")

    @contextmanager
    def noting(self) -> Iterator[sqlite3.Connection]:
        """A write transaction for what belongs to no company's books: it does not move the sandbox's clock."""
        with self._lock, _transaction(self._connection, "BEGIN IMMEDIATE") as sql:
            yield sql

    def _create(self, sql: sqlite3.Connection) -> None:
        schema.create(sql)
        salt = uuid.uuid4().hex if self._random_ids else "sandbox"
        start = self._start or clock.real_milliseconds()
        rows = [("sequence", "0"), ("salt", salt), ("moment", str(start)), ("seeded", "")]
        sql.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", rows)

    def _last_moment(self, sql: sqlite3.Connection) -> int:
        return int(sql.execute("SELECT value FROM meta WHERE key = 'moment'").fetchone()[0])

    def _next_moment(self, sql: sqlite3.Connection) -> int:
        """A moment later than every one before it, so that two changes never share an `updated_at`."""
        last = self._last_moment(sql)
        moment = last + 1000 if self._fixed else max(last + 1, clock.real_milliseconds())
        sql.execute("UPDATE meta SET value = ? WHERE key = 'moment'", (str(moment),))
        return moment


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[sqlite3.Connection]:
    connection.execute(begin)
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _connect(file: Path | None) -> sqlite3.Connection:
    if file is not None:
        _make_private(file)
    connection = sqlite3.connect(
        file or ":memory:",
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
    )
    if file is not None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _make_private(file: Path) -> None:
    """Makes the file readable by its owner only, before anything is written: the books hold tokens."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
    os.close(descriptor)
    file.chmod(0o600)
