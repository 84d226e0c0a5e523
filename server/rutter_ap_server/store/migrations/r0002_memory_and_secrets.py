"""Revision 2: what is remembered of vendors, documents and outside text; sealed secrets; indexes for grown stores."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Column, String, Text

revision = "2"
down_revision = "1"


def upgrade(op: Operations) -> None:
    """Adds tables and indexes; what is stored already is not touched."""
    _memory(op)
    op.create_table(
        "secrets",
        Column("company_id", String(200), primary_key=True),
        Column("name", String(60), primary_key=True),
        Column("sealed", Text, nullable=False),
        Column("at", String(32), nullable=False),
    )
    op.create_index("proposals_by_digest", "proposals", ["company_id", "digest", "created_at"])
    op.create_index("audit_by_proposal", "audit", ["proposal_id"])


def _memory(op: Operations) -> None:
    op.create_table(
        "vendor_sightings",
        Column("company_id", String(200), primary_key=True),
        Column("vendor_id", String(200), primary_key=True),
        Column("fingerprint", String(64), primary_key=True),
        Column("parts", Text, nullable=False),
        Column("first_seen_at", String(32), nullable=False),
        Column("last_seen_at", String(32), nullable=False),
    )
    op.create_table(
        "document_uses",
        Column("company_id", String(200), primary_key=True),
        Column("sha256", String(64), primary_key=True),
        Column("bill_id", String(200), primary_key=True),
        Column("file_name", Text, nullable=False),
        Column("at", String(32), nullable=False),
    )
    op.create_table(
        "untrusted_values",
        Column("company_id", String(200), primary_key=True),
        Column("value", String(200), primary_key=True),
        Column("source", Text, nullable=False),
        Column("first_seen_at", String(32), nullable=False),
    )
    op.create_index("untrusted_values_by_age", "untrusted_values", ["company_id", "first_seen_at"])
