"""What bills and credit memos have in common: priced lines, taxes, statuses, and what a platform refuses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from rutter_sandbox import ledger
from rutter_sandbox.errors import JsonObject, PlatformRefusal
from rutter_sandbox.kinds import NETSUITE, QUICKBOOKS
from rutter_sandbox.money import from_minor, tax_on_net, tax_within_gross, to_minor
from rutter_sandbox.records import Books

# A document in one of these states keeps it whatever is paid; and none of them is in the ledger.
STICKY = frozenset({"draft", "submitted", "pending_approval", "rejected", "void", "unknown"})

# Thousands of documents of this size still add up within the whole numbers of the database.
_TOTAL_MINOR_MAX = 10**15


@dataclass(frozen=True, slots=True)
class Priced:
    """A document's lines as the wire shows them, with their sums in minor units."""

    lines: list[JsonObject]
    net_minor: int
    tax_minor: int
    discount_minor: int

    @property
    def total_minor(self) -> int:
        return self.net_minor + self.tax_minor


def price_lines(books: Books, document_id: str, lines: list[JsonObject], currency: str, *, inclusive: bool) -> Priced:
    """Computes each line's net, tax and total. Line totals contain the tax only when `inclusive`."""
    shown, net, tax, discount = [], 0, 0, 0
    for position, line in enumerate(lines, start=1):
        refuse_line(books, line)
        stated = to_minor(line["total_amount"], currency)
        rate = _tax_percent(books, line.get("tax_rate_id"))
        line_tax = tax_within_gross(stated, rate) if inclusive else tax_on_net(stated, rate)
        line_net = stated - line_tax if inclusive else stated
        off = to_minor(line.get("discount_amount", 0), currency)
        net, tax, discount = net + line_net, tax + line_tax, discount + off
        amounts = {
            "discount_amount": from_minor(off, currency) if off else None,
            "discount_percentage": _percentage(off, stated + off),
            "sub_total": from_minor(line_net, currency),
            "tax_amount": from_minor(line_tax, currency),
            "total_amount": from_minor(stated, currency),
        }
        shown.append(_line(f"{document_id[:8]}-{position}", line, amounts))
    if abs(net + tax) > _TOTAL_MINOR_MAX:
        raise PlatformRefusal("INVALID_AMOUNT", "The total is more than the platform can hold.")
    return Priced(shown, net, tax, discount)


def _line(platform_id: str, line: JsonObject, amounts: JsonObject) -> JsonObject:
    dimensions = ("account_id", "class_id", "customer_id", "department_id", "location_id", "project_id")
    shown: JsonObject = {"platform_id": platform_id} | {name: line.get(name) for name in dimensions}
    item = line.get("item")
    shown |= {"tax_rate_id": line.get("tax_rate_id"), "description": line.get("description")} | amounts
    shown["item"] = {name: item.get(name) for name in ("id", "quantity", "unit_amount")} if item else None
    if "additional_fields" in line:
        shown["additional_fields"] = line["additional_fields"]
    return shown


def _tax_percent(books: Books, tax_rate_id: str | None) -> Decimal:
    if tax_rate_id is None:
        return Decimal(0)
    rate = books.get("tax_rate", tax_rate_id)
    if rate["status"] != "active":
        raise PlatformRefusal("INACTIVE_TAX_RATE", "The tax rate is not active.")
    return Decimal(rate["effective_tax_rate"])


def _percentage(part: int, whole: int) -> Decimal | None:
    return (Decimal(part) * 100 / whole).quantize(Decimal("0.0001")) if part and whole else None


def refuse_line(books: Books, line: JsonObject) -> None:
    account_id, item = line.get("account_id"), line.get("item")
    if account_id is not None:
        account = ledger.active_account(books, account_id)
        if account["account_type"] in {"accounts_payable", "accounts_receivable"}:
            raise PlatformRefusal("INVALID_ACCOUNT", "A line cannot be posted to payables or receivables.")
    if books.company.platform == QUICKBOOKS and account_id is None:
        raise PlatformRefusal("MISSING_ACCOUNT", "Every line needs an account.")
    if books.company.platform == NETSUITE:
        _refuse_netsuite_line(books, line, account_id, item)


