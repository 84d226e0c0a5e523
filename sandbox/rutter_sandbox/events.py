"""Deletion events and webhook configurations: the two ways to learn of what a list no longer shows."""

from __future__ import annotations

import base64

from rutter_sandbox import clock
from rutter_sandbox.accounting import open_books
from rutter_sandbox.companies import Company
from rutter_sandbox.database import Database, Transaction, named_id
from rutter_sandbox.errors import JsonObject, bad_request, gone
from rutter_sandbox.jsons import decode, encode
from rutter_sandbox.kinds import DELETIONS_ON, KINDS, resource_of
from rutter_sandbox.reads import limit_of, milliseconds_of
from rutter_sandbox.wire import API_VERSION, Call, Response, ok, wants_platform_data

_LIMIT_DEFAULT = 500
_RESOURCES = frozenset(resource_of(kind) for kind in KINDS.values())


def list_events(database: Database, call: Call) -> Response:
    """The objects deleted since a moment, oldest first; none on a platform that does not tell of deletions."""
    if call.query.get("type") != "object_deleted":
        raise bad_request("type must be object_deleted.")
    limit, resources = limit_of(call, _LIMIT_DEFAULT), _resources(call)
    wants_platform_data(call)
    since = clock.stamp(milliseconds_of(call, "last_synced_at_min")) if "last_synced_at_min" in call.query else ""
    after = _read_cursor(call.query["cursor"]) if call.query.get("cursor") else 0
    with database.reading() as tx:
        company = open_books(tx, call).company
        if company.platform not in DELETIONS_ON:
            return ok({"events": [], "next_cursor": None})
        query = f"""SELECT number, resource, object_id, last_synced_at FROM deletions
            WHERE company = ? AND last_synced_at >= ? AND number > ?
            AND resource IN ({",".join("?" * len(resources))}) ORDER BY number LIMIT ?"""  # noqa: S608 - only marks
        rows = tx.sql.execute(query, (company.number, since, after, *resources, limit + 1)).fetchall()
    events = [_event(company, *row) for row in rows[:limit]]
    next_cursor = _cursor(rows[limit - 1][0]) if len(rows) > limit else None
    if call.fault == "repeated_cursor":
        next_cursor = call.query.get("cursor") or next_cursor
    return ok({"events": events, "next_cursor": next_cursor})


def _resources(call: Call) -> list[str]:
    named = call.query.get("resources")
    wanted = sorted(_RESOURCES) if named is None else named.split(",")
    if not set(wanted) <= _RESOURCES:
        raise bad_request(f"resources must be among {', '.join(sorted(_RESOURCES))}.")
    return wanted


def _event(company: Company, number: int, resource: str, object_id: str, moment: str) -> JsonObject:
    """One deletion event. `id` is the event's own; which object was deleted stands in `data` (Rutter docs: Events)."""
    fields = {"id": named_id(f"event/{company.number}/{number}"), "type": "object_deleted", "resource": resource}
    return fields | {"last_synced_at": moment, "data": {"id": object_id}}


def _cursor(number: int) -> str:
    return base64.urlsafe_b64encode(encode(["events", number])).decode()


def _read_cursor(cursor: str) -> int:
    try:
        name, number = decode(base64.urlsafe_b64decode(cursor.encode("ascii")))
    except (ValueError, TypeError):
        raise bad_request("The cursor is not one that this list gave.", "INVALID_CURSOR") from None
    if name != "events" or not isinstance(number, int) or not 0 <= number < 2**60:
        raise bad_request("The cursor is not one that this list gave.", "INVALID_CURSOR")
    return number


def read_configs(database: Database, config_id: str | None) -> Response:
    with database.reading() as tx:
        configs = _configs(tx)
    if config_id is None:
        return ok(configs)
    for config in configs:
        if config["id"] == config_id:
            return ok(config)
    raise gone("webhook config")


def _configs(tx: Transaction) -> list[JsonObject]:
    query = "SELECT id, url, allowed_types, disabled, created_at, updated_at FROM webhook_configs ORDER BY created_at"
    return [
        {
            "id": row[0],
            "api_version": API_VERSION,
            "url": row[1],
            "disabled": bool(row[3]),
            "platform_data_config": None,
            "allow_list": None if row[2] is None else {"allowedTypes": decode(row[2])},
            "created_at": row[4],
            "updated_at": row[5],
        }
        for row in tx.sql.execute(query)
    ]
