"""The sandbox against Rutter's machine-readable spec, over HTTP: no status and no answer that the spec does not know.

Requests are generated from the spec; half of them are given real ids so that they reach the books. Every difference
that is allowed is named here with its reason, and a difference that is no longer there fails too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from support.rutter_reference import SPEC, spec
from support.sandbox.generated import Company, Helper, application, companies_of, new_bill, new_credit
from support.sandbox.processes import Served
from support.sandbox.wire import TODAY, VERSION, Json

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
STATUSES = {200, 400, 401, 404, 409, 410, 429, 450, 452}
SETTINGS = settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

# Rutter docs: all accounts payable endpoints of version 2024-08-31.
ENDPOINTS = """
GET POST /accounting/bills
GET PATCH DELETE /accounting/bills/{id}
GET POST /accounting/bills/{id}/attachments
GET /accounting/bills/{id}/attachments/{attachmentId}/file
GET POST /accounting/bill_payments
GET PATCH DELETE /accounting/bill_payments/{id}
GET POST /accounting/bill_credit_memos
GET PATCH DELETE /accounting/bill_credit_memos/{id}
POST /accounting/bill_credit_applications
POST /accounting/bill_credit_applications/unapply
GET POST /accounting/accounts
GET PATCH /accounting/accounts/{id}
GET POST /accounting/vendors
GET PATCH DELETE /accounting/vendors/{id}
GET POST /accounting/customers
GET PATCH /accounting/customers/{id}
GET POST /accounting/items
GET PATCH DELETE /accounting/items/{id}
GET POST /accounting/classes
GET /accounting/classes/{id}
GET POST /accounting/departments
GET /accounting/departments/{id}
GET /accounting/locations
GET /accounting/locations/{id}
GET /accounting/projects
GET /accounting/projects/{id}
GET /accounting/tasks
GET /accounting/tasks/{id}
GET POST /accounting/tax_rates
GET /accounting/tax_rates/{id}
GET POST /accounting/payment_terms
GET DELETE /accounting/payment_terms/{id}
GET /accounting/payment_methods
GET /accounting/payment_methods/{id}
GET /accounting/subsidiaries
GET /accounting/subsidiaries/{id}
GET POST /accounting/purchase_orders
GET PATCH DELETE /accounting/purchase_orders/{id}
GET /accounting/currencies
GET /accounting/currencies/{id}
GET /accounting/company_info
GET /connections
PATCH DELETE /connections/{id}
POST /connections/create
GET /connections/access_token
POST /connections/access_token/invalidate
GET /connections/status
POST /connections/incremental_sync
POST /connections/backfill
POST /item/public_token/exchange
GET /jobs/{id}
GET /events
GET /configs/webhooks
GET /configs/webhooks/{id}
"""
OPERATIONS = [
    f"{method} {path}"
    for *methods, path in (line.split() for line in ENDPOINTS.strip().splitlines())
    for method in methods
]

# Operation and kind of failure to the reason why it is allowed.
DIFFERENCES = {
    (
        "GET /accounting/bills/{id}/attachments/{attachmentId}/file",
        "UndefinedContentType",
    ): "The spec types the download as a bare JSON object, but it is the file itself, with the type of the file.",
}
# What is only ever refused here, and why: everything else must answer 200 at least once.
NEVER_200 = {
    "POST /item/public_token/exchange": "A public token is only made by a person who finishes Link.",
    "GET /configs/webhooks/{id}": "No webhook is configured until somebody does so.",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    one = Served(None, today=TODAY.isoformat())
    yield one
    one.end()
    assert one.errors == "", "the sandbox must never have a traceback to show"


@pytest.fixture(scope="module")
def companies(server: Served) -> list[Company]:
    return companies_of(server)


@pytest.fixture(scope="module")
def schema() -> Any:
    """The spec, but strict where it would let any object pass: an asynchronous answer names its job."""
    whole = spec()
    whole["components"]["schemas"]["AsyncResponsePayload"]["required"] = ["async_response"]
    return schemathesis.openapi.from_dict(whole)


class Sending:
    """Prepares generated requests to one operation, and sends them."""

    def __init__(self, server: Served, company: Company, case: Case[Any]) -> None:
        self.server = server
        self.company = company
        self.case = case

    def prepare(self, *, helped: bool, seed: int) -> None:
        """Credentials and version are always right; all the rest only when the request is to be helped."""
        case = self.case
        case.headers["X-Rutter-Version"] = VERSION
        case.headers["Authorization"] = self.server.authorization
        case.headers.pop("Idempotency-Key", None)
        if "access_token" in case.query:
            case.query["access_token"] = self._token()
        if not helped:
            return
        for name in ("cursor", "filter", "sort", "limit", "updated_at_min", "updated_at_max", "last_synced_at_min"):
            case.query.pop(name, None)
        if "resources" in case.query:
            case.query["resources"] = "BILL,VENDOR"
        case.query.pop("id_type", None)
        bill = new_bill(self.server, self.company) if case.method == "POST" else self.company.bill
        case.body = self._body(Helper(self.company, bill, seed).body(case.body), bill)
        if "id" in case.path_parameters:
            case.path_parameters["id"] = self._path_id()
        if "attachmentId" in case.path_parameters:
            case.path_parameters["attachmentId"] = self.company.attachment

    def _token(self) -> str:
        if self.case.path.endswith("invalidate"):
            return str(self._new_connection()["access_token"])
        return self.company.token

    def _new_connection(self) -> Json:
        made: Json = self.server.call("POST", "/connections/create", {"platform": "XERO"}).json["connection"]
        return made

    def _body(self, body: Any, bill: Json) -> Any:
        label = f"{self.case.method} {self.case.path}"
        if (
            label.startswith("POST /accounting/bill_credit_applications")
            and "bill_credit_memos" not in self.company.ids
        ):
            return body
        if label == "POST /accounting/bill_credit_applications":
            credit = new_credit(self.server, self.company, bill, applied=False)
            return {"bill_credit_application": application(self.company, credit, bill)}
        if label == "POST /accounting/bill_credit_applications/unapply":
            credit = new_credit(self.server, self.company, bill, applied=True)
            return {"bill_credit_unapplication": {"bill_credit_memo_id": credit["id"], "bill_id": bill["id"]}}
        if label.endswith("/attachments"):
            return {"file": "aGVsbG8=", "file_name": "invoice.pdf"}
        if label == "POST /connections/create":
            return {"platform": "QUICKBOOKS"}
        if label == "PATCH /connections/{id}":
            return {"name": f"Company {self.server.next_number()}"}
        if label == "POST /connections/backfill":
            return {"start_date": "2025-01-01", "object_types": ["bill", "vendor"]}
        if label == "POST /connections/incremental_sync":
            return {"object_types": ["bill"]}
        return body

    def _path_id(self) -> str:
        case, company = self.case, self.company
        if case.path == "/connections/{id}":
            return str(self._new_connection()["id"])
        if case.path == "/jobs/{id}":
            return company.job
        if case.path.startswith("/configs"):
            return "unknown"
        plural = case.path.split("/")[2]
        if case.method == "DELETE" and plural == "bills":
            return str(new_bill(self.server, company)["id"])
        if (case.method == "PATCH" or "attachments" in case.path) and plural == "bills":
            return str(company.bill["id"])
        # A change that was made up may archive a vendor, so it is never the one later bills are from.
        usable = [one for one in company.ids.get(plural, ()) if one != company.bill["vendor_id"]]
        return (usable or ["none"])[0]


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_one_that_the_spec_knows(
    label: str, server: Served, companies: list[Company], schema: Any
) -> None:
    method, path = label.split()
    operation = schema[path][method]
    failures: set[tuple[str, str]] = set()
    statuses: Counter[int] = Counter()

    @SETTINGS
    @given(data=st.data())
    def run(company: Company, helped: bool, data: st.DataObject) -> None:
        mode = GenerationMode.POSITIVE if helped or data.draw(st.booleans()) else GenerationMode.NEGATIVE
        sending = Sending(server, company, data.draw(operation.as_strategy(generation_mode=mode)))
        sending.prepare(helped=helped, seed=data.draw(st.integers(0, 10_000)))
        response = sending.case.call(base_url=server.base_url)
        statuses[response.status_code] += 1
        found = _failures(sending.case, response)
        assert {(label, type(one).__name__) for one in found} <= set(DIFFERENCES), (found, response.content)
        failures.update((label, type(one).__name__) for one in found)

    for company in companies:
        for helped in (True, False):
            run(company, helped)
    assert set(statuses) <= STATUSES
    assert (statuses[200] > 0) == (label not in NEVER_200), statuses
    assert failures == {one for one in DIFFERENCES if one[0] == label}, "a listed difference is no longer there"


def _failures(case: Case[Any], response: Any) -> list[Exception]:
    try:
        case.validate_response(response, checks=CHECKS)
    except FailureGroup as group:
        return list(group.exceptions)
    return []


def test_the_listed_differences_are_about_operations_that_exist() -> None:
    assert {label for label, _ in DIFFERENCES} | set(NEVER_200) <= set(OPERATIONS)


def test_the_endpoints_listed_are_those_of_the_spec() -> None:
    described = {
        f"{method.upper()} {path}"
        for path, item in spec()["paths"].items()
        for method in item
        if method in {"get", "post", "patch", "delete"}
    }
    assert set(OPERATIONS) == described, f"compared with {SPEC}"


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_documented_endpoint_is_served(label: str, server: Served, companies: list[Company]) -> None:
    """Some company has it: what nobody serves says that there is no such endpoint."""
    method, path = label.split()
    target = path.replace("{id}", "unknown").replace("{attachmentId}", "unknown")
    heard = {_heard(server, method, target, company.token) for company in companies}
    assert any(message != "No such endpoint." and "not supported" not in message for message in heard), heard


def _heard(server: Served, method: str, target: str, token: str) -> str:
    if target.endswith("invalidate"):
        token = "unknown"
    response = server.call(method, target, None if method == "GET" else {}, access_token=token)
    assert response.status in STATUSES
    return str(json.loads(response.raw).get("error_message", "")) if response.status != 200 else ""
