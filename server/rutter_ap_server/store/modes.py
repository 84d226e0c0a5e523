"""How a transaction begins: each database spells the three ways for itself, and the store only names one."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Connection

Mode = Literal["read", "write", "prepare"]
OPTION = "rutter_ap_mode"


def begin_as(connection: Connection, mode: Mode) -> Connection:
    """The same connection, whose next transaction begins so."""
    return connection.execution_options(**{OPTION: mode})


def mode_of(connection: Connection) -> Mode:
    """How its next transaction begins; as a writer where nobody said, which is slow but never wrong."""
    mode: Mode = connection.get_execution_options().get(OPTION, "write")
    return mode
