"""The objects that bills refer to: accounts, vendors, customers, items, classes, tax rates, payment terms."""

from __future__ import annotations

from decimal import Decimal

from rutter_sandbox.errors import JsonObject, PlatformRefusal
from rutter_sandbox.kinds import DYNAMICS, INTACCT, NETSUITE, QUICKBOOKS, XERO
from rutter_sandbox.money import from_minor
from rutter_sandbox.records import Books

_ASSETS = ("bank", "accounts_receivable", "fixed_asset", "other_asset", "other_current_asset")
_LIABILITIES = ("accounts_payable", "credit_card", "liability", "other_current_liability", "long_term_liability")
_CATEGORIES = (
    dict.fromkeys(_ASSETS, "asset")
    | dict.fromkeys(_LIABILITIES, "liability")
    | dict.fromkeys(("expense", "other_expense", "cost_of_goods_sold"), "expense")
    | {"equity": "equity", "income": "income", "other_income": "income"}
    | {"non_posting": "nonposting", "unknown": "unknown"}
)

_ADDRESS_PARTS = ("address1", "address2", "address3", "city", "country", "postal_code", "region")
_UNIQUE_VENDOR_NAMES = frozenset({QUICKBOOKS, NETSUITE, INTACCT})


def create_account(books: Books, given: JsonObject) -> JsonObject:
    _refuse_account(books, given)
    shown = given["account_type"]
    account: JsonObject = {
        "parent_id": given.get("parent_id") if books.company.platform == QUICKBOOKS else None,
        "account_type": shown,
        "category": _CATEGORIES[shown],
        "status": given.get("status", "active"),
        "balance": from_minor(0, given["currency_code"]),
        "currency_code": given["currency_code"],
        "name": given["name"],
        "nominal_code": given.get("nominal_code"),
        "subsidiaries": _account_subsidiaries(books, given),
    }
    account |= {name: given[name] for name in ("id", "created_at") if name in given}
    return books.add("account", account)


def _refuse_account(books: Books, given: JsonObject) -> None:
    number = given.get("additional_fields", {}).get("bank_account_number")
    if books.company.platform == XERO and given["account_type"] == "bank" and not number:
        raise PlatformRefusal("MISSING_BANK_ACCOUNT_NUMBER", "A bank account needs its bank account number.")
    if any(account["name"] == given["name"] for account in books.every("account")):
        raise PlatformRefusal("DUPLICATE_NAME", "Another account has this name.")


def _account_subsidiaries(books: Books, given: JsonObject) -> list[JsonObject]:
    if books.company.platform not in {NETSUITE, INTACCT}:
        return []
    chosen = given.get("subsidiary_id")
    ids = [chosen] if chosen else [one["id"] for one in books.every("subsidiary")]
    return [{"id": one, "status": _subsidiary_status(books, one)} for one in ids]


def _subsidiary_status(books: Books, subsidiary_id: str) -> str:
    return str(books.get("subsidiary", subsidiary_id)["status"])


def update_account(books: Books, account: JsonObject, given: JsonObject) -> JsonObject:
    others = [one["name"] for one in books.every("account") if one["id"] != account["id"]]
    if given.get("name") in others:
        raise PlatformRefusal("DUPLICATE_NAME", "Another account has this name.")
    if given.get("currency_code", account["currency_code"]) != account["currency_code"]:
        query = "SELECT 1 FROM postings WHERE company = ? AND account_id = ? LIMIT 1"
        used = books.sql.execute(query, (books.company.number, account["id"])).fetchone()
        if used or books.company.platform != NETSUITE:
            raise PlatformRefusal("CURRENCY_MISMATCH", "The currency of this account cannot be changed.")
        account["balance"] = from_minor(0, given["currency_code"])
    account |= {name: given[name] for name in ("name", "nominal_code", "currency_code") if name in given}
    if "subsidiary_id" in given:
        account["subsidiaries"] = _account_subsidiaries(books, given)
    return books.save("account", account)


def create_vendor(books: Books, given: JsonObject) -> JsonObject:
    _refuse_vendor_name(books, given["vendor_name"])
    contact = None if books.company.platform == NETSUITE else given["contact_name"]
    displayed = books.company.platform in {QUICKBOOKS, NETSUITE, XERO}
    vendor: JsonObject = {
        "payment_terms_id": given.get("payment_terms_id"),
        "status": "active",
        "bank_account_number": given.get("bank_account_number"),
        "contact_name": contact,
        "currency_codes": [given["currency_code"]],
        "display_name": given["vendor_name"] if displayed else None,
        **{name: given.get(name) for name in ("email", "phone", "registration_number", "tax_number")},
        "vendor_name": given["vendor_name"],
        "website": given.get("website"),
        "subsidiaries": _vendor_subsidiaries(books, given.get("subsidiaries")),
        "addresses": _addresses(given),
    }
    vendor |= {name: given[name] for name in ("id", "created_at", "updated_at", "status") if name in given}
    return books.add("vendor", vendor)


