"""Revision 10: which ledger each connection leads to, and through which connection each proposal was made."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Boolean, Column, String, Text, text

revision = "10"
down_revision = "9"


def upgrade(op: Operations) -> None:
    """Adds the table and the column. What is stored keeps its key: a ledger's id is that of its first connection."""
    op.create_table(
        "ledger_connections",
        Column("connection_id", String(200), primary_key=True),
        Column("ledger_id", String(200), nullable=False),
        Column("environment", String(20), nullable=False),
        Column("platform", String(60), nullable=False),
        Column("identity", String(300), nullable=False),
        Column("name", Text, nullable=False),
        Column("in_use", Boolean, nullable=False),
        Column("at", String(32), nullable=False),
    )
    op.create_index("ledger_connections_by_ledger", "ledger_connections", ["ledger_id"])
    op.create_index(
        "one_connection_in_use_per_ledger",
        "ledger_connections",
        ["environment", "platform", "identity"],
        unique=True,
        sqlite_where=text("in_use"),
        postgresql_where=text("in_use"),
    )
    op.add_column("proposals", Column("connection_id", String(200)))
