"""A store in PostgreSQL, for many replicas: writers take turns by one lock, so that what is checked stays true.

Every write transaction begins with `LOCK TABLE meta IN EXCLUSIVE MODE`, which is what BEGIN IMMEDIATE is to SQLite:
one writer per store at a time, readers never waiting. It is exact for two reasons. LOCK takes no snapshot, so the
transaction's view of the data begins after the lock is had (PostgreSQL docs: LOCK); and a lock is let go only after
its commit is visible, so that view holds everything every earlier writer did. Limits over windows, one claim a
proposal, one write a bill, the head of the audit chain: each is a check of what others wrote before, so each is
exact. Finer locks would let more companies write at once, but the audit chain has one head anyway.

The level is SERIALIZABLE as well. The lock alone would do, and lets writers wait rather than fail; the level turns
any write that went past the lock into a failure, which is tried again, rather than into a wrong sum.
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
# A statement, the wait for the lock, and a holder that fell silent (a replica whose network was cut while it held the
# lock) each have an end; without the last, one dead replica would stop all others for as long as TCP hopes.
_LIMITS = (
    "SET LOCAL statement_timeout = '60s'; SET LOCAL lock_timeout = '30s'; "
    "SET LOCAL idle_in_transaction_session_timeout = '60s'; "
)
# Set in each transaction, not in the session: behind a pooler a session is anybody's.
_BEGINNINGS: dict[Mode, str] = {
    "read": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; " + _LIMITS,
    "write": "BEGIN ISOLATION LEVEL SERIALIZABLE; "
    + _LIMITS
    + "SET LOCAL synchronous_commit = on; LOCK TABLE meta IN EXCLUSIVE MODE",
    # READ COMMITTED, since this lock is had by a SELECT: what comes after must see what its last holder did.
    "prepare": "BEGIN ISOLATION LEVEL READ COMMITTED; " + _LIMITS + "SELECT pg_advisory_xact_lock(8246779703540740722)",
}
_CONNECT: dict[str, Any] = {
    "connect_timeout": 10,
    "application_name": "rutter-ap",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    # Prepared statements belong to a session, and behind a pooler a session is anybody's.
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
        # Nothing of the error itself: it names hosts and users.
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
            # A server that was started anew is met with a fresh connection, not with an error.
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
        # No such table, or one of another shape: looked into with more care under the lock.
        return False
    return stamp is not None and migrate.current(str(stamp))


def _prepare(engine: Engine) -> None:
    try:
        with begin_as(engine.connect(), "prepare") as connection, connection.begin():
            if connection.exec_driver_sql("SHOW server_encoding").scalar() != "UTF8":
                raise StoreError("the database in RUTTER_AP_DATABASE_URL must be made with ENCODING 'UTF8'")
            if migrate.stamp_of(connection, NOT_OUR_DATABASE) is not None:
                # Writers of an older version that are open now finish first, and the next wait.
                connection.exec_driver_sql("LOCK TABLE meta IN EXCLUSIVE MODE")
            migrate.upgrade(connection, NOT_OUR_DATABASE)
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) == _MAY_NOT:
            raise StoreError(
                "the user in RUTTER_AP_DATABASE_URL may not make or change tables there",
                next_step="Grant it CREATE on its schema, or open the store once as the owner of the tables.",
            ) from None
        raise StoreError(NOT_OUR_DATABASE) from None


def _on_connect(connection: Any, _record: Any) -> None:
    # As with SQLite, the driver opens no transactions of its own: BEGIN is ours, since what follows it matters.
    connection.autocommit = True


def _on_begin(connection: Connection) -> None:
    connection.exec_driver_sql(_BEGINNINGS[mode_of(connection)], execution_options={"no_parameters": True})


def _on_commit(connection: Connection) -> None:
    # PostgreSQL answers the COMMIT of a transaction in which a statement failed with a silent ROLLBACK. Whoever caught
    # that failure would believe that the rest is kept.
    driver = connection.connection.driver_connection
    if driver is not None and driver.info.transaction_status.name == "INERROR":
        raise StoreError("the store could not be read or written")
