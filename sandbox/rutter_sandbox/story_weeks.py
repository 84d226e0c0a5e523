"""Saltmarsh Bakery: a QuickBooks company with a rhythm, from whose books thirteen weeks of cash can be foreseen.

Each of the past thirteen weeks has payments, each of the coming thirteen has bills that fall due. What is rare on
QuickBooks Online is here too: journal entries and credits within a payment, a voided payment, orders billed in part.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from rutter_sandbox.database import Transaction
from rutter_sandbox.kinds import QUICKBOOKS
from rutter_sandbox.seeder import Seeder, create_company

WEEKS = 13
CHECKING = "Main Checking"
MILL, ESTATES, LEASING, MUTUAL, POWER, BOXES = (
    "Tidal Mill",
    "Harbor Lane Estates",
    "Coast Leasing",
    "Ember Mutual",
    "Cove Power",
    "Brightbox Packaging",
)

_ACCOUNTS = (
    ("Accounts Payable", "accounts_payable", "USD", "2000"),
    (CHECKING, "bank", "USD", "1000"),
    ("Wages Checking", "bank", "USD", "1010"),
    ("Reserve", "bank", "USD", "1020"),
    ("Bakery Card", "credit_card", "USD", "2100"),
    ("Purchase Tax", "other_current_asset", "USD", "1300"),
    ("Opening Balance Equity", "equity", "USD", "3000"),
    ("Sales", "income", "USD", "4000"),
    ("Flour & Grain", "cost_of_goods_sold", "USD", "5000"),
    ("Rent", "expense", "USD", "6000"),
    ("Utilities", "expense", "USD", "6100"),
    ("Insurance", "expense", "USD", "6200"),
    ("Equipment Lease", "expense", "USD", "6300"),
    ("Packaging", "expense", "USD", "6400"),
    ("Trade Debtors", "accounts_receivable", "USD", "1100"),
    ("Ovens", "fixed_asset", "USD", "1500"),
    ("Deposits Paid", "other_asset", "USD", "1600"),
    ("Loan from the Owner", "liability", "USD", "2400"),
    ("Wages Owed", "other_current_liability", "USD", "2200"),
    ("Bank Loan", "long_term_liability", "USD", "2500"),
    ("Interest Received", "other_income", "USD", "4900"),
    ("Bank Charges", "other_expense", "USD", "6900"),
    ("Orders Placed", "non_posting", "USD", "9000"),
    ("Unsorted", "unknown", "USD", "9900"),
)


def seed(tx: Transaction, today: date) -> None:
    company = create_company(tx, "saltmarsh", "Saltmarsh Bakery", "Saltmarsh Bakery Inc", QUICKBOOKS, "USD")
    seeder = Seeder(tx, company, "saltmarsh", today)
    _set_up(seeder)
    _past(seeder)
    _coming(seeder)
    _orders(seeder)
    _within_payments(seeder)


def _set_up(seeder: Seeder) -> None:
    seeder.company_info("Saltmarsh Bakery Incorporated", "3 Quay Street, Rockland, ME 04841, US")
    seeder.currencies([("USD", "US Dollar")])
    seeder.accounts(_ACCOUNTS)
    seeder.account("Electricity", "expense", "USD", "6110", parent_id=seeder.id("account", "Utilities"))
    seeder.account("Old Till", "bank", "USD", "1090", status="inactive")
    seeder.account("New Savings", "bank", "USD", "1095", status="pending")
    for account, minor in ((CHECKING, 61_400_00), ("Wages Checking", 18_250_00), ("Reserve", 25_000_00)):
        seeder.opening(account, "USD", minor)
    for name, days in (("Due on receipt", 0), ("Net 30", 30)):
        seeder.term(name, days)
    seeder.term("2/10 Net 30", 30, discount_days=10, discount_percent=Decimal(2))
    seeder.tax_rate("State and city", "5", "1.5", code="SC")
    sold = {"invoice_item": {"description": "Gift box", "unit_price": Decimal("24.00")}}
    seeder.item("Gift box", "2.00", "inventory", code="BX-1", quantity_on_hand=Decimal(320), **sold)
    seeder.item("Oven service", "180.00", "service", status="archived")
    seeder.item("Samples", "0.50", "unknown", status="unknown")
    for kind in ("class", "department"):
        seeder.plain(kind, ["Shop", "Wholesale"], parent_id=None, has_children=False, status="active")
    address = {"type": "billing", "address1": "11 Inn Road", "city": "Camden", "country": "US"}
    parent = {"status": "archived", "addresses": [address]}
    seeder.customer("Lobster Inn Group", **parent)
    seeder.customer("Lobster Inn", additional_fields={"parent_id": seeder.id("customer", "Lobster Inn Group")})
    for vendor in (MILL, ESTATES, LEASING, MUTUAL, POWER, BOXES):
        seeder.vendor(vendor, "USD", payment_terms_id=seeder.id("payment_term", "Net 30"))


def _flour(week: int) -> str:
    """What a week's flour costs, which moves with the season."""
    return f"{1180 + week * 37 % 140}.40"


