"""Shows statements and lists to a person: fitted to the terminal, amounts aligned, nothing shortened."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rutter_ap_server.cli.output import for_people
from rutter_ap_tools.statement import Section, Statement

_AMOUNT = re.compile(r"-?[\d.,]+( [A-Z]{3})?")
# A pipe has no width: a program that reads the output must find each row on one line.
_PIPE_COLUMNS = 100_000
_LABEL_COLUMNS_MAX = 34


def show_statement(statement: Statement, stream: TextIO | None = None) -> None:
    """Every section of a statement, whole; long values continue on the next line."""
    console = _console(stream or sys.stdout)
    for section in statement.sections:
        console.print(Text(section.title, style="bold"))
        shown = (
            _table(section.columns, section.rows)
            if section.columns
            else _pairs(section, None if console.width == _PIPE_COLUMNS else _LABEL_COLUMNS_MAX)
        )
        console.print(Padding(shown, (0, 0, 0, 2), expand=False))


def show_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout; a cell that does not fit continues below, in its own column."""
    _console(sys.stdout).print(_table(heads, rows))


def _console(stream: TextIO) -> Console:
    width = None if stream.isatty() else _PIPE_COLUMNS
    # Nothing in these texts is markup, an emoji or a number to colour: outsiders wrote some of them.
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False, soft_wrap=False)


def _pairs(section: Section, label_columns_max: int | None) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(max_width=label_columns_max, overflow="fold")
    grid.add_column(overflow="fold")
    for label, value in section.rows:
        grid.add_row(Text(label), _text(value))
    return grid


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for number, head in enumerate(heads):
        cells = [row[number] for row in rows if row[number]]
        is_amount = bool(cells) and all(_AMOUNT.fullmatch(cell) for cell in cells)
        table.add_column(Text(head), justify="right" if is_amount else "left", overflow="fold", no_wrap=is_amount)
    for row in rows:
        table.add_row(*map(_text, row))
    return table


def _text(cell: str) -> Text:
    """A cell with its amounts as people write them. What outsiders wrote stays exactly as it is."""
    return Text(cell if "‹" in cell else for_people(cell))
