"""What is kept of a bill in the store's copy of a ledger's payables, and what that says of what is owed."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import date, datetime

from rutter_ap_server.clock import stamp
from rutter_ap_server.reads.aging import Owed
from rutter_ap_server.reads.amounts import record_number
from rutter_ap_server.reads.bills import UNPAID
from rutter_ap_server.reads.owed import judged
from rutter_ap_server.rutter.models.bills import BILL_STATUSES, Bill
from rutter_ap_server.rutter.models.events import Event
from rutter_ap_server.store.bill_mirror import ID_CHARACTERS_MAX, MirroredBill
from rutter_ap_tools.money import Money
from rutter_ap_tools.text import clean

_NUMBER_CHARACTERS_MAX = 400
_LISTED = (*UNPAID, "unknown", "paid")
_ODD_ID = "its id, or its vendor's, cannot be used"


def id_of(bill: Bill) -> str:
    """What a bill is kept under: its id, or what stands for one that no store can hold."""
    if bill.id and _is_plain(bill.id):
        return bill.id
    said = bill.raw or bill.id.encode("utf-8", "surrogatepass")
    return f"odd:{hashlib.sha256(said).hexdigest()}"


def stamp_of(record: Bill | Event) -> str:
    """When Rutter last synced it; empty where that cannot be told."""
    return _stamp(record.last_synced_at)


def kept(bill: Bill, paid_since: str, *, filters: bool) -> MirroredBill | None:
    """What is kept of a bill; None where it does not count: it is neither unpaid nor was it paid since then.

    With `filters`, a status that a walk by statuses would not have found does not count either.
    """
    found = judged(bill)
    is_listed = not filters or bill.status in _LISTED or (bill.trouble != "" and bill.status not in BILL_STATUSES)
    changed_at = _stamp(bill.updated_at)
    if found is None or not is_listed or (bill.status == "paid" and changed_at <= paid_since):
        return None
    vendor_id = bill.vendor_id or ""
    is_odd = not (bill.id and _is_plain(bill.id) and _is_plain(vendor_id))
    if bill.status == "paid" and is_odd:
        return None
    owed, trouble = found.owed, _ODD_ID if is_odd else clean(found.trouble, 400)
    if owed is None or trouble:
        owed, trouble = None, trouble or _ODD_ID
    return MirroredBill(
        bill_id=id_of(bill),
        vendor_id="" if not _is_plain(vendor_id) else vendor_id,
        number=clean(record_number(bill), _NUMBER_CHARACTERS_MAX),
        # Whoever reads it only asks whether it is paid.
        status=bill.status if bill.status in BILL_STATUSES else "unknown",
        currency=owed.due.currency if owed else "",
        total=str(owed.total.amount) if owed else "",
        due=str(owed.due.amount) if owed else "",
        issue_date=_day(owed.issue_date) if owed else None,
        due_date=_day(owed.due_date) if owed else None,
        trouble=trouble,
        rounded=found.rounded,
        updated_at=changed_at,
        last_synced_at=stamp_of(bill),
    )


def owed_of(row: MirroredBill) -> Owed:
    """What is owed by a usable bill that was kept. Raises `BadInput` or `ValueError` for what is no such row."""
    total = Money.of(row.total, row.currency)
    return Owed(
        id=row.bill_id,
        vendor_id=row.vendor_id,
        number=row.number,
        total=total,
        due=total if row.due == row.total else Money.of(row.due, row.currency),
        issue_date=date.fromisoformat(row.issue_date) if row.issue_date else None,
        due_date=date.fromisoformat(row.due_date) if row.due_date else None,
        unpaid=row.status in UNPAID,
    )


def _is_plain(text: str) -> bool:
    return len(text) <= ID_CHARACTERS_MAX and text.isprintable()


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _stamp(moment: datetime | None) -> str:
    with suppress(OverflowError):
        return stamp(moment) if moment else ""
    return ""
