"""Purchase orders: what was ordered, and whether bills have been entered for all of it."""

from __future__ import annotations

from decimal import Decimal

from rutter_sandbox.documents import active_vendor, refuse_unknown_currency, root_subsidiary
from rutter_sandbox.errors import JsonObject, PlatformRefusal
from rutter_sandbox.kinds import NETSUITE, XERO
from rutter_sandbox.money import exponent_of, from_minor, to_minor
from rutter_sandbox.records import Books

KIND = "purchase_order"


def create_order(books: Books, given: JsonObject) -> JsonObject:
    currency = given["currency"]
    vendor = active_vendor(books, given["vendor_id"], currency)
    refuse_unknown_currency(books, currency)
    order: JsonObject = {
        "subsidiary_id": given.get("subsidiary_id") or root_subsidiary(books),
        "vendor_id": vendor["id"],
        "issue_date": given.get("txn_date") or f"{books.now[:10]}T00:00:00.000Z",
        "status": given.get("status", "open"),
        "currency_code": currency,
        "document_number": given.get("document_number"),
        "memo": given.get("memo"),
    }
    _set_lines(books, order, _with_dimensions(given))
    return books.add(KIND, order | ({"id": given["id"]} if "id" in given else {}))


def _with_dimensions(given: JsonObject) -> list[JsonObject]:
    """The lines with the class and the department of the whole order, which NetSuite books on each of them."""
    extra = given.get("additional_fields", {})
    shared = {name: extra[name] for name in ("class_id", "department_id") if name in extra}
    return [shared | line for line in given["line_items"]]


def _set_lines(books: Books, order: JsonObject, lines: list[JsonObject]) -> None:
    shown, total, count = [], 0, Decimal(0)
    for line in lines:
        unit = line.get("unit_amount")
        unit = Decimal(_price_of(books, line["item"]) if unit is None else unit)
        quantity = Decimal(line["quantity"])
        minor = _line_minor(unit * quantity, order["currency_code"])
        total, count = total + minor, count + quantity
        shown.append(
            {
                **{name: line.get(name) for name in ("account_id", "class_id", "department_id", "tax_rate_id")},
                "description": line.get("description"),
                "total_amount": from_minor(minor, order["currency_code"]),
                "item": {"id": line["item"], "quantity": quantity, "unit_amount": unit},
            }
        )
    order["line_items"] = shown
    order["total_amount"] = from_minor(total, order["currency_code"])
    order["total_quantity"] = count


def _line_minor(amount: Decimal, currency: str) -> int:
    """The price of a line: quantity times unit price, rounded to the currency."""
    return to_minor(round(amount, exponent_of(currency)), currency)


def _price_of(books: Books, item_id: str) -> str:
    return books.get("item", item_id)["bill_item"]["unit_price"] or "0"


def update_order(books: Books, order: JsonObject, given: JsonObject) -> JsonObject:
    currency = str(given.get("currency", order["currency_code"]))
    if currency != order["currency_code"] and "line_items" not in given:
        raise PlatformRefusal("CURRENCY_MISMATCH", "A new currency needs new lines.")
    if _billed(books, order["id"]):
        raise PlatformRefusal("ORDER_BILLED", "An order that has bills cannot be changed.")
    if "vendor_id" in given:
        active_vendor(books, given["vendor_id"], currency)
    refuse_unknown_currency(books, currency)
    order["currency_code"] = currency
    names = {"vendor_id": "vendor_id", "txn_date": "issue_date", "document_number": "document_number", "memo": "memo"}
    order |= {shown: given[name] for name, shown in names.items() if name in given}
    if "status" in given and books.company.platform == XERO:
        order["status"] = given["status"]
    if "line_items" in given:
        _set_lines(books, order, _with_items(order, given["line_items"]))
    return books.save(KIND, order)


def _with_items(order: JsonObject, lines: list[JsonObject]) -> list[JsonObject]:
    """Fills in items: a line without one keeps the item of the line it replaces."""
    old = order["line_items"]
    if any("item" not in line and position >= len(old) for position, line in enumerate(lines)):
        raise PlatformRefusal("MISSING_ITEM", "A new line of an order needs an item.")
    return [{"item": old[n]["item"]["id"]} | line if n < len(old) else line for n, line in enumerate(lines)]