def _refuse_vendor_name(books: Books, name: str) -> None:
    query = "SELECT 1 FROM objects WHERE company = ? AND kind = 'vendor' AND name = ?"
    taken = books.sql.execute(query, (books.company.number, name)).fetchone()
    if taken and books.company.platform in _UNIQUE_VENDOR_NAMES:
        raise PlatformRefusal("DUPLICATE_NAME", "Another vendor has this name.")


def _vendor_subsidiaries(books: Books, given: list[JsonObject] | None) -> list[JsonObject]:
    """A vendor belongs to the root subsidiary unless exactly one other is marked as primary."""
    if books.company.platform not in {NETSUITE, INTACCT}:
        return []
    known = books.every("subsidiary")
    by_id = {one["id"]: one["id"] for one in known} | {one["platform_id"]: one["id"] for one in known}
    if not given:
        return [{"id": one["id"], "primary": True, "status": one["status"]} for one in known if not one["parent_id"]]
    if any(one["id"] not in by_id for one in given):
        raise PlatformRefusal("UNKNOWN_SUBSIDIARY", "The vendor names a subsidiary that does not exist.")
    if sum(one["primary"] for one in given) != 1:
        raise PlatformRefusal("INVALID_SUBSIDIARIES", "Exactly one subsidiary must be the primary one.")
    return [
        {"id": by_id[one["id"]], "primary": one["primary"], "status": _subsidiary_status(books, by_id[one["id"]])}
        for one in given
    ]


def _addresses(given: JsonObject) -> list[JsonObject]:
    rows = given.get("addresses", [])
    return [{"type": row["type"], **{part: row.get(part) for part in _ADDRESS_PARTS}} for row in rows]


def update_vendor(books: Books, vendor: JsonObject, given: JsonObject) -> JsonObject:
    if given.get("vendor_name", vendor["vendor_name"]) != vendor["vendor_name"]:
        _refuse_vendor_name(books, given["vendor_name"])
        if vendor["display_name"] is not None:
            vendor["display_name"] = given["vendor_name"]
    plain = ("status", "contact_name", "email", "phone", "registration_number", "tax_number", "vendor_name", "website")
    vendor |= {name: given[name] for name in plain if name in given}
    if books.company.platform == NETSUITE:
        vendor["contact_name"] = None
    if "currency_code" in given:
        vendor["currency_codes"] = [given["currency_code"]]
    if "subsidiaries" in given:
        vendor["subsidiaries"] = _vendor_subsidiaries(books, given["subsidiaries"])
    if "addresses" in given:
        vendor["addresses"] = _addresses(given)
    return books.save("vendor", vendor)


def delete_vendor(books: Books, vendor: JsonObject) -> None:
    query = "SELECT 1 FROM objects WHERE company = ? AND vendor_id = ? LIMIT 1"
    if books.sql.execute(query, (books.company.number, vendor["id"])).fetchone():
        raise PlatformRefusal("VENDOR_IN_USE", "A vendor with transactions cannot be deleted; archive it instead.")
    books.remove("vendor", vendor)


def create_customer(books: Books, given: JsonObject) -> JsonObject:
    extra = given.get("additional_fields", {})
    customer: JsonObject = {
        "parent_id": extra.get("parent_id"),
        "payment_terms_id": given.get("payment_terms_id"),
        "subsidiary_id": given.get("subsidiary_id"),
        "status": given.get("status", "active"),
        "contact_name": given["contact_name"],
        "currency_code": extra.get("currency_code", books.company.currency),
        "customer_name": given.get("customer_name", given["contact_name"]),
        **{name: given.get(name) for name in ("email", "phone", "registration_number", "tax_number")},
        "addresses": _addresses(given),
    }
    customer |= {name: given[name] for name in ("id", "created_at") if name in given}
    return books.add("customer", customer)


