"""The spend ledger: reserve, then post or void. Rows are only added, and everything not voided counts.

An amount counts from the moment money may have been booked until it is known that it was not. While the outcome of a
payment is open it counts in every window, however old its reservation is, because it may be booked at any moment; once
it is known to be booked, it counts from when that was known.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation, localcontext
from functools import lru_cache
from itertools import accumulate
from typing import Any

from sqlalchemy import bindparam, select

from rutter_ap_server.clock import stamp
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.ready import WORDINGS_MAX, Ready, among, numbered, one_of
from rutter_ap_server.store.schema import proposals, spend
from rutter_ap_server.store.states import SENDING_STATES
from rutter_ap_server.store.witness import hold_spend
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.money import Money

# One read serves all windows of a month.
_MONTH_HOURS = 720
# Enough digits for any sum of amounts; an inexact sum raises an error instead of rounding.
_EXACT = Context(prec=80, traps=[Inexact])


@dataclass(frozen=True, slots=True)
class Counted:
    """What counts: since when, for which vendor and how much, the oldest first; what is open counts since now."""

    currency: str
    now: datetime
    parts: tuple[tuple[str, str, Decimal], ...]
    _sums: dict[frozenset[str] | None, tuple[list[str], list[Decimal]]] = field(default_factory=dict)

    def within(self, hours: int, vendor_ids: frozenset[str] | None = None) -> Money:
        """The sum of the last `hours`, for some vendors or for all."""
        since = stamp(self.now - timedelta(hours=hours))
        if vendor_ids not in self._sums:
            self._sums[vendor_ids] = self._added_up(vendor_ids)
        times, sums = self._sums[vendor_ids]
        before = sums[bisect_left(times, since)]
        return Money.of(_EXACT.subtract(sums[-1], before), self.currency)

    def _added_up(self, vendor_ids: frozenset[str] | None) -> tuple[list[str], list[Decimal]]:
        """The times, and the running totals, starting at zero."""
        own = [(at, amount) for at, of, amount in self.parts if vendor_ids is None or of in vendor_ids]
        with localcontext(_EXACT):
            sums = [Decimal(0), *accumulate(amount for _, amount in own)]
        return [at for at, _ in own], sums


class Spend:
    """Reads and writes inside the caller's transaction, which makes check-then-reserve exact."""

    def __init__(self, connection: Recorded, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._counted: dict[tuple[str, str, int, str | None], Counted] = {}
        self._rows: dict[tuple[str, str, int], list[Any]] = {}
        self._vendors: dict[tuple[str, int], list[tuple[str, str | None]]] = {}
        self._checked: set[tuple[str, int]] = set()

    def reserve(self, proposal_id: str, company_id: str, vendor_id: str, money: Money) -> None:
        """Counts an amount against every window from now on. A second reservation of a proposal is refused."""
        self._add(proposal_id, "reserve", company_id, vendor_id, money)

    def settle(self, proposal_id: str, kind: str) -> None:
        """Posts a reservation (the payment is booked) or voids it (it is not), if there is one.

        It is voided only while it is open. What was voided and turns out to be booked is posted, and counts again.
        """
        assert kind in ("post", "void")
        rows = self._connection.run(_OF_PROPOSAL, {"own": proposal_id})
        kinds = {row.kind for row in rows}
        if kinds == {"reserve"} or (kind == "post" and kinds == {"reserve", "void"}):
            # All rows of a proposal say the same of whom it pays, and how much.
            row, *_ = rows
            self._add(proposal_id, kind, row.company_id, row.vendor_id, Money.of(row.amount, row.currency))

    def is_reserved(self, proposal_id: str) -> bool:
        """Whether the proposal has a reservation, settled or not."""
        return self._connection.first(_OF_PROPOSAL, {"own": proposal_id}) is not None

    def spent(
        self,
        company_id: str,
        currency: str,
        hours: int,
        vendor_ids: frozenset[str] | None = None,
        except_id: str | None = None,
    ) -> Money:
        """The sum that counts in the last `hours`: open, unknown and posted alike, but for one proposal's own.

        Entries from the future count too, so that a clock set back frees nothing.
        """
        return self.counted(company_id, currency, max(hours, _MONTH_HOURS), except_id).within(hours, vendor_ids)

    def check(self, company_id: str, hours: int) -> None:
        """Raises `Tampered` if what counts in the last `hours` was changed by hand."""
        if (company_id, hours) not in self._checked:
            hold_spend(self._connection, company_id, stamp(self._now - timedelta(hours=hours)))
            self._checked.add((company_id, hours))

    def counted(self, company_id: str, currency: str, hours: int, except_id: str | None = None) -> Counted:
        """Everything that counts in the last `hours`, read once for all the windows within them."""
        asked = (company_id, currency, hours, except_id)
        if asked not in self._counted:
            self._counted[asked] = self._count(*asked)
        return self._counted[asked]

    def _count(self, company_id: str, currency: str, hours: int, except_id: str | None) -> Counted:
        named = {"company": company_id, "currency": currency, "since": stamp(self._now - timedelta(hours=hours))}
        if (company_id, currency, hours) not in self._rows:
            self._rows[company_id, currency, hours] = self._connection.run(_SINCE, named)
        rows = self._rows[company_id, currency, hours]
        # What settles a reservation is never older than it, since the store's time does not go back.
        settled = {row.proposal_id for row in rows if row.kind != "reserve"}
        counting = [(row.at, row) for row in rows if row.kind == "post"]
        waiting = [row for row in rows if row.proposal_id not in settled]
        waiting += [
            row
            for row, _ in self._sending()
            if (row.company_id, row.currency) == (company_id, currency) and str(row.at) < named["since"]
        ]
        counting += [(stamp(self._now), row) for row in waiting]
        try:
            parts = sorted(
                (at, row.vendor_id, Decimal(row.amount)) for at, row in counting if row.proposal_id != except_id
            )
        except InvalidOperation:
            raise BadInput("an amount must be a decimal", code="amount.not_a_number") from None
        return Counted(currency, self._now, tuple(parts))

    def posted(self, company_id: str, currency: str, hours: int, vendor_ids: frozenset[str] | None = None) -> Money:
        """The part of the sum in a window that is posted in the ledger; the rest is only reserved."""
        since = stamp(self._now - timedelta(hours=hours))
        rows = self._connection.run(_SINCE, {"company": company_id, "currency": currency, "since": since})
        booked = [row for row in rows if row.kind == "post" and (vendor_ids is None or row.vendor_id in vendor_ids)]
        return Money.total((Money.of(row.amount, currency) for row in booked), currency)

    def released_for_bill(self, company_id: str, currency: str, bill_id: str, except_id: str | None = None) -> Money:
        """The sum for one bill, at any time, that is not known to be unbooked."""
        return self.released_for_bills(company_id, currency, [bill_id], except_id)[bill_id]

    def released_for_bills(
        self, company_id: str, currency: str, bill_ids: Collection[str], except_id: str | None = None
    ) -> dict[str, Money]:
        """The same for each of them."""
        named = {"company": company_id, **numbered("bill", bill_ids)}
        rows = self._connection.run(_about_bills(len(bill_ids)), named) if bill_ids else []
        bills = {row.id: row.bill_id for row in rows if row.id != except_id}
        sums = dict.fromkeys(bill_ids, Decimal(0))
        for row, settled in self._reserved(list(bills)):
            if (row.company_id, row.currency) == (company_id, currency) and settled != {"void"}:
                sums[bills[row.proposal_id]] = _EXACT.add(sums[bills[row.proposal_id]], Decimal(row.amount))
        return {bill_id: Money.of(total, currency) for bill_id, total in sums.items()}

    def vendors(self, company_id: str, hours: int) -> list[tuple[str, str | None]]:
        """The vendors of what counts in the last `hours`, by id and by the name they had then."""
        if (company_id, hours) not in self._vendors:
            named = {"company": company_id, "since": stamp(self._now - timedelta(hours=hours))}
            found = {(row.vendor_id, row.vendor_name) for row in self._connection.run(_VENDORS, named)}
            found |= {(row.vendor_id, name) for row, name in self._sending() if row.company_id == company_id}
            # What was edited by hand may be no text.
            self._vendors[company_id, hours] = [(one, None if name is None else str(name)) for one, name in found]
        return self._vendors[company_id, hours]

    def _sending(self) -> list[tuple[Any, str | None]]:
        """The open reservations of what is being sent, or may have been, however old, each with its payee's name.

        They are found from the proposals: few are being sent, and any number was reserved.
        """
        names = {row.id: row.vendor_name for row in self._connection.run(_SENDING)}
        return [(row, names[row.proposal_id]) for row, settled in self._reserved(list(names)) if not settled]

    def _reserved(self, proposal_ids: list[str]) -> Iterator[tuple[Any, set[str]]]:
        """The reservations of these proposals, each with how it was settled."""
        if not proposal_ids:
            return
        rows = self._connection.run(_of_proposals(len(proposal_ids)), numbered("own", proposal_ids))
        kinds: dict[str, set[str]] = {}
        for row in rows:
            kinds.setdefault(row.proposal_id, set()).add(row.kind)
        for row in rows:
            if row.kind == "reserve":
                yield row, kinds[row.proposal_id] - {"reserve"}

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
        self._connection.add(spend, values)
        self._counted.clear()
        self._rows.clear()
        self._vendors.clear()
        self._checked.clear()


# Built once: each judgement asks all of them, and wording them anew takes longer than the answers.
_OF_COMPANY = spend.c.company_id == bindparam("company")
_OWN = _OF_COMPANY & (spend.c.currency == bindparam("currency"))
_LATELY = spend.c.at >= bindparam("since")
_OF_PROPOSAL = Ready(select(spend).where(spend.c.proposal_id == bindparam("own")))
_SINCE = Ready(select(spend).where(_OWN, _LATELY))
_SENDING = Ready(select(proposals.c.id, proposals.c.vendor_name).where(one_of(proposals.c.state, SENDING_STATES)))
_VENDORS = Ready(
    select(spend.c.vendor_id, proposals.c.vendor_name)
    .where(_OF_COMPANY, _LATELY, spend.c.proposal_id == proposals.c.id)
    .distinct()
)


@lru_cache(maxsize=WORDINGS_MAX)
def _of_proposals(count: int) -> Ready:
    return Ready(select(spend).where(among(spend.c.proposal_id, "own", count)))


@lru_cache(maxsize=WORDINGS_MAX)
def _about_bills(count: int) -> Ready:
    of_company = proposals.c.company_id == bindparam("company")
    return Ready(
        select(proposals.c.id, proposals.c.bill_id).where(of_company, among(proposals.c.bill_id, "bill", count))
    )
