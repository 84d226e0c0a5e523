"""The filter and sort expressions of lists, read into SQL with every value bound."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from rutter_sandbox import clock
from rutter_sandbox.errors import bad_request
from rutter_sandbox.kinds import Kind
from rutter_sandbox.money import in_thousandths

FILTER_MAX = 4000
_COMPARISON = re.compile(
    r"""(?P<field>[a-z_]+)\s*(?P<operator>!=|>=|<=|=|~|>|<)\s*
        (?:"(?P<text>(?:[^"\\]|\\.)*)"|(?P<bare>-?[0-9]{1,15}(?:\.[0-9]{1,15})?|true|false|null))""",
    re.VERBOSE,
)
_MOMENTS = frozenset({"created_at", "updated_at", "last_synced_at", "due_date"})


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison as SQL over a known column, and the values bound to it."""

    sql: str
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """The column a list is walked along; ties are broken by id in the same direction."""

    column: str
    descending: bool


DEFAULT_ORDER = Order("updated_at", descending=True)


def parse_filter(kind: Kind, expression: str) -> list[Condition]:
    """`field="text" AND field>"2024-01-01"`: what is known of the grammar, and 400 for anything else."""
    if len(expression) > FILTER_MAX:
        raise bad_request("The filter is too long.", "INVALID_FILTER")
    conditions, position = [], 0
    while True:
        match = _COMPARISON.match(expression, position)
        if not match:
            raise bad_request(f"The filter cannot be read at character {position + 1}.", "INVALID_FILTER")
        conditions.append(_condition(kind, match))
        position = match.end()
        if position == len(expression):
            return conditions
        if not expression.startswith(" AND ", position):
            raise bad_request("Comparisons in a filter are joined by AND, in capitals.", "INVALID_FILTER")
        position += len(" AND ")


def _condition(kind: Kind, match: re.Match[str]) -> Condition:
    field, operator = match["field"], match["operator"]
    column = kind.columns.get(field)
    if column is None:
        raise bad_request(f"{kind.plural} cannot be filtered by {field}.", "INVALID_FILTER")
    if match["text"] is None and match["bare"] in {"true", "false", "null"}:
        raise bad_request(f"{field} cannot be compared with {match['bare']}.", "INVALID_FILTER")
    value = re.sub(r"\\(.)", r"\1", match["text"]) if match["text"] is not None else match["bare"]
    return _compare(column, operator, value, field)


def _compare(column: str, operator: str, value: str, field: str) -> Condition:
    if operator == "~":
        if column == "balance_thousandths" or field in _MOMENTS:
            raise bad_request(f"{field} cannot be matched in part.", "INVALID_FILTER")
        return Condition(f"instr({column}, ?) > 0", (value,))
    if column == "balance_thousandths":
        return _compare_balance(operator, value)
    if field in _MOMENTS:
        return _compare_moment(column, operator, value, field)
    return Condition(f"{column} {operator} ?", (value,))


def _compare_moment(column: str, operator: str, value: str, field: str) -> Condition:
    try:
        moment = clock.parse_moment(value)
    except ValueError:
        raise bad_request(f"{field} must be compared with an ISO 8601 timestamp.", "INVALID_FILTER") from None
    return Condition(f"({column} {operator} ? AND {column} <> '')", (moment,))


def _compare_balance(operator: str, value: str) -> Condition:
    """Balances are compared in thousandths, which hold every currency exactly, whatever its decimals."""
    if not re.fullmatch(r"-?[0-9]{1,13}(\.[0-9]{1,3})?", value):
        raise bad_request("balance must be compared with a number.", "INVALID_FILTER")
    return Condition(f"balance_thousandths {operator} ?", (in_thousandths(Decimal(value)),))


def parse_sort(kind: Kind, expression: str) -> Order:
    """`field`, `field ASC` or `field DESC`; the direction left out means ascending."""
    field, blank, direction = expression.partition(" ")
    column = kind.columns.get(field)
    if column is None:
        raise bad_request(f"{kind.plural} cannot be sorted by {field[:50]}.", "INVALID_SORT")
    if blank and direction not in {"ASC", "DESC"}:
        raise bad_request("The direction of a sort is ASC or DESC.", "INVALID_SORT")
    return Order(column, descending=direction == "DESC")
