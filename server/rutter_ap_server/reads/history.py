"""A vendor's history in the ledger: what is open, and what came before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rutter_ap_server.companies.company import Company
from rutter_ap_server.rutter.filters import equal

if TYPE_CHECKING:
    from rutter_ap_server.rutter.models.bills import Bill
    from rutter_ap_server.rutter.models.credits import BillCreditMemo

# 10,000 records of one vendor; past that the walk raises, and the write it was for does not happen.
HISTORY_PAGES_MAX = 20
OPEN = ("open", "partially_paid")


async def open_credits(company: Company, vendor_id: str | None = None) -> list[BillCreditMemo]:
    """Credit memos with something left, of one vendor or of all."""
    chosen = equal("vendor_id", vendor_id) if vendor_id else None
    # A record that changes during the walk comes twice; the later one counts.
    found = {c.id: c async for c in company.rutter.bill_credit_memos.walk(filter=chosen, pages_max=HISTORY_PAGES_MAX)}
    return [credit for credit in found.values() if credit.status in OPEN and credit.remaining_amount > 0]


async def bills_of(company: Company, vendor_id: str) -> list[Bill]:
    """Every bill of one vendor."""
    chosen = equal("vendor_id", vendor_id)
    found = {b.id: b async for b in company.rutter.bills.walk(filter=chosen, pages_max=HISTORY_PAGES_MAX)}
    return list(found.values())
