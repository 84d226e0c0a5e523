"""Revision 7: bills that the ledger booked at another amount than the one that was released."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Column, String

revision = "7"
down_revision = "6"


def upgrade(op: Operations) -> None:
    """Adds the table; what is stored already is not touched."""
    op.create_table(
        "booking_differences",
        Column("company_id", String(200), primary_key=True),
        Column("bill_id", String(200), primary_key=True),
        Column("released", String(60), nullable=False),
        Column("booked", String(60), nullable=False),
        Column("currency", String(3), nullable=False),
        Column("at", String(32), nullable=False),
    )
