"""Shows statements and lists to a person: what decides comes first, nothing is shortened, and no text can pretend."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TextIO

from rich.console import Console
from rich.text import Text

from rutter_ap_server.cli.layout import BOLD, DIM, INDENT, Cell, cell, pairs, paragraph, rows_of
from rutter_ap_server.guard.statement import CHANGED, CHECKS, FINDINGS
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.people import for_people
from rutter_ap_tools.statement import Section, Statement

_COLUMNS_MIN = 40
_HEADING = "Proposal"
# What follows the fields of a write, in the order in which it helps to decide. Every other section is a field.
_AFTERWARDS = (
    "What follows",
    FINDINGS,
    "Other open proposals on the same bills",
    CHECKS,
    "Limits",
    "What is known",
    "Prepared",
    "Release",
)
_ACTION, _AT_THE_END = "Action", ("Tool", "Id")
_PROMINENT = ("Amount", "Total", "Environment", FINDINGS)
# Severity is said in words and in the number of marks; colour only repeats it.
_MARKS = {
    Severity.REFUSE.label: ("!!!", "bold red"),
    Severity.APPROVE.label: ("!! ", "bold yellow"),
    Severity.ASK.label: ("!  ", "bold"),
}
_NOT_MADE = "Could not be made"
_MARK_COLUMNS = 4
# A sentence with names in it continues further right than any line of ours begins, so that no name can fake one.
_HANG = 6


class Screen:
    """Where lines are shown: as wide as the terminal, in colour only there. Otherwise every row is one line."""

    def __init__(self, stream: TextIO) -> None:
        is_terminal = stream.isatty()
        found = Console(file=stream, force_terminal=is_terminal)
        plain = not is_terminal or found.no_color or found.is_dumb_terminal
        # Nothing in these texts is markup, an emoji or a number to colour: outsiders wrote some of them.
        self._console = _Console(
            file=stream,
            force_terminal=is_terminal,
            color_system=None if plain else "standard",
            markup=False,
            emoji=False,
            highlight=False,
        )
        # Asked of the terminal itself: an exported COLUMNS may be that of another one.
        columns = 0
        if is_terminal:
            with suppress(OSError):
                columns = os.get_terminal_size(stream.fileno()).columns
        self.columns = max(columns or self._console.width, _COLUMNS_MIN) if is_terminal else None

    def show(self, lines: Sequence[Text]) -> None:
        """The lines as they are."""
        for one in lines:
            self._console.print(one, soft_wrap=True)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Whoever runs the command decides what a closed pipe means, not this library."""
        raise BrokenPipeError


def show_statement(statement: Statement, stream: TextIO | None = None, *, state: str = "") -> None:
    """Every section of a statement, whole, after the proposal's state."""
    screen = Screen(stream or sys.stdout)
    for section in _in_order(statement.sections):
        if section.title == _HEADING:
            said = f"{state.upper()}: " if state else ""
            screen.show(list(_heading(section, screen.columns, said, gist(statement))))
        else:
            screen.show(list(_shown(section, screen.columns)))
    screen.show(list(_identified(statement.sections, screen.columns)))


