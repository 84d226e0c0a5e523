"""The list of proposals at a terminal, apart for each kind of books, so that practice never looks like real money."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.text import Text

from rutter_ap_server.cli.layout import BOLD, DIM, GAP, INDENT, cell, padded, paragraph, rows_of, visible
from rutter_ap_server.cli.output import money
from rutter_ap_server.cli.screen import Screen
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.people import BOOKS, for_people, length_of
from rutter_ap_tools.text import clean

_HEADS = ("id", "state", "amount", "released", "age", "expires", "company", "what", "prepared by")
# The columns of the first line of a proposal; what it is, and whose, follow on lines of their own.
_SHORT = 6
# Enough of an id to type; every command takes a prefix.
ID_CHARACTERS = 8


def show_books(found: Sequence[Proposal], counts: Mapping[str, int], now: datetime) -> None:
    """The proposals, one table for each environment; `counts` are the people who have released each."""
    screen = Screen(sys.stdout)
    for environment, title in BOOKS.items():
        rows = [_row(one, counts.get(one.id, 0), now) for one in found if one.environment == environment]
        if rows:
            screen.show([Text(title, BOLD), *_lines(rows, screen.columns)])


def _lines(rows: Sequence[tuple[str, ...]], columns: int | None) -> list[Text]:
    """In a pipe a line for each proposal; at a terminal its figures on one line, and the words below."""
    if columns is None:
        return rows_of(_HEADS, [[cell(one, apart=False) for one in row] for row in rows], None)
    figures = [_HEADS[:_SHORT], *(row[:_SHORT] for row in rows)]
    widths = [max(len(row[n]) for row in figures) for n in range(_SHORT)]
    lines = [_figures(_HEADS[:_SHORT], widths, DIM)]
    indent = INDENT + widths[0] + GAP
    for row in rows:
        company, what, preparer = row[_SHORT:]
        lines.append(_figures(row, widths, BOLD))
        lines += paragraph(what, columns, indent=indent, hang=GAP)
        lines += paragraph(f"{company}, prepared by {preparer}", columns, indent=indent, hang=GAP, style=DIM)
    return lines


def _figures(row: Sequence[str], widths: Sequence[int], style: str) -> Text:
    parts = [padded(visible(row[n]), width, right=_HEADS[n] == "amount") for n, width in enumerate(widths)]
    line = Text(" " * INDENT).append((" " * GAP).join(parts), style)
    line.rstrip()
    return line


def _row(one: Proposal, released: int, now: datetime) -> tuple[str, ...]:
    late = one.state == State.HELD and one.expires_at <= now
    return (
        one.id[:ID_CHARACTERS],
        "expired" if late else one.state.value,
        money(one.money) if one.money else "no amount",
        f"{released} of {one.approvals_needed}" if one.approvals_needed else "not needed",
        length_of(now - one.created_at),
        f"in {length_of(one.expires_at - now)}" if one.state == State.HELD and not late else "",
        f"{clean(one.company_name, 60)} ({one.environment})",
        for_people(clean(one.summary, 1000)),
        clean(one.preparer, 100),
    )
