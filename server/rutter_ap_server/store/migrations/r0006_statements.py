"""Revision 6: what people were shown when they released, why a write was proposed, and why it was declined."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Column, ForeignKey, String, Text

revision = "6"
down_revision = "5"


def upgrade(op: Operations) -> None:
    """Adds columns and a table.

    A release given before does not say what its person was shown, so it covers nothing: the write waits for people
    again.
    """
    op.add_column("proposals", Column("statement", Text))
    op.add_column("proposals", Column("requires", Text))
    op.add_column("proposals", Column("reason", Text))
    op.add_column("proposals", Column("closed_by", String(200)))
    op.add_column("proposals", Column("closed_reason", Text))
    op.add_column("approvals", Column("covers", Text))
    op.add_column("approvals", Column("statement", String(64)))
    op.add_column("questions", Column("statement", String(64)))
    op.create_table(
        "statements",
        Column("proposal_id", String(36), ForeignKey("proposals.id"), primary_key=True),
        Column("digest", String(64), primary_key=True),
        Column("body", Text, nullable=False),
        Column("at", String(32), nullable=False),
    )
