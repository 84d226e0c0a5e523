"""The spend ledger: reserve, then post or void; rows are only ever added, and what is not voided counts."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select

from rutter_ap_server.clock import stamp
from rutter_ap_server.store.schema import spend
from rutter_ap_tools.money import Money


class Spend:
    """Reads and writes inside the caller's transaction, which makes check-then-reserve exact."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def reserve(self, proposal_id: str, company_id: str, vendor_id: str, money: Money) -> None:
        """Counts an amount against every window from now on. A second reservation of a proposal is refused."""
        self._add(proposal_id, "reserve", company_id, vendor_id, money)

    def settle(self, proposal_id: str, kind: str) -> None:
        """Posts (the money is booked) or voids (it never left) a reservation, if there is one and it is still open."""
        assert kind in ("post", "void")
        rows = list(self._connection.execute(select(spend).where(spend.c.proposal_id == proposal_id)))
        if len(rows) == 1:
            row = rows[0]
            self._add(proposal_id, kind, row.company_id, row.vendor_id, Money.of(row.amount, row.currency))

    def is_reserved(self, proposal_id: str) -> bool:
        """Whether the proposal has a reservation, settled or not."""
        query = select(spend.c.id).where(spend.c.proposal_id == proposal_id, spend.c.kind == "reserve")
        return self._connection.execute(query).first() is not None

    def spent(self, company_id: str, currency: str, hours: int, vendor_id: str | None = None) -> Money:
        """What was reserved in the last `hours` and not voided: reserved, posted and unknown alike.

        Entries from the future count too, so that a clock set back frees nothing.
        """
        since = stamp(self._now - timedelta(hours=hours))
        voided = select(spend.c.proposal_id).where(spend.c.kind == "void")
        query = select(spend.c.amount).where(
            spend.c.company_id == company_id,
            spend.c.currency == currency,
            spend.c.kind == "reserve",
            spend.c.at >= since,
            spend.c.proposal_id.not_in(voided),
        )
        if vendor_id is not None:
            query = query.where(spend.c.vendor_id == vendor_id)
        return Money.total((Money.of(row.amount, currency) for row in self._connection.execute(query)), currency)

    def _add(self, proposal_id: str, kind: str, company_id: str, vendor_id: str, money: Money) -> None:
        self._connection.execute(
            insert(spend).values(
                proposal_id=proposal_id,
                kind=kind,
                company_id=company_id,
                vendor_id=vendor_id,
                currency=money.currency,
                amount=money.text,
                at=stamp(self._now),
            )
        )
