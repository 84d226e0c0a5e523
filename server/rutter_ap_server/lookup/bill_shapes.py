"""Bills as an assistant sees them: rows with exact amounts, and sums that never mix currencies."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from rutter_ap_server.lookup.amounts import ledger_money
from rutter_ap_server.lookup.bill_question import UNPAID
from rutter_ap_tools.bills import BillRow, BillTotal
from rutter_ap_tools.money import Money
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import MoneyShape, Named

if TYPE_CHECKING:
    from rutter_ap_server.rutter.models.bills import Bill


def bill_row(bill: Bill, vendor: Named, today: date) -> BillRow:
    """A bill in a list. Raises `LedgerDataError` for amounts that cannot be used."""
    total, due = total_and_due(bill)
    due_date = bill.due_date.date() if bill.due_date else None
    late = (today - due_date).days if due_date and bill.status in UNPAID else 0
    return BillRow(
        id=bill.id,
        document_number=clean(bill.document_number, 60) or None,
        vendor=vendor,
        status=clean(bill.status, 30),
        issue_date=bill.issue_date.date() if bill.issue_date else None,
        due_date=due_date,
        total=MoneyShape.of(total),
        due=MoneyShape.of(due),
        days_overdue=max(0, late),
    )


def total_and_due(bill: Bill) -> tuple[Money, Money]:
    """Exact amounts of a bill. Raises `LedgerDataError`."""
    return (
        ledger_money(bill.total_amount, bill.currency_code, "total"),
        ledger_money(bill.amount_due, bill.currency_code, "amount due"),
    )


def sums_of(amounts: Iterable[tuple[Money, Money]]) -> list[BillTotal]:
    """Total and due of each bill summed per currency, in the order of the currencies' codes."""
    sums: dict[str, tuple[int, Money, Money]] = {}
    for total, due in amounts:
        zero = Money.zero(total.currency)
        count, all_total, all_due = sums.get(total.currency, (0, zero, zero))
        sums[total.currency] = (count + 1, all_total + total, all_due + due)
    return [
        BillTotal(bills=count, total=MoneyShape.of(total), due=MoneyShape.of(due))
        for _, (count, total, due) in sorted(sums.items())
    ]
