"""Every write is a job, accepted once per key: replays, conflicts, refusals that stick, and answers that come later."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from rutter_sandbox import open_sandbox
from support.sandbox.wire import TODAY, Json, Wire


@pytest.fixture
def wire() -> Iterator[Wire]:
    sandbox = open_sandbox(today=TODAY)
    caller = Wire(sandbox)
    yield caller
    caller.close()
    sandbox.close()


def _payment(wire: Wire, amount: str = "10.00") -> Json:
    bill, bank = wire.by_number("FT-778"), wire.named("accounts", "Operating Checking")
    link = {"id": bill["id"], "allocated_amount": Decimal(amount)}
    return {"account_id": bank["id"], "transaction_date": "2026-03-16", "linked_bills": [link]}


def test_a_replayed_key_gives_the_same_job_and_pays_once(wire: Wire) -> None:
    before = len(wire.every("bill_payments"))
    first = wire.send("POST", "bill_payments", _payment(wire), key="k")
    again = wire.send("POST", "bill_payments", _payment(wire), key="k")
    assert (first.status, first.raw, first.job_id) == (again.status, again.raw, again.job_id)
    assert len(wire.every("bill_payments")) == before + 1


def test_field_order_and_trailing_zeros_do_not_change_a_request(wire: Wire) -> None:
    first = wire.send("POST", "bill_payments", _payment(wire, "10.00"), key="k")
    turned = dict(reversed(_payment(wire, "10").items()))
    assert wire.send("POST", "bill_payments", turned, key="k").job_id == first.job_id


def test_a_key_with_another_body_path_or_company_conflicts(wire: Wire) -> None:
    assert wire.send("POST", "bill_payments", _payment(wire, "10.00"), key="k").status == 200
    assert wire.send("POST", "bill_payments", _payment(wire, "10.01"), key="k").status == 409
    assert wire.send("POST", "vendors", {"vendor_name": "V"}, key="k").status == 409
    other = Wire(wire.sandbox, "XERO")
    assert other.send("POST", "bill_payments", _payment(wire, "10.00"), key="k").status == 409
    other.close()


def test_a_platform_refusal_is_accepted_and_stays_refused(wire: Wire) -> None:
    too_much = _payment(wire, "999999.00")
    refused = wire.send("POST", "bill_payments", too_much, key="k")
    assert (refused.status, refused.error_code, refused.job_id is None) == (450, "OVER_ALLOCATED", False)
    again = wire.send("POST", "bill_payments", too_much, key="k")
    assert (again.status, again.raw, again.job_id) == (450, refused.raw, refused.job_id)
    job = wire.get(f"/jobs/{refused.job_id}")
    assert (job["status"], job["response"]["http_status"], job["request"]["idempotency_key"]) == ("failure", 450, "k")


def test_a_request_that_was_never_accepted_leaves_its_key_free(wire: Wire) -> None:
    rejected = wire.send("POST", "bill_payments", {"account_id": "nothing"}, key="k")
    assert (rejected.status, rejected.job_id) == (400, None)
    assert wire.send("POST", "bill_payments", _payment(wire), key="k").status == 200


def test_a_refused_payment_changes_nothing(wire: Wire) -> None:
    before = wire.books()
    assert wire.send("POST", "bill_payments", _payment(wire, "999999.00")).status == 450
    assert wire.books() == before


@pytest.mark.parametrize("key", ["", "x" * 101])
def test_a_key_of_no_or_too_many_characters_is_refused(wire: Wire, key: str) -> None:
    assert wire.send("POST", "bill_payments", _payment(wire), key=key).status == 400


def test_an_asynchronous_write_is_settled_by_polling_its_job(wire: Wire) -> None:
    body = {"bill_payment": _payment(wire), "response_mode": "async"}
    accepted = wire.call("POST", "/accounting/bill_payments", body, headers={"Idempotency-Key": "k"})
    waiting = accepted.json["async_response"]
    assert accepted.status == 200
    assert waiting["status"] == "prequeued"
    assert waiting["response_url"] == f"http://sandbox/versioned/jobs/{waiting['id']}"
    replayed = wire.call("POST", "/accounting/bill_payments", body, headers={"Idempotency-Key": "k"})
    assert replayed.json["async_response"]["id"] == waiting["id"]
    assert wire.get(f"/jobs/{waiting['id']}")["status"] == "pending"
    done = wire.get(f"/jobs/{waiting['id']}")
    assert done["status"] == "success"
    payment = done["response"]["body"]["bill_payment"]
    assert wire.get(f"/accounting/bill_payments/{payment['id']}")["bill_payment"] == payment
    replayed = wire.call("POST", "/accounting/bill_payments", body, headers={"Idempotency-Key": "k"})
    assert replayed.json == {"bill_payment": payment}


@pytest.mark.parametrize("mode", ["later", "", None, 1, [], {}])
def test_an_unknown_response_mode_is_refused(wire: Wire, mode: object) -> None:
    body = {"bill_payment": _payment(wire), "response_mode": mode}
    assert wire.call("POST", "/accounting/bill_payments", body).status == 400


def test_an_unknown_job_is_gone(wire: Wire) -> None:
    assert wire.call("GET", "/jobs/nothing").status == 410


def test_the_same_requests_on_the_same_day_give_the_same_bytes() -> None:
    def run() -> list[bytes]:
        sandbox = open_sandbox(today=TODAY)
        caller = Wire(sandbox)
        paid = caller.send("POST", "bill_payments", _payment(caller), key="k")
        listed = caller.call("GET", "/accounting/bills", limit=500)
        headers = [repr(sorted(one.headers.items())).encode() for one in (paid, listed)]
        caller.close()
        sandbox.close()
        return [paid.raw, listed.raw, *headers]

    assert run() == run()
