"""Every documented property of bills and bill payments: filled by the practice companies, read and shown exactly."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from rutter_ap_server.reads.bill_detail import bill_detail
from rutter_ap_server.reads.payments import list_payments
from rutter_ap_tools.payments import ListPayments
from support.practice_company import practice
from support.surface.books import KINDS, Seen, everything, fills, values
from support.surface.measure import field_type
from support.surface.rows import Row, rows, settled

PROPERTIES = [row for document in KINDS for row in settled(document, "properties") if not row.item.note]
SHOWN_OF_EACH = 2


def _ids(row: Row) -> str:
    return f"{row.item.document}.{row.item.name}"


@pytest.mark.parametrize("row", PROPERTIES, ids=_ids)
def test_the_practice_companies_fill_it(row: Row) -> None:
    count, total = fills(row.item.document, row.item.name)
    assert 0 < count <= total


@pytest.mark.parametrize("row", PROPERTIES, ids=_ids)
def test_the_client_reads_it_exactly(row: Row) -> None:
    """Value for value, of every record of every company."""
    compared = 0
    for one in everything(row.item.document):
        written = [_written(value) for value in values(one.raw, row.item.name)]
        read = [_read(value) for value in _attributes(one.read, row.item.name)]
        assert read == written, one.company
        compared += len(read)
    assert compared > 0


def _attributes(node: Any, path: str) -> Iterator[Any]:
    if isinstance(node, tuple):
        for one in node:
            yield from _attributes(one, path)
    elif path and node is not None:
        name, _, rest = path.partition(".")
        yield from _attributes(getattr(node, name), rest)
    elif node not in (None, "", {}):
        yield node


def _written(value: Any) -> Any:
    """A value as it stands in the JSON: a moment by its instant, a text by its number where it is one."""
    if isinstance(value, dict):
        return "an object"
    try:
        return Decimal(value)
    except (ArithmeticError, TypeError, ValueError):
        pass
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return value


def _read(value: Any) -> Any:
    if isinstance(value, msgspec.Struct | dict):
        return "an object"
    return _written(value) if isinstance(value, str | int) else value


@pytest.mark.parametrize("row", [row for row in PROPERTIES if row.item.name != "platform_data"], ids=_ids)
def test_its_type_is_the_one_of_its_values(row: Row) -> None:
    """An amount is exact and a moment has a zone: neither is a mere text. The platform's own record has no type."""
    kind = field_type(f"{KINDS[row.item.document]}.{row.item.name}")
    seen = [value for one in everything(row.item.document) for value in values(one.raw, row.item.name)]
    wanted: set[Any] = {msgspec.Struct} if isinstance(seen[0], dict) else {type(_written(seen[0]))}
    # A number, or a code of digits alone.
    assert kind in wanted or issubclass(kind, tuple(wanted)) or (kind, wanted) == (str, {Decimal}), kind


SHOWN = [row for row in PROPERTIES if any("::test_the_tools_show_it[" in test for test in row.cells["tools"].tests)]


@pytest.mark.parametrize("row", SHOWN, ids=_ids)
def test_the_tools_show_it(row: Row) -> None:
    shown = _shown_bills() if row.item.document == "bills" else _shown_payments()
    _, _, path = row.cells["tools"].places[0].partition(": ")
    compared = 0
    for one, answer in shown:
        written = sorted(_comparable(value) for value in values(one.raw, row.item.name))
        assert sorted(_shown(answer, path)) == written, one.company
        compared += len(written)
    assert compared > 0


@cache
def _shown_bills() -> list[tuple[Seen, dict[str, Any]]]:
    """Bills that fill every property, as get_bill answers them."""
    chosen: dict[str, Seen] = {}
    for row in rows():
        if (row.item.document, row.item.section) == ("bills", "properties"):
            filled = [one for one in everything("bills") if any(values(one.raw, row.item.name))]
            chosen |= {one.raw["id"]: one for one in filled[:SHOWN_OF_EACH]}
    return [pair for company, ones in _by_company(chosen.values()) for pair in anyio.run(_bills_of, company, ones)]


@cache
def _shown_payments() -> list[tuple[Seen, dict[str, Any]]]:
    """Every payment, as list_payments answers it."""
    found = _by_company(everything("bill_payments"))
    return [pair for company, ones in found for pair in anyio.run(_payments_of, company, ones)]


def _by_company(every: Any) -> list[tuple[str, list[Seen]]]:
    found: dict[str, list[Seen]] = {}
    for one in every:
        found.setdefault(one.company, []).append(one)
    return list(found.items())


async def _bills_of(company_id: str, ones: list[Seen]) -> list[tuple[Seen, dict[str, Any]]]:
    async with practice(Path(), company_id) as (company, _):
        return [(one, _plain(await bill_detail(company, one.raw["id"]))) for one in ones]


async def _payments_of(company_id: str, ones: list[Seen]) -> list[tuple[Seen, dict[str, Any]]]:
    async with practice(Path(), company_id) as (company, _):
        listed = {row["id"]: row for row in _plain(await list_payments(company, ListPayments(limit=200)))["payments"]}
        return [(one, {"payments": [listed[one.raw["id"]]]}) for one in ones if one.raw["id"] in listed]


def _plain(answer: Any) -> dict[str, Any]:
    plain: dict[str, Any] = answer.model_dump(mode="json", by_alias=True, exclude_none=True)
    return plain


def _shown(node: Any, path: str) -> Iterator[str]:
    """What an answer shows at a path; `[kind]` picks the tags of that kind."""
    if isinstance(node, list):
        for one in node:
            yield from _shown(one, path)
    elif path and isinstance(node, dict):
        name, _, rest = path.partition(".")
        name, _, kind = name.partition("[")
        found = node.get(name)
        yield from _shown([one for one in found or [] if one["kind"] == kind[:-1]] if kind else found, rest)
    elif isinstance(node, dict):
        yield _comparable(Decimal(node["amount"]) if "amount" in node else node["id"])
    elif node is not None:
        yield _comparable(node)


def _comparable(value: Any) -> str:
    """One way of writing for both sides: of a number its digits, of a moment its day, of a text its words."""
    if isinstance(value, dict):
        return "an object"
    written = _written(value)
    if isinstance(written, Decimal):
        return format(written.normalize(), "f")
    if isinstance(written, datetime):
        return f"{written:%Y-%m-%d}"
    return " ".join(str(value).split())
