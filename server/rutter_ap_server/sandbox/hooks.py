"""Tells subscribers of changes: each delivery is written down in the transaction that caused it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rutter_ap_server.sandbox import clock
from rutter_ap_server.sandbox.errors import JsonObject
from rutter_ap_server.sandbox.jsons import decode, encode

if TYPE_CHECKING:
    from rutter_ap_server.sandbox.database import Transaction
    from rutter_ap_server.sandbox.records import Company

# Objects whose only documented event is their deletion (Rutter docs: Webhooks).
_DELETED_ONLY = frozenset({"company_info", "location", "subsidiary", "tax_rate"})


def emit_change(tx: Transaction, company: Company, kind: str, verb: str, record: JsonObject) -> None:
    if kind in _DELETED_ONLY and verb != "DELETED":
        return
    emit(tx, company, kind.upper(), f"{kind.upper()}_{verb}", lambda: {kind: record})


def emit_connection(tx: Transaction, company: Company, code: str, **extra: object) -> None:
    emit(tx, company, "CONNECTION", code, lambda: extra)


def emit(tx: Transaction, company: Company, group: str, code: str, extra: Callable[[], JsonObject]) -> None:
    """Queue one delivery for each webhook that wants this code; the body is only built when one does."""
    rows = tx.sql.execute("SELECT id, allowed_types FROM webhook_configs WHERE disabled = 0").fetchall()
    if not rows:
        return
    base = {"type": group, "code": code, "connection_id": company.id, "access_token": company.access_token}
    body = encode(base | extra())
    due = clock.milliseconds_of(tx.now)
    for config_id, allowed in rows:
        if allowed is None or code in decode(allowed):
            query = "INSERT INTO deliveries (config_id, code, body, due_at) VALUES (?, ?, ?, ?)"
            tx.sql.execute(query, (config_id, code, body, due))