def _past(seeder: Seeder) -> None:
    """Flour every week and rent every month, paid a day before they were due."""
    net_30 = {"payment_terms_id": seeder.id("payment_term", "Net 30")}
    shop = {"class_id": seeder.id("class", "Shop"), "department_id": seeder.id("department", "Shop")}
    for week in range(1, WEEKS + 1):
        day, number = -7 * week + 3, f"TM-{100 - week}"
        flour = [seeder.line("Flour & Grain", _flour(week), "Flour, weekly", **shop)]
        seeder.bill(MILL, number, flour, day - 29, day + 1, **net_30)
        seeder.pay(number, CHECKING, _flour(week), day, memo="Weekly flour", document_number=f"CHK-{300 - week}")
    for month in range(1, 4):
        number = f"HL-{20 - month}"
        seeder.bill(ESTATES, number, [seeder.line("Rent", "2900.00", "Rent")], -30 * month - 25, -30 * month + 5)
        seeder.pay(number, CHECKING, "2900.00", -30 * month + 4)


def _coming(seeder: Seeder) -> None:
    """A bill or more in each of the coming weeks: deliveries, then instalments that were entered ahead."""
    net_30 = {"payment_terms_id": seeder.id("payment_term", "Net 30")}
    for week in range(WEEKS):
        due = 7 * week + 2
        if due <= 30:
            flour = [seeder.line("Flour & Grain", _flour(week), "Flour, weekly")]
            seeder.bill(MILL, f"TM-{100 + week}", flour, due - 30, due, **net_30)
        else:
            cover = [seeder.line("Insurance", "310.00", "Insurance, weekly instalment")]
            seeder.bill(MUTUAL, f"EM-{week}", cover, -12, due)
    for month in range(3):
        seeder.bill(ESTATES, f"HL-{20 + month}", [seeder.line("Rent", "2900.00", "Rent")], -25, 5 + 30 * month)
        lease = [seeder.line("Equipment Lease", "745.50", "Deck oven")]
        seeder.bill(LEASING, f"CL-{7 + month}", lease, -18, 12 + 30 * month)


def _orders(seeder: Seeder) -> None:
    """An order that is billed in part, one that is billed whole, and one without bills."""
    discount = {"payment_terms_id": seeder.id("payment_term", "2/10 Net 30")}
    for number, count in (("PO-8", 150), ("PO-9", 500), ("PO-10", 80)):
        seeder.order(BOXES, number, [("Gift box", count)], -30, memo="For the season")
    inn = {"account_id": seeder.id("account", "Packaging"), "customer_id": seeder.id("customer", "Lobster Inn")}
    inn |= {"tax_rate_id": seeder.id("tax_rate", "State and city")}
    for number, order, billed in (("BB-70", "PO-8", 150), ("BB-71", "PO-9", 200)):
        boxes = [seeder.item_line("Gift box", billed, "2.00", **inn)]
        linked = [{"id": seeder.id("purchase_order", order)}]
        seeder.bill(BOXES, number, boxes, -5, 25, linked_purchase_orders=linked, **discount)


def _within_payments(seeder: Seeder) -> None:
    """A credit and a journal entry that settled bills together with a payment, and a payment that was voided.

    The second credit is open, for boxes that were charged on to a customer.
    """
    seeder.bill(BOXES, "BB-60", [seeder.line("Packaging", "200.00", "Cake boxes")], -48, -18)
    seeder.credit(BOXES, "BC-6", [seeder.line("Packaging", "55.00", "Crushed boxes")], -40, "Crushed boxes")
    credit = seeder.apply("BC-6", "BB-60", "40.00", -20)
    seeder.pay("BB-60", CHECKING, "160.00", -20, linked_credit_memos=[credit])
    inn = {"account_id": seeder.id("account", "Packaging"), "customer_id": seeder.id("customer", "Lobster Inn")}
    inn |= {"tax_rate_id": seeder.id("tax_rate", "State and city")}
    torn = seeder.item_line("Gift box", 12, "2.00", discount_amount=Decimal(1), **inn) | {"total_amount": Decimal(23)}
    seeder.credit(BOXES, "BC-7", [torn], -4, "Torn boxes")
    seeder.bill(POWER, "CP-3", [seeder.line("Electricity", "180.00", "Power")], -45, -15)
    deposit = seeder.journal("CP-3", "Deposits Paid", "30.00", -16)
    seeder.pay("CP-3", CHECKING, "150.00", -16, linked_journal_entries=[deposit])
    seeder.bill(POWER, "CP-4", [seeder.line("Electricity", "196.00", "Power")], -15, 15)
    seeder.pay("CP-4", "Bakery Card", "196.00", -3, memo="From the wrong account")
    seeder.void("CP-4", -3, -2)
