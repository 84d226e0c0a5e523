"""Holds every answer against the machine-readable description of Rutter's API, when that file is at hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # its stubs are not in the lock

from rutter_sandbox import open_sandbox
from support.sandbox.wire import TODAY, Answered, Wire

SPEC = Path(__file__).resolve().parents[3] / "shared" / "rutter" / "openapi-2024-08-31.json"

pytestmark = pytest.mark.skipif(not SPEC.exists(), reason=f"{SPEC.name} is not at hand, so there is nothing to compare")

PLATFORMS = ("QUICKBOOKS", "XERO", "NETSUITE", "SAGE_INTACCT")
DIFFERENCES = {
    ("GET", "/accounting/bills/{id}/attachments/{attachmentId}/file"): "the description types a file as an object; "
    "Rutter sends the bytes themselves",
}
"""Endpoints whose answers may differ from their description, and why."""

LISTS = (
    *("accounts", "bill_credit_memos", "bill_payments", "bills", "classes", "currencies", "customers"),
    *("departments", "items", "locations", "payment_methods", "payment_terms", "projects", "purchase_orders"),
    *("subsidiaries", "tasks", "tax_rates", "vendors"),
)


class Described:
    """The description, and which of its endpoints were met."""

    def __init__(self) -> None:
        self.spec: dict[str, Any] = json.loads(SPEC.read_text())
        self.met: set[tuple[str, str]] = set()

    def check(self, method: str, path: str, response: Answered, status: int = 200) -> Any:
        """The answer has this status and fits what the description says of this endpoint."""
        assert response.status == status, (method, path, response)
        described = self.spec["paths"][path][method.lower()]["responses"]
        if status != 200:
            self._fits({"$ref": "#/components/schemas/Error"}, response, method, path)
        else:
            self.met.add((method, path))
            self._fits(described["200"]["content"]["application/json"]["schema"], response, method, path)
        return json.loads(response.raw)

    def _fits(self, schema: dict[str, Any], response: Answered, method: str, path: str) -> None:
        root = {"components": self.spec["components"], "allOf": [schema]}
        found = json.loads(response.raw)
        faults = [f"{'/'.join(map(str, one.absolute_path))}: {one.message}" for one in _faults(root, found)]
        assert faults == [], (method, path)

    def unmet(self) -> set[tuple[str, str]]:
        every = {(method.upper(), path) for path, rows in self.spec["paths"].items() for method in rows}
        return every - self.met - set(DIFFERENCES)


def _faults(schema: dict[str, Any], value: Any) -> Iterator[Any]:
    """The deepest reasons why a value does not fit."""
    for error in Draft202012Validator(schema).iter_errors(value):
        yield from (leaf for leaf in error.context or [error])


@pytest.fixture(scope="module")
def described() -> Described:
    return Described()


@pytest.fixture(params=PLATFORMS)
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    sandbox = open_sandbox(today=TODAY)
    caller = Wire(sandbox, request.param)
    yield caller
    caller.close()
    sandbox.close()


def test_every_list_and_every_object_in_it_fits_its_description(wire: Wire, described: Described) -> None:
    for plural in LISTS:
        path = f"/accounting/{plural}"
        response = wire.call("GET", path, expand="platform_data", limit=500)
        if response.status == 404:
            described.check("GET", path, response, 404)
            continue
        for row in described.check("GET", path, response)[plural]:
            described.check("GET", f"{path}/{{id}}", wire.call("GET", f"{path}/{row['id']}"))
    described.check("GET", "/accounting/company_info", wire.call("GET", "/accounting/company_info"))


def _bill_fields(wire: Wire) -> dict[str, Any]:
    expense = wire.of_type("expense")["id"]
    vendor = next(one for one in wire.every("vendors") if one["status"] == "active")
    line = {"account_id": expense, "total_amount": 100.25, "description": "Something"}
    currency = vendor["currency_codes"][0]
    return {"vendor_id": vendor["id"], "issue_date": "2026-03-10", "currency_code": currency, "line_items": [line]}


def test_every_write_of_a_bill_fits_its_description(wire: Wire, described: Described) -> None:
    fields = _bill_fields(wire)
    bill = described.check("POST", "/accounting/bills", wire.send("POST", "bills", fields))["bill"]
    changed = wire.send("PATCH", f"bills/{bill['id']}", {"document_number": "P-1"})
    described.check("PATCH", "/accounting/bills/{id}", changed)
    funding = next(
        one
        for one in wire.every("accounts")
        if one["account_type"] == "bank" and one["currency_code"] == fields["currency_code"]
    )
    link = {"id": bill["id"], "allocated_amount": 50}
    payment = {"account_id": funding["id"], "transaction_date": "2026-03-11", "linked_bills": [link]}
    paid = described.check("POST", "/accounting/bill_payments", wire.send("POST", "bill_payments", payment))
    credit_fields = {name: value for name, value in fields.items() if name != "due_date"}
    path = "/accounting/bill_credit_memos"
    credit = described.check("POST", path, wire.send("POST", "bill_credit_memos", credit_fields))["bill_credit_memo"]
    apply = {
        "bill_credit_memo_id": credit["id"],
        "vendor_id": fields["vendor_id"],
        "transaction_date": "2026-03-12",
        "currency_code": fields["currency_code"],
        "linked_bills": [{"id": bill["id"], "allocated_amount": "20.25"}],
    }
    path = "/accounting/bill_credit_applications"
    described.check("POST", path, wire.send("POST", "bill_credit_applications", apply))
    unapply = {"bill_credit_unapplication": {"bill_credit_memo_id": credit["id"], "bill_id": bill["id"]}}
    described.check("POST", f"{path}/unapply", wire.call("POST", f"{path}/unapply", unapply))
    file = {"file": "aGVsbG8=", "file_name": "note.txt"}
    place = f"/accounting/bills/{bill['id']}/attachments"
    described.check("POST", "/accounting/bills/{id}/attachments", wire.call("POST", place, file))
    listed = described.check("GET", "/accounting/bills/{id}/attachments", wire.call("GET", place))["attachments"]
    assert wire.call("GET", f"{place}/{listed[0]['id']}/file").raw == b"hello"
    if wire.platform not in {"QUICKBOOKS", "NETSUITE"}:
        refused = wire.call("DELETE", f"/accounting/bills/{bill['id']}")
        described.check("DELETE", "/accounting/bills/{id}", refused, 404)
        return
    if wire.platform == "QUICKBOOKS":
        noted = wire.send("PATCH", f"bill_credit_memos/{credit['id']}", {"memo": "Noted"})
        described.check("PATCH", "/accounting/bill_credit_memos/{id}", noted)
    voided = wire.send("PATCH", f"bill_payments/{paid['bill_payment']['id']}", {"status": "void"})
    described.check("PATCH", "/accounting/bill_payments/{id}", voided)
    for plural, one in (("bills", bill), ("bill_payments", paid["bill_payment"]), ("bill_credit_memos", credit)):
        deleted = wire.call("DELETE", f"/accounting/{plural}/{one['id']}")
        described.check("DELETE", f"/accounting/{plural}/{{id}}", deleted)


MASTERS: dict[str, dict[str, Any]] = {
    "accounts": {"account_type": "expense", "currency_code": "USD", "name": "New account"},
    "vendors": {"vendor_name": "New vendor", "contact_name": "A", "currency_code": "USD"},
    "customers": {"contact_name": "New customer"},
    "items": {"name": "New item", "bill_item": {"unit_price": 1.5}},
    "classes": {"name": "New class"},
    "departments": {"name": "New department"},
    "tax_rates": {"name": "New rate", "components": [{"name": "VAT", "rate": 7.5}]},
    "payment_terms": {"term_name": "New term", "due_days": 10},
}
CHANGES = {
    "accounts": {"name": "Other account"},
    "vendors": {"phone": "1"},
    "customers": {"phone": "1"},
    "items": {"code": "C"},
}


def test_every_write_of_the_other_objects_fits_its_description(wire: Wire, described: Described) -> None:
    for plural, fields in MASTERS.items():
        path = f"/accounting/{plural}"
        response = wire.send("POST", plural, fields)
        if response.status == 404:
            described.check("POST", path, response, 404)
            continue
        made = next(iter(described.check("POST", path, response).values()))
        if plural in CHANGES:
            changed = wire.send("PATCH", f"{plural}/{made['id']}", CHANGES[plural])
            described.check("PATCH", f"{path}/{{id}}", changed)
        deleted = wire.call("DELETE", f"{path}/{made['id']}")
        if "delete" in described.spec["paths"][f"{path}/{{id}}"]:
            described.check("DELETE", f"{path}/{{id}}", deleted, deleted.status)
        else:
            assert deleted.status == 404


def test_orders_are_written_in_the_old_form_and_read_in_new(described: Described) -> None:
    sandbox = open_sandbox(today=TODAY)
    wire = Wire(sandbox)
    item, vendor = wire.named("items", "Packing box"), wire.named("vendors", "Acme Packaging")
    fields = {
        "vendor_id": vendor["id"],
        "currency": "USD",
        "line_items": [{"item": item["id"], "quantity": 3, "unit_amount": 2.5}],
    }
    path = "/accounting/purchase_orders"
    order = described.check("POST", path, wire.send("POST", "purchase_orders", fields))["purchase_order"]
    assert order["total_amount"] == "7.50"
    changed = wire.send("PATCH", f"purchase_orders/{order['id']}", {"memo": "Soon"})
    described.check("PATCH", f"{path}/{{id}}", changed)
    described.check("DELETE", f"{path}/{{id}}", wire.call("DELETE", f"{path}/{order['id']}"))
    wire.close()
    sandbox.close()


def test_connections_jobs_and_events_fit_their_description(described: Described) -> None:
    sandbox = open_sandbox(today=TODAY)
    wire = Wire(sandbox)
    check, call = described.check, wire.call
    check("GET", "/connections", call("GET", "/connections", status="any"))
    check("GET", "/connections/access_token", call("GET", "/connections/access_token"))
    check("GET", "/connections/status", call("GET", "/connections/status"))
    check("POST", "/connections/incremental_sync", call("POST", "/connections/incremental_sync", {}))
    backfill = {"start_date": "2025-01-01", "object_types": ["bill"]}
    check("POST", "/connections/backfill", call("POST", "/connections/backfill", backfill))
    made = check("POST", "/connections/create", call("POST", "/connections/create", {"platform": "XERO"}))
    place = f"/connections/{made['connection']['id']}"
    check("PATCH", "/connections/{id}", call("PATCH", place, {"name": "Another"}))
    check("DELETE", "/connections/{id}", call("DELETE", place))
    body = {"bill": _bill_fields(wire), "response_mode": "async"}
    waiting = check("POST", "/accounting/bills", call("POST", "/accounting/bills", body))["async_response"]
    assert waiting["status"] == "prequeued"
    states = [check("GET", "/jobs/{id}", call("GET", f"/jobs/{waiting['id']}"))["status"] for _ in range(3)]
    assert states == ["pending", "success", "success"]
    bill = next(one for one in wire.every("bills") if one["status"] == "open" and not one["linked_payments"])
    call("DELETE", f"/accounting/bills/{bill['id']}")
    events = check("GET", "/events", call("GET", "/events", type="object_deleted"))["events"]
    assert [event["resource"] for event in events] == ["BILL"]
    check("GET", "/configs/webhooks", call("GET", "/configs/webhooks"))
    path = "/connections/access_token/invalidate"
    check("POST", path, call("POST", path))
    wire.close()
    sandbox.close()


def test_a_missing_field_would_be_noticed(described: Described) -> None:
    """The comparison itself compares: an answer without one required field does not fit."""
    sandbox = open_sandbox(today=TODAY)
    wire = Wire(sandbox)
    response = wire.call("GET", "/accounting/bills", limit=1)
    for missing in (b'"amount_due"', b'"connection"', b'"line_items"'):
        broken = Answered(200, {}, response.raw.replace(missing, b'"other"'))
        with pytest.raises(AssertionError):
            described.check("GET", "/accounting/bills", broken)
    wire.close()
    sandbox.close()


def test_no_endpoint_of_the_description_was_left_out() -> None:
    """Everything above once more in one process: what was not met is named, and there is a reason for each."""
    described = Described()
    for platform in PLATFORMS:
        sandbox = open_sandbox(today=TODAY)
        caller = Wire(sandbox, platform)
        test_every_list_and_every_object_in_it_fits_its_description(caller, described)
        test_every_write_of_a_bill_fits_its_description(caller, described)
        test_every_write_of_the_other_objects_fits_its_description(caller, described)
        caller.close()
        sandbox.close()
    test_orders_are_written_in_the_old_form_and_read_in_new(described)
    test_connections_jobs_and_events_fit_their_description(described)
    elsewhere = {
        ("POST", "/item/public_token/exchange"),  # met in the tests of Link
        ("GET", "/configs/webhooks/{id}"),  # met in the tests of webhooks
    }
    assert described.unmet() == elsewhere
