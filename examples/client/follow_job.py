"""Follows a write by its job: sent without waiting, then asked for until its outcome is known."""

from __future__ import annotations

import sys
import time
from datetime import date
from decimal import Decimal
from uuid import uuid4

from connected import connected

from rutter_ap_server.rutter import Done, Limits, Unknown, equal
from rutter_ap_server.rutter.blocking import blocking
from rutter_ap_server.rutter.models.bills import BillCreate, BillLineDraft


def main() -> None:
    # With no time to wait for jobs, a write returns as soon as Rutter has taken it.
    client, company = connected(Limits(job_wait_seconds=0))
    with blocking(client) as wait:
        vendor = wait(company.vendors.list, limit=1).items[0]
        expense = wait(company.accounts.list, filter=equal("account_type", "expense"), limit=1).items[0]
        line = BillLineDraft(account_id=expense.id, total_amount=Decimal("42.07"))
        draft = BillCreate(vendor_id=vendor.id, issue_date=date.today(), currency_code="USD", line_items=(line,))
        taken = wait(company.bills.create, draft, idempotency_key=str(uuid4()), response_mode="async")
        if not isinstance(taken, Unknown) or taken.job_id is None:
            sys.exit(f"Expected a job: {taken}")
        # Any process may ask for it, also after this one has ended.
        job_id = taken.job_id
        print(f"Job {job_id}: {wait(client.job, job_id).state}")
        while isinstance(outcome := wait(company.bills.outcome, job_id), Unknown) and outcome.reason == "still_running":
            time.sleep(1)
        if not isinstance(outcome, Done):
            sys.exit(f"Not known to be entered: {outcome}")
        print(f"Entered: {outcome.record}")


if __name__ == "__main__":
    main()
