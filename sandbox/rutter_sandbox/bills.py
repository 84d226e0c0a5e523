"""Bills: create, update, delete, and the arithmetic that keeps amount_due and status right."""

from __future__ import annotations

from rutter_sandbox import ledger, orders
from rutter_sandbox.documents import (
    STICKY,
    Priced,
    active_vendor,
    allocations_of,
    is_inclusive,
    payables_account,
    post_document,
    price_lines,
    refuse_closed_period,
    refuse_unknown_currency,
    root_subsidiary,
    status_of,
)
from rutter_sandbox.errors import JsonObject, PlatformRefusal
from rutter_sandbox.kinds import NETSUITE, XERO
from rutter_sandbox.money import from_minor, to_minor
from rutter_sandbox.records import Books


def create_bill(books: Books, given: JsonObject) -> JsonObject:
    currency, extra = given["currency_code"], given.get("additional_fields", {})
    active_vendor(books, given["vendor_id"], currency)
    refuse_unknown_currency(books, currency)
    refuse_closed_period(books, given["issue_date"])
    bill_id = given.get("id") or books.tx.new_id()
    inclusive = bool(extra.get("tax_inclusive"))
    priced = price_lines(books, bill_id, given["line_items"], currency, inclusive=inclusive)
    purchase_orders = [{"id": one["id"]} for one in given.get("linked_purchase_orders", [])]
    bill: JsonObject = {
        "id": bill_id,
        "account_id": payables_account(books, given.get("account_id")),
        "payment_terms_id": given.get("payment_terms_id"),
        "subsidiary_id": given.get("subsidiary_id") or root_subsidiary(books),
        "vendor_id": given["vendor_id"],
        "due_date": given.get("due_date"),
        "issue_date": given["issue_date"],
        "amount_due": 0,
        "currency_code": currency,
        "status": given.get("status", "open"),
        "total_amount": 0,
        "document_number": given.get("document_number"),
        "memo": given.get("memo"),
        "currency_rate": ledger.rate_text(books, currency, given.get("currency_rate")),
        "linked_purchase_orders": purchase_orders,
        "linked_credit_memos": [],
        "linked_payments": [],
    }
    _set_lines(bill, priced)
    if "reference" in extra:
        bill["additional_fields"] = {"reference": extra["reference"]}
    _settle(books, bill)
    bill |= {name: given[name] for name in ("created_at", "platform_id") if name in given}
    bill = books.add("bill", bill)
    post_document(books, bill)
    orders.bill_orders(books, bill)
    return bill


def _set_lines(bill: JsonObject, priced: Priced) -> None:
    if priced.total_minor < 0:
        raise PlatformRefusal("INVALID_AMOUNT", "The total of a bill must not be negative.")
    currency = bill["currency_code"]
    bill["total_amount"] = from_minor(priced.total_minor, currency)
    bill["sub_total"] = from_minor(priced.net_minor, currency)
    bill["tax_amount"] = from_minor(priced.tax_minor, currency)
    bill["total_discount"] = from_minor(priced.discount_minor, currency)
    bill["line_items"] = priced.lines


def update_bill(books: Books, bill: JsonObject, given: JsonObject) -> JsonObject:
    if bill["status"] == "void":
        raise PlatformRefusal("BILL_VOID", "A void bill cannot be changed.")
    refuse_closed_period(books, bill["issue_date"], given.get("issue_date"))
    if "vendor_id" in given and given["vendor_id"] != bill["vendor_id"]:
        _refuse_allocated(books, bill, "The vendor of a bill with payments or credits cannot be changed.")
        active_vendor(books, given["vendor_id"], bill["currency_code"])
        if bill["linked_purchase_orders"]:
            raise PlatformRefusal("VENDOR_MISMATCH", "The purchase order belongs to another vendor.")
    if "account_id" in given:
        given = given | {"account_id": payables_account(books, given["account_id"])}
    ledger.reverse(books, bill["id"])
    _change_status(books, bill, given.get("status"))
    plain = ("account_id", "vendor_id", "due_date", "issue_date", "document_number", "memo")
    bill |= {name: given[name] for name in plain if name in given}
    if "currency_rate" in given:
        bill["currency_rate"] = ledger.rate_text(books, bill["currency_code"], given["currency_rate"])
    if "reference" in given.get("additional_fields", {}):
        bill["additional_fields"] = {"reference": given["additional_fields"]["reference"]}
    if "line_items" in given:
        inclusive = is_inclusive(bill)
        _set_lines(
            bill, price_lines(books, bill["id"], given["line_items"], bill["currency_code"], inclusive=inclusive)
        )
    _settle(books, bill)
    post_document(books, bill)
    bill = books.save("bill", bill)
    orders.refresh_orders(books, bill)
    return bill


