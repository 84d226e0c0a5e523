"""The smaller companies on Xero, NetSuite and Sage Intacct, each with what is special to its platform."""

from __future__ import annotations

from datetime import date

from rutter_sandbox.database import Transaction
from rutter_sandbox.kinds import INTACCT, NETSUITE, XERO
from rutter_sandbox.records import Books
from rutter_sandbox.seeder import Seeder, create_company


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


def start_company(seeder: Seeder, legal_name: str, address: str) -> None:
    """Company info, currency, accounts, a tax rate and money in the bank: enough to enter a first bill."""
    currency = seeder.books.company.currency
    seeder.company_info(legal_name, address)
    if seeder.books.company.platform != INTACCT:
        seeder.currencies([(currency, currency)])
    seeder.accounts(chart(currency))
    seeder.opening("Business Account", currency, 90_000_00)
    seeder.tax_rate("Standard 20%", "20")
    seeder.item("Consulting hour", "95.00", "service")
    seeder.plain("class", ["Core", "Growth"], parent_id=None, has_children=False, status="active")


def seed(tx: Transaction, today: date) -> None:
    _xero(tx, today)
    _netsuite(tx, today)
    _intacct(tx, today)


def _two_bills(seeder: Seeder, vendor: str, prefix: str, account: str) -> None:
    seeder.bill(vendor, f"{prefix}-1", [seeder.line(account, "420.00", "Services")], -60, -30)
    seeder.pay(f"{prefix}-1", "Business Account", "420.00", -32)
    seeder.bill(vendor, f"{prefix}-2", [seeder.line(account, "515.25", "Services")], -36, -6)
    seeder.bill(vendor, f"{prefix}-3", [seeder.line(account, "780.00", "Services")], -9, 21)


def _xero(tx: Transaction, today: date) -> None:
    company = create_company(tx, "brook", "Brook & Field", "Brook & Field Studio Ltd", XERO, "GBP")
    seeder = Seeder(tx, company, "brook", today)
    start_company(seeder, "Brook & Field Studio Limited", "4 Mill Lane, Bristol, BS1 4AA, GB")
    seeder.vendor("Penrose Print", "GBP", bank_account_number="20-00-00 55779911")
    seeder.vendor("Tidewater Studio", "GBP", bank_account_number="20-11-22 10203040")
    _two_bills(seeder, "Penrose Print", "PP", "General Expenses")
    _two_bills(seeder, "Tidewater Studio", "TS", "Travel")
    draft = [seeder.line("General Expenses", "96.00", "Samples")]
    seeder.bill("Penrose Print", "PP-4", draft, -3, 27, status="draft")
    seeder.credit("Penrose Print", "PC-1", [seeder.line("General Expenses", "50.00", "Misprint")], -5, "Misprint")


def _netsuite(tx: Transaction, today: date) -> None:
    company = create_company(tx, "meridian", "Meridian Components", "Meridian Components Inc", NETSUITE, "USD")
    seeder = Seeder(tx, company, "meridian", today)
    root = _subsidiary(seeder, "Meridian Components Inc", None, "US", "USD")
    _subsidiary(seeder, "Meridian Components UK", root, "GB", "GBP")
    start_company(seeder, "Meridian Components Incorporated", "800 Foundry Avenue, Austin, TX 78701, US")
    seeder.currencies([("GBP", "British Pound")])
    seeder.item("Bearing 6204", "3.15", "inventory")
    location = {"parent_id": None, "has_children": False, "status": "active", "subsidiaries": [{"id": root}]}
    seeder.plain("location", ["Austin Warehouse"], **location)
    seeder.plain("department", ["Assembly"], parent_id=None, has_children=False, status="active")
    seeder.plain("payment_method", ["ACH", "Check"])
    seeder.term("Net 30", 30)
    seeder.vendor("Halden Steel", "USD")
    seeder.vendor("Quartz Logistics", "USD")
    _two_bills(seeder, "Halden Steel", "HS", "Cost of Sales")
    _two_bills(seeder, "Quartz Logistics", "QL", "General Expenses")
    seeder.order("Halden Steel", "PO-77", [("Bearing 6204", 1000)], -20)


def _intacct(tx: Transaction, today: date) -> None:
    company = create_company(tx, "cedar", "Cedar Health", "Cedar Health Services", INTACCT, "USD")
    seeder = Seeder(tx, company, "cedar", today)
    _subsidiary(seeder, "Cedar Health Services", None, "US", "USD")
    start_company(seeder, "Cedar Health Services LLC", "77 Garden Street, Boise, ID 83702, US")
    seeder.plain("location", ["Boise Clinic"], parent_id=None, has_children=False, status="active", subsidiaries=[])
    seeder.plain("department", ["Nursing"], parent_id=None, has_children=False, status="active")
    seeder.plain("project", ["New wing"], status="In Progress", project_category="Contract")
    seeder.plain("task", ["Survey"], status="in_progress")
    seeder.vendor("Marrow Medical", "USD")
    _two_bills(seeder, "Marrow Medical", "MM", "General Expenses")


def _subsidiary(seeder: Seeder, name: str, parent: str | None, country: str, currency: str) -> str:
    fields = {"id": seeder.id("subsidiary", name), "name": name, "parent_id": parent, "country": country}
    rest = {"currency_code": currency, "status": "active", "elimination": False}
    return str(seeder.books.add("subsidiary", fields | rest)["id"])


def start_linked_company(books: Books, today: date) -> None:
    """The books of a company that has just been linked."""
    seeder = Seeder(books.tx, books.company, books.company.id, today)
    name = books.company.store_name or "Sandbox Company"
    if books.company.platform == NETSUITE:
        _subsidiary(seeder, name, None, "US", books.company.currency)
    start_company(seeder, name, "1 Sandbox Way, Nowhere")
    seeder.vendor("First Vendor", books.company.currency)
    seeder.bill("First Vendor", "FV-1", [seeder.line("General Expenses", "100.00", "A first bill")], -5, 25)
