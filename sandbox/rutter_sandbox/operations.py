"""Which function carries out which write, one row per kind, for the accounting routes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rutter_sandbox import bills, faults, master_shapes, masters, orders, payments, shape_tables, vendor_credits
from rutter_sandbox.errors import JsonObject
from rutter_sandbox.kinds import XERO
from rutter_sandbox.records import Books
from rutter_sandbox.shapes import Shape

Create = Callable[[Books, JsonObject], JsonObject]
Update = Callable[[Books, JsonObject, JsonObject], JsonObject]
Delete = Callable[[Books, JsonObject], None]


@dataclass(frozen=True, slots=True)
class Operations:
    """The writes of one kind of object; a verb that Rutter does not have is left out."""

    create_shape: Shape | None = None
    create: Create | None = None
    update_shape: Shape | None = None
    update: Update | None = None
    delete: Delete | None = None


def _create_payment(books: Books, given: JsonObject) -> JsonObject:
    if books.tx.fault == faults.ERRORS_BESIDE and books.company.platform == XERO:
        given = given | {"linked_bills": given["linked_bills"][:1]}
    made = payments.create_payments(books, given)
    if len(made) == 1:
        return {"bill_payment": made[0]}
    # Version 2024-08-31 types one payment; the older plural is kept beside it when Xero made several.
    first = {} if books.tx.fault == faults.PLURAL_ALONE else {"bill_payment": made[0]}
    return first | {"bill_payments": made}


def _without_status(books: Books, given: JsonObject) -> JsonObject:
    """Only Xero takes the status of a new credit or order (Rutter docs: Bill Credit Memos, Purchase Orders)."""
    if books.company.platform == XERO:
        return given
    return {name: value for name, value in given.items() if name != "status"}


def _create_credit(books: Books, given: JsonObject) -> JsonObject:
    return {"bill_credit_memo": vendor_credits.create_credit(books, _without_status(books, given))}


def _create_order(books: Books, given: JsonObject) -> JsonObject:
    return {"purchase_order": orders.older_form(books, orders.create_order(books, _without_status(books, given)))}


def _update_order(books: Books, order: JsonObject, given: JsonObject) -> JsonObject:
    return {"purchase_order": orders.older_form(books, orders.update_order(books, order, given))}


def _wrap_create(name: str, create: Create) -> Create:
    return lambda books, given: {name: create(books, given)}


def _wrap_update(name: str, update: Update) -> Update:
    return lambda books, record, given: {name: update(books, record, given)}


OPERATIONS = {
    "bill": Operations(
        shape_tables.CREATE_BILL,
        _wrap_create("bill", bills.create_bill),
        shape_tables.UPDATE_BILL,
        _wrap_update("bill", bills.update_bill),
        bills.delete_bill,
    ),
    "bill_payment": Operations(
        shape_tables.CREATE_BILL_PAYMENT,
        _create_payment,
        shape_tables.UPDATE_BILL_PAYMENT,
        _wrap_update("bill_payment", payments.update_payment),
        payments.delete_payment,
    ),
    "bill_credit_memo": Operations(
        shape_tables.CREATE_BILL_CREDIT_MEMO,
        _create_credit,
        shape_tables.UPDATE_BILL_CREDIT_MEMO,
        _wrap_update("bill_credit_memo", vendor_credits.update_credit),
        vendor_credits.delete_credit,
    ),
    "account": Operations(
        master_shapes.CREATE_ACCOUNT,
        _wrap_create("account", masters.create_account),
        master_shapes.UPDATE_ACCOUNT,
        _wrap_update("account", masters.update_account),
    ),
    "vendor": Operations(
        master_shapes.CREATE_VENDOR,
        _wrap_create("vendor", masters.create_vendor),
        master_shapes.UPDATE_VENDOR,
        _wrap_update("vendor", masters.update_vendor),
        masters.delete_vendor,
    ),
    "customer": Operations(
        master_shapes.CREATE_CUSTOMER,
        _wrap_create("customer", masters.create_customer),
        master_shapes.UPDATE_CUSTOMER,
        _wrap_update("customer", masters.update_customer),
    ),
    "item": Operations(
        master_shapes.CREATE_ITEM,
        _wrap_create("item", masters.create_item),
        master_shapes.UPDATE_ITEM,
        _wrap_update("item", masters.update_item),
        masters.delete_item,
    ),
    "class": Operations(master_shapes.CREATE_CLASS, _wrap_create("class", masters.create_class)),
    "department": Operations(master_shapes.CREATE_DEPARTMENT, _wrap_create("department", masters.create_department)),
    "tax_rate": Operations(master_shapes.CREATE_TAX_RATE, _wrap_create("tax_rate", masters.create_tax_rate)),
    "payment_term": Operations(
        master_shapes.CREATE_PAYMENT_TERM,
        _wrap_create("payment_term", masters.create_payment_term),
        delete=masters.delete_payment_term,
    ),
    "purchase_order": Operations(
        shape_tables.CREATE_PURCHASE_ORDER,
        _create_order,
        shape_tables.UPDATE_PURCHASE_ORDER,
        _update_order,
        orders.delete_order,
    ),
}
