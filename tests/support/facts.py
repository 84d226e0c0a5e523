"""Facts and intents for the rules' tables, built by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from rutter_ap_server.guard.prepared import PreparedWrite, prepare
from rutter_ap_server.guard.store_facts import StoreFacts
from rutter_ap_server.guard.writes.base import Facts
from rutter_ap_server.guard.writes.compared import Compared
from rutter_ap_server.guard.writes.parties import AccountFact, BillFact, VendorFact
from rutter_ap_server.guard.writes.pay_bill_rules import PaymentFacts
from rutter_ap_server.guard.writes.sums import ExpectedSums
from rutter_ap_server.store.documents import Document
from rutter_ap_tools.money import Money

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def usd(text: str) -> Money:
    """Dollars."""
    return Money.parse(text, "USD")


def ids_of(bill_id: str, vendor_id: str) -> dict[str, Any]:
    """Every id that any write may name among its fields."""
    return {"bill_id": bill_id, "bill_ids": [bill_id], "credit_id": "c1", "payment_id": "p1", "vendor_id": vendor_id}


def a_prepared_write(money: Money | None = None, **changed: Any) -> PreparedWrite:
    """A prepared payment of 100.00 USD to v1 for b1."""
    made: dict[str, Any] = {
        "tool": "pay_bill",
        "company_id": "company-1",
        "fields": ids_of("b1", "v1") | {"date": "2026-03-02"},
        "summary": "Pay",
        "money": money or usd("100.00"),
        "vendor_id": "v1",
        "vendor_name": "Acme",
        "bill_id": "b1",
    }
    return prepare(**made | changed)


def a_bill(**changed: Any) -> BillFact:
    """An open bill of 100.00 USD, issued on the first of February 2026 and due a month later."""
    made: dict[str, Any] = {
        "id": "b1",
        "number": "INV-1",
        "status": "open",
        "vendor_id": "v1",
        "total": usd("100.00"),
        "due": usd("100.00"),
        "issued": date(2026, 2, 1),
        "due_on": date(2026, 3, 3),
    }
    return BillFact(**made | changed)


def a_vendor(**changed: Any) -> VendorFact:
    """An active vendor that bills in dollars."""
    made: dict[str, Any] = {"id": "v1", "name": "Acme", "status": "active", "currencies": ("USD",), "details": "d" * 64}
    return VendorFact(**made | changed)


def an_account(**changed: Any) -> AccountFact:
    """An active bank account in dollars."""
    made: dict[str, Any] = {"id": "a1", "name": "Checking", "type": "bank", "status": "active", "currency": "USD"}
    return AccountFact(**made | changed)


def a_document(number: str = "INV-7", **changed: Any) -> Document:
    """A bill of v1 of 100.00 USD, issued on the first of February 2026."""
    made: dict[str, Any] = {
        "kind": "bill",
        "id": "b9",
        "vendor_id": "v1",
        "number": number,
        "issued": date(2026, 2, 1),
        "total": usd("100.00"),
    }
    return Document(**made | changed)


def compared(*others: Document, **changed: Any) -> Compared:
    """The bill INV-7 of 100.00 USD, which is about to be entered or paid, beside others in the ledger."""
    sums = ExpectedSums(None, None, usd("100.00"), "")
    return Compared(a_document(id="b1"), sums, usd("100.00"), others, **changed)


def payment_facts(**changed: Any) -> PaymentFacts:
    """Facts to which no rule objects."""
    made: dict[str, Any] = {
        "bill": a_bill(),
        "vendor": a_vendor(),
        "account": an_account(),
        "open_credits": Money.zero("USD"),
        "paid_before": True,
        "earlier_payments": (),
        "other_bills": (),
        "paid_on_bill": (),
        "line_sums": (),
        "files": None,
        "today": NOW.date(),
    }
    return PaymentFacts(**made | changed)


def some_facts(**changed: Any) -> Facts[Any]:
    """Facts of a payment to which no rule objects, at half past nine on Monday the second of March 2026."""
    made: dict[str, Any] = {
        "seen": payment_facts(),
        "binding": {},
        "before": {},
        "vendor": None,
        "texts": (),
        "arguments": (),
        "names": {},
        "now": NOW,
        "today": NOW.date(),
        "ability": None,
        "closed_up_to": None,
    }
    return Facts(**made | changed)


def stored(**changed: Any) -> StoreFacts:
    """A store that knows nothing about the write."""
    made: dict[str, Any] = {
        "frozen_by": None,
        "other_policies": (),
        "in_flight": (),
        "repeats": (),
        "sightings": (),
        "documents": (),
        "mentioned_before": (),
        "over_limits": (),
        "declined": (),
        "overlapping": (),
        "payments_of_bill": (),
        "in_doubt": (),
        "released": (),
        "booking": None,
    }
    return StoreFacts(**made | changed)
