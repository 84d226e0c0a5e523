"""Reads and writes wire objects: the stored JSON is what the wire shows, and the columns are derived from it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from decimal import Decimal

from rutter_sandbox import hooks
from rutter_sandbox.companies import Company
from rutter_sandbox.database import Transaction, named_id
from rutter_sandbox.errors import JsonObject, gone
from rutter_sandbox.jsons import decode, encode
from rutter_sandbox.kinds import KINDS, XERO, resource_of
from rutter_sandbox.money import in_thousandths


@dataclass(frozen=True, slots=True)
class Books:
    """One company inside one transaction: what every write works on."""

    tx: Transaction
    company: Company

    @property
    def sql(self) -> sqlite3.Connection:
        return self.tx.sql

    @property
    def now(self) -> str:
        return self.tx.now

    def find(self, kind: str, record_id: str) -> JsonObject | None:
        query = "SELECT body FROM objects WHERE company = ? AND kind = ? AND id = ?"
        row = self.sql.execute(query, (self.company.number, kind, record_id)).fetchone()
        found: JsonObject | None = decode(row[0]) if row else None
        return found

    def get(self, kind: str, record_id: str) -> JsonObject:
        """The object. Raises the refusal for an unknown id."""
        found = self.find(kind, record_id)
        if found is None:
            raise gone(KINDS[kind].label)
        return found

    def exists(self, kind: str, record_id: str) -> bool:
        query = "SELECT 1 FROM objects WHERE company = ? AND kind = ? AND id = ?"
        return self.sql.execute(query, (self.company.number, kind, record_id)).fetchone() is not None

    def every(self, kind: str) -> list[JsonObject]:
        query = "SELECT body FROM objects WHERE company = ? AND kind = ? ORDER BY created_at, id"
        return [decode(body) for (body,) in self.sql.execute(query, (self.company.number, kind))]

    def add(self, kind: str, fields: JsonObject) -> JsonObject:
        """Stores a new object with the ids and timestamps that a platform and Rutter would give it."""
        record_id = fields.get("id") or self.tx.new_id()
        record: JsonObject = {"id": record_id}
        if KINDS[kind].has_platform_id:
            record["platform_id"] = fields.get("platform_id") or self.next_platform_id(kind, record_id)
        record |= fields
        record["created_at"] = fields.get("created_at") or self.now
        record["updated_at"] = fields.get("updated_at") or record["created_at"]
        record["last_synced_at"] = fields.get("last_synced_at") or record["updated_at"]
        if KINDS[kind].has_platform_url:
            host = self.company.platform.lower().replace("_", "-")
            record["platform_url"] = f"https://{host}.sandbox.example/{kind}/{record['platform_id']}"
        self._store(kind, record)
        hooks.emit_change(self.tx, self.company, kind, "CREATED", record)
        return record

    def save(self, kind: str, record: JsonObject) -> JsonObject:
        """Stores a changed object; both timestamps move to this request's."""
        record["updated_at"] = record["last_synced_at"] = self.now
        self._store(kind, record)
        hooks.emit_change(self.tx, self.company, kind, "UPDATED", record)
        return record

    def save_quietly(self, kind: str, record: JsonObject) -> None:
        """Stores derived figures, such as an account's balance, without moving `updated_at`."""
        self._store(kind, record)

    def remove(self, kind: str, record: JsonObject) -> None:
        """Deletes an object and records the deletion event."""
        query = "DELETE FROM objects WHERE company = ? AND kind = ? AND id = ?"
        self.sql.execute(query, (self.company.number, kind, record["id"]))
        event = "INSERT INTO deletions (company, resource, object_id, last_synced_at) VALUES (?, ?, ?, ?)"
        self.sql.execute(event, (self.company.number, resource_of(KINDS[kind]), record["id"], self.now))
        hooks.emit_change(self.tx, self.company, kind, "DELETED", {"id": record["id"]})

    def next_platform_id(self, kind: str, record_id: str) -> str:
        if self.company.platform == XERO:
            return named_id(f"xero/{kind}/{record_id}")
        query = (
            "UPDATE companies SET next_platform_id = next_platform_id + 1 WHERE number = ? RETURNING next_platform_id"
        )
        (number,) = self.sql.execute(query, (self.company.number,)).fetchone()
        return str(number)

    def _store(self, kind: str, record: JsonObject) -> None:
        self.sql.execute(STORE, row_of(self.company.number, kind, record))


STORE = """
INSERT INTO objects (company, kind, id, platform_id, created_at, updated_at, last_synced_at, name, status, vendor_id,
    account_id, document_number, due_date, account_type, nominal_code, reference, balance_thousandths, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (company, kind, id) DO UPDATE SET updated_at = excluded.updated_at,
    last_synced_at = excluded.last_synced_at, name = excluded.name, status = excluded.status,
    vendor_id = excluded.vendor_id, account_id = excluded.account_id,
    document_number = excluded.document_number, due_date = excluded.due_date,
    account_type = excluded.account_type, nominal_code = excluded.nominal_code, reference = excluded.reference,
    balance_thousandths = excluded.balance_thousandths, body = excluded.body,
    previous = CASE WHEN updated_at = excluded.updated_at THEN previous ELSE body END
"""

_NAMES = {"vendor": "vendor_name", "customer": "customer_name"}


def row_of(company: int, kind: str, record: JsonObject) -> tuple[object, ...]:
    """The row of an object: the columns a filter or a sort may name, then the JSON itself."""

    def column(field: str) -> str:
        return str(record.get(field) or "")

    stamps = (record["created_at"], record["updated_at"], record["last_synced_at"])
    return (
        company,
        kind,
        record["id"],
        column("platform_id"),
        *stamps,
        column(_NAMES.get(kind, "name")),
        column("status"),
        column("vendor_id"),
        column("account_id") if kind == "bill_payment" else "",
        column("document_number"),
        column("due_date"),
        column("account_type"),
        column("nominal_code"),
        column("reference"),
        _balance_column(record),
        encode(record),
    )


def _balance_column(record: JsonObject) -> int:
    balance = record.get("balance")
    return in_thousandths(balance) if isinstance(balance, (int, Decimal)) else 0