def update_customer(books: Books, customer: JsonObject, given: JsonObject) -> JsonObject:
    plain = ("status", "contact_name", "customer_name", "email", "phone")
    customer |= {name: given[name] for name in plain if name in given}
    if "addresses" in given:
        customer["addresses"] = _addresses(given)
    if "parent_id" in given.get("additional_fields", {}):
        customer["parent_id"] = given["additional_fields"]["parent_id"]
    return books.save("customer", customer)


def create_item(books: Books, given: JsonObject) -> JsonObject:
    kind = given.get("type", "non_inventory")
    item: JsonObject = {
        "status": given.get("status", "active"),
        "type": kind,
        "code": given.get("code"),
        "name": given["name"],
        "quantity_on_hand": given.get("quantity_on_hand", 0 if kind == "inventory" else None),
        "subsidiaries": [{"id": one["id"]} for one in books.every("subsidiary")],
        "bill_item": _item_side(given.get("bill_item")),
        "invoice_item": _item_side(given.get("invoice_item")),
    }
    item |= {name: given[name] for name in ("id", "created_at") if name in given}
    return books.add("item", item)


def _item_side(given: JsonObject | None, old: JsonObject | None = None) -> JsonObject:
    side = dict(old or {"description": None, "unit_price": None})
    if given and "description" in given:
        side["description"] = given["description"]
    if given and "unit_price" in given:
        side["unit_price"] = f"{given['unit_price']:f}"
    return side


def update_item(books: Books, item: JsonObject, given: JsonObject) -> JsonObject:
    plain = ("status", "type", "code", "name", "quantity_on_hand")
    item |= {name: given[name] for name in plain if name in given}
    for side in ("bill_item", "invoice_item"):
        item[side] = _item_side(given.get(side), item[side])
    return books.save("item", item)


def delete_item(books: Books, item: JsonObject) -> None:
    books.remove("item", item)


def create_class(books: Books, given: JsonObject) -> JsonObject:
    return _create_dimension(books, "class", given)


def create_department(books: Books, given: JsonObject) -> JsonObject:
    return _create_dimension(books, "department", given)


def _create_dimension(books: Books, kind: str, given: JsonObject) -> JsonObject:
    parent = given.get("parent_id")
    if parent:
        above = books.get(kind, parent)
        if not above["has_children"]:
            books.save(kind, above | {"has_children": True})
    fields: JsonObject = {"name": given["name"], "parent_id": parent, "has_children": False, "status": "active"}
    return books.add(kind, fields | {name: given[name] for name in ("id", "created_at") if name in given})


def create_tax_rate(books: Books, given: JsonObject) -> JsonObject:
    """Rates are percentages. A compound component is charged on the net and the components before it."""
    plain = sum((Decimal(one["rate"]) for one in given["components"]), Decimal(0))
    if any(Decimal(one["rate"]) < 0 for one in given["components"]) or plain > 100:
        raise PlatformRefusal("INVALID_RATE", "Tax rates must lie between 0 and 100 percent.")
    effective = Decimal(0)
    for one in given["components"]:
        base = 100 + effective if one.get("is_compound") else Decimal(100)
        effective += base * Decimal(one["rate"]) / 100
    # Business Central does not say which side of trade a rate is for, nor that it is compound.
    says = books.company.platform != DYNAMICS
    flags = ("is_compound", "is_purchases_tax", "is_sales_tax")
    components = [
        {name: says and one.get(name, name != "is_compound") for name in flags}
        | {"name": one["name"], "rate": one["rate"]}
        for one in given["components"]
    ]
    sides = {
        f"{side}_total_tax_rate": sum((Decimal(one["rate"]) for one in components if one[f"is_{flag}_tax"]), Decimal(0))
        for side, flag in (("purchase", "purchases"), ("sales", "sales"))
    }
    fields: JsonObject = {
        "status": given.get("status", "active"),
        "code": given.get("code"),
        "effective_tax_rate": effective,
        "name": given["name"],
        "total_tax_rate": plain,
        "subsidiaries": [{"id": one["id"]} for one in books.every("subsidiary")],
        "components": components,
    }
    if says:
        fields["additional_fields"] = sides
    return books.add("tax_rate", fields | {name: given[name] for name in ("id", "created_at") if name in given})


def create_payment_term(books: Books, given: JsonObject) -> JsonObject:
    fields: JsonObject = {"term_name": given["term_name"], "due_days": given.get("due_days", 0)}
    fields |= {name: given.get(name) for name in ("discount_days", "discount_percent")}
    return books.add("payment_term", fields | {name: given[name] for name in ("id", "created_at") if name in given})


def delete_payment_term(books: Books, term: JsonObject) -> None:
    books.remove("payment_term", term)
