"""Revision 12: the documents that were seen here, what their vendors are known by, and when the ledger changed them."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Column, String, Text

revision = "12"
down_revision = "11"


def upgrade(op: Operations) -> None:
    """Adds the tables and the column; what was seen before is not known."""
    op.create_table(
        "seen_documents",
        Column("company_id", String(200), primary_key=True),
        Column("fingerprint", String(64), primary_key=True),
        Column("kind", String(10), nullable=False),
        Column("document_id", String(200), nullable=False),
        Column("vendor_id", String(200), nullable=False),
        Column("number", Text, nullable=False),
        Column("number_key", String(200), nullable=False),
        Column("issued", String(10)),
        Column("total", String(60)),
        Column("net", String(60)),
        Column("currency", String(3)),
        Column("at", String(32), nullable=False),
    )
    op.create_index("seen_documents_by_vendor", "seen_documents", ["company_id", "vendor_id", "number_key"])
    op.create_table(
        "vendor_keys",
        Column("company_id", String(200), primary_key=True),
        Column("vendor_id", String(200), primary_key=True),
        Column("key", String(80), primary_key=True),
        Column("at", String(32), nullable=False),
    )
    op.create_index("vendor_keys_by_key", "vendor_keys", ["company_id", "key"])
    op.add_column("vendor_sightings", Column("changed_at", String(32)))