def delete_order(books: Books, order: JsonObject) -> None:
    if _billed(books, order["id"]):
        raise PlatformRefusal("ORDER_BILLED", "An order that has bills cannot be deleted.")
    books.remove(KIND, order)


def _billed(books: Books, order_id: str) -> list[str]:
    query = "SELECT bill_id FROM order_billings WHERE company = ? AND order_id = ?"
    return [row[0] for row in books.sql.execute(query, (books.company.number, order_id))]


def bill_orders(books: Books, bill: JsonObject) -> None:
    """Links a new bill to the orders it names."""
    for link in bill["linked_purchase_orders"]:
        order = books.get(KIND, link["id"])
        if order["vendor_id"] != bill["vendor_id"]:
            raise PlatformRefusal("VENDOR_MISMATCH", "The purchase order belongs to another vendor.")
        if order["currency_code"] != bill["currency_code"]:
            raise PlatformRefusal("CURRENCY_MISMATCH", "The purchase order is in another currency.")
        if order["status"] not in {"open", "pending_bill"}:
            raise PlatformRefusal("ORDER_NOT_OPEN", f"A purchase order that is {order['status']} cannot be billed.")
        query = "INSERT OR IGNORE INTO order_billings VALUES (?, ?, ?)"
        books.sql.execute(query, (books.company.number, order["id"], bill["id"]))
    refresh_orders(books, bill)


def refresh_orders(books: Books, bill: JsonObject) -> None:
    """Closes orders whose bills have reached their total, and reopens those whose bills no longer do.

    On NetSuite an order that is billed in part waits for the rest of its bills, and says so.
    """
    for link in bill["linked_purchase_orders"]:
        order = books.get(KIND, link["id"])
        currency = order["currency_code"]
        billed = sum(to_minor(books.get("bill", one)["total_amount"], currency) for one in _billed(books, order["id"]))
        waiting = "pending_bill" if billed and books.company.platform == NETSUITE else "open"
        status = "closed" if billed >= to_minor(order["total_amount"], currency) else waiting
        if status != order["status"]:
            books.save(KIND, order | {"status": status})


def forget_bill(books: Books, bill: JsonObject) -> None:
    query = "DELETE FROM order_billings WHERE company = ? AND bill_id = ?"
    books.sql.execute(query, (books.company.number, bill["id"]))
    refresh_orders(books, bill)


def older_form(books: Books, order: JsonObject) -> JsonObject:
    """The order as writes return it: that of version 2023-02-07, amounts as texts (Rutter docs: Purchase orders)."""
    vendor = books.find("vendor", order["vendor_id"]) or {}
    kept = ("id", "platform_id", "subsidiary_id", "vendor_id", "currency_code", "document_number", "memo", "status")
    stamps = ("created_at", "updated_at", "last_synced_at", "platform_url")
    return {
        **{name: order[name] for name in kept},
        "posted_date": order["issue_date"],
        "total_amount": str(order["total_amount"]),
        "total_quantity": str(order["total_quantity"]),
        "vendor_name": vendor.get("vendor_name"),
        "line_items": [_older_line(books, n, line) for n, line in enumerate(order["line_items"], start=1)],
        **{name: order[name] for name in stamps},
    }


def _older_line(books: Books, position: int, line: JsonObject) -> JsonObject:
    item = books.find("item", line["item"]["id"]) or {}
    return {
        "platform_id": str(position),
        "account_id": line["account_id"],
        "class_id": line["class_id"],
        "item_id": line["item"]["id"],
        "tax_rate_id": line["tax_rate_id"],
        "amount": str(line["total_amount"]),
        "amount_billed": None,
        "amount_received": None,
        "description": line["description"],
        "item_name": item.get("name"),
        "quantity": str(line["item"]["quantity"]),
        "quantity_bill": None,
        "quantity_received": None,
        "unit_amount": str(line["item"]["unit_amount"]),
    }
