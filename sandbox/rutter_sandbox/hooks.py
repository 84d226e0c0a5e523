"""Queues webhook deliveries, each in the transaction that caused it."""

from __future__ import annotations

from collections.abc import Callable

from rutter_sandbox.companies import Company
from rutter_sandbox.database import Transaction
from rutter_sandbox.errors import JsonObject
from rutter_sandbox.jsons import decode, encode

# Objects whose only documented event is their deletion (Rutter docs: Webhooks).
_DELETED_ONLY = frozenset({"company_info", "location", "subsidiary", "tax_rate"})

DUPLICATED, REORDERED = "duplicate_webhooks", "reordered_webhooks"
"""Faults of the request that causes deliveries: each is made twice, or the last one goes out first."""

# A first attempt is due at once, whatever the clock says. A lower number is delivered earlier.
_INSERT = "INSERT INTO deliveries (config_id, code, body, due_at) VALUES (?, ?, ?, 0)"
_INSERT_IN_FRONT = """INSERT INTO deliveries (config_id, code, body, due_at)
    SELECT ?, ?, ?, -1 - COUNT(*) FROM deliveries WHERE state = 'waiting'"""


def emit_change(tx: Transaction, company: Company, kind: str, verb: str, record: JsonObject) -> None:
    if kind in _DELETED_ONLY and verb != "DELETED":
        return
    emit(tx, company, kind.upper(), f"{kind.upper()}_{verb}", lambda: {kind: record})


def emit_connection(tx: Transaction, company: Company, code: str, **extra: object) -> None:
    emit(tx, company, "CONNECTION", code, lambda: extra)


def emit(tx: Transaction, company: Company, group: str, code: str, extra: Callable[[], JsonObject]) -> None:
    """Queues one delivery for each webhook subscribed to this code. The body is built only when there is one."""
    rows = tx.sql.execute("SELECT id, allowed_types FROM webhook_configs WHERE disabled = 0").fetchall()
    wanting = [config_id for config_id, allowed in rows if allowed is None or code in decode(allowed)]
    if not wanting:
        return
    base = {"type": group, "code": code, "connection_id": company.id, "access_token": company.access_token}
    body = encode(base | extra())
    query = _INSERT_IN_FRONT if tx.fault == REORDERED else _INSERT
    times = 2 if tx.fault == DUPLICATED else 1
    for config_id in wanting * times:
        tx.sql.execute(query, (config_id, code, body))
