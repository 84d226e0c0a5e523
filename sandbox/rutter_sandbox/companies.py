"""The company behind a connection, as one request reads it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Company:
    """One connection: the company behind an access token, as read for this request.

    `number` is that of its ledger, which several connections may lead to. `payments_shown` is false on Business Central
    without Rutter's extension: payments are booked there and cannot be read.
    """

    number: int
    id: str
    access_token: str
    name: str | None
    store_name: str | None
    platform: str
    status: str
    currency: str
    closing_date: str
    payments_shown: bool


_COMPANY_COLUMNS = """COALESCE(ledger, number), id, access_token, name, store_name, platform, status, currency,
    closing_date, payments_shown"""


def company_by(sql: sqlite3.Connection, column: str, value: object) -> Company | None:
    """The company with that value in a unique column, whose name is always a constant of ours."""
    query = f"SELECT {_COMPANY_COLUMNS} FROM companies WHERE {column} = ?"  # noqa: S608
    row = sql.execute(query, (value,)).fetchone()
    return Company(*row) if row else None
