"""The connection endpoints: list, status, names, tokens, syncs, and the token exchange after Link."""

from __future__ import annotations

from datetime import date

from rutter_sandbox import clock, hooks, shapes
from rutter_sandbox.accounting import body_of, company_of, reachable_company_of
from rutter_sandbox.companies import Company, company_by
from rutter_sandbox.database import Database, Transaction
from rutter_sandbox.errors import JsonObject, bad_request, gone, not_implemented, unauthorized
from rutter_sandbox.faults import SUCCESS_FALSE
from rutter_sandbox.jsons import decode
from rutter_sandbox.kinds import KINDS
from rutter_sandbox.linking import (
    CREATABLE,
    STATUSES,
    ledger_of,
    link_again,
    link_url,
    new_connection,
    start_books,
    store_unique_id,
)
from rutter_sandbox.reads import connection_of
from rutter_sandbox.shapes import Shape, choice, flag, listing, moment, optional, required, text
from rutter_sandbox.wire import CLIENT_ID, CLIENT_SECRET, Call, Response, ok

_SHOWN_BY_DEFAULT = ("active", "not_ready", "unhealthy")
_NAME_MAX = 30
_BACKFILL_YEARS_MAX = 5
_PLURAL_TYPES = {"customer": "accounting_customer", "item": "items", "currency": "currencies", "tax_rate": "tax_rates"}
_OBJECT_TYPES = tuple(_PLURAL_TYPES.get(name, name) for name in KINDS)

_EXCHANGE: Shape = {name: required(text()) for name in ("client_id", "secret", "public_token")}
_SYNC: Shape = {"object_types": optional(listing(choice(*_OBJECT_TYPES)))}
_BACKFILL: Shape = {
    "start_date": required(moment),
    "end_date": optional(moment),
    "object_types": required(listing(choice(*_OBJECT_TYPES))),
    "include_webhooks": optional(flag),
    "remarks": optional(text()),
}


def handle(database: Database, call: Call, rest: list[str]) -> Response:
    """Handles a call to `/connections/<rest>`."""
    if call.method == "GET":
        with database.reading() as tx:
            return _read(tx, call, rest)
    with database.writing() as tx:
        tx.fault = call.fault
        return _write(tx, call, rest)


def _read(tx: Transaction, call: Call, rest: list[str]) -> Response:
    match rest:
        case []:
            return _list(tx, call)
        case ["access_token"]:
            return ok({"connection": _detail(tx, call, company_of(tx, call))})
        case ["status"]:
            return ok(_status(tx, call, company_of(tx, call)))
    raise not_implemented("No such endpoint.")


def _write(tx: Transaction, call: Call, rest: list[str]) -> Response:
    match call.method, rest:
        case "POST", ["incremental_sync" | "backfill"] if call.fault == SUCCESS_FALSE:
            reachable_company_of(tx, call)
            return ok({"success": False})
        case "DELETE", [connection_id] if call.fault == SUCCESS_FALSE:
            _company(tx, connection_id)
            return ok({"success": False})
        case "POST", ["create"]:
            return ok(_create(tx, call))
        case "POST", ["access_token", "invalidate"]:
            return ok(_invalidate(tx, company_of(tx, call)))
        case "POST", ["incremental_sync"]:
            return ok(_incremental_sync(tx, call, reachable_company_of(tx, call)))
        case "POST", ["backfill"]:
            return ok(_backfill(tx, call, reachable_company_of(tx, call)))
        case "PATCH", [connection_id]:
            return ok(_rename(tx, call, _company(tx, connection_id)))
        case "DELETE", [connection_id]:
            return ok(_delete(tx, _company(tx, connection_id)))
    raise not_implemented("No such endpoint.")


def _company(tx: Transaction, connection_id: str) -> Company:
    company = company_by(tx.sql, "id", connection_id)
    if company is None:
        raise gone("connection")
    return company


def _list(tx: Transaction, call: Call) -> Response:
    wanted = call.query.get("status", "")
    if wanted not in {"", "any", *STATUSES}:
        raise bad_request(f"status must be one of {', '.join(STATUSES)}, any.")
    shown = {"": _SHOWN_BY_DEFAULT, "any": STATUSES}.get(wanted, (wanted,))
    query = """SELECT id, access_token, platform, status, name, created_at, updated_at FROM companies
        WHERE platform IS NOT NULL ORDER BY number"""
    names = ("id", "access_token", "platform", "status", "name", "created_at", "updated_at")
    rows = [dict(zip(names, row, strict=True)) for row in tx.sql.execute(query)]
    return ok(
        {
            "connections": [
                row | {"link_url": link_url(call.origin, row["id"])} for row in rows if row["status"] in shown
            ]
        }
    )


