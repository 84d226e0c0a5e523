"""What writes may answer that is hard to read: errors beside an object, `success: false`, odd jobs, no key, no JSON."""

from __future__ import annotations

import json
import re

import httpx
import pytest

from support.sandbox.bodies import bill_fields, payment_fields
from support.sandbox.client import Caller, calling
from support.sandbox.wire import Answered, Json, On, Wire


def faulty(wire: Wire, fault: str, method: str, path: str, body: object, key: str | None = None) -> Answered:
    headers: dict[str, str | None] = {"X-Sandbox-Fault": fault, "Idempotency-Key": key}
    return wire.call(method, path, body, headers=headers)


def job_of(wire: Wire, answer: Answered) -> Json:
    return wire.get(f"/jobs/{answer.job_id}", access_token=None)


ERROR_KEYS = {"code", "description", "slug", "source"}


def test_errors_may_stand_beside_what_was_written(wire: Wire) -> None:
    answer = faulty(wire, "errors_beside", "POST", "/accounting/bills", {"bill": bill_fields(wire)}, "beside")
    assert (answer.status, list(answer.json)) == (200, ["bill", "errors"])
    (error,) = answer.json["errors"]
    assert set(error) == ERROR_KEYS
    assert isinstance(error["code"], int)
    assert error["source"] in {"rutter", "platform", "invalid_input"}
    made = answer.json["bill"]
    assert wire.get(f"/accounting/bills/{made['id']}")["bill"] == made
    assert (job_of(wire, answer)["status"], job_of(wire, answer)["response"]["body"]) == (
        "partial_success",
        answer.json,
    )
    again = wire.call("POST", "/accounting/bills", {"bill": bill_fields(wire)}, headers={"Idempotency-Key": "beside"})
    assert again.json == answer.json


def test_errors_may_stand_alone_and_nothing_was_written(wire: Wire) -> None:
    before = wire.books()
    answer = faulty(wire, "errors_alone", "POST", "/accounting/bills", {"bill": bill_fields(wire)})
    assert (answer.status, list(answer.json)) == (200, ["errors"])
    assert wire.books() == before
    assert job_of(wire, answer)["status"] == "failure"
    bill = wire.by_number("FT-802")
    deleted = faulty(wire, "errors_alone", "DELETE", f"/accounting/bills/{bill['id']}", None)
    assert list(deleted.json) == ["errors"]
    assert wire.books() == before


def test_a_refusal_of_the_platform_stays_one_under_errors_beside(wire: Wire) -> None:
    answer = faulty(wire, "errors_beside", "POST", "/accounting/bills", {"bill": bill_fields(wire, "0.001")})
    assert (answer.status, answer.error_code) == (450, "INVALID_AMOUNT")


def test_a_payment_of_several_bills_on_xero_may_pay_only_one(on: On) -> None:
    wire = on("XERO")
    bills = [wire.by_number(number) for number in ("PP-2", "PP-3")]
    body = {"bill_payment": payment_fields(wire, *bills)}
    answer = faulty(wire, "errors_beside", "POST", "/accounting/bill_payments", body)
    assert list(answer.json) == ["bill_payment", "errors"]
    assert [link["id"] for link in answer.json["bill_payment"]["linked_bills"]] == [bills[0]["id"]]
    due = [wire.by_number(number)["amount_due"] for number in ("PP-2", "PP-3")]
    assert due == [bills[0]["amount_due"] - 1, bills[1]["amount_due"]]


def test_all_payments_on_xero_may_come_under_the_plural_alone(on: On) -> None:
    wire = on("XERO")
    bills = [wire.by_number(number) for number in ("PP-2", "PP-3")]
    body = {"bill_payment": payment_fields(wire, *bills)}
    answer = faulty(wire, "plural_alone", "POST", "/accounting/bill_payments", body)
    assert list(answer.json) == ["bill_payments"]
    assert [one["linked_bills"][0]["id"] for one in answer.json["bill_payments"]] == [one["id"] for one in bills]
    # One bill makes one payment, under the singular, as ever.
    body = {"bill_payment": payment_fields(wire, wire.by_number("PP-2"))}
    assert list(faulty(wire, "plural_alone", "POST", "/accounting/bill_payments", body).json) == ["bill_payment"]


