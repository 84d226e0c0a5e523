"""The documented wire, request by request: credentials, envelopes, single reads, jobs and keys."""

from __future__ import annotations

import base64
import re
import uuid
from decimal import Decimal

import pytest

from rutter_sandbox import open_sandbox
from support.sandbox.bodies import bill_fields, payment_fields, refused
from support.sandbox.wire import TODAY, On, Wire, basic, keyed

# Credentials and versions


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no-colon").decode(),
        basic("sandbox-client", "wrong"),
        basic("wrong", "sandbox-secret-not-for-production"),
        "Bearer " + basic("sandbox-client", "sandbox-secret-not-for-production").split()[1],
        "Basic \xe9\xff",
    ],
)
def test_without_the_right_credentials_nothing_is_shown(wire: Wire, header: str | None) -> None:
    for path in ("/accounting/bills", "/connections", "/jobs/x", "/events", "/nowhere"):
        refused(wire.call("GET", path, headers={"Authorization": header}), 401, "INVALID_CREDENTIALS")


@pytest.mark.parametrize("version", [None, "", "2023-03-14", "2099-01-01", "unstable"])
def test_a_request_without_the_right_version_is_refused(wire: Wire, version: str | None) -> None:
    refused(wire.call("GET", "/accounting/bills", headers={"X-Rutter-Version": version}), 400)


def test_an_access_token_is_required_and_must_be_known(wire: Wire) -> None:
    refused(wire.call("GET", "/accounting/bills", access_token=None), 400, "MISSING_FIELDS")
    refused(wire.call("GET", "/accounting/bills", access_token=""), 400)
    refused(wire.call("GET", "/accounting/bills", access_token="unknown"), 401, "INVALID_CREDENTIALS")


def test_the_objects_of_one_company_are_not_there_for_another(on: On) -> None:
    ours, theirs = on("QUICKBOOKS"), on("XERO")
    bill = theirs.every("bills")[0]
    refused(ours.call("GET", f"/accounting/bills/{bill['id']}"), 410)
    refused(ours.send("PATCH", f"bills/{bill['id']}", {"memo": "mine now"}), 410)
    refused(ours.send("POST", "bill_payments", payment_fields(ours, ours.by_number("FT-802"), bill)), 400)
    assert ours.call("DELETE", f"/accounting/bills/{bill['id']}").json == {"code": "not_found", "success": False}
    assert theirs.every("bills")[0] == bill


# Envelopes and headers


def test_lists_single_reads_and_writes_have_their_envelopes(wire: Wire) -> None:
    listed = wire.get("/accounting/bills", limit=2)
    assert list(listed) == ["bills", "next_cursor", "connection"]
    assert listed["connection"]["id"] == wire.connection.id
    assert set(listed["connection"]) == {"id", "orgId", "platform"}
    single = wire.get(f"/accounting/bills/{listed['bills'][0]['id']}")
    assert single == {"bill": listed["bills"][0], "connection": listed["connection"]}
    assert list(wire.send("POST", "bills", bill_fields(wire)).json) == ["bill"]
    assert set(wire.get("/accounting/company_info")) == {"company_info", "connection"}


def test_every_response_names_the_sandbox_and_its_request(wire: Wire) -> None:
    answers = [wire.call("GET", "/accounting/bills"), wire.call("GET", "/accounting/nothing"), wire.call("GET", "/x")]
    assert all(one.headers["x-rutter-sandbox"] == "true" for one in answers)
    ids = {one.headers["x-rutter-request-id"] for one in answers}
    assert len(ids) == 3
    assert all(uuid.UUID(one) for one in ids)


