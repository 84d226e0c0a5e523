"""Each model against Rutter's machine-readable spec: fields, kinds of value, required lists and enums.

Every difference that is allowed is named here with its reason; a difference that is no longer there fails too.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from rutter_ap_server.rutter.collections import ENDPOINTS
from rutter_ap_server.rutter.credentials import Secret
from rutter_ap_server.rutter.models import (
    accounts,
    attachments,
    bills,
    company,
    connections,
    customers,
    dimensions,
    events,
    items,
    jobs,
    payments,
    purchase_orders,
    terms,
    vendors,
)
from rutter_ap_server.rutter.models import credits as credit_memos
from rutter_ap_server.rutter.models.base import Draft, Record
from rutter_ap_server.rutter.platforms import PLATFORMS
from support.rutter_reference import spec_schemas

_OTHERWISE_IN_SPEC = {"Customer": "AccountingCustomer", "Item": "AccountingItem"}
MODELS: dict[str, type[msgspec.Struct]] = {
    _OTHERWISE_IN_SPEC.get(endpoint.record.__name__, endpoint.record.__name__): endpoint.record
    for endpoint in ENDPOINTS
} | {
    "Attachment": attachments.Attachment,
    "BillCreditApplication": credit_memos.BillCreditApplication,
    "BillCreditUnapplication": credit_memos.BillCreditUnapplication,
    "CompanyInfo20240430": company.CompanyInfo,
    "Connection": connections.PageConnection,
    "CreateAccount": accounts.AccountCreate,
    "CreateAccountingCustomer": customers.CustomerCreate,
    "CreateAttachmentBody": attachments.AttachmentCreate,
    "CreateBill": bills.BillCreate,
    "CreateBillCreditApplication": credit_memos.BillCreditApplicationCreate,
    "CreateBillCreditMemo": credit_memos.BillCreditMemoCreate,
    "CreateBillCreditUnapplication": credit_memos.BillCreditUnapplicationCreate,
    "CreateBillPayment": payments.BillPaymentCreate,
    "CreateClass": dimensions.ClassCreate,
    "CreateDepartment": dimensions.DepartmentCreate,
    "CreateItem": items.ItemCreate,
    "CreatePaymentTerm": terms.PaymentTermCreate,
    "CreatePurchaseOrder": purchase_orders.PurchaseOrderCreate,
    "CreateTaxRate": terms.TaxRateCreate,
    "CreateVendor": vendors.VendorCreate,
    "Event": events.Event,
    "ExchangeTokenResponse": connections.ExchangedToken,
    "PurchaseOrder20230207": purchase_orders.PurchaseOrderReceipt,
    "UpdateAccount": accounts.AccountUpdate,
    "UpdateAccountingCustomer": customers.CustomerUpdate,
    "UpdateBill": bills.BillUpdate,
    "UpdateBillCreditMemo": credit_memos.BillCreditMemoUpdate,
    "UpdateBillPayment": payments.BillPaymentUpdate,
    "UpdateItem": items.ItemUpdate,
    "UpdatePurchaseOrder": purchase_orders.PurchaseOrderUpdate,
    "UpdateVendor": vendors.VendorUpdate,
    "WebhookConfigResponse": events.WebhookConfig,
    # Those without a name of their own in the spec, by the way to them.
    "AsynchronousJob": jobs.Job,
    "ConnectionResponse/connection": connections.ConnectionEntry,
    "GetAccessTokenConnectionResponse/connection": connections.ConnectionDetail,
    "GetConnectionStatusResponse/status": connections.ConnectionStatus,
    "ListConnectionsResponse/connections/[]": connections.ConnectionEntry,
}

NUMBER_AS_TEXT = "Rutter sends this number as a text; it is read as an exact decimal"
NOT_READ = "nothing in accounts payable asks for it; it stays in `extra`"
ALLOWED = {
    "Bill.currency_rate: string": NUMBER_AS_TEXT,
    "BillPayment.currency_rate: string": NUMBER_AS_TEXT,
    "Bill.additional_fields.linked_journal_entries[].amount: string": NUMBER_AS_TEXT,
    "BillPayment.additional_fields.linked_journal_entries[].amount: string": NUMBER_AS_TEXT,
    "AccountingItem.bill_item.unit_price: string": NUMBER_AS_TEXT,
    "AccountingItem.invoice_item.unit_price: string": NUMBER_AS_TEXT,
    "PurchaseOrder20230207.total_amount: string": NUMBER_AS_TEXT,
    "PurchaseOrder20230207.total_quantity: string": NUMBER_AS_TEXT,
    "PurchaseOrder20230207.line_items[].amount: string": NUMBER_AS_TEXT,
    "PurchaseOrder20230207.line_items[].amount_billed: string": NUMBER_AS_TEXT,
    "PurchaseOrder20230207.line_items[].amount_received: string": NUMBER_AS_TEXT,
    "PurchaseOrder20230207.line_items[].quantity: string": NUMBER_AS_TEXT,
    "PurchaseOrder20230207.line_items[].quantity_bill: string": NUMBER_AS_TEXT,
    "PurchaseOrder20230207.line_items[].quantity_received: string": NUMBER_AS_TEXT,
    "PurchaseOrder20230207.line_items[].unit_amount: string": NUMBER_AS_TEXT,
    "Event.data: missing": NOT_READ,
    "Currency.platform_id: ours": "older answers carry it, as every other object does",
    "WebhookConfigResponse.platform_data_config: missing": "it changes what is pushed, not what is read",
    "AsynchronousJob.request.url: missing": "it holds an access token",
    "AsynchronousJob.request.body: missing": "it holds the books of a company",
    "GetAccessTokenConnectionResponse/connection.disabled_reason: ours": "seen in practice",
    **{
        f"GetConnectionStatusResponse/status.historical_sync_status.{name}: missing": "counts of no use to payables"
        for name in (
            "batches",
            "expected_entity_counts",
            "synced_balance_sheets_count",
            "synced_cash_flows_count",
            "synced_income_statements_count",
            "synced_orders_count",
            "synced_transactions_count",
        )
    },
    **{
        f"ConnectionResponse/connection.{name}: ours": "one class for the short and the long entry"
        for name in ("created_at", "platform", "status", "updated_at")
    },
}


def differences(name: str, schemas: dict[str, Any]) -> Iterator[str]:
    model = MODELS[name]
    first, *steps = name.split("/")
    schema = schemas[first]
    for step in steps:
        schema = schema["items"] if step == "[]" else schema["properties"][step]
    yield from compare(name, model, schema, schemas, draft=issubclass(model, Draft))


def compare(path: str, model: type, schema: dict[str, Any], schemas: dict[str, Any], *, draft: bool) -> Iterator[str]:
    hints = typing.get_type_hints(model)
    fields = {field.encode_name: field for field in msgspec.structs.fields(model)}
    documented: dict[str, Any] = dict(schema.get("properties", {}))
    if issubclass(model, Record):
        # Kept as bytes and read on demand.
        documented.pop("platform_data", None)
    for name in sorted(set(documented) - set(fields)):
        yield f"{path}.{name}: missing"
    for name in sorted(set(fields) - set(documented)):
        yield f"{path}.{name}: ours"
    required = set(schema.get("required", []))
    ours = {name for name, field in fields.items() if field.required}
    if draft and ours != required:
        yield f"{path}: required {sorted(ours ^ required)}"
    if not draft and ours - required:
        yield f"{path}: requires more than promised {sorted(ours - required)}"
    for name in sorted(set(documented) & set(fields)):
        hint = hints[fields[name].name]
        yield from compare_value(f"{path}.{name}", hint, documented[name], schemas, draft=draft)


def compare_value(
    path: str, hint: Any, schema: dict[str, Any], schemas: dict[str, Any], *, draft: bool
) -> Iterator[str]:
    options = typing.get_args(hint) if typing.get_origin(hint) in {typing.Union, types.UnionType} else (hint,)
    documented = resolved(schema, schemas)
    wanted = {"null"} & documented.keys()
    for option in options:
        if option in {type(None), msgspec.UnsetType}:
            continue
        if typing.get_origin(option) is tuple:
            wanted.add("array")
            if "array" in documented and "items" in documented["array"]:
                inner = typing.get_args(option)[0]
                yield from compare_value(f"{path}[]", inner, documented["array"]["items"], schemas, draft=draft)
        elif isinstance(option, type) and issubclass(option, msgspec.Struct):
            wanted.add("object")
            if "object" in documented:
                yield from compare(path, option, documented["object"], schemas, draft=draft)
        elif typing.get_origin(option) is dict:
            wanted.add("object")
        else:
            wanted.add(NAMES[option])
    if not wanted & (documented.keys() - {"null"}):
        yield f"{path}: {', '.join(sorted(documented.keys() - {'null'}))}"
    if not draft and "null" in documented and type(None) not in options and "array" not in wanted:
        yield f"{path}: may be null"


NAMES: dict[Any, str] = {
    str: "string",
    int: "number",
    bool: "boolean",
    Decimal: "number",
    datetime: "string",
    date: "string",
}
NAMES[Secret] = "string"
# Read later, as whatever it turns out to be; the spec says nothing of it either, which counts as text below.
NAMES[msgspec.Raw] = "string"


def resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The JSON types a schema allows, each with the part of the schema that says more."""
    if "$ref" in schema:
        return resolved(schemas[schema["$ref"].rsplit("/", 1)[1]], schemas)
    if "anyOf" in schema:
        return {kind: part for option in schema["anyOf"] for kind, part in resolved(option, schemas).items()}
    kinds = schema.get("type", "string")
    return dict.fromkeys([kinds] if isinstance(kinds, str) else kinds, schema)


