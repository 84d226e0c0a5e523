"""Lists and single reads: stored JSON is joined without parsing, and every list is a keyset walk."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from rutter_sandbox import clock
from rutter_sandbox.companies import Company
from rutter_sandbox.errors import bad_request, gone
from rutter_sandbox.filters import DEFAULT_ORDER, Condition, Order, parse_filter, parse_sort
from rutter_sandbox.jsons import decode, encode
from rutter_sandbox.kinds import KINDS, PLATFORMS_WITHOUT_FILTERS, Kind
from rutter_sandbox.records import Books
from rutter_sandbox.wire import Call, Response, truth_of, wants_platform_data

ORGANISATION_ID = "00000000-5a4d-4b0c-8000-0000000000a9"
LIMIT_DEFAULT = 50
LIMIT_MAX = 500
_OLD_BOUNDS = {
    "updated_at_min": "updated_at >= ?",
    "updated_at_max": "updated_at <= ?",
    "last_synced_at_min": "last_synced_at >= ?",
}


def connection_of(company: Company) -> bytes:
    return encode({"id": company.id, "orgId": ORGANISATION_ID, "platform": company.platform})


def list_objects(books: Books, call: Call, kind: Kind) -> Response:
    truth_of(call, "force_fetch")
    expand, limit = wants_platform_data(call), limit_of(call)
    filterable = books.company.platform not in PLATFORMS_WITHOUT_FILTERS
    conditions = _conditions(call, kind, filterable=filterable)
    order = parse_sort(kind, call.query["sort"]) if filterable and "sort" in call.query else DEFAULT_ORDER
    walk = _walk_digest(kind, order, conditions)
    after = _read_cursor(call.query["cursor"], walk) if call.query.get("cursor") else None
    rows = _select(books, call, kind, conditions, order, after, limit)
    more = len(rows) > limit
    rows = rows[:limit]
    next_cursor = _write_cursor(walk, rows[-1][2], rows[-1][1]) if more else None
    if call.fault == "repeated_cursor":
        next_cursor = call.query.get("cursor") or next_cursor
    parts = [_expanded(row[0]) if expand else row[0] for row in rows]
    return _list_response(kind, parts, next_cursor, books.company)


def _list_response(kind: Kind, parts: list[bytes], next_cursor: str | None, company: Company) -> Response:
    head = b'{"' + kind.plural.encode() + b'":['
    tail = b'],"next_cursor":' + encode(next_cursor) + b',"connection":' + connection_of(company) + b"}"
    return Response(200, head + b",".join(parts) + tail)


def _select(
    books: Books,
    call: Call,
    kind: Kind,
    conditions: list[Condition],
    order: Order,
    after: tuple[object, str] | None,
    limit: int,
) -> list[tuple[bytes, str, Any]]:
    """Rows (JSON, id, sort value), one more than requested, to know whether the list ends."""
    direction, beyond = ("DESC", "<") if order.descending else ("ASC", ">")
    where = ["company = ?", "kind = ?", *(condition.sql for condition in conditions)]
    values: list[object] = [books.company.number, kind.name]
    for condition in conditions:
        values.extend(condition.values)
    if after is not None:
        where.append(f"({order.column}, id) {beyond} (?, ?)")
        values.extend(after)
    if call.fault == "missing_from_list":
        where.append("id <> (SELECT id FROM objects WHERE company = ? AND kind = ? ORDER BY created_at DESC LIMIT 1)")
        values.extend((books.company.number, kind.name))
    query = f"""SELECT body, id, {order.column} FROM objects WHERE {" AND ".join(where)}
        ORDER BY {order.column} {direction}, id {direction} LIMIT ?"""  # noqa: S608 - columns are from our tables
    return books.sql.execute(query, (*values, limit + 1)).fetchall()


def _conditions(call: Call, kind: Kind, *, filterable: bool) -> list[Condition]:
    conditions = []
    if filterable and "filter" in call.query:
        conditions = parse_filter(kind, call.query["filter"])
    if filterable and kind.old_parameter and kind.old_parameter in call.query:
        value = call.query[kind.old_parameter]
        conditions.append(Condition(f"{kind.columns[kind.old_parameter]} = ?", (value,)))
    for name, sql in _OLD_BOUNDS.items():
        if name in call.query:
            conditions.append(Condition(sql, (clock.stamp(milliseconds_of(call, name)),)))
    return conditions


def milliseconds_of(call: Call, name: str) -> int:
    value = call.query[name]
    if not (value.isascii() and value.isdigit() and len(value) <= 13):
        raise bad_request(f"{name} must be a Unix time in milliseconds.")
    return min(int(value), 7_258_118_400_000)


def limit_of(call: Call, default: int = LIMIT_DEFAULT) -> int:
    value = call.query.get("limit", str(default))
    if not (value.isascii() and value.isdigit() and len(value) <= 3 and 1 <= int(value) <= LIMIT_MAX):
        raise bad_request(f"limit must be a whole number from 1 to {LIMIT_MAX}.")
    return int(value)


def _walk_digest(kind: Kind, order: Order, conditions: list[Condition]) -> str:
    """Ties a cursor to its list: another filter or sort with it is refused."""
    text = repr((kind.name, order.column, order.descending, [(one.sql, one.values) for one in conditions]))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _write_cursor(walk: str, value: object, record_id: str) -> str:
    return base64.urlsafe_b64encode(encode([walk, value, record_id])).decode()


def _read_cursor(cursor: str, walk: str) -> tuple[object, str]:
    try:
        found, value, record_id = decode(base64.urlsafe_b64decode(cursor.encode("ascii")))
    except (ValueError, TypeError):
        raise bad_request("The cursor is not one that this list gave.", "INVALID_CURSOR") from None
    # A whole number beyond what the database holds was never in a cursor of ours.
    known = isinstance(value, str) or (isinstance(value, int) and abs(value) < 2**63)
    if not known or not isinstance(record_id, str):
        raise bad_request("The cursor is not one that this list gave.", "INVALID_CURSOR")
    if found != walk:
        raise bad_request("The cursor belongs to a list with another filter or sort.", "INVALID_CURSOR")
    return value, record_id


def read_object(books: Books, call: Call, kind: Kind, record_id: str) -> Response:
    truth_of(call, "force_fetch")
    column = _id_column(books, call)
    query = f"SELECT body FROM objects WHERE company = ? AND kind = ? AND {column} = ?"  # noqa: S608
    row = books.sql.execute(query, (books.company.number, kind.name, record_id)).fetchone()
    if row is None:
        raise gone(kind.label)
    return _single(kind, row[0], books.company)


def _id_column(books: Books, call: Call) -> str:
    id_type = call.query.get("id_type", "rutter")
    if id_type not in {"rutter", "platform"}:
        raise bad_request("id_type must be rutter or platform.")
    ignored = books.company.platform in PLATFORMS_WITHOUT_FILTERS
    return "platform_id" if id_type == "platform" and not ignored else "id"


def read_company_info(books: Books, call: Call) -> Response:
    truth_of(call, "force_fetch")
    expand = wants_platform_data(call)
    query = "SELECT body FROM objects WHERE company = ? AND kind = 'company_info'"
    row = books.sql.execute(query, (books.company.number,)).fetchone()
    if row is None:
        raise gone("company info")
    return _single(KINDS["company_info"], _expanded(row[0]) if expand else row[0], books.company)


def _single(kind: Kind, body: bytes, company: Company) -> Response:
    parts = (b'{"', kind.name.encode(), b'":', body, b',"connection":', connection_of(company), b"}")
    return Response(200, b"".join(parts))


def _expanded(body: bytes) -> bytes:
    """Adds the raw platform object, which here is only a marked copy of the ids."""
    platform_id = decode(body).get("platform_id")
    return body[:-1] + b',"platform_data":' + encode({"Id": platform_id, "sandbox": True}) + b"}"
