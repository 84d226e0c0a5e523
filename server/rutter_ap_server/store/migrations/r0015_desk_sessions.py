"""Revision 15: who is signed in at the approvals desk."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Column, String

revision = "15"
down_revision = "14"


def upgrade(op: Operations) -> None:
    """Adds the table."""
    op.create_table(
        "desk_sessions",
        Column("id_hash", String(64), primary_key=True),
        Column("approver_id", String(36), nullable=False),
        Column("passcode", String(64), nullable=False),
        Column("begun_at", String(32), nullable=False),
        Column("seen_at", String(32), nullable=False),
    )
