"""The sandbox's own switches, off unless asked for: faults, webhook subscribers, the state of a connection."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from rutter_sandbox.accounting import body_of
from rutter_sandbox.companies import company_by
from rutter_sandbox.database import Database
from rutter_sandbox.errors import JsonObject, bad_request, gone, not_implemented
from rutter_sandbox.events import read_configs
from rutter_sandbox.faults import Faults
from rutter_sandbox.jsons import encode
from rutter_sandbox.linking import STATUSES, change_status
from rutter_sandbox.shapes import Exists, Shape, checked, choice, flag, listing, optional, record, required, text
from rutter_sandbox.wire import Call, Response, ok

_URL_MAX = 2000
# Rutter docs: the disabled reasons of a connection's status.
_REASONS = """
    SHOP_API_KEY_EXPIRED SHOP_NOT_FOUND SHOP_ID_IS_INVALID SHOP_IS_DISABLED_OR_EXPIRED SHOP_IS_LOCKED
    SHOP_PAYMENT_REQUIRED TUNNEL_ERROR WEB_SERVICE_IS_DISABLED SHOP_IS_UNAVAILABLE CERT_EXPIRED NEEDS_REAUTH
    REQUEST_TIMEOUT MANUALLY_DISABLED UNKNOWN
"""


def _url(value: Any, path: str, exists: Exists) -> str:
    url: str = text(_URL_MAX)(value, path, exists)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise bad_request(f"{path} must be an http or https address.")
    return url


_STATE: Shape = {"status": required(choice(*STATUSES)), "disabled_reason": optional(choice(*_REASONS.split()))}
_WEBHOOK: Shape = {
    "url": required(_url),
    "allowed_types": optional(listing(text(100))),
    "disabled": optional(flag),
}
_WEBHOOKS: Shape = {"webhooks": required(listing(record(_WEBHOOK)))}


def handle(database: Database, faults: Faults, call: Call, rest: list[str]) -> Response:
    """`PUT faults`, `PUT webhooks` and `PUT connections/{id}`, each replacing what was set before."""
    match call.method, rest:
        case "PUT", ["faults"]:
            faults.replace(body_of(call))
            return ok({"rules": len(faults.rules)})
        case "PUT", ["webhooks"]:
            given = checked(_WEBHOOKS, body_of(call), "body", lambda *_: False)
            _subscribe(database, given["webhooks"])
            return read_configs(database, None)
        case "PUT", ["connections", connection_id]:
            return ok(_set_status(database, call, connection_id))
    raise not_implemented("No such switch.")


def _subscribe(database: Database, webhooks: list[JsonObject]) -> None:
    query = "INSERT INTO webhook_configs VALUES (?, ?, ?, ?, ?, ?)"
    with database.writing() as tx:
        tx.sql.execute("DELETE FROM deliveries")
        tx.sql.execute("DELETE FROM webhook_configs")
        for given in webhooks:
            allowed = encode(given["allowed_types"]).decode() if "allowed_types" in given else None
            row = (tx.new_id(), given["url"], allowed, given.get("disabled", False), tx.now, tx.now)
            tx.sql.execute(query, row)


def _set_status(database: Database, call: Call, connection_id: str) -> JsonObject:
    given = checked(_STATE, body_of(call), "body", lambda *_: False)
    status: str = given["status"]
    reason = given.get("disabled_reason", "MANUALLY_DISABLED") if status == "disabled" else None
    with database.writing() as tx:
        company = company_by(tx.sql, "id", connection_id)
        if company is None or not company.platform:
            raise gone("connection")
        change_status(tx, company, status, call.origin, reason)
    return {"id": connection_id, "status": status}
