"""A store in one SQLite file: examined before it is changed, readable only by its owner, durable at every commit."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from rutter_ap_server.store import migrate, schema
from rutter_ap_server.store.errors import NOT_OUR_FILE, StoreError
from rutter_ap_server.store.modes import mode_of

WAIT_SECONDS = 30


def open_engine(url: URL) -> Engine:
    """The engine over a file that holds a store of this program's revision; made or upgraded where needed."""
    # A database in memory, or one with URI options, would forget what was sent.
    if not url.database or url.query or url.database.startswith((":", "file:")):
        raise StoreError("RUTTER_AP_DATABASE_URL must be sqlite:///PATH to a file, or postgresql://HOST/DATABASE")
    path = Path(url.database)
    _make_private(path)
    try:
        # Examined before anything is set or written: a file that is not ours is left as it is.
        ready = _is_ready(path)
    except sqlite3.Error:
        raise StoreError(NOT_OUR_FILE) from None
    engine = create_engine(url, connect_args={"timeout": WAIT_SECONDS}, hide_parameters=True)
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    try:
        with engine.begin() as connection:
            if not ready:
                migrate.upgrade(connection, NOT_OUR_FILE)
    except (SQLAlchemyError, sqlite3.Error):
        engine.dispose()
        raise StoreError(NOT_OUR_FILE) from None
    except StoreError:
        engine.dispose()
        raise
    return engine


def _make_private(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Created by us with its final mode, so that there is no moment in which others could open it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
    except OSError:
        raise StoreError("the store's file cannot be created or accessed") from None


def _is_ready(path: Path) -> bool:
    with closing(sqlite3.connect(path, timeout=WAIT_SECONDS)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return False
        if "meta" not in tables:
            raise StoreError(NOT_OUR_FILE)
        row = connection.execute("SELECT value FROM meta WHERE key = ?", (schema.STAMP_KEY,)).fetchone()
    if row is None:
        raise StoreError(NOT_OUR_FILE)
    return migrate.current(str(row[0]))


def _on_connect(connection: Any, _record: Any) -> None:
    # The driver's own transactions are switched off. We send BEGIN ourselves, because only BEGIN IMMEDIATE makes a
    # read-then-write exact under concurrency (SQLite docs: Transactions).
    connection.isolation_level = None
    _write_ahead(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "fullfsync=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _write_ahead(connection: Any) -> None:
    """Turns the write-ahead log on. Processes that create a store at once all do so, and SQLite does not wait."""
    until = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def read_anything(engine: Engine) -> None:
    """Reads text that is no UTF-8, too, so that what was changed by hand can be named; it takes longer."""

    def decode(text: bytes) -> str:
        return text.decode("utf-8", "backslashreplace")

    event.listen(engine, "connect", lambda connection, _: setattr(connection, "text_factory", decode))
    engine.dispose()


def is_no_text(error: Exception) -> bool:
    """Whether a transaction failed because a text is no UTF-8."""
    return "Could not decode to UTF-8" in str(error)


def _on_begin(connection: Connection) -> None:
    # To the driver at once, as most that follows it: the way through SQLAlchemy takes longer than this.
    driver: Any = connection.connection.dbapi_connection
    driver.execute("BEGIN" if mode_of(connection) == "read" else "BEGIN IMMEDIATE")
