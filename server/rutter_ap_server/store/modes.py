"""How a transaction begins: the store names one of three modes, and each database has its own statements for it."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Connection

Mode = Literal["read", "write", "prepare"]
OPTION = "rutter_ap_mode"


def begin_as(connection: Connection, mode: Mode) -> Connection:
    """The same connection, with that mode for its next transaction."""
    return connection.execution_options(**{OPTION: mode})


def mode_of(connection: Connection) -> Mode:
    """The mode of its next transaction; `write` by default, which is slow but never wrong."""
    mode: Mode = connection.get_execution_options().get(OPTION, "write")
    return mode
