"""Rows that are written once, whoever else writes them at the same time."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Table, insert, select
from sqlalchemy.exc import IntegrityError

from rutter_ap_server.store.changes import Recorded


def add_once(connection: Recorded, table: Table, values: Mapping[str, str | None]) -> None:
    """Adds a row unless it exists. The savepoint keeps a clash with another writer from ending the transaction."""
    keys = list(table.primary_key.columns)
    present = select(keys[0]).where(*(column == values[column.name] for column in keys))
    if connection.execute(present).first() is not None:
        return
    try:
        with connection.begin_nested():
            connection.execute(insert(table).values(**values))
    except IntegrityError:
        return
