"""How often the practice companies fill each documented field, and which of the documented statuses occur.

The fields are those of the client's models, which name what Rutter documents. A field counts as filled in an object
when it holds something: no null, no empty text or list, no zero, no false.
"""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from rutter_ap_server.rutter.collections import ENDPOINTS
from rutter_ap_server.rutter.models.base import Part
from rutter_ap_server.rutter.models.company import CompanyInfo
from rutter_sandbox.jsons import decode
from support.seeded import seeded_sandbox

TODAY = date(2026, 3, 16)

_Books = dict[str, list[dict[str, Any]]]


def fills() -> dict[str, dict[str, int]]:
    """For each kind, such as "bill", how many of its objects fill each field, over all practice companies.

    Nested fields are named by their path, such as "line_items.item.quantity". Objects are under "*".
    """
    counted = {}
    for kind, model in _models().items():
        objects = [one for books in practice_books().values() for one in books.get(kind, [])]
        counted[kind] = {"*": len(objects)} | {path: _count(objects, path) for path in _paths(model)}
    return counted


def fills_of(company: str) -> dict[str, dict[str, int]]:
    """The same of one practice company, by its name."""
    books = practice_books()[company]
    return {
        kind: {"*": len(books.get(kind, []))} | {path: _count(books.get(kind, []), path) for path in _paths(model)}
        for kind, model in _models().items()
    }


def values(kind: str, field: str) -> Counter[str | None]:
    """How often each value of a field occurs among all objects of a kind; null is None."""
    objects = [one for books in practice_books().values() for one in books.get(kind, [])]
    return Counter(one.get(field) for one in objects)


@cache
def practice_books() -> dict[str, _Books]:
    """What every practice company holds: by the company's name and by kind, the objects as they are on the wire."""
    sandbox = seeded_sandbox(today=TODAY)
    try:
        with sandbox._database.reading() as tx:
            query = """SELECT COALESCE(c.name, c.store_name), o.kind, o.body FROM objects o
                JOIN companies c ON c.number = o.company ORDER BY c.number, o.created_at, o.id"""
            found: dict[str, _Books] = {}
            for name, kind, body in tx.sql.execute(query):
                found.setdefault(name, {}).setdefault(kind, []).append(decode(body))
            return found
    finally:
        sandbox.close()


def _models() -> dict[str, type[Part]]:
    return {endpoint.one: endpoint.record for endpoint in ENDPOINTS} | {"company_info": CompanyInfo}


def _paths(model: type[Part]) -> Iterator[str]:
    """The fields of a model as Rutter writes them, and below them those of its parts."""
    hints = get_type_hints(model)
    for field in msgspec.structs.fields(model):
        yield field.encode_name
        part = _part_in(hints[field.name])
        if part is not None:
            yield from (f"{field.encode_name}.{below}" for below in _paths(part))


def _part_in(hint: Any) -> type[Part] | None:
    """The model within an annotation such as `tuple[BillLine, ...]` or `LineItem | None`."""
    if isinstance(hint, type) and not isinstance(hint, types.GenericAlias) and issubclass(hint, Part):
        return hint
    nested = get_args(hint) if get_origin(hint) is not None else ()
    return next((found for one in nested if (found := _part_in(one)) is not None), None)


def _count(objects: list[dict[str, Any]], path: str) -> int:
    names = path.split(".")
    return sum(any(_held(one, names)) for one in objects)


def _held(value: Any, names: list[str]) -> Iterator[bool]:
    if isinstance(value, list) and names:
        for one in value:
            yield from _held(one, names)
    elif names:
        yield from _held(value.get(names[0]), names[1:]) if isinstance(value, dict) else ()
    else:
        yield bool(value)
