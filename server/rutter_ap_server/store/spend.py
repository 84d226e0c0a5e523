"""The spend ledger: reserve, then post or void. Rows are only added, and everything not voided counts."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation, localcontext
from itertools import accumulate

from sqlalchemy import exists, insert, select

from rutter_ap_server.clock import stamp
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.schema import proposals, spend
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.money import Money

# Enough digits for any sum of amounts; an inexact sum raises an error instead of rounding.
_EXACT = Context(prec=80, traps=[Inexact])


@dataclass(frozen=True, slots=True)
class Counted:
    """The reservations that were not voided: when, for which vendor and how much, the oldest first."""

    currency: str
    now: datetime
    parts: tuple[tuple[str, str, Decimal], ...]
    _sums: dict[str | None, tuple[list[str], list[Decimal]]] = field(default_factory=dict)

    def within(self, hours: int, vendor_id: str | None = None) -> Money:
        """The sum of the last `hours`, for one vendor or for all."""
        since = stamp(self.now - timedelta(hours=hours))
        if vendor_id not in self._sums:
            self._sums[vendor_id] = self._added_up(vendor_id)
        times, sums = self._sums[vendor_id]
        before = sums[bisect_left(times, since)]
        return Money.of(_EXACT.subtract(sums[-1], before), self.currency)

    def _added_up(self, vendor_id: str | None) -> tuple[list[str], list[Decimal]]:
        """The times, and the running totals, starting at zero."""
        own = [(at, amount) for at, of, amount in self.parts if vendor_id is None or of == vendor_id]
        with localcontext(_EXACT):
            sums = list(accumulate((amount for _, amount in own), initial=Decimal(0)))
        return [at for at, _ in own], sums


class Spend:
    """Reads and writes inside the caller's transaction, which makes check-then-reserve exact."""

    def __init__(self, connection: Recorded, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def reserve(self, proposal_id: str, company_id: str, vendor_id: str, money: Money) -> None:
        """Counts an amount against every window from now on. A second reservation of a proposal is refused."""
        self._add(proposal_id, "reserve", company_id, vendor_id, money)

    def settle(self, proposal_id: str, kind: str) -> None:
        """Posts a reservation (the payment is booked) or voids it (it is not), if there is one and it is open."""
        assert kind in ("post", "void")
        rows = self._connection.execute(select(spend).where(spend.c.proposal_id == proposal_id)).all()
        if len(rows) == 1:
            row = rows[0]
            self._add(proposal_id, kind, row.company_id, row.vendor_id, Money.of(row.amount, row.currency))

    def is_reserved(self, proposal_id: str) -> bool:
        """Whether the proposal has a reservation, settled or not."""
        query = select(spend.c.id).where(spend.c.proposal_id == proposal_id, spend.c.kind == "reserve")
        return self._connection.execute(query).first() is not None

    def spent(self, company_id: str, currency: str, hours: int, vendor_id: str | None = None) -> Money:
        """The sum reserved in the last `hours` and not voided: reserved, posted and unknown alike.

        Entries from the future count too, so that a clock set back frees nothing.
        """
        return self.counted(company_id, currency, hours).within(hours, vendor_id)

    def counted(self, company_id: str, currency: str, hours: int) -> Counted:
        """Everything that counts in the last `hours`, read once for all the windows within them."""
        # A void is never older than what it voids, since the store's time does not go back: it is in the same windows.
        query = (
            select(spend.c.at, spend.c.vendor_id, spend.c.amount, spend.c.kind, spend.c.proposal_id)
            .where(
                spend.c.company_id == company_id,
                spend.c.currency == currency,
                spend.c.at >= stamp(self._now - timedelta(hours=hours)),
                spend.c.kind.in_(["reserve", "void"]),
            )
            .order_by(spend.c.at)
        )
        try:
            rows = self._connection.execute(query).all()
            voided = {proposal_id for _, _, _, kind, proposal_id in rows if kind == "void"}
            parts = tuple(
                (at, vendor_id, Decimal(amount))
                for at, vendor_id, amount, kind, proposal_id in rows
                if kind == "reserve" and proposal_id not in voided
            )
        except InvalidOperation:
            raise BadInput("an amount must be a decimal", code="amount.not_a_number") from None
        return Counted(currency, self._now, parts)

    def posted(self, company_id: str, currency: str, hours: int, vendor_id: str | None = None) -> Money:
        """The part of the sum in a window that is posted in the ledger; the rest is only reserved."""
        settled = select(spend.c.proposal_id).where(spend.c.kind == "post")
        query = select(spend.c.amount).where(
            spend.c.company_id == company_id,
            spend.c.currency == currency,
            spend.c.kind == "reserve",
            spend.c.at >= stamp(self._now - timedelta(hours=hours)),
            spend.c.proposal_id.in_(settled),
        )
        if vendor_id is not None:
            query = query.where(spend.c.vendor_id == vendor_id)
        return Money.total((Money.of(row.amount, currency) for row in self._connection.execute(query)), currency)

    def released(
        self,
        company_id: str,
        currency: str,
        *,
        bill_id: str | None = None,
        vendor_ids: Collection[str] | None = None,
        hours: int | None = None,
        except_id: str | None = None,
    ) -> Money:
        """The sum reserved and not voided for one bill, or for some vendors, at any time or in the last `hours`."""
        given_back = spend.alias()
        query = select(spend.c.amount).where(
            spend.c.company_id == company_id,
            spend.c.currency == currency,
            spend.c.kind == "reserve",
            ~exists().where(given_back.c.proposal_id == spend.c.proposal_id, given_back.c.kind == "void"),
        )
        if bill_id is not None:
            of_bill = (proposals.c.company_id == company_id) & (proposals.c.bill_id == bill_id)
            query = query.where(spend.c.proposal_id == proposals.c.id, of_bill)
        if vendor_ids is not None:
            query = query.where(spend.c.vendor_id.in_(sorted(vendor_ids)))
        if hours is not None:
            query = query.where(spend.c.at >= stamp(self._now - timedelta(hours=hours)))
        if except_id is not None:
            query = query.where(spend.c.proposal_id != except_id)
        with localcontext(_EXACT):
            total = sum((Decimal(row.amount) for row in self._connection.execute(query)), Decimal(0))
        return Money.of(total, currency)

    def vendors(self, company_id: str, currency: str, hours: int) -> list[tuple[str, str]]:
        """The vendors with a reservation in the last `hours`, by id and by the name they had then."""
        query = select(spend.c.vendor_id, proposals.c.vendor_name).where(
            spend.c.company_id == company_id,
            spend.c.currency == currency,
            spend.c.kind == "reserve",
            spend.c.at >= stamp(self._now - timedelta(hours=hours)),
            spend.c.proposal_id == proposals.c.id,
        )
        return [(row.vendor_id, row.vendor_name or "") for row in self._connection.execute(query.distinct())]

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
        self._connection.execute(insert(spend), values)
