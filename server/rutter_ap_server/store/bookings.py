"""What bills were released for: the ledger may book another amount at once, or show another one later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, String, Table, bindparam, delete, insert, select

from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.ready import Ready
from rutter_ap_server.store.schema import metadata
from rutter_ap_tools.money import Money

# Named for what it held at first: only bills whose two amounts differ.
released_sums = Table(
    "booking_differences",
    metadata,
    Column("company_id", String(200), primary_key=True),
    Column("bill_id", String(200), primary_key=True),
    Column("released", String(60), nullable=False),
    Column("booked", String(60), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("at", String(32), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Booking:
    """What was released for a bill, and what the ledger booked for it at that time."""

    released: Money
    booked: Money
    at: datetime


class Bookings:
    """Reads and writes inside the caller's transaction. A bill has at most one row: its latest lines count."""

    def __init__(self, connection: Recorded, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def remember(self, company_id: str, bill_id: str, *, released: Money, booked: Money) -> None:
        """Records what the bill, or its new lines, were released for, and what the ledger booked at once."""
        c = released_sums.c
        self._connection.execute(delete(released_sums).where(c.company_id == company_id, c.bill_id == bill_id))
        self._connection.execute(
            insert(released_sums).values(
                company_id=company_id,
                bill_id=bill_id,
                released=released.text,
                booked=booked.text,
                currency=released.currency,
                at=stamp(self._now),
            )
        )

    def of_bill(self, company_id: str, bill_id: str) -> Booking | None:
        """What that bill was released for, if it was entered or changed through us."""
        row = self._connection.first(_OF_BILL, {"company": company_id, "bill": bill_id})
        if row is None:
            return None
        return Booking(Money.of(row.released, row.currency), Money.of(row.booked, row.currency), unstamp(row.at))


_OF_BILL = Ready(
    select(released_sums).where(
        released_sums.c.company_id == bindparam("company"), released_sums.c.bill_id == bindparam("bill")
    )
)
