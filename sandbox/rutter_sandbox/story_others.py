"""The smaller companies beside the main one: Xero, NetSuite and Sage Intacct, each with what is its own."""

from __future__ import annotations

from datetime import date

from rutter_sandbox.database import Transaction
from rutter_sandbox.kinds import INTACCT, NETSUITE, XERO
from rutter_sandbox.records import Books
from rutter_sandbox.seeder import Seeder, found


def chart(currency: str) -> list[tuple[str, str, str, str]]:
    """The accounts with which any new company starts."""
    return [
        ("Accounts Payable", "accounts_payable", currency, "2000"),
        ("Business Account", "bank", currency, "1000"),
        ("Company Card", "credit_card", currency, "2100"),
        ("Purchase Tax", "other_current_asset", currency, "1300"),
        ("Opening Balance Equity", "equity", currency, "3000"),
        ("Sales", "income", currency, "4000"),
        ("Cost of Sales", "cost_of_goods_sold", currency, "5000"),
        ("General Expenses", "expense", currency, "6000"),
        ("Travel", "expense", currency, "6100"),
    ]


def start_company(teller: Seeder, legal_name: str, address: str) -> None:
    """Company info, currency, accounts, a tax rate and money in the bank: enough to enter a first bill."""
    currency = teller.books.company.currency
    teller.company_info(legal_name, address)
    if teller.books.company.platform != INTACCT:
        teller.currencies([(currency, currency)])
    teller.accounts(chart(currency))
    teller.opening("Business Account", currency, 90_000_00)
    teller.tax_rate("Standard 20%", "20")
    teller.item("Consulting hour", "95.00", "service")
    teller.plain("class", ["Core", "Growth"], parent_id=None, has_children=False, status="active")


def tell(tx: Transaction, today: date) -> None:
    _xero(tx, today)
    _netsuite(tx, today)
    _intacct(tx, today)


def _two_bills(teller: Seeder, vendor: str, prefix: str, account: str) -> None:
    teller.bill(vendor, f"{prefix}-1", [teller.line(account, "420.00", "Services")], -60, -30)
    teller.pay(f"{prefix}-1", "Business Account", "420.00", -32)
    teller.bill(vendor, f"{prefix}-2", [teller.line(account, "515.25", "Services")], -36, -6)
    teller.bill(vendor, f"{prefix}-3", [teller.line(account, "780.00", "Services")], -9, 21)


def _xero(tx: Transaction, today: date) -> None:
    company = found(tx, "brook", "Brook & Field", "Brook & Field Studio Ltd", XERO, "GBP")
    teller = Seeder(tx, company, "brook", today)
    start_company(teller, "Brook & Field Studio Limited", "4 Mill Lane, Bristol, BS1 4AA, GB")
    teller.vendor("Penrose Print", "GBP", bank_account_number="20-00-00 55779911")
    teller.vendor("Tidewater Studio", "GBP", bank_account_number="20-11-22 10203040")
    _two_bills(teller, "Penrose Print", "PP", "General Expenses")
    _two_bills(teller, "Tidewater Studio", "TS", "Travel")
    draft = [teller.line("General Expenses", "96.00", "Samples")]
    teller.bill("Penrose Print", "PP-4", draft, -3, 27, status="draft")
    teller.credit("Penrose Print", "PC-1", [teller.line("General Expenses", "50.00", "Misprint")], -5, "Misprint")


def _netsuite(tx: Transaction, today: date) -> None:
    company = found(tx, "meridian", "Meridian Components", "Meridian Components Inc", NETSUITE, "USD")
    teller = Seeder(tx, company, "meridian", today)
    root = _subsidiary(teller, "Meridian Components Inc", None, "US", "USD")
    _subsidiary(teller, "Meridian Components UK", root, "GB", "GBP")
    start_company(teller, "Meridian Components Incorporated", "800 Foundry Avenue, Austin, TX 78701, US")
    teller.currencies([("GBP", "British Pound")])
    teller.item("Bearing 6204", "3.15", "inventory")
    location = {"parent_id": None, "has_children": False, "status": "active", "subsidiaries": [{"id": root}]}
    teller.plain("location", ["Austin Warehouse"], **location)
    teller.plain("department", ["Assembly"], parent_id=None, has_children=False, status="active")
    teller.plain("payment_method", ["ACH", "Check"])
    teller.term("Net 30", 30)
    teller.vendor("Halden Steel", "USD")
    teller.vendor("Quartz Logistics", "USD")
    _two_bills(teller, "Halden Steel", "HS", "Cost of Sales")
    _two_bills(teller, "Quartz Logistics", "QL", "General Expenses")
    teller.order("Halden Steel", "PO-77", [("Bearing 6204", 1000)], -20)


def _intacct(tx: Transaction, today: date) -> None:
    company = found(tx, "cedar", "Cedar Health", "Cedar Health Services", INTACCT, "USD")
    teller = Seeder(tx, company, "cedar", today)
    _subsidiary(teller, "Cedar Health Services", None, "US", "USD")
    start_company(teller, "Cedar Health Services LLC", "77 Garden Street, Boise, ID 83702, US")
    teller.plain("location", ["Boise Clinic"], parent_id=None, has_children=False, status="active", subsidiaries=[])
    teller.plain("department", ["Nursing"], parent_id=None, has_children=False, status="active")
    teller.plain("project", ["New wing"], status="In Progress", project_category="Contract")
    teller.plain("task", ["Survey"], status="in_progress")
    teller.vendor("Marrow Medical", "USD")
    _two_bills(teller, "Marrow Medical", "MM", "General Expenses")


def _subsidiary(teller: Seeder, name: str, parent: str | None, country: str, currency: str) -> str:
    fields = {"id": teller.id("subsidiary", name), "name": name, "parent_id": parent, "country": country}
    rest = {"currency_code": currency, "status": "active", "elimination": False}
    return str(teller.books.add("subsidiary", fields | rest)["id"])


def start_linked_company(books: Books, today: date) -> None:
    """What a company holds right after somebody linked it."""
    teller = Seeder(books.tx, books.company, books.company.id, today)
    name = books.company.store_name or "Sandbox Company"
    if books.company.platform == NETSUITE:
        _subsidiary(teller, name, None, "US", books.company.currency)
    start_company(teller, name, "1 Sandbox Way, Nowhere")
    teller.vendor("First Vendor", books.company.currency)
    teller.bill("First Vendor", "FV-1", [teller.line("General Expenses", "100.00", "A first bill")], -5, 25)