def show_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout, or a block for each row if the terminal is too narrow for it."""
    screen = Screen(sys.stdout)
    screen.show(rows_of(heads, [[_cell(one, screen.columns) for one in row] for row in rows], screen.columns))


def show_text(text: str, stream: TextIO | None = None, *, style: str = BOLD) -> None:
    """A sentence on lines of its own."""
    screen = Screen(stream or sys.stdout)
    screen.show(paragraph(_cell(text, None).text, screen.columns, hang=_HANG, style=style))


def _in_order(sections: Sequence[Section]) -> list[Section]:
    """What changed since a release, what would be written, and then what helps to judge it."""
    ranks = {_HEADING: -3, CHANGED: -2} | {title: number for number, title in enumerate(_AFTERWARDS)}
    return sorted(sections, key=lambda section: ranks.get(section.title, -1))


def _shown(section: Section, columns: int | None) -> Iterator[Text]:
    yield _title(section.title)
    if section.title == FINDINGS and section.columns:
        yield from _findings(section, columns)
    elif section.title == CHECKS:
        yield from _checks(section, columns)
    elif section.columns:
        yield from rows_of(section.columns, [[_cell(one, columns) for one in row] for row in section.rows], columns)
    else:
        rows = [(label, _cell(value, columns)) for label, value in section.rows]
        yield from pairs(rows, columns, prominent=_PROMINENT)


def _title(title: str) -> Text:
    is_change = title == CHANGED
    return Text(f"!! {title.upper()}" if is_change else title, "bold yellow" if is_change else BOLD)


def gist(statement: Statement) -> str:
    """How many findings there are of each severity, and checks that nobody could make: what to look at below."""
    found = [row[0] for one in statement.sections if one.title == FINDINGS and one.columns for row in one.rows]
    missing = [
        row for one in statement.sections if one.title == CHECKS for row in one.rows if row[0].startswith(_NOT_MADE)
    ]
    said = [f"!! {one.title.lower()}: {len(one.rows)}" for one in statement.sections if one.title == CHANGED]
    said += [f"{mark.strip()} {label}: {found.count(label)}" for label, (mark, _) in _MARKS.items() if label in found]
    said += [f"? checks that could not be made: {len(missing)}"] if missing else []
    return ", ".join(said) or "none"


def _heading(section: Section, columns: int | None, state: str, found: str) -> Iterator[Text]:
    """What, in whose books, and how it looks; the rest of the heading identifies it and comes at the end."""
    said = dict(section.rows)
    yield from paragraph(state + for_people(said.get(_ACTION, "")), columns, hang=_HANG, style=BOLD)
    rows = [(label, value) for label, value in section.rows if label not in (_ACTION, *_AT_THE_END)]
    shown = [*((label, Cell(_cell(value, columns).text)) for label, value in rows), (FINDINGS, Cell(found))]
    yield from pairs(shown, columns, prominent=_PROMINENT)


def _identified(sections: Sequence[Section], columns: int | None) -> Iterator[Text]:
    """The ids of the proposal and its company."""
    for section in sections:
        if section.title == _HEADING:
            rows = [(label, Cell(value)) for label, value in section.rows if label in _AT_THE_END]
            owners = [(label, _cell(value, columns).ids) for label, value in section.rows]
            rows += [(f"{label} id", Cell(one)) for label, ids in owners for one in ids]
            yield _title("Identified by")
            yield from pairs(rows, columns)


def _findings(section: Section, columns: int | None) -> Iterator[Text]:
    """Each finding under its severity and code, the most severe first."""
    for label, message, code in section.rows:
        mark, style = _MARKS.get(label, ("   ", BOLD))
        if columns is None:
            yield Text(f"  {mark} {label}: {_cell(message, columns).text} [{code}]")
            continue
        yield Text(" " * INDENT).append(f"{mark} {label.upper()}", style).append(f"  {code}", DIM)
        # The findings of a run name one bill after the other.
        for part in message.replace("; bill ", ";\nbill ").split("\n"):
            yield from paragraph(_cell(part, columns).text, columns, indent=INDENT + _MARK_COLUMNS, hang=INDENT)


def _checks(section: Section, columns: int | None) -> Iterator[Text]:
    """First what nobody could look at, then what was looked at and found right."""
    missing = [row for row in section.rows if row[0].startswith(_NOT_MADE)]
    for label, why in missing:
        said = f"?   {label.replace(_NOT_MADE, _NOT_MADE.upper())}: {for_people(why)}"
        yield from paragraph(said, columns, indent=INDENT, hang=_MARK_COLUMNS, style="bold yellow")
    for label, value in section.rows:
        if [label, value] not in missing:
            yield from paragraph(f"{label}: {value}", columns, indent=INDENT, hang=INDENT, style=DIM)


def _cell(text: str, columns: int | None) -> Cell:
    """A cell with its amounts as people write them. What outsiders wrote stays exactly as it is."""
    return cell(for_people(text), apart=columns is not None)