def test_a_job_of_several_payments_holds_both_keys_too(on: On) -> None:
    wire = on("XERO")
    bills = [wire.by_number(number) for number in ("PP-2", "PP-3")]
    body = {"response_mode": "async", "bill_payment": payment_fields(wire, *bills)}
    answer = wire.call("POST", "/accounting/bill_payments", body)
    job_of(wire, answer)
    made = job_of(wire, answer)["response"]["body"]
    assert made["bill_payment"] == made["bill_payments"][0]
    assert len(made["bill_payments"]) == 2


def applied(wire: Wire, fault: str = "") -> Answered:
    credit, bill = wire.every("bill_credit_memos")[0], wire.by_number("INV-1051")
    fields = {"bill_credit_memo_id": credit["id"], "vendor_id": bill["vendor_id"], "transaction_date": "2026-03-16"}
    fields |= {"currency_code": "USD", "linked_bills": [{"id": bill["id"], "allocated_amount": 20}]}
    body = {"bill_credit_application": fields}
    return faulty(wire, fault or "slow=0", "POST", "/accounting/bill_credit_applications", body)


def unapplied(wire: Wire, fault: str) -> Answered:
    credit, bill = wire.every("bill_credit_memos")[0], wire.by_number("INV-1051")
    body = {"bill_credit_unapplication": {"bill_credit_memo_id": credit["id"], "bill_id": bill["id"]}}
    return faulty(wire, fault, "POST", "/accounting/bill_credit_applications/unapply", body)


def test_a_credit_may_not_be_applied_though_the_answer_is_200(wire: Wire) -> None:
    before = wire.books()
    answer = applied(wire, "success_false")
    assert (answer.status, answer.json) == (200, {"bill_credit_application": {"success": False}})
    assert wire.books() == before
    assert applied(wire).json == {"bill_credit_application": {"success": True}}


def test_a_credit_may_not_come_off_though_the_answer_is_200(wire: Wire) -> None:
    applied(wire)
    before = wire.books()
    answer = unapplied(wire, "success_false")
    assert (answer.status, answer.json) == (200, {"bill_credit_unapplication": {"success": False}})
    assert wire.books() == before
    assert unapplied(wire, "slow=0").json["bill_credit_unapplication"]["success"] is True


def test_a_bill_may_stay_though_its_deletion_is_answered_200(wire: Wire) -> None:
    bill = wire.by_number("FT-802")
    answer = faulty(wire, "success_false", "DELETE", f"/accounting/bills/{bill['id']}", None)
    assert (answer.status, answer.json) == (200, {"code": "deleted", "success": False})
    assert wire.by_number("FT-802") == bill


async def test_a_sync_a_backfill_and_a_removal_may_say_success_false() -> None:
    async with calling() as caller:
        before = (await caller.get("/connections/status"))["status"]["last_sync_completed_at"]
        connection = caller.sandbox.connections[1]
        backfill = {"start_date": "2025-01-01", "object_types": ["bill"]}
        for method, path, body in (
            ("POST", "/connections/incremental_sync", {}),
            ("POST", "/connections/backfill", backfill),
            ("DELETE", f"/connections/{connection.id}", None),
        ):
            response = await caller.send(method, path, body, fault="success_false")
            assert (response.status_code, response.json()) == (200, {"success": False})
        assert (await caller.get("/connections/status"))["status"]["last_sync_completed_at"] == before
        assert connection in caller.sandbox.connections


# Jobs


def test_a_job_may_say_processing_before_it_is_done(wire: Wire) -> None:
    body = {"bill": bill_fields(wire)}
    answer = faulty(wire, "job_processing", "POST", "/accounting/bills", body, "odd")
    assert answer.json["async_response"]["status"] == "prequeued"
    replayed = wire.call("POST", "/accounting/bills", body, headers={"Idempotency-Key": "odd"})
    assert replayed.json["async_response"]["status"] == "processing"
    first, then = job_of(wire, answer), job_of(wire, answer)
    assert (first["status"], "response" in first) == ("processing", False)
    assert (then["status"], then["response"]["http_status"]) == ("success", 200)
    made = then["response"]["body"]["bill"]
    assert wire.get(f"/accounting/bills/{made['id']}")["bill"] == made


