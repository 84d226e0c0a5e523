"""Vendor credits: applied to bills in whole or in part, and removed from them again."""

from __future__ import annotations

from rutter_sandbox import bills, ledger
from rutter_sandbox.documents import (
    STICKY,
    active_vendor,
    allocations_of,
    is_inclusive,
    payables_account,
    post_document,
    price_lines,
    refuse_closed_period,
    refuse_unknown_currency,
    status_of,
)
from rutter_sandbox.errors import JsonObject, PlatformRefusal
from rutter_sandbox.faults import SUCCESS_FALSE
from rutter_sandbox.kinds import XERO
from rutter_sandbox.money import from_minor, to_minor
from rutter_sandbox.records import Books

KIND = "bill_credit_memo"


def create_credit(books: Books, given: JsonObject) -> JsonObject:
    vendor = active_vendor(books, given["vendor_id"], given.get("currency_code"))
    currency = given.get("currency_code") or next(iter(vendor["currency_codes"]), books.company.currency)
    refuse_unknown_currency(books, currency)
    refuse_closed_period(books, given["issue_date"])
    credit_id = given.get("id") or books.tx.new_id()
    credit: JsonObject = {
        "id": credit_id,
        "account_id": payables_account(books, given.get("account_id")),
        "vendor_id": given["vendor_id"],
        "issue_date": given["issue_date"],
        "document_number": given.get("document_number", ""),
        "remaining_amount": 0,
        "status": given.get("status", "open"),
        "total_amount": 0,
        "currency_code": currency,
        "memo": given.get("memo"),
        "linked_bills": [],
    }
    inclusive = bool(given.get("additional_fields", {}).get("tax_inclusive"))
    _set_lines(books, credit, given["line_items"], inclusive=inclusive)
    _settle(books, credit)
    credit |= {name: given[name] for name in ("created_at", "platform_id") if name in given}
    credit = books.add(KIND, credit)
    post_document(books, credit, credit=True)
    return credit


def _set_lines(books: Books, credit: JsonObject, lines: list[JsonObject], *, inclusive: bool) -> None:
    currency = credit["currency_code"]
    priced = price_lines(books, credit["id"], lines, currency, inclusive=inclusive)
    if priced.total_minor < 0:
        raise PlatformRefusal("INVALID_AMOUNT", "The total of a credit must not be negative.")
    credit["line_items"] = priced.lines
    credit["total_amount"] = from_minor(priced.total_minor, currency)


def update_credit(books: Books, credit: JsonObject, given: JsonObject) -> JsonObject:
    if credit["status"] == "void":
        raise PlatformRefusal("CREDIT_VOID", "A void credit cannot be changed.")
    refuse_closed_period(books, credit["issue_date"], given.get("issue_date"))
    fixed = [name for name in ("vendor_id", "currency_code") if given.get(name, credit[name]) != credit[name]]
    if fixed or given.get("status") == "void":
        _refuse_applied(books, credit)
    if fixed:
        merged = credit | given
        active_vendor(books, merged["vendor_id"], merged["currency_code"])
    if "currency_code" in fixed and "line_items" not in given:
        raise PlatformRefusal("CURRENCY_MISMATCH", "A new currency needs new lines.")
    if "account_id" in given:
        given = given | {"account_id": payables_account(books, given["account_id"])}
    ledger.reverse(books, credit["id"])
    _change_status(books, credit, given.get("status"))
    plain = ("account_id", "vendor_id", "issue_date", "document_number", "memo", "currency_code")
    credit |= {name: given[name] for name in plain if name in given}
    refuse_unknown_currency(books, credit["currency_code"])
    if "line_items" in given:
        _set_lines(books, credit, given["line_items"], inclusive=is_inclusive(credit))
    _settle(books, credit)
    post_document(books, credit, credit=True)
    return books.save(KIND, credit)


def _change_status(books: Books, credit: JsonObject, status: str | None) -> None:
    if status is None or status == credit["status"]:
        return
    if books.company.platform != XERO:
        raise PlatformRefusal("STATUS_NOT_SETTABLE", "The status of a credit cannot be set on this platform.")
    if status != "void" and credit["status"] not in STICKY:
        raise PlatformRefusal("STATUS_NOT_SETTABLE", "Only a credit that is not yet open can change its status.")
    credit["status"] = status


