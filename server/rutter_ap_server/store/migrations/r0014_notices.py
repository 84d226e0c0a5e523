"""Revision 14: what people are told, and whether it got through."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Column, Integer, String, Text

revision = "14"
down_revision = "13"


def upgrade(op: Operations) -> None:
    """Adds the table."""
    op.create_table(
        "notices",
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("channel", String(20), nullable=False),
        Column("kind", String(20), nullable=False),
        Column("about", String(80), nullable=False),
        Column("company_name", Text, nullable=False),
        Column("environment", String(20), nullable=False),
        Column("at", String(32), nullable=False),
        Column("next_at", String(32), nullable=False),
        Column("attempts", Integer, nullable=False, server_default="0"),
        Column("outcome", String(20)),
        Column("problem", Text),
        Column("settled_at", String(32)),
    )
    op.create_index("one_notice_per_channel", "notices", ["channel", "kind", "about"], unique=True)
