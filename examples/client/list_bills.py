"""Lists the open bills that are due first, and adds up everything that is due."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from connected import connected

from rutter_ap_server.rutter import equal
from rutter_ap_server.rutter.blocking import blocking


def main() -> None:
    client, company = connected()
    with blocking(client) as wait:
        page = wait(company.bills.list, filter=equal("status", "open"), sort="due_date ASC", limit=5)
        for bill in page.items:
            due = bill.due_date.date() if bill.due_date else "no date"
            print(f"{bill.document_number or bill.id}: {bill.amount_due} {bill.currency_code}, due {due}")

        # Filters have no "or": what is unpaid is what is open and what is paid in part.
        totals: dict[str, Decimal] = defaultdict(Decimal)
        for status in ("open", "partially_paid"):
            for bill in wait.each(company.bills.walk(filter=equal("status", status))):
                totals[bill.currency_code] += bill.amount_due or 0
        for currency, total in sorted(totals.items()):
            print(f"Due in all: {total} {currency}")


if __name__ == "__main__":
    main()