def delete_credit(books: Books, credit: JsonObject) -> None:
    refuse_closed_period(books, credit["issue_date"])
    _refuse_applied(books, credit)
    ledger.reverse(books, credit["id"])
    books.remove(KIND, credit)


def _refuse_applied(books: Books, credit: JsonObject) -> None:
    if allocations_of(books, "source_id", credit["id"]):
        raise PlatformRefusal("CREDIT_APPLIED", "The credit is applied to bills; take it off them first.")


def apply_credit(books: Books, given: JsonObject) -> JsonObject:
    """Applies the open credit to the named bills. No money moves, so nothing is posted."""
    credit = books.get(KIND, given["bill_credit_memo_id"])
    _refuse_application(books, credit, given)
    if books.tx.fault == SUCCESS_FALSE:
        return {"success": False}
    application_id, currency = books.tx.new_id(), credit["currency_code"]
    for link in given["linked_bills"]:
        bill = books.get("bill", link["id"])
        if bill["vendor_id"] != credit["vendor_id"]:
            raise PlatformRefusal("VENDOR_MISMATCH", "The bill belongs to another vendor than the credit.")
        if bill["currency_code"] != currency:
            raise PlatformRefusal("CURRENCY_MISMATCH", "The bill is in another currency than the credit.")
        minor = to_minor(link["allocated_amount"], currency)
        if minor > to_minor(credit["remaining_amount"], currency):
            raise PlatformRefusal("OVER_REMAINING", "The amount is more than remains on the credit.")
        source = (KIND, credit["id"])
        bills.take_off(books, bill, source, application_id, given["transaction_date"], minor)
        _settle(books, credit)
    books.save(KIND, credit)
    return {"success": True}


def resettle(books: Books, credit: JsonObject) -> None:
    """Derives what remains of a credit anew, after something was taken off it or given back."""
    _settle(books, credit)
    books.save(KIND, credit)


def _refuse_application(books: Books, credit: JsonObject, given: JsonObject) -> None:
    refuse_closed_period(books, given["transaction_date"])
    if credit["status"] in STICKY:
        raise PlatformRefusal("CREDIT_NOT_OPEN", f"A credit that is {credit['status']} cannot be applied.")
    if given["vendor_id"] != credit["vendor_id"]:
        raise PlatformRefusal("VENDOR_MISMATCH", "The credit belongs to another vendor.")
    if given["currency_code"] != credit["currency_code"]:
        raise PlatformRefusal("CURRENCY_MISMATCH", "The credit is in another currency.")


def unapply_credit(books: Books, given: JsonObject) -> JsonObject:
    """Removes everything this credit has taken off this bill."""
    credit, bill_id = books.get(KIND, given["bill_credit_memo_id"]), given["bill_id"]
    query = """SELECT application_id, allocated_date FROM allocations
        WHERE company = ? AND source_id = ? AND bill_id = ? ORDER BY rowid"""
    rows = books.sql.execute(query, (books.company.number, credit["id"], bill_id)).fetchall()
    if not rows:
        raise PlatformRefusal("NOT_APPLIED", "The credit is not applied to this bill.")
    refuse_closed_period(books, *(day for _, day in rows))
    if books.tx.fault == SUCCESS_FALSE:
        return {"success": False}
    bills.give_back(books, (KIND, credit["id"]), bill_id)
    resettle(books, credit)
    return {"id": rows[0][0], "success": True}


def _settle(books: Books, credit: JsonObject) -> None:
    currency, links = credit["currency_code"], []
    rest = total = to_minor(credit["total_amount"], currency)
    for _, _, bill_id, day, minor in allocations_of(books, "source_id", credit["id"]):
        rest -= minor
        links.append({"id": bill_id, "allocated_date": day, "allocated_amount": from_minor(minor, currency)})
    if rest < 0:
        raise PlatformRefusal("OVER_ALLOCATED", "The credit would be worth less than was already applied.")
    credit["linked_bills"] = links
    credit["remaining_amount"] = from_minor(0 if credit["status"] == "void" else rest, currency)
    if credit["status"] not in STICKY:
        credit["status"] = status_of(total, rest)
