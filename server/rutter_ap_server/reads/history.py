"""A vendor's records in the ledger; of more than can be read, those that matter are asked for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Generic, TypeVar

from rutter_ap_server.companies.company import Company
from rutter_ap_server.reads.paging import WALK_PAGES_MAX
from rutter_ap_server.rutter.errors import BadRequest, WalkTooLong
from rutter_ap_server.rutter.filters import Filter, above, contains, equal
from rutter_ap_server.rutter.models.base import Record
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.models.credits import BillCreditMemo
from rutter_ap_server.rutter.models.payments import BillPayment
from rutter_ap_server.rutter.platforms import ignores_filters
from rutter_ap_server.rutter.resources import Reads

R = TypeVar("R", bound=Record)
# 10,000 records; beyond that only those that matter are asked for.
HISTORY_PAGES_MAX = 20
OPEN = ("open", "partially_paid")
# Wider than the days within which any policy should call two documents alike.
NEAR_DAYS = 92
_LATEST_DAYS = (730, 365, 90, 30, 7)


@dataclass(frozen=True, slots=True)
class History(Generic[R]):
    """Records of one vendor. `whole` if they are all of them.

    If they are not, `sure` says whether at least all of those were read that have the number, are unpaid, or were
    entered or due from three months before the day on; of credits and payments, those entered last.
    """

    records: list[R]
    whole: bool = True
    sure: bool = True

    @property
    def doubt(self) -> str:
        """What was not read, in words; empty if everything was."""
        return "" if self.whole else "the ledger has more documents of this vendor than can be read"


async def bills_to_compare(
    company: Company, vendor_id: str, numbers: Iterable[str | None] = (), day: date | None = None
) -> History[Bill]:
    """A vendor's bills, or at least those with one of these numbers, the unpaid ones, and those of about that day."""
    return await _to_compare(company, company.rutter.bills, vendor_id, numbers, day)


async def credits_to_compare(
    company: Company, vendor_id: str, numbers: Iterable[str | None] = (), day: date | None = None
) -> History[BillCreditMemo]:
    """A vendor's credits, or at least those with one of these numbers and those of about that day."""
    return await _to_compare(company, company.rutter.bill_credit_memos, vendor_id, numbers, day)


async def payments_to(company: Company, vendor_id: str) -> History[BillPayment]:
    """The payments to a vendor, or those recorded last."""
    return await _latest(company.rutter.bill_payments, equal("vendor_id", vendor_id))


async def open_credits(company: Company, vendor_id: str | None = None) -> History[BillCreditMemo]:
    """Credit memos with an amount remaining, of one vendor or all; of too many, those entered last."""
    chosen = equal("vendor_id", vendor_id) if vendor_id else None
    found = await _latest(company.rutter.bill_credit_memos, chosen)
    return History([credit for credit in found.records if may_be_open(credit)], found.whole, found.sure)


def may_be_open(credit: BillCreditMemo) -> bool:
    """Whether something may remain on a credit: also where the ledger does not say how much, or not its status."""
    if credit.status not in (*OPEN, "unknown"):
        return False
    return credit.remaining_amount is None or credit.remaining_amount > 0


async def _latest(collection: Reads[R], chosen: Filter | None) -> History[R]:
    found: dict[str, R] = {}
    with suppress(WalkTooLong):
        await _read(collection.walk(filter=chosen, pages_max=HISTORY_PAGES_MAX), found)
        return History(list(found.values()))
    found.clear()
    with suppress(WalkTooLong):
        await _read(collection.walk(filter=chosen, sort="created_at DESC", pages_max=HISTORY_PAGES_MAX), found)
    return History(list(found.values()), whole=False, sure=False)


async def all_or_latest(company: Company, collection: Reads[R]) -> tuple[list[R], str]:
    """Every record of a kind on a platform that filters nothing; of too many, those changed last, and a note saying so.

    Raises `WalkTooLong` if even those are too many.
    """
    found: dict[str, R] = {}
    for days in (None, *_LATEST_DAYS):
        since = company.clock.now() - timedelta(days=days) if days else None
        found.clear()
        with suppress(WalkTooLong):
            await _read(collection.walk(pages_max=WALK_PAGES_MAX, updated_at_min=since), found)
            note = (
                f"There are more than can be read: only those changed since {since:%Y-%m-%d} are shown."
                if since
                else ""
            )
            return list(found.values()), note
    raise WalkTooLong(
        "there are more records than can be read", next_step="A person can look in the accounting platform."
    )


async def _to_compare(
    company: Company, collection: Reads[R], vendor_id: str, numbers: Iterable[str | None], day: date | None
) -> History[R]:
    found: dict[str, R] = {}
    known, large = company.directory.large, (collection.endpoint.many, vendor_id)
    if large not in known:
        try:
            # A record that changes during the walk may appear twice; the later copy counts.
            chosen = equal("vendor_id", vendor_id)
            await _read(collection.walk(filter=chosen, pages_max=HISTORY_PAGES_MAX), found)
            return History(list(found.values()))
        except WalkTooLong:
            # Not asked in vain again: it would take as long every time.
            known.add(large)
    found.clear()
    sure = True
    for query in _narrower(company, collection, vendor_id, [one for one in numbers if one], day):
        try:
            await _read(collection.walk(pages_max=HISTORY_PAGES_MAX, **query), found)
        except (WalkTooLong, BadRequest):
            sure = False
    return History(list(found.values()), whole=False, sure=sure)


async def _read(walk: AsyncIterator[R], found: dict[str, R]) -> None:
    async for record in walk:
        found[record.id] = record


def _narrower(
    company: Company, collection: Reads[Any], vendor_id: str, numbers: list[str], day: date | None
) -> Iterator[dict[str, Any]]:
    """What to ask instead of everything: by number in any spelling, by status, and by date."""
    fields, of_vendor = collection.endpoint.fields or frozenset(), equal("vendor_id", vendor_id)
    since = day - timedelta(days=NEAR_DAYS) if day is not None and day.toordinal() > NEAR_DAYS else None
    if ignores_filters(company.platform):
        # There only the older parameters narrow anything (Rutter docs: Filtering Objects).
        yield from ({"filter": of_vendor, "match": {"document_number": number}} for number in numbers)
        if since is not None:
            yield {"filter": of_vendor, "updated_at_min": datetime.combine(since, time(), tzinfo=UTC)}
        return
    for number in numbers:
        yield {"filter": of_vendor & equal("document_number", number)}
        yield {"filter": of_vendor & contains("document_number", _core(number))}
    if since is not None:
        yield from ({"filter": of_vendor & equal("status", one)} for one in OPEN if "status" in fields)
        dates = ["created_at", *({"due_date"} & fields)]
        yield from ({"filter": of_vendor & above(one, since)} for one in dates)


def _core(number: str) -> str:
    """The part of a number that every spelling of it has: its longest run of digits, or else of letters."""
    runs: list[str] = re.findall(r"[0-9]+", number) or re.findall(r"\w+", number)
    return max(runs, key=len, default=number)
