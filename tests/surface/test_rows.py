"""The documented surface is whole, and what its rows say is so: every item, every place, every test, every reason."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

import msgspec
import pytest

from support.surface.books import KINDS
from support.surface.items import items, types
from support.surface.measure import field_type, is_there
from support.surface.page import PAGE, page
from support.surface.rows import COLUMNS, Cell, Row, resolved, rows

TESTS = Path(__file__).parents[1]
REASON_CHARACTERS_MIN = 30


def cells(*, settled: bool = False) -> Iterator[tuple[Row, str, Cell]]:
    """Every cell; `settled`: of the rows that wait for nothing."""
    for row in rows():
        if not (settled and row.pending):
            yield from ((row, column, row.cells[column]) for column in COLUMNS)


def test_every_item_of_the_pages_has_its_row_and_no_other() -> None:
    ours, theirs = {str(row.item) for row in rows()}, {str(item) for item in items()}
    assert ours - theirs == set(), "no page names them"
    assert theirs - ours == set(), "they have no row"
    assert len(ours) == len(rows())


def test_a_property_has_the_type_its_page_says() -> None:
    ours: dict[str, set[type]] = {
        "number": {Decimal},
        "string": {str, datetime},
        "enum": {str},
        "array": {msgspec.Struct},
        "object": {msgspec.Struct},
    }
    # A rate is printed as a number on one page and as a text on the other, and is exact here; the platform's own
    # record has no type.
    others = {"currency_rate": Decimal, "platform_data": None}
    for document, kind in KINDS.items():
        for name, (printed, is_moment) in types(document).items():
            found = field_type(f"{kind}.{name}")
            if name in others:
                assert found is others[name], name
            else:
                assert any(issubclass(found, one) for one in ours[printed]), f"{document}: {name} is {printed}"
                assert (found is datetime) == is_moment, name


def test_nothing_is_pending() -> None:
    """A row that waits is written as it will be: once it is built, its `pending` goes."""
    waiting = [f"{row.item}: {row.pending}" for row in rows() if row.pending]
    assert waiting == []


def test_every_cell_is_proved_or_has_its_reason() -> None:
    for row, column, cell in cells():
        ways = [bool(cell.tests), bool(cell.reason), bool(cell.same_as)]
        assert ways.count(True) == 1, f"{row.item}, {column}"
        assert not cell.places or cell.tests, f"{row.item}, {column}: a place is no proof"


def test_a_reason_is_a_sentence_of_its_own() -> None:
    reasons = Counter(text for _, _, cell in cells() for text in (cell.reason, cell.remark) if text)
    assert [text for text, count in reasons.items() if count > 1] == []
    short = [text for text in reasons if len(text) < REASON_CHARACTERS_MIN]
    assert short + [text for text in reasons if not re.fullmatch(r"[A-Z].*[^.]\.", text)] == []


def test_a_row_that_speaks_for_another_speaks_for_itself() -> None:
    """A reader who is sent to another row finds there what is said, and no further direction."""
    names = {str(row.item) for row in rows()}
    sent = [(row, column, cell.same_as) for row, column, cell in cells() if cell.same_as]
    assert [f"{row.item}: {other}" for row, _, other in sent if other not in names - {str(row.item)}] == []
    assert [f"{row.item}, {column}" for row, column, _ in sent if resolved(row, column).same_as] == []


def test_every_place_is_there() -> None:
    missing = [
        f"{row.item}, {column}: {place}"
        for row, column, cell in cells(settled=True)
        for place in cell.places
        if not is_there(place)
    ]
    assert missing == []


@pytest.mark.parametrize(
    "place",
    [
        "Bill.no_such_field",
        "Bill.line_items.no_such_field",
        "NoSuchModel.id",
        "bills.list(no_such_argument)",
        "bills.no_such_call()",
        "no_such_collection.list()",
        "list_bills(no_such_argument)",
        "create_bill(lines.no_such_argument)",
        "no_such_tool()",
        "get_bill: no_such_field",
        "get_bill: lines.no_such_field",
        "no_such_tool: bill",
        "words",
    ],
)
def test_a_place_that_is_not_there_is_noticed(place: str) -> None:
    assert not is_there(place)


def test_every_test_named_is_collected() -> None:
    named = {test: f"{row.item}, {column}" for row, column, cell in cells(settled=True) for test in cell.tests}
    collected = _collected(frozenset(test.partition("::")[0] for test in named))
    # A test without brackets stands for all its cases.
    known = collected | {test.partition("[")[0] for test in collected}
    assert [f"{test} ({where})" for test, where in named.items() if test not in known] == []


@cache
def _collected(files: frozenset[str]) -> frozenset[str]:
    """The ids of every test in these files, from tests/."""
    missing = [file for file in files if not (TESTS / file).is_file()]
    assert missing == []
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *(f"tests/{file}" for file in sorted(files))],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    return frozenset(line.removeprefix("tests/") for line in done.stdout.splitlines() if "::" in line)


def test_the_page_is_the_one_that_is_written() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: make docs"


def test_every_link_of_the_page_leads_somewhere() -> None:
    text = PAGE.read_text(encoding="utf-8")
    links = re.findall(r"\]\((\S+?)[ )]", text)
    assert len(links) > len(rows())
    headings = {
        f"#{heading.lower().replace(',', '').replace(' ', '-')}" for heading in re.findall(r"(?m)^###? (.+)$", text)
    }
    assert [link for link in set(links) - headings if not (PAGE.parent / link).is_file()] == []
