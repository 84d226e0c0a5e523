"""The rows of the documented surface: one for each thing Rutter's three pages name, and who honours it how.

`tests/surface/*.toml` holds them, a file for each page and a table for each of its sections. A row has a cell for the
client, the sandbox and the tools. A cell is a list of places in the program and of tests that prove it, and perhaps a
sentence that limits it; or a sentence that says why it is left out; or `as` and the row that speaks for it. What most
rows of a section share stands at its head.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from support.surface.items import Item

FOLDER = Path(__file__).parents[2] / "surface"
DOCUMENTS = {"guide": "AP guide", "bills": "Bills", "bill_payments": "Bill payments"}
COLUMNS = ("client", "sandbox", "tools")
_AS = "as "


@dataclass(frozen=True, slots=True)
class Cell:
    """How one column honours a row: where, proved by which tests; or the reason why not; or by which other row.

    A test is named by its file below tests/ and by its own name, as pytest does it.
    """

    places: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    remark: str = ""
    reason: str = ""
    same_as: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One item, in our own words where its name says too little. `pending` says what has still to be built."""

    item: Item
    title: str
    says: str
    cells: dict[str, Cell]
    pending: str = ""


@cache
def rows() -> tuple[Row, ...]:
    """Every row, in the order of the pages."""
    return tuple(row for document in DOCUMENTS for row in _rows_of(document))


def settled(document: str, section: str) -> list[Row]:
    """The rows of one section that wait for nothing."""
    return [row for row in rows() if (row.item.document, row.item.section) == (document, section) and not row.pending]


def fields_of_body(document: str, one: str) -> list[Row]:
    """The rows about fields of what is created."""
    return [row for row in settled(document, "create") if row.item.name.startswith(f"{one}.")]


def by_name(row: Row) -> str:
    """What a test calls a row."""
    return row.item.name


def resolved(row: Row, column: str) -> Cell:
    """The cell itself, whichever row speaks for it."""
    cell = row.cells[column]
    if not cell.same_as:
        return cell
    return next(other for other in rows() if str(other.item) == cell.same_as).cells[column]


def _rows_of(document: str) -> list[Row]:
    tables = tomllib.loads((FOLDER / f"{document}.toml").read_text(encoding="utf-8"))
    return [
        _row(document, section, key, table["title"], {c: table.get(c) for c in COLUMNS}, given)
        for section, table in tables.items()
        for key, given in table["rows"].items()
    ]


def _row(document: str, section: str, key: str, title: str, shared: dict[str, Any], given: dict[str, Any]) -> Row:
    name, _, note = key.partition("#")
    item = Item(document, section, name, int(note or 0))
    if "as" in given:
        cells = dict.fromkeys(COLUMNS, Cell(same_as=given["as"]))
    else:
        named = {"name": name, "field": name.partition(".")[2], "shown": given.get("shown", "")}
        cells = {column: _filled(given.get(column, shared[column]), named) for column in COLUMNS}
    return Row(item, title, given.get("says", ""), cells, given.get("pending", ""))


def _filled(value: list[str] | str | None, named: dict[str, str]) -> Cell:
    if value is None:
        return Cell()
    if isinstance(value, str):
        return Cell(same_as=value.removeprefix(_AS)) if value.startswith(_AS) else Cell(reason=value)
    texts = [text.format(**named) for text in value]
    tests = tuple(_test(text) for text in texts if "::" in text)
    remarks = [text for text in texts if "::" not in text and text.endswith(".")]
    places = tuple(text for text in texts if "::" not in text and text not in remarks)
    return Cell(places, tests, " ".join(remarks))


def _test(short: str) -> str:
    """`rutter/reads::a_name` stands for `rutter/test_reads.py::test_a_name`."""
    path, _, name = short.partition("::")
    folder, _, file = path.rpartition("/")
    return f"{folder}/test_{file}.py::test_{name}"