def test_every_difference_between_models_and_spec_is_named() -> None:
    schemas = spec_schemas()
    assert {found for name in MODELS for found in differences(name, schemas)} == set(ALLOWED)


def enum_at(schemas: dict[str, Any], name: str, *path: str) -> set[str]:
    schema = schemas[name]
    for step in path:
        schema = schema["items"] if step == "[]" else schema["properties"][step]
    found: list[str] = schema.get("enum") or schema["items"]["enum"]
    return set(found)


ENUMS: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    (bills.BILL_STATUSES, ("Bill", "status")),
    (bills.BILL_STATUSES, ("BillCreditMemo", "status")),
    (bills.BILL_STATUSES_ON_UPDATE, ("UpdateBill", "status")),
    (credit_memos.CREDIT_STATUSES_ON_CREATE, ("CreateBillCreditMemo", "status")),
    (credit_memos.CREDIT_STATUSES_ON_UPDATE, ("UpdateBillCreditMemo", "status")),
    (accounts.ACCOUNT_TYPES, ("Account", "account_type")),
    (accounts.ACCOUNT_TYPES, ("CreateAccount", "account_type")),
    (accounts.ACCOUNT_CATEGORIES, ("Account", "category")),
    (accounts.ACCOUNT_STATUSES, ("Account", "status")),
    (vendors.VENDOR_STATUSES, ("Vendor", "status")),
    (vendors.VENDOR_STATUSES_ON_UPDATE, ("UpdateVendor", "status")),
    (customers.CUSTOMER_STATUSES, ("AccountingCustomer", "status")),
    (items.ITEM_TYPES, ("AccountingItem", "type")),
    (items.ITEM_STATUSES, ("AccountingItem", "status")),
    (dimensions.DIMENSION_STATUSES, ("Class", "status")),
    (dimensions.DIMENSION_STATUSES, ("Department", "status")),
    (dimensions.DIMENSION_STATUSES, ("Location", "status")),
    (dimensions.TASK_STATUSES, ("Task", "status")),
    (terms.TAX_RATE_STATUSES, ("TaxRate", "status")),
    (company.SUBSIDIARY_STATUSES, ("Subsidiary", "status")),
    (purchase_orders.PURCHASE_ORDER_STATUSES, ("PurchaseOrder", "status")),
    (connections.CONNECTION_STATUSES, ("ListConnectionsResponse", "connections", "[]", "status")),
]


@pytest.mark.parametrize(("ours", "where"), ENUMS, ids=[".".join(where) for _, where in ENUMS])
def test_an_enum_holds_the_documented_values(ours: tuple[str, ...], where: tuple[str, ...]) -> None:
    assert set(ours) == enum_at(spec_schemas(), *where) - {None}


def test_the_states_of_a_job_are_those_of_the_spec_and_one_older() -> None:
    assert set(jobs.JOB_STATES) - enum_at(spec_schemas(), "AsynchronousJob", "status") == {"partial_success"}


def test_the_object_types_to_synchronise_are_documented() -> None:
    documented = enum_at(spec_schemas(), "CreateConnectionIncrementalSyncRequest", "object_types")
    assert set(events.SYNC_OBJECT_TYPES) <= documented


def test_the_platforms_of_the_abilities_are_documented() -> None:
    assert set(spec_schemas()["Platform"]["enum"]) >= PLATFORMS
