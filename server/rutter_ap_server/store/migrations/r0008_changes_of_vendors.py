"""Revision 8: when a vendor last became as it was seen."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Column, String, text

revision = "8"
down_revision = "7"


def upgrade(op: Operations) -> None:
    """Adds the column. Earlier stores kept only the first time, so a vendor became so then."""
    op.add_column("vendor_sightings", Column("became_at", String(32)))
    op.get_bind().execute(text("UPDATE vendor_sightings SET became_at = first_seen_at"))
    with op.batch_alter_table("vendor_sightings") as table:
        table.alter_column("became_at", existing_type=String(32), nullable=False)
