"""Revision 17: a copy of what a ledger's payables are summed from."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Boolean, Column, Integer, String, Text

revision = "17"
down_revision = "16"


def upgrade(op: Operations) -> None:
    """Adds the tables."""
    op.create_table(
        "bill_mirrors",
        Column("ledger_id", String(200), primary_key=True),
        Column("connection_id", String(200), nullable=False),
        Column("version", Integer, nullable=False),
        Column("reading", Integer, nullable=False),
        Column("began_at", String(32), nullable=False),
        Column("leg", Integer),
        Column("cursor", Text),
        Column("pages", Integer, nullable=False),
        Column("paid_whole", Boolean, nullable=False),
        Column("whole_at", String(32)),
        Column("newest", String(32), nullable=False),
        Column("newest_id", String(200)),
        Column("events_since", String(32), nullable=False),
    )
    op.create_table(
        "mirrored_bills",
        Column("ledger_id", String(200), primary_key=True),
        Column("bill_id", String(200), primary_key=True),
        Column("vendor_id", String(200), nullable=False),
        Column("number", Text, nullable=False),
        Column("status", String(40), nullable=False),
        Column("currency", String(3), nullable=False),
        Column("total", String(60), nullable=False),
        Column("due", String(60), nullable=False),
        Column("issue_date", String(10)),
        Column("due_date", String(10)),
        Column("trouble", Text, nullable=False),
        Column("rounded", Text, nullable=False),
        Column("updated_at", String(32), nullable=False),
        Column("last_synced_at", String(32), nullable=False),
        Column("reading", Integer, nullable=False),
    )
    op.create_index("mirrored_bills_by_vendor", "mirrored_bills", ["ledger_id", "vendor_id"])
