"""Revision 4: the companies that were connected here. Their tokens stand in `secrets`, which is there already."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Column, String, Text

revision = "4"
down_revision = "3"


def upgrade(op: Operations) -> None:
    """Adds the table; what is stored already is not touched."""
    op.create_table(
        "connections",
        Column("id", String(200), primary_key=True),
        Column("environment", String(20), nullable=False),
        Column("name", Text, nullable=False),
        Column("platform", String(60)),
        Column("status", String(20), nullable=False),
        Column("created_at", String(32), nullable=False),
        Column("updated_at", String(32), nullable=False),
        Column("last_seen_at", String(32)),
    )
    op.create_index("connections_by_status", "connections", ["environment", "status"])
