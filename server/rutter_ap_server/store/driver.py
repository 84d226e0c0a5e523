"""The statements of a payment's way, run by the driver itself: SQLAlchemy words each once, and is not asked again.

Running a small statement costs SQLite a few microseconds and the layers above it twenty times as many. Every statement
of the store is still SQLAlchemy's, with its parameters bound; only those made once, when a module loads, are run here.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Delete, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError

Statement = Select[Any] | Insert | Update | Delete


_SPREAD_KEPT_MAX = 16


class _Worded(NamedTuple):
    """A statement in one database's words; `order` is None where the driver takes its parameters by name."""

    text: str
    order: tuple[str, ...] | None
    given: dict[str, Any]
    spread: dict[str, list[str]]


class Rows:
    """What a statement answered: rows by the names of their columns."""

    __slots__ = ("_cursor",)

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def __iter__(self) -> Iterator[Any]:
        rows = self._cursor.fetchall()
        return map(_maker(self._cursor), rows) if rows else iter(())

    def tuples(self) -> list[tuple[Any, ...]]:
        """The rows as they are, for those who want many of them quickly."""
        return list(self._cursor.fetchall())

    def first(self) -> Any:
        """The first row, or None."""
        row = self._cursor.fetchone()
        return None if row is None else _maker(self._cursor)(row)

    @property
    def count(self) -> int:
        """How many rows were changed."""
        return int(self._cursor.rowcount)


_worded: dict[tuple[Any, ...], _Worded] = {}
_makers: dict[tuple[str, ...], Callable[[Any], Any]] = {}


def run(connection: Connection, statement: Statement, values: Mapping[str, Any] | None = None) -> Rows:
    """Runs a module's own statement in the connection's transaction. Raises `DBAPIError` as SQLAlchemy would."""
    values = values or {}
    worded = _in_words(connection.dialect, statement, values)
    parameters = {**worded.given, **values}
    for name, names in worded.spread.items():
        parameters.update(zip(names, parameters.pop(name), strict=True))
    bound = parameters if worded.order is None else [parameters[name] for name in worded.order]
    driver: Any = connection.connection.driver_connection
    try:
        cursor = driver.execute(worded.text, bound)
    except connection.dialect.loaded_dbapi.Error as error:
        if connection.dialect.is_disconnect(error, driver, None):
            connection.invalidate()
        raise DBAPIError(None, None, error, hide_parameters=True) from None
    return Rows(cursor)


def _in_words(dialect: Dialect, statement: Statement, values: Mapping[str, Any]) -> _Worded:
    """The statement's text for these names and, where lists are spread, for lists of these lengths."""
    lengths = tuple(len(value) if isinstance(value, list) else 0 for value in values.values())
    key = (dialect.name, id(statement), *values, lengths)
    worded = _worded.get(key)
    if worded is None:
        worded = _word(dialect, statement, values)
        # A long list is seldom as long again: kept for every length, texts would add up.
        if max(lengths, default=0) <= _SPREAD_KEPT_MAX:
            _worded[key] = worded
    return worded


def _word(dialect: Dialect, statement: Statement, values: Mapping[str, Any]) -> _Worded:
    columns = list(values) if isinstance(statement, Insert | Update) else None
    compiled = statement.compile(dialect=dialect, column_keys=columns)
    expanded = compiled.construct_expanded_state(dict(values))
    spread = {name: list(names) for name, names in expanded.parameter_expansion.items() if name in values}
    order = tuple(expanded.positiontup) if expanded.positiontup is not None else None
    # What stands in the statement itself, such as a kind that is compared with, is a parameter of it too.
    filled = {*values, *(name for names in spread.values() for name in names)}
    given = {name: value for name, value in expanded.parameters.items() if name not in filled}
    return _Worded(expanded.statement, order, given, spread)


def _maker(cursor: Any) -> Callable[[Any], Any]:
    names = tuple(column[0] for column in cursor.description)
    maker = _makers.get(names)
    if maker is None:
        maker = _makers[names] = namedtuple("Row", names)._make  # type: ignore[attr-defined]
    return maker
