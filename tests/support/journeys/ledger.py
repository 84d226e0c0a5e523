"""The ledger as lines a bookkeeper would read, so that two of its states can be compared whole."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from rutter_ap_server.app import App
from rutter_ap_server.rutter.models.base import Allocation
from rutter_ap_server.rutter.models.vendors import Vendor


async def lines_of(app: App) -> Counter[str]:
    """Every bill, payment, credit, vendor and account of the practice company, one line each, by their names."""
    (company, *_) = await app.companies.all()
    books = company.rutter
    vendors = {vendor.id: vendor async for vendor in books.vendors.walk()}
    accounts = {account.id: account.name or "" async for account in books.accounts.walk()}
    names = {id_: vendor.display_name or vendor.vendor_name or "" for id_, vendor in vendors.items()}
    lines = [_vendor(vendor) for vendor in vendors.values()]
    lines += [f"account {name}" for name in accounts.values()]
    numbers = {}
    async for bill in books.bills.walk():
        numbers[bill.id] = bill.document_number or ""
        files = ", ".join(sorted(file.file_name for file in await books.attachments.list(bill.id)))
        lines.append(
            f"bill {bill.document_number} of {names[bill.vendor_id or '']}: {bill.status}, "
            f"{bill.amount_due:.2f} of {bill.total_amount:.2f} {bill.currency_code} due {_day(bill.due_date)}"
            + (f" [{files}]" if files else "")
        )
    async for payment in books.bill_payments.walk():
        lines.append(
            f"payment {payment.status} {_day(payment.transaction_date)} to {names[payment.vendor_id or '']} "
            f"from {accounts[payment.account_id or '']}: {_shares(payment.linked_bills, numbers)}"
        )
    async for credit in books.bill_credit_memos.walk():
        lines.append(
            f"credit {credit.document_number} of {names[credit.vendor_id or '']}: {credit.status}, "
            f"{credit.remaining_amount:.2f} of {credit.total_amount:.2f} left: {_shares(credit.linked_bills, numbers)}"
        )
    return Counter(lines)


def _vendor(vendor: Vendor) -> str:
    reached = ", ".join(text for text in (vendor.email, vendor.phone) if text)
    places = "; ".join(f"{address.address1} {address.city}" for address in vendor.addresses)
    name = vendor.display_name or vendor.vendor_name
    return f"vendor {name}: {vendor.status}, {'/'.join(vendor.currency_codes)}, {reached}, {places}"


def _shares(allocations: tuple[Allocation, ...], numbers: dict[str, str]) -> str:
    shares = sorted(f"{numbers[one.id or '']} {one.allocated_amount:.2f}" for one in allocations)
    return ", ".join(shares) or "nothing"


def _day(moment: datetime | None) -> str:
    return str(moment.date()) if moment else "never"
