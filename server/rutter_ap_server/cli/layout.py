"""Lays text out in columns of a terminal: wrapped, never shortened, and harmless whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.text import Text

from rutter_ap_tools.people import in_our_words

DIM, BOLD = "dim", "bold"
GAP = 2
INDENT = 2
# A column is not made narrower than its longest word, up to this; otherwise each row becomes a block.
_WORD_COLUMNS_MAX = 24
_TEXT_COLUMNS_MIN = 10
# A table with taller rows is harder to read than blocks.
_ROW_LINES_MAX = 4
_LABEL_COLUMNS_MAX = 30
_VALUE_COLUMNS_MIN = 24
_FIRST_COLUMNS_MAX = 20
_AMOUNT = re.compile(r"-?[\d.,]+( [A-Z]{3})?( too much)?")
_CURRENCY = re.compile(r"[A-Z]{3}(?![A-Za-z])")
_ID = re.compile(r" ?\(([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\)")
_WHOLE_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Cell:
    """A text to be shown, and the record ids that were in it, which follow on a line of their own."""

    text: str
    ids: tuple[str, ...] = field(default=())

    @property
    def is_amount(self) -> bool:
        """Whether it is one amount, which is aligned right and never broken."""
        return bool(_AMOUNT.fullmatch(self.text))

    @property
    def is_id(self) -> bool:
        """Whether it is one record id."""
        return bool(_WHOLE_ID.fullmatch(self.text))


def visible(text: str) -> str:
    """The text with everything a terminal would obey, or not show, written out: `\\u001b` for an escape."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text)


def cell(text: str, *, apart: bool = True) -> Cell:
    """A cell of this text; `apart` takes its record id out, if there is exactly one that only we can have put there."""
    shown, found = visible(text), []

    def take(ours: str) -> str:
        found.extend(_ID.findall(ours))
        return _ID.sub("", ours)

    without = in_our_words(shown, take) if apart else shown
    return Cell(without, tuple(found)) if len(found) == 1 else Cell(shown)


def wrapped(text: str, columns: int | None) -> list[str]:
    """The text in lines of at most so many columns; an amount stays with its currency. None does not wrap."""
    if columns is None or cell_len(text) <= columns:
        return [text]
    lines, current = [], ""
    for space, word in _words(text):
        if current and cell_len(current) + len(space) + cell_len(word) <= columns:
            current += space + word
            continue
        if current:
            lines.append(current)
        *whole, current = _chopped(word, columns)
        lines += whole
    return [*lines, current]


def _words(text: str) -> Iterator[tuple[str, str]]:
    """Each word with the spaces before it."""
    before, word = "", ""
    for space, next_word in re.findall(r"( *)([^ ]+)", text):
        if word and word[-1].isdigit() and space == " " and _CURRENCY.match(next_word):
            word += space + next_word
            continue
        if word:
            yield before, word
        before, word = space, next_word
    yield before, word


def _chopped(word: str, columns: int) -> list[str]:
    parts, current, used = [], "", 0
    for one in word:
        wide = cell_len(one)
        if current and used + wide > columns:
            parts.append(current)
            current, used = "", 0
        current, used = current + one, used + wide
    return [*parts, current]


def padded(text: str, columns: int, *, right: bool = False) -> str:
    """The text filled up with spaces to so many columns."""
    space = " " * max(columns - cell_len(text), 0)
    return space + text if right else text + space


def paragraph(text: str, columns: int | None, *, indent: int = 0, hang: int = 0, style: str = "") -> list[Text]:
    """A text, indented on each of its lines, and by `hang` more on all but the first."""
    inner = None if columns is None else max(columns - indent - hang, _VALUE_COLUMNS_MIN)
    lines = wrapped(visible(text), inner)
    return [Text(" " * (indent + (hang if number else 0))).append(one, style) for number, one in enumerate(lines)]


def pairs(rows: Sequence[tuple[str, Cell]], columns: int | None, *, prominent: Collection[str] = ()) -> list[Text]:
    """Labels and values; a long value continues in its own column, and its record id follows there."""
    label_columns = min(max((cell_len(label) for label, _ in rows), default=0), _LABEL_COLUMNS_MAX)
    start = INDENT + label_columns + GAP
    inner = None if columns is None else max(columns - start, _VALUE_COLUMNS_MIN)
    lines = []
    for label, value in rows:
        labels = wrapped(visible(label), None if columns is None else label_columns)
        style = BOLD if label in prominent else DIM if value.is_id else ""
        values = [(one, style) for one in wrapped(value.text, inner)]
        values += [(f"id {one}", DIM) for one in value.ids]
        for number in range(max(len(labels), len(values))):
            left = padded(labels[number] if number < len(labels) else "", label_columns)
            text, style = values[number] if number < len(values) else ("", "")
            lines.append(_line((" " * INDENT + left + " " * GAP, ""), (text, style)))
    return lines


