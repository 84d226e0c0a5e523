"""Statements that are worded once: putting one into SQL takes many times longer than SQLite takes to run it."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Delete,
    Dialect,
    Insert,
    Select,
    Table,
    Update,
    bindparam,
    false,
    literal,
)
from sqlalchemy.dialects import postgresql, sqlite

# Of the statements whose wording depends on how many values they name, this many are kept.
WORDINGS_MAX = 256
Statement: TypeAlias = Select[Any] | CompoundSelect[Any] | Insert | Update | Delete


@dataclass(slots=True)
class _Sql:
    """A statement as SQLite takes it: its text, the names of its values in order, those it has already, its rows."""

    text: str
    names: tuple[str, ...]
    given: Mapping[str, Any]
    shape: Callable[[Iterable[Any]], Any] | None = None


class Ready:
    """A statement that is worded once; `columns` are those that it writes, to values it is given under their names.

    SQLite is in this process, so it is handed the text at once. PostgreSQL is asked through SQLAlchemy, which knows
    what its driver takes: the way there takes longer than that.
    """

    __slots__ = ("_sql", "columns", "statement")

    def __init__(self, statement: Statement, columns: tuple[str, ...] = ()) -> None:
        self.statement = statement
        self.columns = columns
        self._sql: _Sql | None = None

    def run(self, connection: Connection, values: Mapping[str, Any]) -> list[Any]:
        """The rows it gives, named tuples, with these values for all that it names."""
        if connection.dialect.name != "sqlite":
            return list(connection.execute(self.statement, dict(values)).all())
        sql = self._sql
        if sql is None:
            sql = self._sql = self._worded(connection.dialect)
        given = sql.given
        driver: Any = connection.connection.dbapi_connection
        cursor = driver.execute(sql.text, [values[name] if name in values else given[name] for name in sql.names])
        found = cursor.fetchall()
        if not found:
            return []
        if sql.shape is None:
            sql.shape = _shaped([name for name, *_ in cursor.description])
        return list(map(sql.shape, found))

    def _worded(self, dialect: Dialect) -> _Sql:
        made = self.statement.compile(dialect=dialect, column_keys=list(self.columns) or None)
        given = {name: value for name, value in made.params.items() if not made.binds[name].required}
        return _Sql(str(made), tuple(made.positiontup or ()), given)


def _shaped(columns: list[str]) -> Callable[[Iterable[Any]], Any]:
    """Makes rows whose values are known by the names of their columns."""
    row: Any = namedtuple("row", tuple(columns))  # type: ignore[misc]  # Which there are is the query's business.
    make: Callable[[Iterable[Any]], Any] = row._make
    return make


@lru_cache(maxsize=WORDINGS_MAX)
def adding(table: Table, columns: tuple[str, ...], unless_there: str = "") -> Ready:
    """Adds a row with values in those columns, and gives its key.

    With the name of a database in `unless_there`, nothing is added and given where a row with its key is there.
    """
    assert not any(column.default for column in table.c), "its default would be left out"
    dialect = postgresql if unless_there == "postgresql" else sqlite
    statement = dialect.insert(table).on_conflict_do_nothing() if unless_there else table.insert()
    return Ready(statement.returning(*table.primary_key.columns), columns)


def changing(table: Table, chosen: ColumnElement[bool], columns: tuple[str, ...]) -> Ready:
    """Changes those columns of the rows that are chosen, and gives their keys and whose they are."""
    return Ready(table.update().where(chosen).returning(*_told(table)), columns)


def removing(table: Table, chosen: ColumnElement[bool]) -> Ready:
    """Removes the rows that are chosen, and gives their keys and whose they are."""
    return Ready(table.delete().where(chosen).returning(*_told(table)))


def _told(table: Table) -> list[ColumnElement[Any]]:
    return [*table.primary_key.columns, *([table.c.proposal_id] if "proposal_id" in table.c else [])]


def one_of(column: ColumnElement[Any], values: Collection[str]) -> ColumnElement[bool]:
    """Whether it is one of values that are known now."""
    return column.in_([literal(str(one)) for one in values]) if values else false()


def among(column: ColumnElement[Any], name: str, count: int) -> ColumnElement[bool]:
    """Whether it is one of so many values, which are given as `numbered` names them."""
    return column.in_([bindparam(f"{name}_{place}") for place in range(count)]) if count else false()


def numbered(name: str, values: Collection[Any]) -> dict[str, Any]:
    """Values for a statement that asks for one `among` so many."""
    return {f"{name}_{place}": one for place, one in enumerate(values)}
