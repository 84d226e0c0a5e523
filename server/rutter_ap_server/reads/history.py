"""A vendor's records in the ledger: its open credits and all of its bills."""

from __future__ import annotations

from rutter_ap_server.companies.company import Company
from rutter_ap_server.rutter.filters import equal
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.models.credits import BillCreditMemo

# 10,000 records of one vendor; beyond that the walk raises, and the write that needed it does not happen.
HISTORY_PAGES_MAX = 20
OPEN = ("open", "partially_paid")


async def open_credits(company: Company, vendor_id: str | None = None) -> list[BillCreditMemo]:
    """Credit memos with an amount remaining, of one vendor or all."""
    chosen = equal("vendor_id", vendor_id) if vendor_id else None
    # A record that changes during the walk may appear twice; the later copy counts.
    found = {c.id: c async for c in company.rutter.bill_credit_memos.walk(filter=chosen, pages_max=HISTORY_PAGES_MAX)}
    return [credit for credit in found.values() if may_be_open(credit)]


def may_be_open(credit: BillCreditMemo) -> bool:
    """Whether something may remain on a credit: also where the ledger does not say how much, or not its status."""
    if credit.status not in OPEN and not (credit.trouble and credit.status == "unknown"):
        return False
    return credit.remaining_amount is None or credit.remaining_amount > 0


async def bills_of(company: Company, vendor_id: str) -> list[Bill]:
    """Every bill of one vendor."""
    chosen = equal("vendor_id", vendor_id)
    found = {b.id: b async for b in company.rutter.bills.walk(filter=chosen, pages_max=HISTORY_PAGES_MAX)}
    return list(found.values())
