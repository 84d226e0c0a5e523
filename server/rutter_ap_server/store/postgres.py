"""A store in PostgreSQL, for many replicas: writers take turns under one lock, so that what was checked stays true.

Every write transaction begins with `LOCK TABLE meta IN EXCLUSIVE MODE`, which is what BEGIN IMMEDIATE is to SQLite:
one writer per store at a time, readers never waiting. It is exact for two reasons. LOCK takes no snapshot, so the
transaction's snapshot is taken after the lock is held (PostgreSQL docs: LOCK); and a lock is released only after its
commit is visible, so that snapshot contains everything earlier writers did. Limits over windows, one claim per
proposal, one write per bill, the head of the audit chain: each checks what others wrote before, so each is exact.
Finer locks would let more companies write at once, but the audit chain has one head anyway.

The isolation level is SERIALIZABLE as well. The lock alone would be enough, and it makes writers wait rather than
fail; the level turns any write that bypassed the lock into a failure, which is retried, rather than a wrong sum.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

from rutter_ap_server.store import migrate
from rutter_ap_server.store.errors import NOT_OUR_DATABASE, UNREACHABLE, StoreError
from rutter_ap_server.store.modes import Mode, begin_as, mode_of

CONNECTIONS_KEPT = 5
CONNECTIONS_MAX = 15
POOL_WAIT_SECONDS = 30
# Limits for a statement, for the wait for the lock, and for a silent holder, such as a replica whose network was cut
# while it held the lock: without the last, one dead replica would stop all others until TCP gives up.
_LIMITS = (
    "SET LOCAL statement_timeout = '60s'; SET LOCAL lock_timeout = '30s'; "
    "SET LOCAL idle_in_transaction_session_timeout = '60s'; "
)
# Set in each transaction, not in the session: behind a pooler, sessions are shared.
_BEGINNINGS: dict[Mode, str] = {
    "read": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; " + _LIMITS,
    "write": "BEGIN ISOLATION LEVEL SERIALIZABLE; "
    + _LIMITS
    + "SET LOCAL synchronous_commit = on; LOCK TABLE meta IN EXCLUSIVE MODE",
    # READ COMMITTED, because a SELECT takes this lock: the statements after it must see what the last holder did.
    "prepare": "BEGIN ISOLATION LEVEL READ COMMITTED; " + _LIMITS + "SELECT pg_advisory_xact_lock(8246779703540740722)",
}
_CONNECT: dict[str, Any] = {
    "connect_timeout": 10,
    "application_name": "rutter-ap",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    # Prepared statements belong to a session, and behind a pooler, sessions are shared.
    "prepare_threshold": None,
}

_MAY_NOT = "42501"  # insufficient_privilege


def open_engine(url: URL) -> Engine:
    """The engine over a database that holds a store of this program's revision; made or upgraded where needed."""
    if not url.database:
        raise StoreError("RUTTER_AP_DATABASE_URL must name a database: postgresql://HOST/DATABASE")
    engine = _engine(url)
    try:
        if not _is_ready(engine):
            _prepare(engine)
    except StoreError:
        engine.dispose()
        raise
    except SQLAlchemyError:
        engine.dispose()
        # The error itself is left out: it names hosts and users.
        raise StoreError(UNREACHABLE) from None
    return engine


def _engine(url: URL) -> Engine:
    given = {name: value for name, value in _CONNECT.items() if name not in url.query}
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args=given,
            hide_parameters=True,
            pool_size=CONNECTIONS_KEPT,
            max_overflow=CONNECTIONS_MAX - CONNECTIONS_KEPT,
            pool_timeout=POOL_WAIT_SECONDS,
            # After a restart of the server, a stale connection is replaced instead of failing.
            pool_pre_ping=True,
        )
    except ImportError:
        raise StoreError(
            "PostgreSQL needs a driver that is not installed", next_step="Run `pip install 'rutter-ap[postgres]'`."
        ) from None
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    event.listen(engine, "commit", _on_commit)
    return engine


def _is_ready(engine: Engine) -> bool:
    try:
        with begin_as(engine.connect(), "read") as connection, connection.begin():
            stamp = connection.execute(migrate.STAMP).scalar()
    except ProgrammingError:
        # The table is missing or has another shape: examined more carefully under the lock.
        return False
    return stamp is not None and migrate.current(str(stamp))


def _prepare(engine: Engine) -> None:
    try:
        with begin_as(engine.connect(), "prepare") as connection, connection.begin():
            if connection.exec_driver_sql("SHOW server_encoding").scalar() != "UTF8":
                raise StoreError("the database in RUTTER_AP_DATABASE_URL must use ENCODING 'UTF8'")
            if migrate.stamp_of(connection, NOT_OUR_DATABASE) is not None:
                # Running transactions of an older version finish first, and later ones wait.
                connection.exec_driver_sql("LOCK TABLE meta IN EXCLUSIVE MODE")
            migrate.upgrade(connection, NOT_OUR_DATABASE)
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) == _MAY_NOT:
            raise StoreError(
                "the user in RUTTER_AP_DATABASE_URL may not create or change tables there",
                next_step="Grant it CREATE on its schema, or open the store once as the owner of the tables.",
            ) from None
        raise StoreError(NOT_OUR_DATABASE) from None


def _on_connect(connection: Any, _record: Any) -> None:
    # As with SQLite, the driver opens no transactions: we send BEGIN ourselves, because what follows it matters.
    connection.autocommit = True


def _on_begin(connection: Connection) -> None:
    connection.exec_driver_sql(_BEGINNINGS[mode_of(connection)], execution_options={"no_parameters": True})


def _on_commit(connection: Connection) -> None:
    # PostgreSQL turns the COMMIT of a transaction with a failed statement into a silent ROLLBACK. Code that caught that
    # failure would believe the rest was written.
    driver = connection.connection.driver_connection
    if driver is not None and driver.info.transaction_status.name == "INERROR":
        raise StoreError("the store could not be read or written")