def test_amounts_are_numbers_and_times_are_utc_milliseconds(wire: Wire) -> None:
    bill = wire.create("bills", **bill_fields(wire, "0.10"))
    assert isinstance(bill["total_amount"], Decimal)
    assert bill["total_amount"] == Decimal("0.10")
    for name in ("created_at", "updated_at", "last_synced_at", "issue_date"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", bill[name])
    assert bill["issue_date"] == "2026-03-10T00:00:00.000Z"


def test_only_an_accepted_write_has_a_job(wire: Wire) -> None:
    assert wire.send("POST", "bills", bill_fields(wire)).job_id
    assert wire.send("POST", "bills", bill_fields(wire, currency_code="GBP")).job_id
    assert wire.send("POST", "bills", {}).job_id is None
    assert wire.call("GET", "/accounting/bills").job_id is None


# Expand, force_fetch, id_type


def test_platform_data_comes_only_when_it_is_asked_for(wire: Wire) -> None:
    assert all("platform_data" not in one for one in wire.every("bills"))
    assert all(one["platform_data"]["Id"] == one["platform_id"] for one in wire.every("bills", expand="platform_data"))
    assert "platform_data" in wire.get("/accounting/company_info", expand="platform_data")["company_info"]
    refused(wire.call("GET", "/accounting/bills", expand="everything"), 400)


def test_an_object_is_found_by_either_of_its_ids(wire: Wire) -> None:
    bill = wire.by_number("FT-802")
    path = f"/accounting/bills/{bill['platform_id']}"
    assert wire.get(path, id_type="platform")["bill"] == bill
    assert wire.get(f"/accounting/bills/{bill['id']}", id_type="rutter")["bill"] == bill
    refused(wire.call("GET", path), 410)
    refused(wire.call("GET", f"/accounting/bills/{bill['id']}", id_type="platform"), 410)
    refused(wire.call("GET", path, id_type="other"), 400)


# Jobs


@pytest.mark.parametrize("total", ["10.00", "0.001"])
def test_an_asynchronous_write_is_a_job_until_it_is_done(wire: Wire, total: str) -> None:
    body = {"response_mode": "async", "bill": bill_fields(wire, total)}
    response = wire.call("POST", "/accounting/bills", body, headers=keyed("a key"))
    pending = response.json["async_response"]
    assert response.status == 200
    assert pending["status"] == "prequeued"
    assert pending["id"] == response.job_id
    assert pending["response_url"] == f"http://sandbox/versioned/jobs/{pending['id']}"
    first = wire.get(f"/jobs/{pending['id']}", access_token=None)
    assert first["status"] == "pending"
    assert "response" not in first
    done = wire.get(f"/jobs/{pending['id']}", access_token=None)
    assert done["request"]["method"] == "POST"
    assert done["request"]["url"].endswith("/versioned/accounting/bills")
    assert done["request"]["idempotency_key"] == "a key"
    assert done["request"]["body"]["bill"]["currency_code"] == "USD"
    # A cent can be booked and a tenth of one cannot; the job itself is read with 200 either way.
    if total == "10.00":
        assert (done["status"], done["response"]["http_status"]) == ("success", 200)
        made = done["response"]["body"]["bill"]
        assert wire.get(f"/accounting/bills/{made['id']}")["bill"] == made
    else:
        assert (done["status"], done["response"]["http_status"]) == ("failure", 450)
        assert done["response"]["body"]["error_code"] == "INVALID_AMOUNT"


def test_a_synchronous_write_is_a_finished_job(wire: Wire) -> None:
    response = wire.send("POST", "bills", bill_fields(wire))
    job = wire.get(f"/jobs/{response.job_id}")
    assert (job["status"], job["response"]) == ("success", {"http_status": 200, "body": response.json})
    refused(wire.call("GET", "/jobs/unknown"), 410)


def test_a_delete_takes_a_response_mode_too_and_may_be_repeated(wire: Wire) -> None:
    bill = wire.create("bills", **bill_fields(wire))
    path = f"/accounting/bills/{bill['id']}"
    assert "async_response" in wire.call("DELETE", path, {"response_mode": "async"}).json
    assert wire.call("DELETE", path).json == {"code": "not_found", "success": False}
    assert wire.call("DELETE", path, {}).json == {"code": "not_found", "success": False}
    refused(wire.call("GET", path), 410)


@pytest.mark.parametrize("mode", ["sync", "", None, 1, [], {}, True])
def test_any_other_response_mode_is_refused(wire: Wire, mode: object) -> None:
    body = {"response_mode": mode, "bill": bill_fields(wire)}
    refused(wire.call("POST", "/accounting/bills", body), 400)


# Idempotency


def test_a_repeated_key_replays_the_first_reply_and_books_once(wire: Wire) -> None:
    given = bill_fields(wire)
    first = wire.send("POST", "bills", given, key="k")
    count = len(wire.every("bills"))
    # Neither the order of fields nor a trailing zero makes another request of it.
    line = given["line_items"][0] | {"total_amount": Decimal(10)}
    again = wire.send("POST", "bills", dict(reversed((given | {"line_items": [line]}).items())), key="k")
    assert (again.status, again.raw, again.job_id) == (200, first.raw, first.job_id)
    assert len(wire.every("bills")) == count


def test_a_key_with_another_request_is_a_conflict(wire: Wire, on: On) -> None:
    given = bill_fields(wire)
    made = wire.send("POST", "bills", given, key="k").json["bill"]
    for response in (
        wire.send("POST", "bills", given | {"memo": "more"}, key="k"),
        wire.send("POST", "vendors", {"vendor_name": "V", "contact_name": "V", "currency_code": "USD"}, key="k"),
        wire.send("PATCH", f"bills/{made['id']}", given, key="k"),
        on("NETSUITE").send("POST", "bills", given, key="k"),
    ):
        refused(response, 409)
        assert response.job_id is None


def test_a_platform_refusal_is_kept_under_its_key_for_ever(wire: Wire) -> None:
    bill = wire.by_number("FT-802")
    given = payment_fields(wire, bill, amount="30000.00")
    before = wire.books()
    first = wire.send("POST", "bill_payments", given, key="k")
    refused(first, 450, "OVER_ALLOCATED")
    assert wire.books() == before
    job = wire.get(f"/jobs/{first.job_id}")
    assert (job["status"], job["response"]["http_status"], job["request"]["idempotency_key"]) == ("failure", 450, "k")
    metadata = first.json["error_metadata"]
    assert metadata["source"] == "platform"
    assert metadata["human_readable"]
    # The same request would fit now, but the stored refusal is what the key stands for.
    line = bill["line_items"][0] | {"total_amount": Decimal(40000)}
    kept = ("account_id", "total_amount", "description")
    bigger = {"line_items": [{name: line[name] for name in kept}]}
    assert wire.send("PATCH", f"bills/{bill['id']}", bigger).status == 200
    again = wire.send("POST", "bill_payments", given, key="k")
    assert (again.status, again.raw, again.job_id) == (450, first.raw, first.job_id)
    assert wire.send("POST", "bill_payments", given, key="another").status == 200


def test_a_request_that_was_not_accepted_leaves_its_key_free(wire: Wire) -> None:
    given = bill_fields(wire)
    for body in ({}, given | {"memo": None}, given | {"vendor_id": "unknown"}):
        response = wire.send("POST", "bills", body, key="k")
        refused(response, 400)
        assert response.job_id is None
    refused(wire.call("PATCH", "/accounting/bills/unknown", {"bill": {}}, headers=keyed("k")), 410)
    assert wire.send("POST", "bills", given, key="k").status == 200


def test_a_pending_job_is_what_its_key_gives_until_it_is_done(wire: Wire) -> None:
    body = {"response_mode": "async", "bill": bill_fields(wire)}
    first = wire.call("POST", "/accounting/bills", body, headers=keyed("k"))
    second = wire.call("POST", "/accounting/bills", body, headers=keyed("k"))
    assert second.job_id == first.job_id
    assert second.json["async_response"]["id"] == first.job_id
    for _ in range(2):
        wire.get(f"/jobs/{first.job_id}")
    done = wire.call("POST", "/accounting/bills", body, headers=keyed("k"))
    assert done.json["bill"]["id"]
    assert done.job_id == first.job_id


def test_a_patch_is_replayed_and_a_delete_ignores_the_key(wire: Wire) -> None:
    bill = wire.create("bills", **bill_fields(wire))
    path = f"bills/{bill['id']}"
    first = wire.send("PATCH", path, {"memo": "one"}, key="k")
    wire.send("PATCH", path, {"memo": "two"})
    assert wire.send("PATCH", path, {"memo": "one"}, key="k").raw == first.raw
    assert wire.get(f"/accounting/{path}")["bill"]["memo"] == "two"
    assert wire.call("DELETE", f"/accounting/{path}", headers=keyed("k")).json["code"] == "deleted"


def test_a_key_has_at_most_a_hundred_characters(wire: Wire) -> None:
    assert wire.send("POST", "bills", bill_fields(wire), key="x" * 100).status == 200
    refused(wire.send("POST", "bills", bill_fields(wire), key="x" * 101), 400)
    refused(wire.send("POST", "bills", bill_fields(wire), key=""), 400)


def test_the_same_requests_on_the_same_day_give_the_same_bytes() -> None:
    def run() -> list[bytes]:
        sandbox = open_sandbox(today=TODAY)
        caller = Wire(sandbox)
        paid = caller.send("POST", "bill_payments", payment_fields(caller, caller.by_number("FT-778")), key="k")
        listed = caller.call("GET", "/accounting/bills", limit=500)
        # The hour of the answer is the hour, and nothing of the books.
        headers = [
            repr(sorted((name, text) for name, text in one.headers.items() if name.lower() != "date")).encode()
            for one in (paid, listed)
        ]
        caller.close()
        sandbox.close()
        return [paid.raw, listed.raw, *headers]

    assert run() == run()
