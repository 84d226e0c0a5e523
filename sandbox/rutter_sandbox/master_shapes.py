"""The fields accepted by writes of the objects that bills refer to: accounts, vendors, items and the like."""

from __future__ import annotations

from rutter_sandbox.shapes import (
    NAME_MAX,
    Shape,
    amount,
    amount_or_text,
    choice,
    currency,
    email,
    flag,
    listing,
    name_text,
    nullable,
    optional,
    record,
    reference,
    required,
    text,
    without_requirements,
)

ACCOUNT_TYPES = (
    "accounts_payable",
    "accounts_receivable",
    "bank",
    "fixed_asset",
    "other_asset",
    "other_current_asset",
    "liability",
    "equity",
    "expense",
    "other_expense",
    "income",
    "other_income",
    "credit_card",
    "cost_of_goods_sold",
    "other_current_liability",
    "long_term_liability",
    "non_posting",
    "unknown",
)

_ADDRESS_TYPES = ("billing", "shipping", "po_box", "ship_from", "unknown", "STREET", "POBOX")

_ADDRESS: Shape = {"type": required(choice(*_ADDRESS_TYPES))} | {
    part: nullable(text()) for part in ("address1", "address2", "address3", "city", "country", "postal_code", "region")
}

CREATE_ACCOUNT: Shape = {
    "parent_id": nullable(reference("account")),
    "account_type": required(choice(*ACCOUNT_TYPES)),
    "currency_code": required(currency),
    "name": required(name_text),
    "nominal_code": optional(text(50)),
    "subsidiary_id": optional(reference("subsidiary")),
    "additional_fields": optional(record({"bank_account_number": optional(text(64))})),
}

UPDATE_ACCOUNT: Shape = {
    "currency_code": optional(currency),
    "name": optional(name_text),
    "nominal_code": optional(text(50)),
    "subsidiary_id": optional(reference("subsidiary")),
}

_VENDOR_SUBSIDIARY: Shape = {"id": required(text(100)), "primary": required(flag)}

CREATE_VENDOR: Shape = {
    "payment_terms_id": nullable(reference("payment_term")),
    "contact_name": required(text(NAME_MAX)),
    "email": optional(email),
    "phone": optional(text(50)),
    "registration_number": optional(text(100)),
    "tax_number": optional(text(100)),
    "vendor_name": required(name_text),
    "website": optional(text(1000)),
    "subsidiaries": optional(listing(record(_VENDOR_SUBSIDIARY))),
    "addresses": optional(listing(record(_ADDRESS))),
    "currency_code": required(currency),
    "additional_fields": optional(record({"default_payables_account_id": optional(reference("account"))})),
}

UPDATE_VENDOR: Shape = {
    name: field for name, field in without_requirements(CREATE_VENDOR).items() if name != "payment_terms_id"
} | {"status": optional(choice("active", "archived"))}

CREATE_CUSTOMER: Shape = {
    "subsidiary_id": optional(reference("subsidiary")),
    "contact_name": required(text(NAME_MAX)),
    "customer_name": optional(name_text),
    "email": optional(email),
    "phone": optional(text(50)),
    "addresses": optional(listing(record(_ADDRESS))),
    "additional_fields": optional(
        record(
            {
                "parent_id": optional(reference("customer")),
                "currency_code": optional(currency),
                "language": optional(text(10)),
            }
        )
    ),
}

UPDATE_CUSTOMER: Shape = {
    name: field for name, field in without_requirements(CREATE_CUSTOMER).items() if name != "subsidiary_id"
} | {"status": optional(choice("active", "archived", "unknown"))}

_ITEM_SIDE: Shape = {
    "description": optional(text()),
    "unit_price": optional(amount_or_text),
    "account_id": optional(reference("account")),
}

CREATE_ITEM: Shape = {
    "type": optional(choice("inventory", "non_inventory", "service", "discount", "unknown")),
    "code": optional(text(100)),
    "name": required(name_text),
    "quantity_on_hand": optional(amount),
    "bill_item": optional(record(_ITEM_SIDE)),
    "invoice_item": optional(record(_ITEM_SIDE)),
    "asset_account_id": optional(reference("account")),
}

UPDATE_ITEM: Shape = without_requirements(CREATE_ITEM) | {"status": optional(choice("active", "archived", "unknown"))}

CREATE_CLASS: Shape = {"name": required(name_text), "parent_id": nullable(reference("class"))}
CREATE_DEPARTMENT: Shape = {"name": required(name_text), "parent_id": optional(reference("department"))}

_TAX_COMPONENT: Shape = {
    "name": required(name_text),
    "rate": required(amount),
    "is_compound": optional(flag),
    "is_purchases_tax": optional(flag),
    "is_sales_tax": optional(flag),
}

CREATE_TAX_RATE: Shape = {
    "name": required(name_text),
    "components": required(listing(record(_TAX_COMPONENT), shortest=1)),
}

CREATE_PAYMENT_TERM: Shape = {
    "term_name": required(name_text),
    "due_days": optional(amount),
    "discount_days": optional(amount),
    "discount_percent": optional(amount),
}