def _stamps(tx: Transaction, company: Company) -> tuple[str | None, str | None, str]:
    query = "SELECT last_sync_started_at, last_sync_completed_at, created_at FROM companies WHERE id = ?"
    started, completed, created = tx.sql.execute(query, (company.id,)).fetchone()
    return started, completed, created


def _detail(tx: Transaction, call: Call, company: Company) -> JsonObject:
    started, completed, created = _stamps(tx, company)
    return {
        "id": company.id,
        "store_unique_id": store_unique_id(company),
        "last_sync_completed_at": completed,
        "last_sync_started_at": started,
        "disabled": company.status == "disabled",
        "link_url": link_url(call.origin, company.id),
        "needs_update": company.status == "needs_reauth",
        "platform": company.platform,
        "store_domain": None,
        "store_name": company.store_name,
        "unavailable_objects": [
            _PLURAL_TYPES.get(kind.name, kind.name) for kind in KINDS.values() if company.platform not in kind.read
        ],
        "created_at": created,
    }


def _status(tx: Transaction, call: Call, company: Company) -> JsonObject:
    _, completed, created = _stamps(tx, company)
    query = "SELECT disabled_reason FROM companies WHERE id = ?"
    reason = tx.sql.execute(query, (company.id,)).fetchone()[0]
    ready = company.status != "not_ready"
    status = {
        "last_sync_completed_at": completed,
        "is_healthy": company.status == "active",
        "is_ready": ready,
        "link_url": link_url(call.origin, company.id),
        "platform": company.platform,
        "needs_update_status": {"needs_update": company.status == "needs_reauth"},
        "disabled_status": {"is_disabled": company.status == "disabled", "disabled_reason": reason},
        "historical_sync_status": _historical(tx, company, ready=ready),
        "created_at": created,
    }
    return {"status": status, "connection": decode(connection_of(company))}


def _historical(tx: Transaction, company: Company, *, ready: bool) -> JsonObject:
    query = """SELECT kind, MIN(created_at), MAX(created_at), COUNT(*) FROM objects WHERE company = ?
        GROUP BY kind ORDER BY kind"""
    names = ("oldest_entity_date", "newest_entity_date", "synced_count")
    rows = tx.sql.execute(query, (company.number,)).fetchall()
    total = {row[0]: {**dict(zip(names, row[1:], strict=True)), "ready": ready} for row in rows}
    counted = ("balance_sheets", "cash_flows", "income_statements", "orders", "transactions")
    return {
        "historical_sync_completed": ready,
        "total": total,
        "num_batches_completed": 1 if ready else 0,
        **{f"synced_{name}_count": None for name in counted},
        "expected_entity_counts": None,
        "batches": [],
    }


def _create(tx: Transaction, call: Call) -> JsonObject:
    """Creates a connection: without a platform the user picks one at `link_url`, with credentials it starts at once.

    Credentials that name a company that is linked already lead to the same ledger.
    """
    body = body_of(call) if call.body else {}
    platform = body.get("platform")
    if platform is not None and platform not in CREATABLE:
        raise bad_request(f"This sandbox can be {', '.join(CREATABLE)}; other platforms it does not play.")
    company = new_connection(tx)
    ledger = ledger_of(tx, platform, body.get("realm_id") or body.get("tenant_id")) if platform is not None else None
    if ledger is not None:
        link_again(tx, company, ledger)
    elif platform is not None:
        start_books(tx, company, platform, clock.day_of(tx.now))
    return _named(call, _company(tx, company.id))


def _named(call: Call, company: Company) -> JsonObject:
    fields = {"id": company.id, "access_token": company.access_token, "name": company.name}
    return {"connection": fields | {"link_url": link_url(call.origin, company.id)}}


def _rename(tx: Transaction, call: Call, company: Company) -> JsonObject:
    shape = {"name": required(text(_NAME_MAX, shortest=1))}
    name = shapes.checked(shape, body_of(call), "body", lambda *_: False)["name"]
    taken = company_by(tx.sql, "name", name)
    if taken is not None and taken.id != company.id:
        raise bad_request("Another connection has this name.")
    query = "UPDATE companies SET name = ?, updated_at = ? WHERE id = ?"
    tx.sql.execute(query, (name, tx.now, company.id))
    return _named(call, _company(tx, company.id))


