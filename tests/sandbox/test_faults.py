"""Every fault is seen by a caller over a real socket, and the books say whether the work was done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from rutter_sandbox import open_sandbox
from rutter_sandbox.faults import NAMES
from support.sandbox.serve_command import Served, serving
from support.sandbox.wire import TODAY


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving() as running:
        yield running


@pytest.mark.parametrize("fault", ["cut_before_commit", "cut_after_commit", "cut_mid_body"])
def test_a_cut_connection_gives_no_whole_answer(served: Served, fault: str) -> None:
    body, before = served.a_payment(), served.payments()
    with pytest.raises(httpx.TransportError):
        served.pay(body, **{"X-Sandbox-Fault": fault})
    assert served.payments() - before == (0 if fault == "cut_before_commit" else 1)


@pytest.mark.parametrize("fault", ["no_answer_before_commit", "no_answer_after_commit"])
def test_a_silent_sandbox_lets_the_caller_time_out(served: Served, fault: str) -> None:
    body, before = served.a_payment(), served.payments()
    query = {"access_token": served.token}
    with pytest.raises(httpx.ReadTimeout):
        served.client.post(
            "/accounting/bill_payments", params=query, json=body, headers={"X-Sandbox-Fault": fault}, timeout=0.3
        )
    assert served.payments() - before == (1 if fault == "no_answer_after_commit" else 0)


def test_a_payment_whose_reply_was_cut_is_replayed_by_its_key(served: Served) -> None:
    body, before = served.a_payment(), served.payments()
    with pytest.raises(httpx.TransportError):
        served.pay(body, **{"X-Sandbox-Fault": "cut_after_commit", "Idempotency-Key": "lost-answer"})
    replayed = served.pay(body, **{"Idempotency-Key": "lost-answer"})
    assert replayed.status_code == 200
    assert served.payments() - before == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_may_come_before_or_after_the_work(served: Served, status: int) -> None:
    body, before = served.a_payment(), served.payments()
    assert served.pay(body, **{"X-Sandbox-Fault": f"status_{status}_before_commit"}).status_code == status
    assert served.payments() == before
    assert served.pay(body, **{"X-Sandbox-Fault": f"status_{status}_after_commit"}).status_code == status
    assert served.payments() == before + 1


@pytest.mark.parametrize(("fault", "status"), [("status_429", 429), ("status_452", 452)])
def test_a_rate_limit_has_the_ordinary_body_and_does_nothing(served: Served, fault: str, status: int) -> None:
    body, before = served.a_payment(), served.payments()
    response = served.pay(body, **{"X-Sandbox-Fault": fault})
    assert response.status_code == status
    assert set(response.json()) == {"error_type", "error_code", "error_message"}
    assert "retry-after" not in response.headers
    assert served.payments() == before


@pytest.mark.parametrize("fault", ["malformed_json", "truncated_json"])
def test_a_broken_body_hides_work_that_was_done(served: Served, fault: str) -> None:
    body, before = served.a_payment(), served.payments()
    response = served.pay(body, **{"X-Sandbox-Fault": fault})
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
        response.json()
    assert served.payments() == before + 1


def test_a_page_of_html_stands_where_json_should(served: Served) -> None:
    response = served.pay(served.a_payment(), **{"X-Sandbox-Fault": "html"})
    assert (response.status_code, response.headers["content-type"]) == (502, "text/html")
    assert response.headers["x-rutter-sandbox"] == "true"


def test_a_repeated_cursor_leads_nowhere(served: Served) -> None:
    first = served.get("/accounting/bills", limit="2")["next_cursor"]
    query = {"access_token": served.token, "limit": "2", "cursor": first}
    again = served.client.get("/accounting/bills", params=query, headers={"X-Sandbox-Fault": "repeated_cursor"})
    assert again.json()["next_cursor"] == first


def test_a_stale_read_shows_the_bill_before_the_last_write(served: Served) -> None:
    body = served.a_payment(1.25)
    bill_id = body["bill_payment"]["linked_bills"][0]["id"]
    before = served.get(f"/accounting/bills/{bill_id}")["bill"]
    made = served.pay(body).json()["bill_payment"]
    stale = {"X-Sandbox-Fault": "stale_read"}
    query = {"access_token": served.token}
    assert served.client.get(f"/accounting/bills/{bill_id}", params=query, headers=stale).json()["bill"] == before
    hidden = served.client.get(f"/accounting/bill_payments/{made['id']}", params=query, headers=stale)
    assert hidden.status_code == 410
    listed = served.client.get("/accounting/bill_payments", params=query, headers=stale).json()["bill_payments"]
    assert made["id"] not in [one["id"] for one in listed]
    fresh = served.get(f"/accounting/bills/{bill_id}")["bill"]
    assert fresh["amount_due"] == pytest.approx(before["amount_due"] - 1.25)


def test_a_job_that_never_ends_stays_pending(served: Served) -> None:
    response = served.pay(served.a_payment(), **{"X-Sandbox-Fault": "job_never_ends", "Idempotency-Key": "endless"})
    job_id = response.json()["async_response"]["id"]
    for _ in range(4):
        job = served.client.get(f"/jobs/{job_id}").json()
        assert (job["status"], "response" in job) == ("pending", False)


def test_a_failing_job_changes_nothing_and_fails_again_by_key(served: Served) -> None:
    body, before = served.a_payment(), served.payments()
    failed = served.pay(body, **{"X-Sandbox-Fault": "job_fails", "Idempotency-Key": "doomed"})
    assert failed.status_code == 450
    assert failed.json()["error_metadata"]["source"] == "platform"
    replayed = served.pay(body, **{"Idempotency-Key": "doomed"})
    assert (replayed.status_code, replayed.json()) == (450, failed.json())
    assert served.payments() == before


def test_a_slow_answer_is_late_and_whole(served: Served) -> None:
    query = {"access_token": served.token, "limit": "1"}
    with pytest.raises(httpx.ReadTimeout):
        served.client.get("/accounting/bills", params=query, headers={"X-Sandbox-Fault": "slow=5"}, timeout=0.2)
    response = served.client.get("/accounting/bills", params=query, headers={"X-Sandbox-Fault": "slow"})
    assert response.status_code == 200
    assert response.elapsed.total_seconds() >= 1


def test_an_unknown_fault_is_refused_by_name(served: Served) -> None:
    response = served.pay(served.a_payment(), **{"X-Sandbox-Fault": "meteor"})
    assert response.status_code == 400
    assert all(name in response.json()["error_message"] for name in NAMES)


def test_a_rule_strikes_as_often_as_it_says_and_then_no_more(served: Served) -> None:
    rule = {"fault": "status_429", "method": "GET", "path": "/accounting/bills", "times": 2}
    served.client.put(f"{served.origin}/sandbox/faults", json={"rules": [rule]}).raise_for_status()
    query = {"access_token": served.token, "limit": "1"}
    statuses = [served.client.get("/accounting/bills", params=query).status_code for _ in range(4)]
    served.client.put(f"{served.origin}/sandbox/faults", json={"rules": []}).raise_for_status()
    assert statuses == [429, 429, 200, 200]


def test_the_same_seed_meets_the_same_faults_at_the_same_rate(served: Served) -> None:
    plan = {"seed": 7, "rules": [{"fault": "status_503_before_commit", "path": "/accounting/bills", "rate": 0.5}]}
    query = {"access_token": served.token, "limit": "1"}

    def run() -> list[int]:
        served.client.put(f"{served.origin}/sandbox/faults", json=plan).raise_for_status()
        return [served.client.get("/accounting/bills", params=query).status_code for _ in range(20)]

    first, second = run(), run()
    served.client.put(f"{served.origin}/sandbox/faults", json={"rules": []}).raise_for_status()
    assert first == second
    assert set(first) == {200, 503}


@pytest.mark.parametrize(
    "plan",
    [
        {"rules": [{"fault": "meteor"}]},
        {"rules": [{"fault": "slow", "rate": 1.5}]},
        {"rules": [{"fault": "slow", "rate": -0.1}]},
        {"rules": [{"fault": "slow", "times": 1.5}]},
        {"rules": [{"fault": "slow", "times": -1}]},
        {"rules": [], "seed": 0.5},
        {"rules": {}},
        {},
    ],
)
def test_a_senseless_fault_plan_is_refused_and_the_old_one_stays(served: Served, plan: dict[str, Any]) -> None:
    rule = {"fault": "status_429", "path": "/accounting/bills"}
    served.client.put(f"{served.origin}/sandbox/faults", json={"rules": [rule]}).raise_for_status()
    assert served.client.put(f"{served.origin}/sandbox/faults", json=plan).status_code == 400
    query = {"access_token": served.token, "limit": "1"}
    assert served.client.get("/accounting/bills", params=query).status_code == 429
    served.client.put(f"{served.origin}/sandbox/faults", json={"rules": []}).raise_for_status()
    assert served.client.get("/accounting/bills", params=query).status_code == 200


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("no_answer_before_commit", httpx.ReadTimeout),
        ("no_answer_after_commit", httpx.ReadTimeout),
        ("cut_before_commit", httpx.RemoteProtocolError),
        ("cut_after_commit", httpx.RemoteProtocolError),
        ("cut_mid_body", httpx.RemoteProtocolError),
    ],
)
async def test_in_process_the_caller_gets_its_clients_own_error(fault: str, error: type[httpx.TransportError]) -> None:
    sandbox = open_sandbox(today=TODAY)
    transport = httpx.ASGITransport(app=sandbox.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox/versioned") as client:
        with pytest.raises(error):
            await client.get("/connections", headers={"X-Sandbox-Fault": fault})
    sandbox.close()
