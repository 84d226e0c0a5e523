"""Revision 9: an index on the records in the ledger that attempts led to, so that each is one proposal's only."""

from __future__ import annotations

from alembic.operations import Operations

revision = "9"
down_revision = "8"


def upgrade(op: Operations) -> None:
    """Adds the index."""
    op.create_index("attempts_by_record", "attempts", ["upstream_id"])
