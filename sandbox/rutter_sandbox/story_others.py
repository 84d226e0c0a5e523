"""The smaller companies on Xero, NetSuite and Sage Intacct, each with what is special to its platform.

Between them their documents have every status and every field that Rutter documents for these platforms.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from rutter_sandbox.database import Transaction
from rutter_sandbox.kinds import INTACCT, KINDS, NETSUITE, XERO
from rutter_sandbox.records import Books
from rutter_sandbox.seeder import BEGINNING, Seeder, create_company


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
    platform = seeder.books.company.platform
    if platform in KINDS["currency"].read:
        seeder.currencies([(currency, currency)])
    seeder.accounts(chart(currency))
    seeder.opening("Business Account", currency, 90_000_00)
    seeder.tax_rate("Standard 20%", "20")
    if platform in KINDS["item"].read:
        seeder.item("Consulting hour", "95.00", "service")
    if platform in KINDS["class"].read:
        seeder.plain("class", ["Core", "Growth"], parent_id=None, has_children=False, status="active")


def seed(tx: Transaction, today: date) -> None:
    _xero(tx, today)
    _netsuite(tx, today)
    _intacct(tx, today)


def three_bills(seeder: Seeder, vendor: str, prefix: str, account: str) -> None:
    """A paid bill, an overdue one and one that is due later."""
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
    three_bills(seeder, "Penrose Print", "PP", "General Expenses")
    three_bills(seeder, "Tidewater Studio", "TS", "Travel")
    seeder.attach("TS-2", "TS-2.txt", "Tidewater Studio\nInvoice TS-2\nServices\nTotal 515.25 GBP\n")
    draft = [seeder.line("General Expenses", "96.00", "Samples")]
    seeder.bill("Penrose Print", "PP-4", draft, -3, 27, status="draft")
    seeder.credit("Penrose Print", "PC-1", [seeder.line("General Expenses", "50.00", "Misprint")], -5, "Misprint")
    _xero_documents(seeder)


def _xero_documents(seeder: Seeder) -> None:
    """Bills with their tax added and within, and bills, credits and orders in every state that Xero has."""
    vendor, line, taxed = "Tidewater Studio", seeder.line, {"tax_rate_id": seeder.id("tax_rate", "Standard 20%")}
    dear = line("Travel", "237.55", "Train tickets", discount_amount=Decimal("12.45"), **taxed)
    seeder.bill(vendor, "TS-4", [dear, line("Travel", "18.20", "Left luggage")], -15, 15, memo="May fair")
    within = [line("Travel", "199.99", "Hotel, tax included", **taxed)]
    seeder.bill(vendor, "TS-5", within, -14, 16, additional_fields={"tax_inclusive": True})
    for number, status, amount in (("TS-6", "submitted", "64.10"), ("TS-7", "void", "71.00")):
        seeder.bill(vendor, number, [line("Travel", amount, "Taxi")], -11, 19, status=status)
    for number, status in (
        ("TC-1", "open"),
        ("TC-2", "open"),
        ("TC-3", "draft"),
        ("TC-4", "submitted"),
        ("TC-5", "void"),
    ):
        seeder.credit(vendor, number, [line("Travel", "40.00", "Cancelled trip")], -9, "Cancelled trip", status=status)
    seeder.apply("TC-1", "TS-4", "40.00", -8)
    seeder.apply("TC-2", "TS-4", "15.35", -8)
    for number, status in (("PO-31", "draft"), ("PO-32", "open")):
        seeder.order(vendor, number, [("Consulting hour", 6)], -20, status=status, memo="Shop window", line=taxed)
    part = [seeder.item_line("Consulting hour", 2, "95.00", account_id=seeder.id("account", "General Expenses"))]
    seeder.bill(vendor, "TS-8", part, -6, 24, linked_purchase_orders=[{"id": seeder.id("purchase_order", "PO-32")}])


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
    _netsuite_records(seeder, root)
    seeder.on(BEGINNING)
    seeder.vendor("Halden Steel", "USD")
    seeder.vendor("Quartz Logistics", "USD")
    three_bills(seeder, "Halden Steel", "HS", "Cost of Sales")
    three_bills(seeder, "Quartz Logistics", "QL", "General Expenses")
    seeder.order("Halden Steel", "PO-77", [("Bearing 6204", 1000)], -20)
    _netsuite_documents(seeder)


def _netsuite_records(seeder: Seeder, root: str) -> None:
    """What stands behind the documents: terms, parents and children, customers, and a vendor with every field."""
    idle = _subsidiary(seeder, "Meridian Eliminations", root, "US", "USD", status="inactive", elimination=True)
    seeder.account("Old Clearing", "other_asset", "USD", "1900", subsidiary_id=idle, status="inactive")
    seeder.term("2/10 Net 30", 30, discount_days=10, discount_percent=Decimal(2))
    for kind, name in (("class", "Core"), ("department", "Assembly"), ("location", "Austin Warehouse")):
        above = seeder.books.get(kind, seeder.id(kind, name))
        seeder.books.save(kind, above | {"has_children": True})
        shared = {"subsidiaries": above["subsidiaries"]} if kind == "location" else {}
        seeder.plain(kind, [f"{name}, old"], parent_id=above["id"], has_children=False, status="archived", **shared)
    address = {"type": "shipping", "address1": "Unit 4", "address2": "Don Works", "address3": "Attercliffe"}
    address |= {"city": "Sheffield", "country": "GB", "postal_code": "S9 3TY", "region": "South Yorkshire"}
    known = {"registration_number": "04417281", "tax_number": "GB 417 2810 44", "addresses": [address]}
    terms = {"payment_terms_id": seeder.id("payment_term", "2/10 Net 30")}
    site = {"website": "https://sheffield-tooling.example"}
    british = seeder.id("subsidiary", "Meridian Components UK")
    subsidiaries = [{"id": one, "primary": one == british} for one in (root, british, idle)]
    seeder.vendor("Sheffield Tooling", "GBP", subsidiaries=subsidiaries, **known, **terms, **site)
    seeder.vendor("Rowan Castings", "USD", status="archived")
    reachable = {"email": "ap@lakeside-motors.example", "phone": "+1 555 0121", "subsidiary_id": root}
    seeder.customer("Lakeside Motors", **reachable, **known, **terms)
    seeder.customer("Ostrava Rail", status="unknown")


def _netsuite_documents(seeder: Seeder) -> None:
    """Bills with every dimension, in every state of approval, billed against orders, and in another currency."""
    line, vendor = seeder.line, "Halden Steel"
    place = {"location_id": seeder.id("location", "Austin Warehouse")}
    tags = {"class_id": seeder.id("class", "Core"), "department_id": seeder.id("department", "Assembly")} | place
    terms = {"payment_terms_id": seeder.id("payment_term", "2/10 Net 30")}
    taxed = {"tax_rate_id": seeder.id("tax_rate", "Standard 20%")}
    steel = line("Cost of Sales", "1330.00", "Bar steel", discount_amount=Decimal(70), **tags, **taxed)
    seeder.bill(vendor, "HS-4", [steel], -6, 24, memo="Deliver to gate 2", **terms)
    for number, status in (("HS-5", "pending_approval"), ("HS-6", "rejected"), ("HS-7", "draft")):
        seeder.bill(vendor, number, [line("Cost of Sales", "260.00", "Plate")], -5, 25, status=status, **terms)
    seeder.bill(vendor, "HS-8", [line("Cost of Sales", "0.00", "Voided: entered twice")], -5, 25, status="void")
    headed = {"class_id": tags["class_id"], "department_id": tags["department_id"]}
    whole = {"account_id": seeder.id("account", "Cost of Sales"), "description": "Bearings for line 3"} | taxed
    orders = (("PO-78", 400, "open"), ("PO-79", 100, "open"), ("PO-80", 50, "unknown"))
    for number, count, status in orders:
        lines = [("Bearing 6204", count)]
        fields = {"status": status, "memo": "Line 3", "additional_fields": headed}
        seeder.order(vendor, number, lines, -30, line=whole, **fields)
    for number, order, billed in (("HS-9", "PO-78", 150), ("HS-10", "PO-79", 100)):
        linked = [{"id": seeder.id("purchase_order", order)}]
        bearings = [seeder.item_line("Bearing 6204", billed, "3.15", **tags)]
        seeder.bill(vendor, number, bearings, -10, 20, linked_purchase_orders=linked, **terms)
    seeder.credit(vendor, "HC-1", [line("Cost of Sales", "90.00", "Short delivery", **tags)], -4, "Short delivery")
    seeder.apply("HC-1", "HS-4", "30.00", -3)
    british = {"subsidiary_id": seeder.id("subsidiary", "Meridian Components UK"), "currency_rate": Decimal("1.2731")}
    cutters = [line("Cost of Sales", "418.75", "Cutters", **tags)]
    seeder.bill("Sheffield Tooling", "ST-1", cutters, -12, 18, currency="GBP", **british, **terms)


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
    three_bills(seeder, "Marrow Medical", "MM", "General Expenses")
    _intacct_documents(seeder)


def _intacct_documents(seeder: Seeder) -> None:
    """Bills and adjustments on their way through approval, and one on a project, with the reference of Sage."""
    for status in ("not_started", "planned", "completed", "on_hold", "unknown"):
        seeder.plain("task", [f"Fit out, {status.replace('_', ' ')}"], status=status)
    tags = {kind: {f"{kind}_id": seeder.id(kind, name)} for kind, name in _INTACCT_TAGS}
    shared = {name: value for kind, tag in tags.items() if kind != "task" for name, value in tag.items()}
    wing = seeder.line("General Expenses", "640.00", "Survey of the wing", additional_fields=tags["task"], **shared)
    reference = {"reference": "REQ-0093"}
    seeder.bill("Marrow Medical", "MM-4", [wing], -8, 22, memo="New wing", additional_fields=reference)
    for position, status in enumerate(("draft", "submitted", "pending_approval", "rejected"), start=5):
        gloves = [seeder.line("General Expenses", "88.40", "Gloves")]
        seeder.bill("Marrow Medical", f"MM-{position}", gloves, -7, 23, status=status)
    for position, status in enumerate(("open", "pending_approval", "rejected"), start=1):
        back = [seeder.line("General Expenses", "21.00", "Returned gloves", additional_fields=tags["task"], **shared)]
        seeder.credit("Marrow Medical", f"MC-{position}", back, -6, "Returned gloves", status=status)


_INTACCT_TAGS = (
    ("class", "Core"),
    ("department", "Nursing"),
    ("location", "Boise Clinic"),
    ("project", "New wing"),
    ("task", "Survey"),
)


def _subsidiary(seeder: Seeder, name: str, parent: str | None, country: str, currency: str, **fields: object) -> str:
    known = {"id": seeder.id("subsidiary", name), "name": name, "parent_id": parent, "country": country}
    rest = {"currency_code": currency, "status": "active", "elimination": False}
    return str(seeder.books.add("subsidiary", known | rest | fields)["id"])


def start_linked_company(books: Books, today: date) -> None:
    """The books of a company that has just been linked."""
    seeder = Seeder(books.tx, books.company, books.company.id, today)
    name = books.company.store_name or "Sandbox Company"
    if books.company.platform == NETSUITE:
        _subsidiary(seeder, name, None, "US", books.company.currency)
    start_company(seeder, name, "1 Sandbox Way, Nowhere")
    seeder.vendor("First Vendor", books.company.currency)
    seeder.bill("First Vendor", "FV-1", [seeder.line("General Expenses", "100.00", "A first bill")], -5, 25)
