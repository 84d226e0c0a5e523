"""A vendor's records in the ledger: its open credits, and all of its bills or those that a bill could be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from rutter_ap_server.companies.company import Company
from rutter_ap_server.rutter.errors import WalkTooLong
from rutter_ap_server.rutter.filters import TEXT_CHARACTERS_MAX, Filter, above, ascending, contains, equal
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.models.credits import BillCreditMemo
from rutter_ap_server.rutter.platforms import ignores_filters
from rutter_ap_tools.numbers import digits_of, number_key

# 10,000 records of one vendor; beyond that bills are asked for by their number and date.
HISTORY_PAGES_MAX = 20
OPEN = ("open", "partially_paid")
_ENTERED_BEFORE = timedelta(days=31)
_DUE_WITHIN = timedelta(days=120)
_UNREAD = "this vendor has more bills than can be read, also of this number or time, so one may be the same document"


async def open_credits(company: Company, vendor_id: str | None = None) -> list[BillCreditMemo]:
    """Credit memos with an amount remaining, of one vendor or all."""
    chosen = equal("vendor_id", vendor_id) if vendor_id else None
    # A record that changes during the walk may appear twice; the later copy counts.
    found = {c.id: c async for c in company.rutter.bill_credit_memos.walk(filter=chosen, pages_max=HISTORY_PAGES_MAX)}
    return [credit for credit in found.values() if credit.status in OPEN and credit.remaining_amount > 0]


@dataclass(frozen=True, slots=True)
class BillsLike:
    """Bills among which any that could be the same document are; `unread` says in words why some may be missing."""

    bills: tuple[Bill, ...]
    unread: str = ""


async def bills_like(
    company: Company, vendor_ids: Sequence[str], numbers: Sequence[str | None], issued: date | None
) -> BillsLike:
    """Every bill of these vendors or, where one has too many, those with such a number or of about that time."""
    found: dict[str, Bill] = {}
    missing = False
    for vendor_id in vendor_ids:
        of_vendor = equal("vendor_id", vendor_id)
        if await _walked(company, of_vendor, found):
            continue
        for number in filter(number_key, numbers):
            missing |= not await _with_number(company, of_vendor, number or "", found)
        if issued is not None:
            since = issued - _ENTERED_BEFORE
            # Either is enough: a bill is due after it was issued, and entered after that, give or take some days.
            due = await _walked(company, of_vendor & above("due_date", since), found, due_to=issued + _DUE_WITHIN)
            created = await _walked(company, of_vendor & above("created_at", since), found)
            missing |= not (due or created)
    return BillsLike(tuple(found.values()), _UNREAD if missing else "")


async def _with_number(company: Company, of_vendor: Filter, number: str, found: dict[str, Bill]) -> bool:
    """Adds the bills with that number, however it is spelled; False if there are too many to tell."""
    if len(number) > TEXT_CHARACTERS_MAX:
        return False
    digits = digits_of(number)
    if len(digits) > 1 and await _walked(company, of_vendor & contains("document_number", digits), found):
        return True
    spellings = sorted({number, number.upper(), number.lower(), number.strip()})
    return all([await _walked(company, of_vendor & equal("document_number", one), found) for one in spellings])


async def _walked(company: Company, chosen: Filter, found: dict[str, Bill], *, due_to: date | None = None) -> bool:
    """Adds the bills of a filter, those due later than `due_to` left out; False if there are more than can be read."""
    # Where filters and sorts are ignored, a bill that is due later says nothing of the next one.
    in_order = due_to is not None and not ignores_filters(company.platform)
    sort = ascending("due_date" if in_order else "updated_at")
    try:
        async for bill in company.rutter.bills.walk(filter=chosen, sort=sort, pages_max=HISTORY_PAGES_MAX):
            if in_order and due_to is not None and bill.due_date is not None and bill.due_date.date() > due_to:
                return True
            found[bill.id] = bill
    except WalkTooLong:
        return False
    return True
