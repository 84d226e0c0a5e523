"""Every object of every company against the machine-readable description of Rutter's API, when that file is at hand.

`test_spec.py` holds each call against the same description; here it is each object that the story seeded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # its stubs are not in the lock

from support.sandbox.wire import COMPANIES, TODAY, Answered, Wire
from support.seeded import seeded_sandbox

SPEC = Path(__file__).resolve().parents[3] / "shared" / "rutter" / "openapi-2024-08-31.json"

pytestmark = pytest.mark.skipif(not SPEC.exists(), reason=f"{SPEC.name} is not at hand, so there is nothing to compare")

LISTS = (
    *("accounts", "bill_credit_memos", "bill_payments", "bills", "classes", "currencies", "customers"),
    *("departments", "items", "locations", "payment_methods", "payment_terms", "projects", "purchase_orders"),
    *("subsidiaries", "tasks", "tax_rates", "vendors"),
)


class Described:
    """The description of Rutter's API."""

    def __init__(self) -> None:
        self.spec: dict[str, Any] = json.loads(SPEC.read_text())

    def check(self, method: str, path: str, response: Answered, status: int = 200) -> Any:
        """The answer has this status and fits what the description says of this endpoint."""
        assert response.status == status, (method, path, response)
        described = self.spec["paths"][path][method.lower()]["responses"]
        if status != 200:
            self._fits({"$ref": "#/components/schemas/Error"}, response, method, path)
        else:
            self._fits(described["200"]["content"]["application/json"]["schema"], response, method, path)
        return json.loads(response.raw)

    def _fits(self, schema: dict[str, Any], response: Answered, method: str, path: str) -> None:
        root = {"components": self.spec["components"], "allOf": [schema]}
        found = json.loads(response.raw)
        faults = [f"{'/'.join(map(str, one.absolute_path))}: {one.message}" for one in _faults(root, found)]
        assert faults == [], (method, path)


def _faults(schema: dict[str, Any], value: Any) -> Iterator[Any]:
    """The deepest reasons why a value does not fit."""
    for error in Draft202012Validator(schema).iter_errors(value):
        yield from (leaf for leaf in error.context or [error])


@pytest.fixture(scope="module")
def described() -> Described:
    return Described()


@pytest.fixture(params=COMPANIES)
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    sandbox = seeded_sandbox(today=TODAY)
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


def test_orders_are_written_in_the_old_form_and_read_in_new(described: Described) -> None:
    sandbox = seeded_sandbox(today=TODAY)
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


def test_a_missing_field_would_be_noticed(described: Described) -> None:
    """The comparison itself compares: an answer without one required field does not fit."""
    sandbox = seeded_sandbox(today=TODAY)
    wire = Wire(sandbox)
    response = wire.call("GET", "/accounting/bills", limit=1)
    for missing in (b'"amount_due"', b'"connection"', b'"line_items"'):
        broken = Answered(200, {}, response.raw.replace(missing, b'"other"'))
        with pytest.raises(AssertionError):
            described.check("GET", "/accounting/bills", broken)
    wire.close()
    sandbox.close()
