"""Opening the store: a durable SQLite file, checked before use, and whole transactions run off the event loop."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import anyio.to_thread
from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from rutter_ap_server.clock import Clock
from rutter_ap_server.store import schema
from rutter_ap_server.store.attempts import Attempts
from rutter_ap_server.store.audit import AuditLog
from rutter_ap_server.store.people import People
from rutter_ap_server.store.proposals import Proposals
from rutter_ap_server.store.questions import Questions
from rutter_ap_server.store.spend import Spend
from rutter_ap_tools.errors import OperatorError

T = TypeVar("T")
_NOT_OURS = "the store's file is not a database of this program, or is damaged"


class StoreError(OperatorError):
    """The store cannot be opened or written; no write leaves this machine without it."""

    code = "store"
    default_next_step = "Run `rutter-ap doctor`; nothing was sent."


class Tx:
    """One transaction: what the guard reads and writes together, or not at all."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self.now = clock.now()
        self.proposals = Proposals(connection, self.now)
        self.attempts = Attempts(connection, self.now)
        self.questions = Questions(connection, self.now)
        self.spend = Spend(connection, self.now)
        self.people = People(connection, self.now)
        self.audit = AuditLog(connection, self.now)


class Store:
    """Durable state behind whole transactions: `read` sees one snapshot, `write` holds the write lock throughout."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._clock = clock
        self._engine = _open(url)

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Runs `work` in a read transaction, on a thread of its own."""
        return await anyio.to_thread.run_sync(self.read_now, work)

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Runs `work` in one transaction that is durable once this returns.

        A cancellation that arrives meanwhile waits: a transaction is never left half done.
        """
        return await anyio.to_thread.run_sync(self.write_now, work)

    def read_now(self, work: Callable[[Tx], T]) -> T:
        """`read`, for code that has no event loop."""
        return self._run(work, write=False)

    def write_now(self, work: Callable[[Tx], T]) -> T:
        """`write`, for code that has no event loop."""
        return self._run(work, write=True)

    def _run(self, work: Callable[[Tx], T], *, write: bool) -> T:
        try:
            with self._engine.connect().execution_options(rutter_ap_write=write) as connection, connection.begin():
                return work(Tx(connection, self._clock))
        except (SQLAlchemyError, sqlite3.Error):
            raise StoreError("the store could not be read or written") from None

    def close(self) -> None:
        """Closes every connection; the write-ahead log is folded into the file by the last one."""
        self._engine.dispose()


def _open(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except SQLAlchemyError:
        raise StoreError("RUTTER_AP_DATABASE_URL is not a database URL") from None
    # A database in memory, or behind a URI with options of its own, would forget what was sent.
    in_a_file = parsed.database and not parsed.query and not parsed.database.startswith((":", "file:"))
    if parsed.get_backend_name() != "sqlite" or not in_a_file:
        raise StoreError("RUTTER_AP_DATABASE_URL must be sqlite:///PATH")
    path = Path(str(parsed.database))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Created by us with its final mode, so that there is no moment in which others could open it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
    except OSError:
        raise StoreError("the store's file cannot be made or is not ours to use") from None
    try:
        # Looked at before anything is set or written: a file that is not ours is left as it is.
        _check(path)
    except sqlite3.Error:
        raise StoreError(_NOT_OURS) from None
    engine = create_engine(parsed, connect_args={"timeout": 30})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    try:
        _prepare(engine)
    except (SQLAlchemyError, sqlite3.Error):
        engine.dispose()
        raise StoreError(_NOT_OURS) from None
    return engine


def _check(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return
        if "meta" not in tables:
            raise StoreError(_NOT_OURS)
        row = connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    if row is None:
        raise StoreError(_NOT_OURS)
    if row[0] != str(schema.SCHEMA_VERSION):
        raise StoreError(
            "the store was made by another version of this program",
            next_step="Start the version that made it, or give this one an empty RUTTER_AP_HOME. Nothing was changed.",
        )


def _on_connect(connection: Any, _record: Any) -> None:
    # The driver's own transactions are switched off: BEGIN is ours, because only BEGIN IMMEDIATE makes a
    # read-then-write exact under concurrency (SQLite docs: Transactions).
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "fullfsync=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("rutter_ap_write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _prepare(engine: Engine) -> None:
    with engine.begin() as connection:
        # Asked again under the write lock: another process may have made the tables meanwhile.
        if not inspect(connection).has_table("meta"):
            schema.metadata.create_all(connection)
            connection.execute(insert(schema.meta).values(key="schema", value=str(schema.SCHEMA_VERSION)))
