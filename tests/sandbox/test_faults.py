"""Every fault is seen by a caller over a real socket, and the books say whether the work was done.

What a client makes of them is in `tests/rutter/test_against_faults.py`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from rutter_sandbox.faults import NAMES
from support.sandbox.client import calling
from support.sandbox.processes import Served, served
from support.sandbox.wire import TODAY
from support.seeded import seeded_sandbox


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as running:
        yield running


@pytest.mark.parametrize("fault", ["cut_before_commit", "cut_after_commit", "cut_mid_body"])
def test_a_cut_connection_gives_no_whole_answer(server: Served, fault: str) -> None:
    body, before = server.a_payment(), server.payments()
    with pytest.raises(httpx.TransportError):
        server.pay(body, **{"X-Sandbox-Fault": fault})
    assert server.payments() - before == (0 if fault == "cut_before_commit" else 1)


@pytest.mark.parametrize("fault", ["no_answer_before_commit", "no_answer_after_commit"])
def test_a_silent_sandbox_lets_the_caller_time_out(server: Served, fault: str) -> None:
    body, before = server.a_payment(), server.payments()
    query = {"access_token": server.token}
    with pytest.raises(httpx.ReadTimeout):
        server.client.post(
            "/accounting/bill_payments", params=query, json=body, headers={"X-Sandbox-Fault": fault}, timeout=0.3
        )
    assert server.payments() - before == (1 if fault == "no_answer_after_commit" else 0)


def test_a_payment_whose_reply_was_cut_is_replayed_by_its_key(server: Served) -> None:
    body, before = server.a_payment(), server.payments()
    with pytest.raises(httpx.TransportError):
        server.pay(body, **{"X-Sandbox-Fault": "cut_after_commit", "Idempotency-Key": "lost-answer"})
    replayed = server.pay(body, **{"Idempotency-Key": "lost-answer"})
    assert replayed.status_code == 200
    assert server.payments() - before == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_may_come_before_or_after_the_work(server: Served, status: int) -> None:
    body, before = server.a_payment(), server.payments()
    assert server.pay(body, **{"X-Sandbox-Fault": f"status_{status}_before_commit"}).status_code == status
    assert server.payments() == before
    assert server.pay(body, **{"X-Sandbox-Fault": f"status_{status}_after_commit"}).status_code == status
    assert server.payments() == before + 1


@pytest.mark.parametrize(("fault", "status"), [("status_429", 429), ("status_452", 452)])
def test_a_rate_limit_has_the_ordinary_body_and_does_nothing(server: Served, fault: str, status: int) -> None:
    body, before = server.a_payment(), server.payments()
    response = server.pay(body, **{"X-Sandbox-Fault": fault})
    assert response.status_code == status
    assert set(response.json()) == {"error_type", "error_code", "error_message"}
    assert "retry-after" not in response.headers
    assert server.payments() == before


@pytest.mark.parametrize("fault", ["malformed_json", "truncated_json"])
def test_a_broken_body_hides_work_that_was_done(server: Served, fault: str) -> None:
    body, before = server.a_payment(), server.payments()
    response = server.pay(body, **{"X-Sandbox-Fault": fault})
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
        response.json()
    assert server.payments() == before + 1


def test_a_page_of_html_stands_where_json_should(server: Served) -> None:
    response = server.pay(server.a_payment(), **{"X-Sandbox-Fault": "html"})
    assert (response.status_code, response.headers["content-type"]) == (502, "text/html")
    assert response.headers["x-rutter-sandbox"] == "true"


def test_a_repeated_cursor_leads_nowhere(server: Served) -> None:
    first = server.get("/accounting/bills", limit="2")["next_cursor"]
    query = {"access_token": server.token, "limit": "2", "cursor": first}
    again = server.client.get("/accounting/bills", params=query, headers={"X-Sandbox-Fault": "repeated_cursor"})
    assert again.json()["next_cursor"] == first


def test_a_stale_read_shows_the_bill_before_the_last_write(server: Served) -> None:
    body = server.a_payment(1.25)
    bill_id = body["bill_payment"]["linked_bills"][0]["id"]
    before = server.get(f"/accounting/bills/{bill_id}")["bill"]
    made = server.pay(body).json()["bill_payment"]
    stale = {"X-Sandbox-Fault": "stale_read"}
    query = {"access_token": server.token}
    assert server.client.get(f"/accounting/bills/{bill_id}", params=query, headers=stale).json()["bill"] == before
    hidden = server.client.get(f"/accounting/bill_payments/{made['id']}", params=query, headers=stale)
    assert hidden.status_code == 410
    listed = server.client.get("/accounting/bill_payments", params=query, headers=stale).json()["bill_payments"]
    assert made["id"] not in [one["id"] for one in listed]
    fresh = server.get(f"/accounting/bills/{bill_id}")["bill"]
    assert fresh["amount_due"] == pytest.approx(before["amount_due"] - 1.25)


def test_a_job_that_never_ends_stays_pending_and_keeps_its_key(server: Served) -> None:
    body, before = server.a_payment(), server.payments()
    headers = {"X-Sandbox-Fault": "job_never_ends", "Idempotency-Key": "endless"}
    (job_id,) = {server.pay(body, **headers).json()["async_response"]["id"] for _ in range(3)}
    for _ in range(4):
        job = server.client.get(f"/jobs/{job_id}").json()
        assert (job["status"], "response" in job) == ("pending", False)
    assert server.payments() == before + 1


def test_a_failing_job_changes_nothing_and_fails_again_by_key(server: Served) -> None:
    body, before = server.a_payment(), server.payments()
    failed = server.pay(body, **{"X-Sandbox-Fault": "job_fails", "Idempotency-Key": "doomed"})
    assert failed.status_code == 450
    assert failed.json()["error_metadata"]["source"] == "platform"
    replayed = server.pay(body, **{"Idempotency-Key": "doomed"})
    assert (replayed.status_code, replayed.json()) == (450, failed.json())
    assert server.payments() == before


def test_a_slow_answer_is_late_and_whole(server: Served) -> None:
    query = {"access_token": server.token, "limit": "1"}
    with pytest.raises(httpx.ReadTimeout):
        server.client.get("/accounting/bills", params=query, headers={"X-Sandbox-Fault": "slow=5"}, timeout=0.2)
    response = server.client.get("/accounting/bills", params=query, headers={"X-Sandbox-Fault": "slow"})
    assert response.status_code == 200
    assert response.elapsed.total_seconds() >= 1


def _seconds_ahead(response: httpx.Response) -> float:
    return (parsedate_to_datetime(response.headers["date"]) - datetime.now(UTC)).total_seconds()


@pytest.mark.parametrize(
    ("fault", "seconds"), [("", 0), ("date_off", 3600), ("date_off=600", 600), ("date_off=-9", -9)]
)
def test_the_date_of_an_answer_may_be_off(server: Served, fault: str, seconds: int) -> None:
    headers = {"X-Sandbox-Fault": fault} if fault else {}
    response = server.client.get("/accounting/bills", params={"access_token": server.token}, headers=headers)
    assert response.status_code == 200
    assert response.headers.get_list("date") == [response.headers["date"]]
    assert _seconds_ahead(response) == pytest.approx(seconds, abs=5)


def test_a_rule_says_how_far_the_date_is_off(server: Served) -> None:
    rule = {"fault": "date_off", "seconds": -300}
    server.client.put(f"{server.origin}/sandbox/faults", json={"rules": [rule]}).raise_for_status()
    response = server.client.get("/accounting/bills", params={"access_token": server.token})
    server.client.put(f"{server.origin}/sandbox/faults", json={"rules": []}).raise_for_status()
    assert _seconds_ahead(response) == pytest.approx(-300, abs=5)


def test_errors_records_and_jobs_may_quote_the_secrets(server: Served) -> None:
    quoting, query = {"X-Sandbox-Fault": "token_quoted"}, {"access_token": server.token}
    body, before = server.a_payment(), server.payments()
    failed = server.pay(body, **quoting, **{"Idempotency-Key": "quoted"})
    assert failed.status_code == 450
    assert server.token in failed.json()["error_metadata"]["human_readable"]
    assert server.payments() == before
    missing = server.client.get("/accounting/bills/none", params=query, headers=quoting)
    assert missing.status_code == 410
    assert f"access_token={server.token}" in missing.json()["error_message"]
    assert "Basic " in missing.json()["error_message"]
    bills = server.client.get("/accounting/bills", params=query, headers=quoting).json()["bills"]
    assert bills
    assert all(server.token in one["memo"] for one in bills)


def test_an_unknown_fault_is_refused_by_name(server: Served) -> None:
    response = server.pay(server.a_payment(), **{"X-Sandbox-Fault": "meteor"})
    assert response.status_code == 400
    assert all(name in response.json()["error_message"] for name in NAMES)


def _spelled_out(name: str) -> list[str]:
    """`a_{1,2}` is short for `a_1` and `a_2`."""
    head, brace, rest = name.partition("{")
    several, _, tail = rest.partition("}")
    return [f"{head}{one}{tail}" for one in several.split(",")] if brace else [name]


def test_the_page_of_the_sandbox_names_every_fault() -> None:
    page = (Path(__file__).parents[2] / "sandbox" / "README.md").read_text(encoding="utf-8")
    table = page.split("## The faults")[1].split("\n## ")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    told = [one for row in rows for name in re.findall(r"`([^`]+)`", row) for one in _spelled_out(name)]
    assert sorted(told) == list(NAMES)


def test_a_rule_strikes_as_often_as_it_says_and_then_no_more(server: Served) -> None:
    rule = {"fault": "status_429", "method": "GET", "path": "/accounting/bills", "times": 2}
    server.client.put(f"{server.origin}/sandbox/faults", json={"rules": [rule]}).raise_for_status()
    query = {"access_token": server.token, "limit": "1"}
    statuses = [server.client.get("/accounting/bills", params=query).status_code for _ in range(4)]
    server.client.put(f"{server.origin}/sandbox/faults", json={"rules": []}).raise_for_status()
    assert statuses == [429, 429, 200, 200]


def test_the_same_seed_meets_the_same_faults_at_the_same_rate(server: Served) -> None:
    plan = {"seed": 7, "rules": [{"fault": "status_503_before_commit", "path": "/accounting/bills", "rate": 0.5}]}
    query = {"access_token": server.token, "limit": "1"}

    def run() -> list[int]:
        server.client.put(f"{server.origin}/sandbox/faults", json=plan).raise_for_status()
        return [server.client.get("/accounting/bills", params=query).status_code for _ in range(20)]

    first, second = run(), run()
    server.client.put(f"{server.origin}/sandbox/faults", json={"rules": []}).raise_for_status()
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
def test_a_senseless_fault_plan_is_refused_and_the_old_one_stays(server: Served, plan: dict[str, Any]) -> None:
    rule = {"fault": "status_429", "path": "/accounting/bills"}
    server.client.put(f"{server.origin}/sandbox/faults", json={"rules": [rule]}).raise_for_status()
    assert server.client.put(f"{server.origin}/sandbox/faults", json=plan).status_code == 400
    query = {"access_token": server.token, "limit": "1"}
    assert server.client.get("/accounting/bills", params=query).status_code == 429
    server.client.put(f"{server.origin}/sandbox/faults", json={"rules": []}).raise_for_status()
    assert server.client.get("/accounting/bills", params=query).status_code == 200


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
    sandbox = seeded_sandbox(today=TODAY)
    transport = httpx.ASGITransport(app=sandbox.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox/versioned") as client:
        with pytest.raises(error):
            await client.get("/connections", headers={"X-Sandbox-Fault": fault})
    sandbox.close()


@pytest.mark.parametrize(
    "fault", ["slow=100", "no_answer_after_commit=100", "no_answer_mid_body=100", "dripping_body", "endless_body"]
)
def test_a_sandbox_stopped_with_a_waiting_caller_ends_cleanly(fault: str) -> None:
    running = Served(None, today=TODAY.isoformat())
    with ThreadPoolExecutor(1) as pool:
        asked = {"access_token": running.token}
        headers = {"X-Sandbox-Fault": fault}
        waiting = pool.submit(running.client.get, "/accounting/vendors", params=asked, headers=headers, timeout=30)
        while "/accounting/vendors" not in httpx.get(f"{running.origin}/", trust_env=False).text:
            pass
        assert running.end() == 0
        # Who was in the middle of a body sees the connection break, in whatever way.
        assert isinstance(waiting.exception(timeout=30), httpx.NetworkError | httpx.RemoteProtocolError)
    assert "Traceback" not in running.errors


async def test_a_caller_in_process_may_stop_waiting() -> None:
    async with calling() as caller:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await caller.send("GET", "/accounting/bills", fault="slow=100")
        assert (await caller.send("GET", "/accounting/bills")).status_code == 200


async def test_a_rule_strikes_no_switch_no_page_and_no_link() -> None:
    async with calling() as caller:
        await caller.switch("faults", {"rules": [{"fault": "status_503_before_commit"}]})
        assert (await caller.send("GET", "/accounting/bills")).status_code == 503
        assert (await caller.client.get("/")).status_code == 200
        assert await caller.switch("faults", {"rules": []}) == {"rules": 0}
        assert (await caller.send("GET", "/accounting/bills")).status_code == 200


async def test_a_doomed_asynchronous_job_says_so_and_books_nothing() -> None:
    async with calling() as caller:
        before = await caller.bill("FT-778")
        body = await caller.payment_of("FT-778") | {"response_mode": "async"}
        accepted = await caller.post("/accounting/bill_payments", body, fault="job_fails")
        path = f"/jobs/{accepted['async_response']['id']}"
        statuses = [(await caller.get(path))["status"] for _ in range(2)]
        assert statuses == ["pending", "failure"]
        assert (await caller.get(path))["response"]["http_status"] == 450
        assert await caller.bill("FT-778") == before
