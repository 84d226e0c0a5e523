"""Reads what a summary of payables rests on, within a bound of pages, and keeps a note of whatever is missing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from rutter_ap_server.lookup.amounts import LedgerDataError, ledger_money
from rutter_ap_server.lookup.bill_question import UNPAID
from rutter_ap_server.lookup.history import open_credits
from rutter_ap_server.lookup.office import Office
from rutter_ap_server.lookup.payables import Owed
from rutter_ap_server.lookup.streams import WALK_PAGES_MAX
from rutter_ap_server.rutter.abilities import Support, abilities_of, ignores_filters
from rutter_ap_server.rutter.errors import WalkTooLong
from rutter_ap_server.rutter.filters import Filter, above, equal
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.money import Money

if TYPE_CHECKING:
    from rutter_ap_server.rutter.models.bills import Bill

_RECENT_DAYS = 90
_RECENT_PAGES_MAX = 10
_TOO_MANY = "There are more unpaid bills than are looked through; name a vendor."
_NO_RECENT = "Paid bills were too many to compare with: possible duplicates are of unpaid bills only."
_NO_CREDITS = "Open credits could not be looked up."


@dataclass(slots=True)
class Payables:
    """Bills by id, and open credits as (vendor id, what remains). `complete` is of the unpaid bills alone."""

    bills: dict[str, Owed] = field(default_factory=dict)
    credits: list[tuple[str, Money]] = field(default_factory=list)
    complete: bool = True
    notes: list[str] = field(default_factory=list)

    @property
    def unpaid(self) -> list[Owed]:
        """The bills that are to be paid."""
        return [bill for bill in self.bills.values() if bill.unpaid]

    def keep(self, bill: Bill) -> None:
        """Keeps a bill that counts; one that comes twice counts as it was seen last."""
        self.bills.pop(bill.id, None)
        if bill.status not in (*UNPAID, "paid"):
            return
        try:
            self.bills[bill.id] = _owed(bill)
        except LedgerDataError:
            if bill.status in UNPAID:
                self.complete = False
                self.notes.append(f"Bill {bill.id} is left out: its amounts do not fit its currency.")


async def read_payables(office: Office, vendor_id: str | None) -> Payables:
    """Every unpaid bill, paid ones that changed lately, and open credits, of one vendor or of all."""
    found = Payables()
    if ignores_filters(office.company.platform):
        await _read_everything(office, vendor_id, found)
    else:
        await _read_recent(office, vendor_id, found)
        try:
            for status in UNPAID:
                async for bill in _walk(office, vendor_id, equal("status", status)):
                    found.keep(bill)
        except WalkTooLong:
            found.complete = False
            found.notes.append(_TOO_MANY)
    if abilities_of(office.company.platform).support("bill_credit_memos", "read") is not Support.NO:
        await _read_credits(office, vendor_id, found)
    return found


async def _read_everything(office: Office, vendor_id: str | None, found: Payables) -> None:
    """One walk answers all, where the platform would ignore a filter anyway."""
    since = office.clock.now() - timedelta(days=_RECENT_DAYS)
    try:
        async for bill in _walk(office, vendor_id, None):
            if bill.status in UNPAID or (bill.updated_at is not None and bill.updated_at > since):
                found.keep(bill)
            else:
                # Seen before as unpaid, and changed since.
                found.bills.pop(bill.id, None)
    except WalkTooLong:
        found.complete = False
        found.notes.append(_TOO_MANY)


async def _read_recent(office: Office, vendor_id: str | None, found: Payables) -> None:
    """Paid bills come first: one that is unpaid by the time of the walk after is then seen as that."""
    chosen = equal("status", "paid") & above("updated_at", office.clock.today() - timedelta(days=_RECENT_DAYS))
    try:
        async for bill in _walk(office, vendor_id, chosen, pages_max=_RECENT_PAGES_MAX):
            found.keep(bill)
    except WalkTooLong:
        found.bills.clear()
        found.notes.append(_NO_RECENT)


async def _read_credits(office: Office, vendor_id: str | None, found: Payables) -> None:
    try:
        for credit in await open_credits(office, vendor_id):
            remaining = ledger_money(credit.remaining_amount, credit.currency_code, "remainder of a credit")
            found.credits.append((credit.vendor_id or "", remaining))
    except ApError:
        found.credits.clear()
        found.notes.append(_NO_CREDITS)


def _walk(
    office: Office, vendor_id: str | None, chosen: Filter | None, *, pages_max: int = WALK_PAGES_MAX
) -> AsyncIterator[Bill]:
    """Oldest change first: a bill that changes during the walk comes again at its end."""
    if vendor_id is not None:
        of_vendor = equal("vendor_id", vendor_id)
        chosen = of_vendor if chosen is None else chosen & of_vendor
    return office.ledger.bills.walk(filter=chosen, pages_max=pages_max)


def _owed(bill: Bill) -> Owed:
    return Owed(
        id=bill.id,
        vendor_id=bill.vendor_id or "",
        number=bill.document_number or "",
        total=ledger_money(bill.total_amount, bill.currency_code, "total"),
        due=ledger_money(bill.amount_due, bill.currency_code, "amount due"),
        issue_date=bill.issue_date.date() if bill.issue_date else None,
        due_date=bill.due_date.date() if bill.due_date else None,
        unpaid=bill.status in UNPAID,
    )
