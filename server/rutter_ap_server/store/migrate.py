"""Brings a store to this program's revision, each migration once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, delete, insert, inspect, select

from rutter_ap_server.store import schema
from rutter_ap_server.store.errors import StoreError, from_elsewhere

STAMP = select(schema.meta.c.value).where(schema.meta.c.key == schema.STAMP_KEY)


def current(stamp: str | None) -> bool:
    """Whether a store with that stamp needs nothing; False for an empty or an older one.

    Raises `StoreError` for a newer or unknown revision: only the program that made such a store knows what is in it.
    """
    if stamp == schema.REVISION:
        return True
    if stamp is not None and stamp not in {script.revision for script in scripts().walk_revisions()}:
        raise from_elsewhere()
    return False


def stamp_of(connection: Connection, not_ours: str) -> str | None:
    """The revision of the store behind a connection; None for an empty database.

    Raises `StoreError` with the message `not_ours` where there are tables but no stamp.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    row = connection.execute(STAMP).first() if schema.meta.name in tables else None
    if row is None:
        raise StoreError(not_ours)
    return str(row.value)


def upgrade(connection: Connection, not_ours: str) -> None:
    """Makes or upgrades the tables, in the caller's transaction.

    The caller holds the lock that keeps every other process out. The stamp is read again under it, because another
    process may have migrated in the meantime; tables and stamp change together or not at all.
    """
    stamp = stamp_of(connection, not_ours)
    if current(stamp):
        return
    operations = Operations(MigrationContext.configure(connection))
    for script in reversed(list(scripts().iterate_revisions(schema.REVISION, stamp or "base"))):
        script.module.upgrade(operations)
    connection.execute(delete(schema.meta).where(schema.meta.c.key == schema.STAMP_KEY))
    connection.execute(insert(schema.meta).values(key=schema.STAMP_KEY, value=schema.REVISION))


@cache
def scripts() -> ScriptDirectory:
    """The migrations, as Alembic orders them."""
    folder = str(Path(__file__).parent / "migrations")
    return ScriptDirectory(folder, version_locations=[folder])
