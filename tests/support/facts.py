"""Facts and intents for the rules' tables, built by hand."""

from __future__ import annotations

from typing import Any

from rutter_ap_server.guard.prepared import PreparedWrite, prepare
from rutter_ap_server.guard.writes.parties import AccountFact, BillFact, VendorFact
from rutter_ap_server.guard.writes.pay_bill_rules import PaymentFacts
from rutter_ap_tools.money import Money


def usd(text: str) -> Money:
    """Dollars."""
    return Money.parse(text, "USD")


def a_prepared_write(money: Money | None = None, **changed: Any) -> PreparedWrite:
    """A frozen payment of 100.00 USD to v1 for b1."""
    made: dict[str, Any] = {
        "tool": "pay_bill",
        "company_id": "company-1",
        "fields": {"bill_id": "b1"},
        "summary": "Pay",
        "money": money or usd("100.00"),
        "vendor_id": "v1",
        "vendor_name": "Acme",
        "bill_id": "b1",
    }
    return prepare(**made | changed)


def a_bill(**changed: Any) -> BillFact:
    """An open bill of 100.00 USD."""
    made: dict[str, Any] = {
        "id": "b1",
        "number": "INV-1",
        "status": "open",
        "vendor_id": "v1",
        "total": usd("100.00"),
        "due": usd("100.00"),
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


def payment_facts(**changed: Any) -> PaymentFacts:
    """Facts to which no rule objects."""
    made: dict[str, Any] = {
        "bill": a_bill(),
        "vendor": a_vendor(),
        "account": an_account(),
        "open_credits": Money.zero("USD"),
        "paid_before": True,
    }
    return PaymentFacts(**made | changed)