def _refuse_netsuite_line(books: Books, line: JsonObject, account_id: str | None, item: JsonObject | None) -> None:
    item_id = (item or {}).get("id")
    if (account_id is None) == (item_id is None):
        raise PlatformRefusal("INVALID_LINE", "A line takes either an account or an item, and never both.")
    if item_id and books.get("item", item_id)["type"] == "inventory" and not line.get("location_id"):
        raise PlatformRefusal("MISSING_LOCATION", "A line with an inventory item needs a location.")


def entries_of(books: Books, document: JsonObject, *, credit: bool) -> list[ledger.Entry]:
    """Debit what was bought and its tax, credit payables; for a credit memo the other way round."""
    currency = document["currency_code"]
    entries: list[ledger.Entry] = []
    tax = 0
    for line in document["line_items"]:
        account = line["account_id"] or ledger.default_account(books, "cost_of_goods_sold", "expense")
        entries.append((account, to_minor(line["sub_total"], currency)))
        tax += to_minor(line["tax_amount"], currency)
    if tax:
        entries.append((ledger.tax_account(books), tax))
    payables = document["account_id"] or ledger.default_account(books, "accounts_payable")
    entries.append((payables, -sum(minor for _, minor in entries)))
    return [(account, -minor) for account, minor in entries] if credit else entries


def post_document(books: Books, document: JsonObject, *, credit: bool = False) -> None:
    if document["status"] not in STICKY:
        entries = entries_of(books, document, credit=credit)
        ledger.post(books, document["id"], document["currency_code"], entries)


def status_of(total_minor: int, rest_minor: int) -> str:
    if rest_minor == 0:
        return "paid"
    return "open" if rest_minor == total_minor else "partially_paid"


def payables_account(books: Books, account_id: str | None) -> str:
    """The payables account named, or the company's default one."""
    if account_id is None:
        return ledger.default_account(books, "accounts_payable")
    if ledger.active_account(books, account_id)["account_type"] != "accounts_payable":
        raise PlatformRefusal("INVALID_ACCOUNT", "The account must be an accounts payable account.")
    return account_id


def active_vendor(books: Books, vendor_id: str, currency: str | None = None) -> JsonObject:
    vendor = books.get("vendor", vendor_id)
    if vendor["status"] != "active":
        raise PlatformRefusal("INACTIVE_VENDOR", "The vendor is not active.")
    held = vendor["currency_codes"]
    if currency and held and currency not in held and books.company.platform in {QUICKBOOKS, NETSUITE}:
        raise PlatformRefusal("CURRENCY_MISMATCH", f"The vendor is not billed in {currency}.")
    return vendor


def refuse_unknown_currency(books: Books, currency: str) -> None:
    known = {row["currency_code"] for row in books.every("currency")}
    if known and currency not in known:
        raise PlatformRefusal("CURRENCY_NOT_ENABLED", f"The company does not use {currency}.")


def root_subsidiary(books: Books) -> str | None:
    """On NetSuite a document without a subsidiary belongs to the root one."""
    if books.company.platform != NETSUITE:
        return None
    return next((one["id"] for one in books.every("subsidiary") if one["parent_id"] is None), None)


def refuse_closed_period(books: Books, *dates: str | None) -> None:
    """Refuses to enter, change or remove anything dated in the closed period."""
    closing = books.company.closing_date
    for day in dates:
        if closing and day and day[:10] <= closing:
            raise PlatformRefusal("CLOSED_PERIOD", f"The accounting period is closed up to {closing}.")


def is_inclusive(document: JsonObject) -> bool:
    """Whether the lines were entered with the tax inside: only then is a taxed line's net below its total."""
    return any(line["tax_amount"] and line["sub_total"] != line["total_amount"] for line in document["line_items"])


def allocations_of(books: Books, column: str, record_id: str) -> Iterable[tuple[str, str, str, str, int]]:
    """Rows (source kind, source id, bill id, date, minor units) of one bill or of one source, in order."""
    query = f"""SELECT source_kind, source_id, bill_id, allocated_date, amount_minor FROM allocations
        WHERE company = ? AND {column} = ? ORDER BY rowid"""  # noqa: S608 - the column is written in our code
    return books.sql.execute(query, (books.company.number, record_id)).fetchall()