def _delete(tx: Transaction, company: Company) -> JsonObject:
    """Removes the connection and, with the last one to its ledger, everything that was read from it."""
    other = tx.sql.execute("SELECT id FROM companies WHERE ledger = ?", (company.number,)).fetchone()
    own = tx.sql.execute("SELECT ledger IS NULL FROM companies WHERE id = ?", (company.id,)).fetchone()[0]
    if not own or other is not None:
        _hand_over(tx, company.id, other[0] if own else company.id, company.number)
        return {"success": True}
    for table in ("objects", "allocations", "postings", "balances", "attachments", "order_billings", "deletions"):
        tx.sql.execute(f"DELETE FROM {table} WHERE company = ?", (company.number,))  # noqa: S608 - our own tables
    tx.sql.execute("DELETE FROM companies WHERE number = ?", (company.number,))
    return {"success": True}


def _hand_over(tx: Transaction, removed_id: str, kept_id: str, number: int) -> None:
    """Removes one of several connections to a ledger; its books stay with the connection that has their number."""
    columns = "id, access_token, name, status, disabled_reason, public_token, created_at, updated_at"
    row = tx.sql.execute(f"SELECT {columns} FROM companies WHERE id = ?", (kept_id,)).fetchone()  # noqa: S608 - our own
    tx.sql.execute("DELETE FROM companies WHERE id = ?", (kept_id,))
    if removed_id != kept_id:
        places = ", ".join("?" * len(row))
        query = f"UPDATE companies SET ({columns}) = ({places}) WHERE number = ?"  # noqa: S608 - our own columns
        tx.sql.execute(query, (*row, number))


def _invalidate(tx: Transaction, company: Company) -> JsonObject:
    token = f"access-sandbox-{tx.new_id()}"
    query = "UPDATE companies SET access_token = ?, updated_at = ? WHERE id = ?"
    tx.sql.execute(query, (token, tx.now, company.id))
    return {"new_access_token": token}


def _incremental_sync(tx: Transaction, call: Call, company: Company) -> JsonObject:
    """Syncs the company. The stored books are always up to date, so a sync finishes at once."""
    given = shapes.checked(_SYNC, body_of(call) if call.body else {}, "body", lambda *_: False)
    if given.get("object_types") == []:
        return {"success": True}
    query = "UPDATE companies SET last_sync_started_at = ?, last_sync_completed_at = ? WHERE id = ?"
    tx.sql.execute(query, (tx.now, tx.now, company.id))
    hooks.emit_connection(tx, company, "INCREMENTAL_SYNC_COMPLETED")
    return {"success": True}


def _backfill(tx: Transaction, call: Call, company: Company) -> JsonObject:
    given = shapes.checked(_BACKFILL, body_of(call), "body", lambda *_: False)
    today, start = clock.day_of(tx.now), clock.day_of(given["start_date"])
    end = clock.day_of(given["end_date"]) if "end_date" in given else today
    if start < date(today.year - _BACKFILL_YEARS_MAX, today.month, 1) or start > end:
        raise bad_request("start_date must lie at most 5 years back, and not after end_date.")
    hooks.emit_connection(tx, company, "BACKFILL_COMPLETED")
    return {"success": True}


def exchange(database: Database, call: Call) -> Response:
    """Exchanges the public token of a finished Link for the connection's access token, once."""
    given = shapes.checked(_EXCHANGE, body_of(call), "body", lambda *_: False)
    if (given["client_id"], given["secret"]) != (CLIENT_ID, CLIENT_SECRET):
        raise unauthorized("The client id and secret are missing or wrong.")
    with database.writing() as tx:
        company = company_by(tx.sql, "public_token", given["public_token"])
        if company is None:
            raise bad_request("The public token is unknown or was used before.", "INVALID_PUBLIC_TOKEN")
        tx.sql.execute("UPDATE companies SET public_token = NULL WHERE id = ?", (company.id,))
        fields: JsonObject = {
            "connection_id": company.id,
            "access_token": company.access_token,
            "platform": company.platform,
        }
        fields |= {"is_ready": company.status != "not_ready", "name": company.name}
        return ok(fields | {"store_unique_name": company.store_name or ""})
