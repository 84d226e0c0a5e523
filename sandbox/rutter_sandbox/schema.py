"""The tables: wire objects as JSON text, with the columns that filters and sorts need."""

from __future__ import annotations

import sqlite3

SCHEMA_VERSION = 4

# Filter columns are NOT NULL with '' for absent, so that a keyset over (column, id) is a plain row comparison.
OBJECTS = """
CREATE TABLE objects (
    company INTEGER NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    platform_id TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    last_synced_at TEXT NOT NULL,
    name TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL DEFAULT '',
    vendor_id TEXT NOT NULL DEFAULT '',
    account_id TEXT NOT NULL DEFAULT '',
    document_number TEXT NOT NULL DEFAULT '',
    due_date TEXT NOT NULL DEFAULT '',
    account_type TEXT NOT NULL DEFAULT '',
    nominal_code TEXT NOT NULL DEFAULT '',
    reference TEXT NOT NULL DEFAULT '',
    balance_thousandths INTEGER NOT NULL DEFAULT 0,
    body BLOB NOT NULL,
    previous BLOB
)
"""

OBJECT_INDEXES = (
    "CREATE UNIQUE INDEX objects_id ON objects (company, kind, id)",
    "CREATE INDEX objects_platform ON objects (company, kind, platform_id)",
    "CREATE INDEX objects_updated ON objects (company, kind, updated_at, id)",
    "CREATE INDEX objects_synced ON objects (company, kind, last_synced_at, id)",
    "CREATE INDEX objects_created ON objects (company, kind, created_at, id)",
    "CREATE INDEX objects_due ON objects (company, kind, due_date, id)",
    "CREATE INDEX objects_status ON objects (company, kind, status, due_date, id)",
    "CREATE INDEX objects_vendor ON objects (company, kind, vendor_id, id)",
    "CREATE INDEX objects_number ON objects (company, kind, document_number, id)",
    "CREATE INDEX objects_name ON objects (company, kind, name, id)",
)

_TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # `ledger` is the number of an earlier connection to the same ledger, which holds its books.
    """CREATE TABLE companies (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        access_token TEXT NOT NULL UNIQUE,
        name TEXT UNIQUE,
        store_name TEXT,
        platform TEXT,
        ledger INTEGER,
        status TEXT NOT NULL,
        disabled_reason TEXT,
        currency TEXT NOT NULL,
        closing_date TEXT NOT NULL DEFAULT '',
        payments_shown INTEGER NOT NULL DEFAULT 1,
        next_platform_id INTEGER NOT NULL DEFAULT 1,
        public_token TEXT UNIQUE,
        last_sync_started_at TEXT,
        last_sync_completed_at TEXT,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    )""",
    OBJECTS,
    # What a payment, a credit or a journal entry has taken off a bill: every amount due is derived from this.
    """CREATE TABLE allocations (
        company INTEGER NOT NULL,
        source_kind TEXT NOT NULL CHECK (source_kind IN ('bill_payment', 'bill_credit_memo', 'journal_entry')),
        source_id TEXT NOT NULL,
        bill_id TEXT NOT NULL,
        application_id TEXT NOT NULL,
        allocated_date TEXT NOT NULL,
        amount_minor INTEGER NOT NULL CHECK (amount_minor > 0)
    )""",
    "CREATE INDEX allocations_bill ON allocations (company, bill_id)",
    "CREATE INDEX allocations_source ON allocations (company, source_kind, source_id)",
    # Debits are positive, credits negative. Rows are only added; a correction is another row.
    """CREATE TABLE postings (
        company INTEGER NOT NULL,
        document_id TEXT NOT NULL,
        account_id TEXT NOT NULL,
        currency TEXT NOT NULL,
        amount_minor INTEGER NOT NULL,
        posted_at TEXT NOT NULL
    )""",
    "CREATE INDEX postings_document ON postings (company, document_id)",
    """CREATE TABLE balances (
        company INTEGER NOT NULL,
        account_id TEXT NOT NULL,
        currency TEXT NOT NULL,
        amount_minor INTEGER NOT NULL,
        PRIMARY KEY (company, account_id, currency)
    ) WITHOUT ROWID""",
    # `progress` is what a job says of itself until it is done; `first_look` the status that its first read ends in.
    """CREATE TABLE jobs (
        id TEXT PRIMARY KEY,
        company INTEGER NOT NULL,
        request BLOB NOT NULL,
        http_status INTEGER NOT NULL,
        response BLOB NOT NULL,
        polls_left INTEGER NOT NULL DEFAULT 0,
        progress TEXT NOT NULL DEFAULT 'pending',
        first_look INTEGER NOT NULL DEFAULT 0,
        created_at TEXT NOT NULL
    )""",
    "CREATE TABLE idempotency (key TEXT PRIMARY KEY, digest TEXT NOT NULL, job_id TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE attachments (
        company INTEGER NOT NULL,
        bill_id TEXT NOT NULL,
        id TEXT NOT NULL,
        file_name TEXT NOT NULL,
        body BLOB NOT NULL,
        content BLOB NOT NULL,
        PRIMARY KEY (company, bill_id, id)
    )""",
    """CREATE TABLE order_billings (
        company INTEGER NOT NULL,
        order_id TEXT NOT NULL,
        bill_id TEXT NOT NULL,
        PRIMARY KEY (company, order_id, bill_id)
    ) WITHOUT ROWID""",
    """CREATE TABLE deletions (
        number INTEGER PRIMARY KEY,
        company INTEGER NOT NULL,
        resource TEXT NOT NULL,
        object_id TEXT NOT NULL,
        last_synced_at TEXT NOT NULL
    )""",
    "CREATE INDEX deletions_company ON deletions (company, number)",
    """CREATE TABLE webhook_configs (
        id TEXT PRIMARY KEY,
        url TEXT NOT NULL,
        allowed_types TEXT,
        disabled INTEGER NOT NULL DEFAULT 0,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    )""",
    """CREATE TABLE deliveries (
        number INTEGER PRIMARY KEY,
        config_id TEXT NOT NULL,
        code TEXT NOT NULL,
        body BLOB NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        due_at INTEGER NOT NULL,
        state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'failed'))
    )""",
    "CREATE INDEX deliveries_due ON deliveries (state, due_at)",
)


def create(connection: sqlite3.Connection) -> None:
    for statement in (*_TABLES, *OBJECT_INDEXES):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
