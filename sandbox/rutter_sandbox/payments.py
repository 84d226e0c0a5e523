"""Bill payments: each takes money from a bank or card account and settles bills until it is voided."""

from __future__ import annotations

from rutter_sandbox import bills, ledger, vendor_credits
from rutter_sandbox.documents import active_vendor, refuse_closed_period
from rutter_sandbox.errors import JsonObject, PlatformRefusal
from rutter_sandbox.kinds import DESKTOP, PAYMENTS_WITH_STATUS, QUICKBOOKS, XERO
from rutter_sandbox.money import from_minor, to_minor
from rutter_sandbox.records import Books

KIND = "bill_payment"


def create_payments(books: Books, given: JsonObject) -> list[JsonObject]:
    """Records a payment. Xero has one bill per payment, so a request for several bills makes several payments there."""
    links = given["linked_bills"]
    if len({link["id"] for link in links}) != len(links):
        raise PlatformRefusal("DUPLICATE_BILL", "A payment names each bill once.")
    if books.company.platform == XERO:
        return [_create_payment(books, given | {"linked_bills": [link]}) for link in links]
    return [_create_payment(books, given)]


def _create_payment(books: Books, given: JsonObject) -> JsonObject:
    paid = [books.get("bill", link["id"]) for link in given["linked_bills"]]
    vendor_id, currency = _one_vendor(books, given, paid), _one_currency(given, paid)
    refuse_closed_period(books, given["transaction_date"])
    _refuse_funding(books, given["account_id"], currency)
    payment_id = given.get("id") or books.tx.new_id()
    day, links, payables, total = given["transaction_date"], [], [], 0
    for bill, link in zip(paid, given["linked_bills"], strict=True):
        minor = to_minor(link["allocated_amount"], currency)
        bills.take_off(books, bill, (KIND, payment_id), payment_id, day, minor)
        amount = from_minor(minor, currency)
        links.append({"id": bill["id"], "allocated_date": day, "allocated_amount": amount})
        payables.append((bill["account_id"], minor))
        total += minor
    payment: JsonObject = {
        "id": payment_id,
        "account_id": given["account_id"],
        "vendor_id": vendor_id,
        "transaction_date": day,
        "currency_code": currency,
        "currency_rate": ledger.rate_text(books, currency, given.get("currency_rate")),
        "document_number": given.get("document_number"),
        "memo": given.get("memo"),
        "reference": given.get("reference"),
        "status": "active" if books.company.platform in PAYMENTS_WITH_STATUS else None,
        "total_amount": from_minor(total, currency),
        "linked_bills": links,
        "linked_credit_memos": given.get("linked_credit_memos", []),
    }
    if "linked_journal_entries" in given:
        payment["additional_fields"] = {"linked_journal_entries": given["linked_journal_entries"]}
    payment |= {name: given[name] for name in ("created_at", "platform_id") if name in given}
    ledger.post(books, payment_id, currency, [*payables, (given["account_id"], -total)])
    return books.add(KIND, payment) if books.company.payments_shown else payment


def _one_vendor(books: Books, given: JsonObject, paid: list[JsonObject]) -> str:
    vendors = {bill["vendor_id"] for bill in paid} | {given.get("vendor_id", paid[0]["vendor_id"])}
    if len(vendors) > 1:
        raise PlatformRefusal("VENDOR_MISMATCH", "The payment and its bills must belong to one vendor.")
    vendor_id = str(vendors.pop())
    active_vendor(books, vendor_id)
    return vendor_id


def _one_currency(given: JsonObject, paid: list[JsonObject]) -> str:
    currencies = {bill["currency_code"] for bill in paid} | {given.get("currency_code", paid[0]["currency_code"])}
    if len(currencies) > 1:
        raise PlatformRefusal("CURRENCY_MISMATCH", "The payment and its bills must share one currency.")
    return str(currencies.pop())


def _refuse_funding(books: Books, account_id: str, currency: str) -> None:
    account = ledger.active_account(books, account_id)
    if account["account_type"] not in {"bank", "credit_card"}:
        raise PlatformRefusal("INVALID_ACCOUNT", "A payment must come from a bank or credit card account.")
    if account["currency_code"] not in {None, currency}:
        held = account["currency_code"]
        raise PlatformRefusal("CURRENCY_MISMATCH", f"The account is held in {held}, the bills are in {currency}.")


def update_payment(books: Books, payment: JsonObject, given: JsonObject) -> JsonObject:
    refuse_closed_period(books, payment["transaction_date"])
    if payment["status"] == "void":
        raise PlatformRefusal("PAYMENT_VOID", "The payment is already void.")
    if "memo" in given:
        payment["memo"] = given["memo"]
    if "currency_rate" in given:
        if books.company.platform != QUICKBOOKS:
            raise PlatformRefusal("RATE_NOT_SETTABLE", "The rate of a payment cannot be changed on this platform.")
        payment["currency_rate"] = ledger.rate_text(books, payment["currency_code"], given["currency_rate"])
    if given.get("status") == "void":
        if books.company.platform == DESKTOP:
            raise PlatformRefusal("STATUS_NOT_SETTABLE", "A payment cannot be voided on this platform.")
        _undo(books, payment)
        payment |= {"status": "void", "total_amount": from_minor(0, payment["currency_code"])}
        payment |= {"linked_bills": [], "linked_credit_memos": []}
    return books.save(KIND, payment)


def delete_payment(books: Books, payment: JsonObject) -> None:
    refuse_closed_period(books, payment["transaction_date"])
    _undo(books, payment)
    books.remove(KIND, payment)


def _undo(books: Books, payment: JsonObject) -> None:
    ledger.reverse(books, payment["id"])
    bills.give_back(books, (KIND, payment["id"]))
    for link in payment["linked_credit_memos"]:
        for bill in payment["linked_bills"]:
            bills.give_back(books, (vendor_credits.KIND, link["id"]), bill["id"])
        if credit := books.find(vendor_credits.KIND, link["id"]):
            vendor_credits.resettle(books, credit)
