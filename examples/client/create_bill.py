"""Enters a bill of two lines, attaches its document, and reads both back."""

from __future__ import annotations

import sys
from datetime import date
from decimal import Decimal
from uuid import uuid4

from connected import connected

from rutter_ap_server.rutter import Done, equal
from rutter_ap_server.rutter.blocking import blocking
from rutter_ap_server.rutter.models.bills import BillCreate, BillLineDraft


def main() -> None:
    client, company = connected()
    with blocking(client) as wait:
        vendor = wait(company.vendors.list, limit=1).items[0]
        expense = wait(company.accounts.list, filter=equal("account_type", "expense"), limit=1).items[0]
        draft = BillCreate(
            vendor_id=vendor.id,
            issue_date=date.today(),
            currency_code="USD",
            document_number=f"EX-{uuid4().hex[:8]}",
            line_items=tuple(
                BillLineDraft(account_id=expense.id, total_amount=Decimal(amount)) for amount in ("120.50", "9.99")
            ),
        )
        # Store the key before you send: the same key never enters the bill twice.
        outcome = wait(company.bills.create, draft, idempotency_key=str(uuid4()))
        if not isinstance(outcome, Done):
            sys.exit(f"Not known to be entered: {outcome}")
        bill = outcome.record
        print(f"Entered {bill.document_number}: {bill.total_amount} {bill.currency_code}")

        key = str(uuid4())
        attached = wait(company.attachments.upload, bill.id, "invoice.pdf", b"%PDF-1.7 ...", idempotency_key=key)
        if not isinstance(attached, Done):
            sys.exit(f"Not known to be attached: {attached}")
        with wait.within(company.attachments.download(bill.id, attached.record.id)) as file:
            print(f"Attached {attached.record.file_name}: {len(wait(file.read))} bytes")


if __name__ == "__main__":
    main()
