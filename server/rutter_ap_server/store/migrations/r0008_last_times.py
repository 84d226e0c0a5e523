"""Revision 8: when a vendor last became as it was seen, and when a value was last mentioned in untrusted text."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Column, String, column, table, update

revision = "8"
down_revision = "7"


def upgrade(op: Operations) -> None:
    """Adds the columns. Earlier stores kept only the first time of either, so that is the last one known."""
    op.drop_index("untrusted_values_by_age", "untrusted_values")
    _add(op, "vendor_sightings", "became_at")
    _add(op, "untrusted_values", "last_seen_at")
    op.create_index("untrusted_values_by_age", "untrusted_values", ["company_id", "last_seen_at"])


def _add(op: Operations, name: str, new: str) -> None:
    op.add_column(name, Column(new, String(32)))
    first = column("first_seen_at", String(32))
    op.get_bind().execute(update(table(name, first, column(new, String(32)))).values({new: first}))
    with op.batch_alter_table(name) as changed:
        changed.alter_column(new, existing_type=String(32), nullable=False)
