"""The store's tables: one schema for every database. Amounts are decimal strings, times are ISO 8601 UTC strings."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text, text

# The newest step in migrations/, kept here too so that opening a store that needs none does not read that folder.
REVISION = "17"
STAMP_KEY = "schema"

metadata = MetaData()

meta = Table("meta", metadata, Column("key", String(40), primary_key=True), Column("value", Text, nullable=False))

proposals = Table(
    "proposals",
    metadata,
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
    Column("run_id", String(36)),
    Column("statement", Text),
    Column("requires", Text),
    Column("reason", Text),
    Column("closed_by", String(200)),
    Column("closed_reason", Text),
    Column("connection_id", String(200)),
)
# One open proposal per digest: the database itself refuses a second one.
Index(
    "one_open_proposal_per_digest",
    proposals.c.company_id,
    proposals.c.digest,
    unique=True,
    sqlite_where=text("state in ('held', 'released', 'dispatching', 'unknown')"),
    postgresql_where=text("state in ('held', 'released', 'dispatching', 'unknown')"),
)
Index("proposals_by_digest", proposals.c.company_id, proposals.c.digest, proposals.c.created_at)
Index("proposals_by_bill", proposals.c.company_id, proposals.c.bill_id)
Index("proposals_by_vendor", proposals.c.company_id, proposals.c.vendor_id, proposals.c.state)
Index("proposals_by_run", proposals.c.run_id)
Index("proposals_by_state", proposals.c.state, proposals.c.created_at)

approvals = Table(
    "approvals",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("proposal_id", String(36), ForeignKey("proposals.id"), nullable=False),
    Column("approver", String(200), nullable=False),
    Column("channel", String(20), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("at", String(32), nullable=False),
    Column("voided_at", String(32)),
    # Empty for an answer in the chat.
    Column("approver_id", String(36)),
    Column("covers", Text),
    Column("statement", String(64)),
)
Index("approvals_by_proposal", approvals.c.proposal_id)

# What people were shown when they released, whole and unchanged, by its digest.
statements = Table(
    "statements",
    metadata,
    Column("proposal_id", String(36), ForeignKey("proposals.id"), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("body", Text, nullable=False),
    Column("at", String(32), nullable=False),
)

questions = Table(
    "questions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("proposal_id", String(36), ForeignKey("proposals.id"), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("asked_at", String(32), nullable=False),
    Column("expires_at", String(32), nullable=False),
    Column("answered_at", String(32)),
    Column("answer", String(20)),
    Column("statement", String(64)),
)

spend = Table(
    "spend",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("proposal_id", String(36), ForeignKey("proposals.id"), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("company_id", String(200), nullable=False),
    Column("vendor_id", String(200), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("amount", String(60), nullable=False),
    Column("at", String(32), nullable=False),
)
# A reservation is settled once: a second reserve, post or void of one proposal cannot be written.
Index("spend_once", spend.c.proposal_id, spend.c.kind, unique=True)
Index("spend_by_window", spend.c.company_id, spend.c.currency, spend.c.at)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("proposal_id", String(36), ForeignKey("proposals.id"), nullable=False),
    Column("idempotency_key", String(100), nullable=False),
    Column("before", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Column("outcome", String(20)),
    Column("upstream_id", Text),
    Column("job_id", Text),
    Column("reason", Text),
    Column("settled_at", String(32)),
)
Index("attempts_by_proposal", attempts.c.proposal_id)
Index("attempts_by_record", attempts.c.upstream_id)

approvers = Table(
    "approvers",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("passcode_hash", Text, nullable=False),
    Column("added_at", String(32), nullable=False),
    Column("removed_at", String(32)),
    Column("failures", Integer, nullable=False, default=0),
    Column("locked_until", String(32)),
    # The step of time of the last code that was used; empty where the passcode alone is enough.
    Column("code_step", Integer),
)

links = Table(
    "links",
    metadata,
    Column("company_id", String(200), primary_key=True),
    Column("role", String(30), primary_key=True),
    Column("account_id", String(200), nullable=False),
    Column("account_name", Text, nullable=False),
    Column("at", String(32), nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", String(32), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("proposal_id", String(36)),
    Column("body", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    # What was written with it, row by row; empty in entries of earlier versions.
    Column("rows", Text),
)
Index("audit_by_proposal", audit.c.proposal_id)
Index("audit_by_kind", audit.c.kind, audit.c.seq)

# Values are sealed before they come here; the database never sees one in the clear.
secrets = Table(
    "secrets",
    metadata,
    Column("company_id", String(200), primary_key=True),
    Column("name", String(60), primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("at", String(32), nullable=False),
)

# What people are told, one row for each channel; a channel is known by an id that holds no secret.
notices = Table(
    "notices",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("channel", String(20), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("about", String(80), nullable=False),
    Column("company_name", Text, nullable=False),
    Column("environment", String(20), nullable=False),
    Column("at", String(32), nullable=False),
    Column("next_at", String(32), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("outcome", String(20)),
    Column("problem", Text),
    Column("settled_at", String(32)),
)
Index("one_notice_per_channel", notices.c.channel, notices.c.kind, notices.c.about, unique=True)

# Who is signed in at the approvals desk; neither a session's id nor a passcode's hash can be learnt from it.
desk_sessions = Table(
    "desk_sessions",
    metadata,
    Column("id_hash", String(64), primary_key=True),
    Column("approver_id", String(36), nullable=False),
    Column("passcode", String(64), nullable=False),
    Column("begun_at", String(32), nullable=False),
    Column("seen_at", String(32), nullable=False),
    # The passkey it was begun with; empty for a passcode.
    Column("passkey_id", String(64)),
)

# The passkeys of approvers. `id` is the SHA-256 of the authenticator's own, which may be long.
passkeys = Table(
    "passkeys",
    metadata,
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
Index("passkeys_by_approver", passkeys.c.approver_id)

# What may be done once by whoever holds a secret, of which only a hash is stored.
tickets = Table(
    "tickets",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("about", Text, nullable=False),
    Column("expires_at", String(32), nullable=False),
)

# Wrong passcodes and passkeys, by the address that they came from.
failed_attempts = Table(
    "failed_attempts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("address", String(64), nullable=False),
    Column("at", String(32), nullable=False),
)
Index("failed_attempts_by_address", failed_attempts.c.address, failed_attempts.c.at)