def _change_status(books: Books, bill: JsonObject, status: str | None) -> None:
    if status is None or status == bill["status"]:
        return
    if books.company.platform not in {NETSUITE, XERO}:
        raise PlatformRefusal("STATUS_NOT_SETTABLE", "The status of a bill cannot be set on this platform.")
    if bill["status"] not in STICKY:
        raise PlatformRefusal("STATUS_NOT_SETTABLE", "Only a bill that is not yet open can change its status.")
    bill["status"] = status


def delete_bill(books: Books, bill: JsonObject) -> None:
    refuse_closed_period(books, bill["issue_date"])
    _refuse_allocated(books, bill, "A bill with payments or credits cannot be deleted; remove them first.")
    ledger.reverse(books, bill["id"])
    orders.forget_bill(books, bill)
    query = "DELETE FROM attachments WHERE company = ? AND bill_id = ?"
    books.sql.execute(query, (books.company.number, bill["id"]))
    books.remove("bill", bill)


def _refuse_allocated(books: Books, bill: JsonObject, sentence: str) -> None:
    if allocations_of(books, "bill_id", bill["id"]):
        raise PlatformRefusal("BILL_HAS_ALLOCATIONS", sentence)


def due_minor(books: Books, bill: JsonObject) -> int:
    taken = sum(row[4] for row in allocations_of(books, "bill_id", bill["id"]))
    return to_minor(bill["total_amount"], bill["currency_code"]) - taken


def refuse_unpayable(bill: JsonObject) -> None:
    if bill["status"] in STICKY:
        raise PlatformRefusal("BILL_NOT_PAYABLE", f"A bill that is {bill['status']} cannot be paid.")


def take_off(
    books: Books, bill: JsonObject, source: tuple[str, str], application_id: str, day: str, minor: int
) -> None:
    """Allocates part of a payment or credit to a bill, never more than is still due."""
    refuse_unpayable(bill)
    if minor <= 0:
        raise PlatformRefusal("INVALID_AMOUNT", "An allocated amount must be above zero.")
    if minor > due_minor(books, bill):
        raise PlatformRefusal("OVER_ALLOCATED", "The amount is more than is still due on the bill.")
    query = "INSERT INTO allocations VALUES (?, ?, ?, ?, ?, ?, ?)"
    books.sql.execute(query, (books.company.number, *source, bill["id"], application_id, day, minor))
    resettle(books, bill)


def give_back(books: Books, source: tuple[str, str], bill_id: str | None = None) -> None:
    """Removes a source's allocations, to one bill or to all, so that the bills are due again."""
    query = """DELETE FROM allocations WHERE company = ? AND source_kind = ? AND source_id = ?
        AND (? IS NULL OR bill_id = ?) RETURNING bill_id"""
    rows = books.sql.execute(query, (books.company.number, *source, bill_id, bill_id)).fetchall()
    for touched in dict.fromkeys(row[0] for row in rows):
        resettle(books, books.get("bill", touched))


def resettle(books: Books, bill: JsonObject) -> None:
    _settle(books, bill)
    books.save("bill", bill)


def _settle(books: Books, bill: JsonObject) -> None:
    """Derives the links, the amount due and the status from the allocations, which are the only record of them."""
    currency = bill["currency_code"]
    links: dict[str, list[JsonObject]] = {"bill_payment": [], "bill_credit_memo": [], "journal_entry": []}
    rest = total = to_minor(bill["total_amount"], currency)
    for source_kind, source_id, _, day, minor in allocations_of(books, "bill_id", bill["id"]):
        rest -= minor
        amount = from_minor(minor, currency)
        if source_kind == "journal_entry":
            link: JsonObject = {"journal_id": source_id, "allocated_at": day, "amount": f"{amount:f}"}
        else:
            link = {"id": source_id, "allocated_date": day, "allocated_amount": amount}
        if source_kind != "bill_payment" or books.company.payments_shown:
            links[source_kind].append(link)
    if rest < 0:
        raise PlatformRefusal("OVER_ALLOCATED", "The bill would be worth less than was already paid on it.")
    bill["linked_payments"], bill["linked_credit_memos"] = links["bill_payment"], links["bill_credit_memo"]
    if journals := links["journal_entry"]:
        bill["additional_fields"] = bill.get("additional_fields", {}) | {"linked_journal_entries": journals}
    bill["amount_due"] = from_minor(rest, currency)
    if bill["status"] not in STICKY:
        bill["status"] = status_of(total, rest)