@pytest.mark.parametrize("status", [404, 500])
def test_the_first_look_at_a_job_may_fail_and_the_next_not(wire: Wire, status: int) -> None:
    before = len(wire.every("bills"))
    answer = faulty(wire, f"job_{status}_at_first", "POST", "/accounting/bills", {"bill": bill_fields(wire)})
    looks = [wire.call("GET", f"/jobs/{answer.job_id}", access_token=None) for _ in range(3)]
    assert [one.status for one in looks] == [status, 200, 200]
    assert set(looks[0].json) == {"error_type", "error_code", "error_message"}
    assert [one.json["status"] for one in looks[1:]] == ["pending", "success"]
    assert len(wire.every("bills")) == before + 1


def test_the_job_of_a_deletion_can_be_read(wire: Wire) -> None:
    bill = wire.create("bills", **bill_fields(wire))
    path = f"/accounting/bills/{bill['id']}"
    answer = wire.call("DELETE", path, {"response_mode": "async"})
    pending, done = job_of(wire, answer), job_of(wire, answer)
    assert (pending["status"], "response" in pending) == ("pending", False)
    assert (done["status"], done["request"]["method"]) == ("success", "DELETE")
    assert done["request"]["url"].endswith(path)
    assert done["response"] == {"http_status": 200, "body": {"code": "deleted", "success": True}}
    late = faulty(wire, "job_500_at_first", "DELETE", path, {})
    assert [wire.call("GET", f"/jobs/{late.job_id}").status for _ in range(2)] == [500, 200]
    assert job_of(wire, late)["response"]["body"] == {"code": "not_found", "success": False}


# Changes that carry no key: they are done, and the answer cannot be read.

UNREADABLE = ["malformed_json", "truncated_json", "html_after_commit", "empty_after_commit", "keyless_after_commit"]


def _is_unreadable(response: httpx.Response, key: str) -> bool:
    try:
        return key not in response.json()
    except json.JSONDecodeError:
        return True


@pytest.mark.parametrize("fault", [*UNREADABLE, "status_408_after_commit"])
async def test_a_token_is_rotated_though_the_answer_is_unreadable(fault: str) -> None:
    async with calling() as caller:
        old = caller.token
        response = await caller.send("POST", "/connections/access_token/invalidate", fault=fault)
        assert response.status_code == (408 if "408" in fault else 200)
        assert _is_unreadable(response, "new_access_token")
        assert caller.token != old
        assert (await caller.send("GET", "/accounting/bills", token=old)).status_code == 401


@pytest.mark.parametrize("fault", [*UNREADABLE, "status_408_after_commit"])
async def test_a_connection_is_made_though_the_answer_is_unreadable(fault: str) -> None:
    async with calling() as caller:
        before = len(caller.sandbox.connections)
        response = await caller.send("POST", "/connections/create", {"platform": "XERO"}, fault=fault)
        assert _is_unreadable(response, "connection")
        assert len(caller.sandbox.connections) == before + 1


@pytest.mark.parametrize("fault", [*UNREADABLE, "status_408_after_commit"])
async def test_a_public_token_is_spent_though_the_answer_is_unreadable(fault: str) -> None:
    async with calling() as caller:
        token = await _public_token(caller)
        given = {"client_id": caller.sandbox.client_id, "secret": caller.sandbox.client_secret, "public_token": token}
        response = await caller.send("POST", "/item/public_token/exchange", given, fault=fault)
        assert _is_unreadable(response, "access_token")
        again = await caller.send("POST", "/item/public_token/exchange", given)
        assert (again.status_code, again.json()["error_code"]) == (400, "INVALID_PUBLIC_TOKEN")


async def _public_token(caller: Caller) -> str:
    made = (await caller.post("/connections/create"))["connection"]
    page = await caller.client.post(made["link_url"], data={"consent": "yes", "platform": "XERO"})
    found = re.search(r'id="public-token">([^<]+)<', page.text)
    assert found is not None
    return found[1]
