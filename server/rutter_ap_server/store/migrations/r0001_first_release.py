"""Revision 1: the tables of the first release."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Column, ForeignKey, Integer, String, Text, text

revision = "1"
down_revision = None

_OPEN = "state in ('held', 'released', 'dispatching', 'unknown')"


def upgrade(op: Operations) -> None:
    """Makes every table."""
    _proposals(op)
    _beside_proposals(op)
    _money(op)
    _people(op)


def _proposals(op: Operations) -> None:
    op.create_table(
        "proposals",
        Column("id", String(36), primary_key=True),
        Column("digest", String(64), nullable=False),
        Column("company_id", String(200), nullable=False),
        Column("company_name", Text, nullable=False),
        Column("environment", String(20), nullable=False),
        Column("tool", String(40), nullable=False),
        Column("fields", Text, nullable=False),
        Column("summary", Text, nullable=False),
        Column("state", String(20), nullable=False),
        Column("verdict", String(10), nullable=False),
        Column("approvals_needed", Integer, nullable=False),
        Column("fingerprint", String(64), nullable=False),
        Column("findings", Text, nullable=False),
        Column("policy_version", String(64), nullable=False),
        Column("preparer", String(200), nullable=False),
        Column("amount", String(60)),
        Column("currency", String(3)),
        Column("vendor_id", String(200)),
        Column("vendor_name", Text),
        Column("bill_id", String(200)),
        Column("record", Text),
        Column("created_at", String(32), nullable=False),
        Column("updated_at", String(32), nullable=False),
        Column("expires_at", String(32), nullable=False),
        Column("lease_owner", String(60)),
        Column("lease_until", String(32)),
    )
    op.create_index(
        "one_open_proposal_per_digest",
        "proposals",
        ["company_id", "digest"],
        unique=True,
        sqlite_where=text(_OPEN),
        postgresql_where=text(_OPEN),
    )
    op.create_index("proposals_by_bill", "proposals", ["company_id", "bill_id"])
    op.create_index("proposals_by_vendor", "proposals", ["company_id", "vendor_id", "state"])
    op.create_index("proposals_by_state", "proposals", ["state", "created_at"])


def _beside_proposals(op: Operations) -> None:
    op.create_table(
        "approvals",
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("proposal_id", String(36), ForeignKey("proposals.id"), nullable=False),
        Column("approver", String(200), nullable=False),
        Column("channel", String(20), nullable=False),
        Column("fingerprint", String(64), nullable=False),
        Column("at", String(32), nullable=False),
        Column("voided_at", String(32)),
    )
    op.create_index("approvals_by_proposal", "approvals", ["proposal_id"])
    op.create_table(
        "questions",
        Column("id", String(64), primary_key=True),
        Column("proposal_id", String(36), ForeignKey("proposals.id"), nullable=False),
        Column("fingerprint", String(64), nullable=False),
        Column("asked_at", String(32), nullable=False),
        Column("expires_at", String(32), nullable=False),
        Column("answered_at", String(32)),
        Column("answer", String(20)),
    )


def _money(op: Operations) -> None:
    op.create_table(
        "spend",
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("proposal_id", String(36), ForeignKey("proposals.id"), nullable=False),
        Column("kind", String(10), nullable=False),
        Column("company_id", String(200), nullable=False),
        Column("vendor_id", String(200), nullable=False),
        Column("currency", String(3), nullable=False),
        Column("amount", String(60), nullable=False),
        Column("at", String(32), nullable=False),
    )
    op.create_index("spend_once", "spend", ["proposal_id", "kind"], unique=True)
    op.create_index("spend_by_window", "spend", ["company_id", "currency", "at"])
    op.create_table(
        "attempts",
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("proposal_id", String(36), ForeignKey("proposals.id"), nullable=False),
        Column("idempotency_key", String(100), nullable=False),
        Column("before", Text, nullable=False),
        Column("at", String(32), nullable=False),
        Column("outcome", String(20)),
        Column("upstream_id", String(200)),
        Column("job_id", String(200)),
        Column("reason", Text),
        Column("settled_at", String(32)),
    )
    op.create_index("attempts_by_proposal", "attempts", ["proposal_id"])


def _people(op: Operations) -> None:
    op.create_table("meta", Column("key", String(40), primary_key=True), Column("value", Text, nullable=False))
    op.create_table(
        "approvers",
        Column("name", String(200), primary_key=True),
        Column("passcode_hash", Text, nullable=False),
        Column("added_at", String(32), nullable=False),
        Column("removed_at", String(32)),
        Column("failures", Integer, nullable=False),
        Column("locked_until", String(32)),
    )
    op.create_table(
        "links",
        Column("company_id", String(200), primary_key=True),
        Column("role", String(30), primary_key=True),
        Column("account_id", String(200), nullable=False),
        Column("account_name", Text, nullable=False),
        Column("at", String(32), nullable=False),
    )
    op.create_table(
        "audit",
        Column("seq", Integer, primary_key=True, autoincrement=False),
        Column("at", String(32), nullable=False),
        Column("kind", String(40), nullable=False),
        Column("actor", String(200), nullable=False),
        Column("proposal_id", String(36)),
        Column("body", Text, nullable=False),
        Column("previous", String(64), nullable=False),
        Column("hash", String(64), nullable=False),
    )
