"""Records of the practice Rutter made unusable, as old or imported records of real ledgers are."""

from __future__ import annotations

import json
from typing import Any

from rutter_sandbox import Sandbox

GONE = object()


def spoil(sandbox: Sandbox, record_id: str, **changes: Any) -> None:
    """Changes the JSON of a record, and only that: the sandbox still finds it where it was. `GONE` drops a field.

    A text that begins with "json:" is put there as it is, so that a number keeps all of its digits.
    """
    sql = sandbox._database._connection
    (body,) = sql.execute("SELECT body FROM objects WHERE id = ?", (record_id,)).fetchone()
    whole = json.loads(body, parse_float=_Number, parse_int=_Number)
    whole = {key: value for key, value in (whole | changes).items() if value is not GONE}
    sql.execute("UPDATE objects SET body = ? WHERE id = ?", (_dumped(whole).encode(), record_id))
    sql.commit()


class _Number(str):
    """A number as it was written."""


def _dumped(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_dumped(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_dumped, value)) + "]"
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, str) and value.startswith("json:"):
        return value.removeprefix("json:")
    return json.dumps(value)


def multiply(sandbox: Sandbox, record_id: str, count: int, *, prefix: str = "copy", **changes: str) -> None:
    """Puts so many copies of a record beside it, under numbers of their own."""
    sql = sandbox._database._connection
    columns = [row[1] for row in sql.execute("PRAGMA table_info(objects)")]
    row = dict(zip(columns, sql.execute("SELECT * FROM objects WHERE id = ?", (record_id,)).fetchone(), strict=True))
    rows = []
    for copy in range(count):
        named = {
            "id": f"{prefix}-{copy}",
            "platform_id": f"{prefix}-p-{copy}",
            "document_number": f"COPY-{copy}-Z",
        } | changes
        body = json.loads(row["body"], parse_float=_Number, parse_int=_Number) | named
        shown = {name: value for name, value in named.items() if name in row}
        rows.append(tuple((row | shown | {"body": _dumped(body).encode()}).values()))
    sql.executemany(f"INSERT INTO objects VALUES ({', '.join('?' * len(columns))})", rows)
    sql.commit()
