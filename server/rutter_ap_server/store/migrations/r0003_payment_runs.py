"""Revision 3: which payment run a payment belongs to; ids of the platform are as long as the platform likes."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Column, String, Text

revision = "3"
down_revision = "2"


def upgrade(op: Operations) -> None:
    """Adds a column and its index; what is stored already belongs to no run."""
    op.add_column("proposals", Column("run_id", String(36)))
    op.create_index("proposals_by_run", "proposals", ["run_id"])
    # A long id must not make an outcome impossible to write down. SQLite copies the table; nothing refers to it.
    with op.batch_alter_table("attempts") as attempts:
        attempts.alter_column("upstream_id", type_=Text(), existing_type=String(200))
        attempts.alter_column("job_id", type_=Text(), existing_type=String(200))
