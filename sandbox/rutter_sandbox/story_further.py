"""Companies on Business Central, Sage Business Cloud and QuickBooks Desktop, which lack much of what others have."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from rutter_sandbox.database import Transaction
from rutter_sandbox.kinds import DESKTOP, DYNAMICS, SAGE
from rutter_sandbox.seeder import BEGINNING, Seeder, create_company
from rutter_sandbox.story_others import start_company, three_bills

WITH_EXTENSION, WITHOUT_EXTENSION = "Willow Works", "Alder Dental"
"""The two companies on Business Central: only the first has Rutter's extension, without which no payment is seen."""


def seed(tx: Transaction, today: date) -> None:
    for name, slug in ((WITH_EXTENSION, "willow"), (WITHOUT_EXTENSION, "alder")):
        _business_central(tx, today, name, slug)
    _sage(tx, today)
    _desktop(tx, today)


def _business_central(tx: Transaction, today: date, name: str, slug: str) -> None:
    shown = name == WITH_EXTENSION
    company = create_company(tx, slug, name, f"{name} Ltd", DYNAMICS, "GBP", payments_shown=shown)
    seeder = Seeder(tx, company, slug, today)
    start_company(seeder, f"{name} Limited", "9 Weir Street, Leeds, LS1 4DL, GB")
    seeder.vendor("Blocked Builders", "GBP", status="unknown")
    seeder.on(BEGINNING)
    for vendor, prefix in (("Ridgeway Supplies", "RS"), ("Fenland Energy", "FE")):
        seeder.vendor(vendor, "GBP")
        three_bills(seeder, vendor, prefix, "General Expenses")
    hours = seeder.item_line("Consulting hour", 3, "95.00", account_id=seeder.id("account", "General Expenses"))
    seeder.bill("Ridgeway Supplies", "RS-4", [hours], -40, -10)
    seeder.pay("RS-4", "Business Account", "100.00", -12)
    for position, status in enumerate(("draft", "pending_approval", "void", "unknown"), start=5):
        chairs = [seeder.line("General Expenses", "140.00", "Chairs")]
        seeder.bill("Ridgeway Supplies", f"RS-{position}", chairs, -4, 26, status=status)


def _sage(tx: Transaction, today: date) -> None:
    """Lists here ignore filters and sorts."""
    company = create_company(tx, "tamar", "Tamar Pottery", "Tamar Pottery Ltd", SAGE, "GBP")
    seeder = Seeder(tx, company, "tamar", today)
    start_company(seeder, "Tamar Pottery Limited", "2 Kiln Yard, Truro, TR1 2AA, GB")
    seeder.tax_rate("Old Standard 17.5%", "17.5", status="inactive", code="T1")
    seeder.tax_rate("Carried over", "5", status="unknown")
    for vendor, prefix in (("Claymore Minerals", "CM"), ("Glaze & Co", "GC")):
        seeder.vendor(vendor, "GBP", bank_account_number="30-90-10 11223344")
        three_bills(seeder, vendor, prefix, "General Expenses")
    taxed = {"tax_rate_id": seeder.id("tax_rate", "Standard 20%")}
    seeder.bill("Claymore Minerals", "CM-4", [seeder.line("Cost of Sales", "310.45", "Ball clay", **taxed)], -8, 22)
    returned = [seeder.line("Cost of Sales", "62.00", "Returned clay")]
    for number, status in (("CC-1", "open"), ("CC-2", "unknown")):
        seeder.credit("Claymore Minerals", number, returned, -6, "Returned clay", status=status)


def _desktop(tx: Transaction, today: date) -> None:
    company = create_company(tx, "quarry", "Quarry & Lime", "Quarry & Lime LLC", DESKTOP, "USD")
    seeder = Seeder(tx, company, "quarry", today)
    start_company(seeder, "Quarry & Lime LLC", "40 Ridge Road, Helena, MT 59601, US")
    seeder.term("1/10 Net 15", 15, discount_days=10, discount_percent=Decimal(1))
    seeder.item("Trade discount", "0.00", "discount")
    seeder.customer("Bitterroot Homes")
    seeder.vendor("Gravel Haulers", "USD")
    three_bills(seeder, "Gravel Haulers", "GH", "General Expenses")
    hauled = [seeder.line("General Expenses", "233.10", "Haulage", class_id=seeder.id("class", "Core"))]
    terms = {"payment_terms_id": seeder.id("payment_term", "1/10 Net 15")}
    seeder.bill("Gravel Haulers", "GH-4", hauled, -20, -5, **terms)
    seeder.pay("GH-4", "Business Account", "230.77", -12, reference="CHK-1088", memo="Early payment")
    seeder.credit(
        "Gravel Haulers", "GC-1", [seeder.line("General Expenses", "2.33", "Discount")], -12, "Discount taken"
    )
    seeder.apply("GC-1", "GH-4", "2.33", -12)
