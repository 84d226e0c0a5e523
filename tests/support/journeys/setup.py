"""What stands in the practice company before a journey begins, beyond its story; answers what the person gives."""

from __future__ import annotations

from datetime import UTC, date, datetime

from rutter_ap_server.app import App
from rutter_ap_server.documents.files import Documents
from rutter_ap_server.interaction import NO_INTERACTION
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_tools.payments import PayBill
from support import pdfs

# A Wednesday. The practice company's story is told relative to it.
TODAY = date(2026, 11, 18)
NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
INVOICE = (
    "INVOICE",
    "From: Northwind Utilities",
    "Bill to: Harbor & Pine Ltd",
    "Invoice number: NW-2399",
    "Invoice date: 2026-11-16",
    "Due date: 2026-12-16",
    "Electricity 268.35",
    "Water 122.26",
    "Total due: USD 390.61",
)


async def an_uploaded_invoice(app: App) -> dict[str, str]:
    """A person put the invoice in with `rutter-ap upload` and gives the handle it printed."""
    home = app.settings.home
    file = home / "NW-2399.pdf"
    file.write_bytes(pdfs.pdf(INVOICE))
    return {"upload": Documents((), home / "uploads").put_in(file), "invoice": " / ".join(INVOICE)}


async def a_document_of_another_total(app: App) -> dict[str, str]:
    """Somebody kept an invoice with the bill NW-2291 whose total is ten times the bill's."""
    company = await app.companies.get("")
    bill = await _bill(app, "NW-2291")
    assert bill.issue_date is not None
    issued = bill.issue_date.date().isoformat()
    content = pdfs.invoice(issued, Total_due="Total due: USD 6,842.00")
    kept = await company.rutter.attachments.upload(bill.id, "NW-2291.pdf", content, idempotency_key="the document")
    assert isinstance(kept, Done)
    return {}


async def a_payment_that_waits(app: App) -> dict[str, str]:
    """Yesterday's assistant proposed a payment that nobody has released yet."""
    bill = await _bill(app, "FT-791")
    held = await app.backend("assistant (yesterday)", NO_INTERACTION).submit(
        PayBill(bill_id=bill.id, amount="1500.05", account="Operating Checking")
    )
    assert held.status == "held"
    return {}


async def _bill(app: App, number: str) -> Bill:
    company = await app.companies.get("")
    return await anext(bill async for bill in company.rutter.bills.walk() if bill.document_number == number)
