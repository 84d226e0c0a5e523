"""The spend ledger: reserve, then post or void; rows are only ever added, and what is not voided counts."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from rutter_ap_server.clock import stamp
from rutter_ap_server.store import statements as say
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
        rows = self._connection.execute(say.SPEND_OF, {"id_": proposal_id}).all()
        if len(rows) == 1:
            row = rows[0]
            self._add(proposal_id, kind, row.company_id, row.vendor_id, Money.of(row.amount, row.currency))

    def is_reserved(self, proposal_id: str) -> bool:
        """Whether the proposal has a reservation, settled or not."""
        return self._connection.execute(say.RESERVED, {"id_": proposal_id}).first() is not None

    def spent(self, company_id: str, currency: str, hours: int, vendor_id: str | None = None) -> Money:
        """What was reserved in the last `hours` and not voided: reserved, posted and unknown alike.

        Entries from the future count too, so that a clock set back frees nothing.
        """
        window = {"company_": company_id, "currency_": currency, "since_": stamp(self._now - timedelta(hours=hours))}
        if vendor_id is None:
            rows = self._connection.execute(say.SPENT, window)
        else:
            rows = self._connection.execute(say.SPENT_ON_VENDOR, window | {"vendor_": vendor_id})
        return Money.total((Money.of(row.amount, currency) for row in rows), currency)

    def _add(self, proposal_id: str, kind: str, company_id: str, vendor_id: str, money: Money) -> None:
        values = {
            "proposal_id": proposal_id,
            "kind": kind,
            "company_id": company_id,
            "vendor_id": vendor_id,
            "currency": money.currency,
            "amount": money.text,
            "at": stamp(self._now),
        }
        self._connection.execute(say.ADD_SPEND, values)
