"""Revision 11: each entry of the audit chain says which rows were written with it."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Column, Text

revision = "11"
down_revision = "10"


def upgrade(op: Operations) -> None:
    """Adds a column; entries that are stored already say nothing of rows, and keep their hashes."""
    op.add_column("audit", Column("rows", Text))