def rows_of(heads: Sequence[str], rows: Sequence[Sequence[Cell]], columns: int | None) -> list[Text]:
    """A table if it fits; otherwise each row as a block, with the names of the columns inside."""
    widths = _widths(heads, rows, columns)
    return _blocks(heads, rows, columns) if widths is None else _table(heads, rows, widths)


def _widths(heads: Sequence[str], rows: Sequence[Sequence[Cell]], columns: int | None) -> list[int] | None:
    """How wide each column is in a table of at most so many columns; None if a table would be hard to read."""
    whole = [max(map(cell_len, [heads[n], *(row[n].text for row in rows)])) for n in range(len(heads))]
    if columns is None:
        return whole
    left = columns - INDENT - GAP * (len(heads) - 1)
    if sum(whole) <= left:
        return whole
    least = [_least(heads[n], [row[n] for row in rows], whole[n]) for n in range(len(heads))]
    spare, wanted = left - sum(least), sum(whole) - sum(least)
    if spare < 0:
        return None
    widths = [low + (high - low) * spare // wanted for low, high in zip(least, whole, strict=True)]
    tall = max(len(wrapped(one.text, width)) for row in rows for one, width in zip(row, widths, strict=True))
    return widths if tall <= _ROW_LINES_MAX else None


def _least(head: str, cells: Sequence[Cell], whole: int) -> int:
    if any(one.is_amount or one.is_id for one in cells):
        return whole
    words = [word for text in (head, *(one.text for one in cells)) for _, word in _words(text)]
    longest = min(max(map(cell_len, words), default=0), _WORD_COLUMNS_MAX)
    return min(whole, max(longest, _TEXT_COLUMNS_MIN))


def _table(heads: Sequence[str], rows: Sequence[Sequence[Cell]], widths: Sequence[int]) -> list[Text]:
    right = [
        any(row[n].is_amount for row in rows) and all(row[n].is_amount or not row[n].text for row in rows)
        for n in range(len(heads))
    ]
    lines = _row([Cell(visible(head)) for head in heads], widths, right, DIM)
    for row in rows:
        lines += _row(row, widths, right, "")
        ids = [f"{head} {one}" for head, own in zip(heads, row, strict=True) for one in own.ids]
        lines += [Text(" " * (INDENT + GAP)).append(f"id of the {one}", DIM) for one in ids]
    return lines


def _row(cells: Sequence[Cell], widths: Sequence[int], right: Sequence[bool], style: str) -> list[Text]:
    parts = [wrapped(one.text, width) for one, width in zip(cells, widths, strict=True)]
    lines = []
    for number in range(max(map(len, parts))):
        shown = [
            padded(own[number] if number < len(own) else "", width, right=is_right)
            for own, width, is_right in zip(parts, widths, right, strict=True)
        ]
        lines.append(_line((" " * INDENT + (" " * GAP).join(shown), style)))
    return lines


def _blocks(heads: Sequence[str], rows: Sequence[Sequence[Cell]], columns: int | None) -> list[Text]:
    """Each row as a block: its first column on the left, the others beside it by name, and record ids last."""
    order = [n for n in range(len(heads)) if not any(row[n].is_id for row in rows)]
    order += [n for n in range(len(heads)) if n not in order]
    first, *others = order
    start = max(cell_len(row[first].text) for row in rows)
    beside = start <= _FIRST_COLUMNS_MAX
    indent = INDENT + (start + GAP if beside else GAP)
    lines = []
    for row in rows:
        block: list[Text] = []
        for n in others:
            if row[n].text:
                style = DIM if row[n].is_id else ""
                block += paragraph(f"{heads[n]}: {row[n].text}", columns, indent=indent, hang=GAP, style=style)
        ids = [(heads[n], one) for n in order for one in row[n].ids]
        block += [Text(" " * indent).append(f"id of the {head} {one}", DIM) for head, one in ids]
        lead = row[first].text
        if beside and block:
            shown = padded(lead, start, right=row[first].is_amount)
            block[0] = Text(" " * INDENT).append(shown, BOLD).append_text(block[0][INDENT + start :])
        else:
            block[:0] = paragraph(lead, columns, indent=INDENT, hang=GAP, style=BOLD)
        lines += block
    return lines


def _line(*parts: tuple[str, str]) -> Text:
    """One line without spaces at its end."""
    line = Text.assemble(*parts)
    line.rstrip()
    return line
