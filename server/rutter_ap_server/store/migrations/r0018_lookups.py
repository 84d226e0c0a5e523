"""Revision 18: indexes by which a payment finds what it asks for, however many were posted before it."""

from __future__ import annotations

from alembic.operations import Operations

revision = "18"
down_revision = "17"


def upgrade(op: Operations) -> None:
    """Adds them; those that they replace lacked the state, which tells the few open proposals from all the others."""
    op.drop_index("proposals_by_bill", "proposals")
    op.create_index("proposals_by_bill", "proposals", ["company_id", "bill_id", "state"])
    op.drop_index("proposals_by_digest", "proposals")
    op.create_index("proposals_by_digest", "proposals", ["company_id", "digest", "state", "created_at"])
    op.create_index("proposals_by_change", "proposals", ["company_id", "state", "updated_at"])
    op.create_index("proposals_by_tool", "proposals", ["company_id", "tool", "state", "updated_at"])
    op.create_index("spend_by_time", "spend", ["company_id", "at"])
