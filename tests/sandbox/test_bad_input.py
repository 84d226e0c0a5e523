"""Whatever is sent, the answer is one that the documents know: never a traceback, and never a status of our own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.sandbox.bodies import bill_fields, refused
from support.sandbox.wire import ENVELOPES, TODAY, Json, On, Wire, encoded
from support.seeded import seeded_sandbox

NOT_JSON_OBJECTS = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"true",
    b"1",
    b'"text"',
    b"{'bill': 1}",
    b'{"bill":',
    b'{"bill": NaN}',
    b'{"bill": Infinity}',
    b'{"bill": 1e999999999999}',
    b'{"bill": ' + b"9" * 5000 + b"}",
    b"\xff\xfe{",
    b'{"bill": "\\ud800"}',
    b'{"bill": "\x00"}',
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"<html></html>",
    b"bill=1",
]


@pytest.fixture(scope="module")
def everyone() -> Iterator[list[Wire]]:
    """Callers of all companies of one sandbox: what is refused changes nothing, so many tests may share it."""
    sandbox = seeded_sandbox(today=TODAY)
    wires = [Wire(sandbox, one.name) for one in sandbox.connections]
    yield wires
    for one in wires:
        one.close()
    sandbox.close()


@pytest.fixture
def wire(everyone: list[Wire]) -> Wire:
    return everyone[0]


@pytest.mark.parametrize("raw", NOT_JSON_OBJECTS, ids=range(len(NOT_JSON_OBJECTS)))
@pytest.mark.parametrize("path", ["bills", "bill_credit_applications/unapply"])
def test_a_body_that_is_not_a_json_object_is_refused(wire: Wire, path: str, raw: bytes) -> None:
    refused(wire.call("POST", f"/accounting/{path}", raw=raw), 400)


@pytest.mark.parametrize("fields", [None, [], "text", 1, True, [{}]])
@pytest.mark.parametrize("plural", list(ENVELOPES))
def test_an_envelope_that_holds_no_object_is_refused(wire: Wire, plural: str, fields: object) -> None:
    refused(wire.call("POST", f"/accounting/{plural}", {ENVELOPES[plural]: fields}), 400)
    refused(wire.call("POST", f"/accounting/{plural}", {"other": {}}), 400, "MISSING_FIELDS")


CHANGES: list[Json] = [
    {"vendor_id": None},
    {"vendor_id": 1},
    {"vendor_id": ""},
    {"vendor_id": "' OR 1=1 --"},
    {"vendor_id": "\0"},
    {"vendor_id": ["x"]},
    {"vendor_id": "00000000-0000-0000-0000-000000000000"},
    {"issue_date": None},
    {"issue_date": "yesterday"},
    {"issue_date": ""},
    {"issue_date": 20260310},
    {"issue_date": "2026-02-30"},
    {"issue_date": "9999-12-31T23:59:59-12:00"},
    {"issue_date": "0001-01-01T00:00:00+12:00"},
    {"issue_date": "2026-W10-1"},
    {"currency_code": "usd"},
    {"currency_code": "XXX"},
    {"currency_code": None},
    {"memo": None},
    {"memo": 5},
    {"memo": "x" * 5000},
    {"document_number": "x" * 101},
    {"due_date": None},
    {"currency_rate": "abc"},
    {"currency_rate": True},
    {"currency_rate": []},
    {"line_items": None},
    {"line_items": []},
    {"line_items": {}},
    {"line_items": [None]},
    {"line_items": [[]]},
    {"line_items": [{}]},
    {"line_items": [{"total_amount": "5"}]},
    {"line_items": [{"total_amount": True}]},
    {"line_items": [{"total_amount": None}]},
    {"line_items": [{"total_amount": 10**12}]},
    {"line_items": [{"total_amount": 10**4000}]},
    {"line_items": [{"total_amount": 1e-300}]},
    {"line_items": [{"total_amount": 1, "description": ""}]},
    {"line_items": [{"total_amount": 1, "description": "x" * 513}]},
    {"line_items": [{"total_amount": 1, "discount_amount": -1}]},
    {"line_items": [{"total_amount": 1, "item": "x"}]},
    {"line_items": [{"total_amount": 1, "item": {"id": None}}]},
    {"line_items": [{"total_amount": 1, "account_id": "x"}]},
    {"line_items": [{"total_amount": 1}] * 1001},
    {"additional_fields": None},
    {"additional_fields": []},
    {"additional_fields": {"tax_inclusive": "yes"}},
    {"additional_fields": {"tax_inclusive": None}},
    {"linked_purchase_orders": [{}]},
    {"linked_purchase_orders": [{"id": "x"}]},
]


@pytest.mark.parametrize("change", CHANGES, ids=[str(one)[:50] for one in CHANGES])
def test_a_bill_with_one_wrong_field_is_refused_by_rutter_itself(wire: Wire, change: Json) -> None:
    before = len(wire.every("bills"))
    response = wire.send("POST", "bills", bill_fields(wire) | change)
    refused(response, 400)
    assert response.job_id is None
    assert len(wire.every("bills")) == before


@pytest.mark.parametrize("missing", ["vendor_id", "issue_date", "currency_code", "line_items"])
def test_a_bill_without_a_required_field_is_refused(wire: Wire, missing: str) -> None:
    given = bill_fields(wire)
    del given[missing]
    refused(wire.send("POST", "bills", given), 400, "MISSING_FIELDS")


def test_explicit_null_is_refused_unless_the_field_is_nullable(on: On) -> None:
    wire = on("SAGE_INTACCT")
    given = bill_fields(wire)
    given["line_items"][0]["project_id"] = None
    assert wire.send("POST", "bills", given).status == 200
    given["line_items"][0]["class_id"] = None
    refused(wire.send("POST", "bills", given), 400)


def test_unknown_fields_are_ignored(wire: Wire) -> None:
    made = wire.create("bills", **bill_fields(wire, amount_due=0, status="paid", id="mine", total_amount=1, more=[]))
    assert (made["status"], made["amount_due"], made["total_amount"]) == ("open", 10, 10)
    assert made["id"] != "mine"
    assert "more" not in made


@pytest.mark.parametrize("negative", [-1, -0.01])
def test_a_negative_allocation_never_reaches_the_platform(wire: Wire, negative: float) -> None:
    bill = wire.by_number("FT-802")
    link = {"id": bill["id"], "allocated_amount": negative}
    account = wire.of_type("bank")["id"]
    given = {"account_id": account, "transaction_date": "2026-03-15", "linked_bills": [link]}
    response = wire.send("POST", "bill_payments", given)
    refused(response, 400)
    assert response.job_id is None


@pytest.mark.parametrize(
    "record_id", ["x", "..", "%00", "\0", "é", "' OR '1'='1", "x" * 5000, "null", "{}", "00000000", "a/../b"]
)
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_hostile_id_finds_nothing(wire: Wire, method: str, record_id: str) -> None:
    body = {"bill": {"memo": "x"}} if method == "PATCH" else None
    response = wire.call(method, f"/accounting/bills/{record_id}", body)
    assert response.status in {200, 404, 410}
    assert response.status != 200 or response.json == {"code": "not_found", "success": False}


def test_more_than_the_books_can_hold_is_refused_and_harmless(wire: Wire) -> None:
    line = {"account_id": wire.of_type("expense")["id"], "total_amount": 999_999_999_999}
    refused(wire.send("POST", "bills", bill_fields(wire, line_items=[line] * 1000)), 450, "INVALID_AMOUNT")


texts = st.text(max_size=20)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        "vendor_id",
        "issue_date",
        "currency_code",
        "line_items",
        "account_id",
        "total_amount",
        "memo",
        "linked_bills",
        "id",
        "allocated_amount",
        "additional_fields",
        "tax_inclusive",
        "name",
        "vendor_name",
        "contact_name",
        "components",
        "rate",
        "addresses",
        "type",
        "status",
        "item",
        "transaction_date",
        "bill_credit_memo_id",
        "bill_id",
        "quantity",
        "unit_amount",
        "response_mode",
        "currency_rate",
        "subsidiaries",
    ]
)


@settings(max_examples=250, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(["POST", "PATCH", "DELETE", "GET"]),
    plural=st.sampled_from(list(ENVELOPES)),
    single=st.booleans(),
    fields=st.dictionaries(KEYS, values, max_size=6),
    platform=st.integers(0, 3),
    query=st.dictionaries(st.sampled_from(["cursor", "limit", "filter", "sort", "expand", "id_type"]), texts),
)
def test_no_mix_of_known_keys_and_any_values_surprises_it(
    everyone: list[Wire], method: str, plural: str, single: bool, fields: Json, platform: int, query: dict[str, Any]
) -> None:  # fmt: skip
    wire = everyone[platform]
    path = f"/accounting/{plural}" + (f"/{wire.every('bills')[0]['id']}" if single else "")
    body = None if method == "GET" else {ENVELOPES[plural]: fields} | fields
    response = wire.call(method, path, raw=encoded(body) if body is not None else b"", **_writable(query))
    assert response.status in {200, 400, 404, 410, 450}
    assert response.status == 200 or set(response.json) >= {"error_type", "error_code", "error_message"}


def _writable(query: dict[str, Any]) -> dict[str, Any]:
    return {name: text.encode("utf-8", "replace").decode() for name, text in query.items()}
