"""The fields each write accepts, as Rutter documents them for version 2024-08-31."""

from __future__ import annotations

from rutter_sandbox.shapes import (
    Shape,
    allocation_or_text,
    amount,
    amount_from_zero,
    amount_or_text,
    choice,
    currency,
    description_text,
    flag,
    listing,
    moment,
    name_text,
    nullable,
    optional,
    record,
    reference,
    required,
    text,
    without_requirements,
)

_ITEM_OF_LINE: Shape = {
    "id": optional(reference("item")),
    "quantity": optional(amount),
    "unit_amount": optional(amount),
}

_LINE: Shape = {
    "account_id": optional(reference("account")),
    "class_id": optional(reference("class")),
    "customer_id": optional(reference("customer")),
    "department_id": optional(reference("department")),
    "location_id": optional(reference("location")),
    "project_id": nullable(reference("project")),
    "tax_rate_id": optional(reference("tax_rate")),
    "description": optional(description_text),
    "discount_amount": optional(amount_from_zero),
    "total_amount": required(amount),
    "item": optional(record(_ITEM_OF_LINE)),
    "discount_item_id": optional(reference("item")),
    "additional_fields": optional(record({"task_id": optional(reference("task"))})),
}

_DIMENSIONS: Shape = {
    "reference": optional(text()),
    "class_id": optional(reference("class")),
    "department_id": optional(reference("department")),
    "location_id": optional(reference("location")),
}

CREATE_BILL: Shape = {
    "account_id": optional(reference("account")),
    "payment_terms_id": optional(reference("payment_term")),
    "subsidiary_id": optional(reference("subsidiary")),
    "vendor_id": required(reference("vendor")),
    "due_date": optional(moment),
    "issue_date": required(moment),
    "currency_code": required(currency),
    "document_number": optional(text(100)),
    "memo": optional(text()),
    "currency_rate": optional(amount_or_text),
    "linked_purchase_orders": optional(listing(record({"id": required(reference("purchase_order"))}))),
    "line_items": required(listing(record(_LINE), shortest=1)),
    "additional_fields": optional(
        record(
            _DIMENSIONS
            | {
                "transaction_date": optional(moment),
                "auto_exchange_rate": optional(flag),
                "tax_inclusive": optional(flag),
                "tax_rate_percent": optional(amount),
            }
        )
    ),
}

UPDATE_BILL: Shape = {
    "account_id": optional(reference("account")),
    "vendor_id": optional(reference("vendor")),
    "due_date": optional(moment),
    "issue_date": optional(moment),
    "status": optional(choice("submitted", "open")),
    "document_number": optional(text(100)),
    "memo": optional(text()),
    "currency_rate": optional(amount_or_text),
    "line_items": optional(listing(record(_LINE), shortest=1)),
    "additional_fields": optional(record(_DIMENSIONS)),
}

_PAID_BILL: Shape = {
    "id": required(reference("bill")),
    "allocated_amount": required(amount_from_zero),
}

CREATE_BILL_PAYMENT: Shape = {
    "account_id": required(reference("account")),
    "vendor_id": optional(reference("vendor")),
    "transaction_date": required(moment),
    "currency_code": optional(currency),
    "currency_rate": optional(amount),
    "document_number": optional(text(100)),
    "memo": optional(text()),
    "reference": optional(text(100)),
    "linked_bills": required(listing(record(_PAID_BILL), shortest=1)),
    "additional_fields": optional(
        record(
            {
                "location_id": optional(reference("location")),
                "auto_exchange_rate": optional(flag),
                "reconciled": optional(flag),
            }
        )
    ),
}

UPDATE_BILL_PAYMENT: Shape = {
    "memo": optional(text()),
    "currency_rate": optional(amount),
    "status": optional(choice("void")),
}

CREATE_BILL_CREDIT_MEMO: Shape = {
    "account_id": optional(reference("account")),
    "vendor_id": required(reference("vendor")),
    "issue_date": required(moment),
    "document_number": optional(text(100)),
    "status": optional(choice("draft", "open", "submitted")),
    "currency_code": optional(currency),
    "memo": optional(text()),
    "subsidiary_id": optional(reference("subsidiary")),
    "line_items": required(listing(record(_LINE), shortest=1)),
    "additional_fields": optional(
        record(
            {
                "class_id": optional(reference("class")),
                "reference": optional(text()),
                "tax_inclusive": optional(flag),
            }
        )
    ),
}

UPDATE_BILL_CREDIT_MEMO: Shape = without_requirements(CREATE_BILL_CREDIT_MEMO) | {
    "status": optional(choice("draft", "open", "submitted", "void")),
}

CREATE_BILL_CREDIT_APPLICATION: Shape = {
    "bill_credit_memo_id": required(reference("bill_credit_memo")),
    "vendor_id": required(reference("vendor")),
    "transaction_date": required(moment),
    "currency_code": required(currency),
    "linked_bills": required(
        listing(
            record({"id": required(reference("bill")), "allocated_amount": required(allocation_or_text)}),
            shortest=1,
        )
    ),
    "memo": optional(text()),
    "additional_fields": optional(record({"account_id": optional(reference("account"))})),
}

CREATE_BILL_CREDIT_UNAPPLICATION: Shape = {
    "bill_credit_memo_id": required(reference("bill_credit_memo")),
    "bill_id": required(reference("bill")),
}

_ORDER_LINE: Shape = {
    "tax_rate_id": optional(reference("tax_rate")),
    "description": optional(description_text),
    "item": required(reference("item")),
    "quantity": required(amount_from_zero),
    "unit_amount": optional(amount),
}

_ORDER_STATUS = choice("open", "draft", "closed", "pending_bill", "unknown")

CREATE_PURCHASE_ORDER: Shape = {
    "subsidiary_id": optional(reference("subsidiary")),
    "vendor_id": required(reference("vendor")),
    "txn_date": optional(moment),
    "currency": required(currency),
    "currency_rate": optional(amount),
    "document_number": optional(text(100)),
    "memo": optional(text()),
    "status": optional(_ORDER_STATUS),
    "line_items": required(listing(record(_ORDER_LINE), shortest=1)),
    "additional_fields": optional(record(_DIMENSIONS | {"account_id": optional(reference("account"))})),
}

UPDATE_PURCHASE_ORDER: Shape = {
    name: field
    for name, field in without_requirements(CREATE_PURCHASE_ORDER).items()
    if name not in {"subsidiary_id", "currency_rate"}
} | {"line_items": optional(listing(record(without_requirements(_ORDER_LINE, "item")), shortest=1))}

ATTACHMENT: Shape = {
    "file": required(text(30_000_000)),
    "file_name": required(name_text),
}
