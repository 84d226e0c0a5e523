"""Revision 16: passkeys and codes of approvers, what may be done once by whoever holds a secret, failed attempts."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Boolean, Column, ForeignKey, Integer, String, Text

revision = "16"
down_revision = "15"


def upgrade(op: Operations) -> None:
    """Adds the tables, and to a session the passkey with which it was begun."""
    op.add_column("approvers", Column("code_step", Integer))
    op.add_column("desk_sessions", Column("passkey_id", String(64)))
    op.create_table(
        "passkeys",
        Column("id", String(64), primary_key=True),
        Column("approver_id", String(36), ForeignKey("approvers.id"), nullable=False),
        Column("credential_id", Text, nullable=False),
        Column("public_key", Text, nullable=False),
        Column("rp_id", String(253), nullable=False),
        Column("aaguid", String(36), nullable=False),
        Column("is_backed_up", Boolean, nullable=False),
        Column("added_at", String(32), nullable=False),
        Column("removed_at", String(32)),
        Column("sign_count", Integer, nullable=False),
        Column("used_at", String(32)),
    )
    op.create_index("passkeys_by_approver", "passkeys", ["approver_id"])
    op.create_table(
        "tickets",
        Column("hash", String(64), primary_key=True),
        Column("kind", String(20), nullable=False),
        Column("about", Text, nullable=False),
        Column("expires_at", String(32), nullable=False),
    )
    op.create_table(
        "failed_attempts",
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("address", String(64), nullable=False),
        Column("at", String(32), nullable=False),
    )
    op.create_index("failed_attempts_by_address", "failed_attempts", ["address", "at"])
