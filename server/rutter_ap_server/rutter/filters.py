"""Filter and sort expressions in the forms Rutter is known to accept, and no others (Rutter docs: Filtering Objects).

Known are `=`, `~` and `>` joined by ` AND `, with strings and timestamps in double quotes. Some platforms silently
ignore filters; so a filter built here can also test whether a record matches it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from rutter_ap_server.rutter.errors import InvalidInput
from rutter_ap_server.rutter.models.base import is_sane
from rutter_ap_server.rutter.wire import instant_text

FilterValue = str | Decimal | int | date
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_SORT = re.compile(r"([a-z][a-z0-9_]{0,63})(?: (ASC|DESC))?", re.ASCII)
TEXT_CHARACTERS_MAX = 500


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison."""

    field: str
    operator: Literal["=", "~", ">"]
    value: FilterValue

    @property
    def text(self) -> str:
        return f"{self.field}{self.operator}{_literal(self.value)}"

    def matches(self, record: object) -> bool:
        """Whether a record satisfies the comparison. Case matters, as it does upstream."""
        found = getattr(record, self.field, None)
        if found is None:
            return False
        if self.operator == "~":
            return str(self.value) in str(found)
        left, right = _comparable(found), _comparable(self.value)
        if type(left) is not type(right):
            return False
        return bool(left == right) if self.operator == "=" else bool(left > right)  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class Filter:
    """Comparisons that must all hold. Made by `equal`, `contains` and `above`, joined by `&`."""

    terms: tuple[Term, ...]

    def __and__(self, other: Filter) -> Filter:
        if not isinstance(other, Filter):
            raise InvalidInput("A filter can be joined only with another.")
        return Filter(self.terms + other.terms)

    @property
    def text(self) -> str:
        """The expression as it is sent, not yet percent-encoded."""
        return " AND ".join(term.text for term in self.terms)

    def matches(self, record: object) -> bool:
        return all(term.matches(record) for term in self.terms)


def equal(field: str, value: FilterValue) -> Filter:
    """`field="value"`: equal to the value."""
    return _filter(field, "=", value)


def contains(field: str, part: str) -> Filter:
    """`field~"part"`: the text contains this part."""
    if not isinstance(part, str):
        raise InvalidInput("A part to look for must be a text.")
    return _filter(field, "~", part)


def above(field: str, value: FilterValue) -> Filter:
    """`field>"value"`: greater, or later. Not "greater or equal": that form is not confirmed."""
    return _filter(field, ">", value)


def ascending(field: str) -> str:
    """`field ASC`. By `updated_at` this is the order for a full walk: objects that change reappear at the end."""
    return f"{_checked_field(field)} ASC"


def descending(field: str) -> str:
    """`field DESC`. By `updated_at` this is Rutter's default; a walk in this order misses changes made during it."""
    return f"{_checked_field(field)} DESC"


def sort_text(sort: str, sortable: frozenset[str] | None) -> str:
    """A checked sort expression. Raises `InvalidInput`."""
    match = _SORT.fullmatch(sort) if isinstance(sort, str) else None
    if match is None:
        raise InvalidInput("The sort must be a field followed by ASC or DESC.")
    _check_allowed(match[1], sortable, "sort by")
    return sort


def filter_text(expression: Filter | str, filterable: frozenset[str] | None) -> str:
    """A checked filter expression. A string is sent unchanged. Raises `InvalidInput`."""
    if isinstance(expression, str):
        if not expression.strip():
            raise InvalidInput("The filter is empty.")
        return expression
    if not isinstance(expression, Filter):
        raise InvalidInput("A filter is made by equal, contains and above, or is a text.")
    for term in expression.terms:
        _check_allowed(term.field, filterable, "filter by")
    return expression.text


def _check_allowed(field: str, allowed: frozenset[str] | None, verb: str) -> None:
    if allowed is not None and field not in allowed:
        raise InvalidInput(f"Rutter cannot {verb} {field} here; it can by: {', '.join(sorted(allowed))}.")


def _filter(field: str, operator: Literal["=", "~", ">"], value: FilterValue) -> Filter:
    term = Term(_checked_field(field), operator, value)
    _literal(value)
    return Filter((term,))


def _checked_field(field: str) -> str:
    if not is_field(field):
        raise InvalidInput("A field to filter or sort by must be a lower-case name.")
    return field


def is_field(name: object) -> bool:
    """Whether it could be the name of one of Rutter's fields."""
    return isinstance(name, str) and _FIELD.fullmatch(name) is not None


def _literal(value: FilterValue) -> str:
    if isinstance(value, str):
        if len(value) > TEXT_CHARACTERS_MAX or not value.isprintable():
            raise InvalidInput(f"A text to filter by must be at most {TEXT_CHARACTERS_MAX} printable characters.")
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, date):
        return f'"{instant_text(value)}"'
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        raise InvalidInput("A value to filter by must be a string, a date or an exact number.")
    number = Decimal(value)
    if not is_sane(number):
        raise InvalidInput("A number to filter by must be finite.")
    return format(number, "f")


def _comparable(value: object) -> object:
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, date):
        return instant_text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    return value
