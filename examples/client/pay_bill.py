"""Records a payment of part of a bill. It is an entry in the ledger, not a transfer at a bank."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import uuid4

from connected import connected

from rutter_ap_server.rutter import Done, Rejected, Unknown, equal
from rutter_ap_server.rutter.blocking import blocking
from rutter_ap_server.rutter.models.payments import AllocationDraft, BillPaymentCreate


def main() -> None:
    client, company = connected()
    with blocking(client) as wait:
        bills = wait.each(company.bills.walk(filter=equal("status", "open")))
        bill = next(bill for bill in bills if bill.currency_code == "USD" and (bill.amount_due or 0) > 1)
        banks = wait(company.accounts.list, filter=equal("account_type", "bank")).items
        draft = BillPaymentCreate(
            account_id=next(bank.id for bank in banks if bank.currency_code == bill.currency_code),
            transaction_date=date.today(),
            linked_bills=(AllocationDraft(id=bill.id, allocated_amount=Decimal("0.99")),),
        )
        # Store the key before you send: a payment is never recorded twice under one key.
        key = str(uuid4())
        match wait(company.bill_payments.create, draft, idempotency_key=key):
            case Done(record=payment):
                left = wait(company.bills.get, bill.id).amount_due
                print(f"Paid {payment.total_amount} {bill.currency_code}; {bill.amount_due} was due, {left} is")
            case Rejected(error=error):
                print(f"Not paid: {error.message} {error.next_step}")
            case Unknown(job_id=job_id, reason=reason):
                print(f"May be paid ({reason}); follow job {job_id}, or send it again with the same key: {key}")


if __name__ == "__main__":
    main()
