"""What became of a payment that was sent: the payments on its bill, or where none can be read, what the bill shows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.parties import bill_fact
from rutter_ap_server.guard.writes.readback import Sent, differences, same_day, with_differences
from rutter_ap_server.reads.amounts import is_amount, ledger_money, readable_money
from rutter_ap_server.reads.doubts import payment_if_readable
from rutter_ap_server.rutter.abilities import abilities_of
from rutter_ap_server.rutter.models.base import Allocation
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.models.payments import BillPayment
from rutter_ap_tools.wire import MoneyShape, Named, Record


async def new_payments(
    bill: Bill, prepared: PreparedWrite, company: Company, before: dict[str, Any]
) -> tuple[Record, ...]:
    """The payments on the bill that were not there before, and may be the one that was to be recorded."""
    assert prepared.money is not None
    found = []
    for link in bill.linked_payments:
        if link.id and link.id not in before["payments"] and is_amount(link.allocated_amount, prepared.money):
            payment = await payment_if_readable(company, link.id)
            if payment is not None and _may_be(payment, prepared):
                found.append(payment_record(payment, bill, prepared))
            elif payment is None and _is_dated_so(link, prepared):
                found.append(unread_payment(link.id, bill, prepared))
    return tuple(found)


def _is_dated_so(link: Allocation, prepared: PreparedWrite) -> bool:
    return link.allocated_date is None or same_day(link.allocated_date, prepared.fields["date"], in_any_zone=True)


def _paid_by_balance(bill: Bill, prepared: PreparedWrite, company: Company, before: dict[str, Any]) -> bool:
    """Whether exactly this amount was taken off the balance, where the bill may not show by which payment.

    Only for a payment that is known by its id: the balance does not say who paid, and one that has not moved does not
    say that nobody did.
    """
    if abilities_of(company.platform).doubt("bill_payments") is None or prepared.money is None:
        return False
    if any(link.id not in before["payments"] for link in bill.linked_payments):
        return False
    now = bill_fact(bill)
    is_same = now.total.text == before["total"] and now.due.currency == prepared.money.currency
    return is_same and now.due.amount == Decimal(before["due"]) - prepared.money.amount


async def payment_of_balance(
    payment_id: str, bill: Bill, prepared: PreparedWrite, company: Company, before: dict[str, Any]
) -> Record | None:
    """The payment with that id, if the balance shows it where the bill may not; one that can be read must be ours."""
    if not _paid_by_balance(bill, prepared, company, before):
        return None
    payment = await payment_if_readable(company, payment_id)
    if payment is None:
        return unread_payment(payment_id, bill, prepared)
    return payment_record(payment, bill, prepared) if _may_be(payment, prepared) else None


def unread_payment(payment_id: str, bill: Bill, prepared: PreparedWrite) -> Record:
    """A payment that cannot be read itself, as its bill shows it."""
    shown = payment_record(BillPayment(id=payment_id, currency_code=prepared.fields["currency"]), bill, prepared)
    words = "the payment itself cannot be read here, so that its account, date and memo were not compared"
    return shown.model_copy(update={"text_difference": words, "tidied": None})


def _may_be(payment: BillPayment, prepared: PreparedWrite) -> bool:
    """Whether a payment is the one that was to be recorded; what a platform does not show says nothing."""
    fields = prepared.fields
    day = payment.transaction_date
    return (
        not payment.trouble
        and payment.status != "void"
        and payment.account_id in (None, fields["account_id"])
        and payment.vendor_id in (None, fields["vendor_id"])
        and payment.currency_code == fields["currency"]
        and (day is None or same_day(day, fields["date"], in_any_zone=True))
    )


def payment_record(payment: BillPayment, bill: Bill, prepared: PreparedWrite) -> Record:
    """A payment of the bill as the ledger shows it, with what is said of its memo."""
    paid = [link.allocated_amount for link in bill.linked_payments if link.id == payment.id]
    # Without a link, the balance of the bill shows that it is what was to be paid.
    amount = prepared.money if not paid else None
    if amount is None:
        amount = ledger_money(sum(paid, Decimal(0)), prepared.fields["currency"], "amount of a payment on the bill")
    # What else of the bill can be read now says nothing about the payment.
    due = readable_money(bill.amount_due, bill.currency_code)
    record = Record(
        kind="bill_payment",
        id=payment.id,
        vendor=Named(id=prepared.vendor_id, name=prepared.vendor_name) if prepared.vendor_id else None,
        bill_id=bill.id,
        amount=MoneyShape.of(amount),
        bill_due=MoneyShape.of(due) if due is not None else None,
        bill_status=bill.status,
    )
    return with_differences(record, differences([Sent("memo", prepared.fields["memo"], payment.memo)]))
