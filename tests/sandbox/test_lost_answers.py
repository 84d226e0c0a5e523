"""A write whose answer was lost: it was booked once or not at all, and its key tells which without booking again."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import httpx
import pytest

from rutter_sandbox.faults import NAMES
from support.sandbox.client import calling
from support.sandbox.serve_command import ENDS_WITHIN_SECONDS, Served, serving

BEFORE = ["html", "status_429", "status_452", *(name for name in NAMES if name.endswith("_before_commit"))]
AFTER = ["cut_mid_body", "malformed_json", "truncated_json", *(n for n in NAMES if n.endswith("_after_commit"))]
KEYS = count()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving() as running:
        yield running


def _sent(served: Served, body: dict[str, Any], key: str, fault: str) -> None:
    """Send a payment into a fault; whatever is heard of it is of no use."""
    headers = {"X-Sandbox-Fault": fault, "Idempotency-Key": key}
    query = {"access_token": served.token}
    with suppress(httpx.TransportError):
        response = served.client.post(
            "/accounting/bill_payments", params=query, json=body, headers=headers, timeout=0.5
        )
        with suppress(ValueError):
            assert not response.is_success or "bill_payment" not in response.json()


@pytest.mark.parametrize("fault", AFTER)
def test_a_payment_with_a_lost_reply_is_booked_once_by_its_key(served: Served, fault: str) -> None:
    body, before, key = served.a_payment(), served.payments(), f"lost-{next(KEYS)}"
    _sent(served, body, key, fault)
    assert served.payments() == before + 1
    replays = [served.pay(body, **{"Idempotency-Key": key}) for _ in range(2)]
    assert [one.status_code for one in replays] == [200, 200]
    assert replays[0].json() == replays[1].json()
    assert len({one.headers["x-rutter-job-id"] for one in replays}) == 1
    stored = replays[0].json()["bill_payment"]
    assert served.get(f"/accounting/bill_payments/{stored['id']}")["bill_payment"] == stored
    assert served.payments() == before + 1


@pytest.mark.parametrize("fault", BEFORE)
def test_a_payment_that_never_arrived_is_booked_when_sent_again(served: Served, fault: str) -> None:
    body, before, key = served.a_payment(), served.payments(), f"lost-{next(KEYS)}"
    _sent(served, body, key, fault)
    assert served.payments() == before
    assert served.pay(body, **{"Idempotency-Key": key}).status_code == 200
    assert served.payments() == before + 1


@pytest.mark.parametrize("fault", ["slow=100", "no_answer_after_commit=100"])
def test_a_sandbox_stopped_with_a_waiting_caller_ends_cleanly(fault: str) -> None:
    with serving(keep_errors=True) as served:
        query = {"access_token": served.token, "limit": "1"}
        headers = {"X-Sandbox-Fault": fault}
        mentioned_before: list[Exception] = []

        def wait() -> None:
            try:
                httpx.get(
                    f"{served.announced['base_url']}/accounting/vendors",
                    params=query,
                    headers=dict(served.client.headers) | headers,
                    auth=(served.announced["client_id"], served.announced["client_secret"]),
                    timeout=30,
                    trust_env=False,
                )
            except httpx.TransportError as error:
                mentioned_before.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        while "/accounting/vendors" not in httpx.get(f"{served.origin}/", trust_env=False).text:
            pass
        served.process.send_signal(signal.SIGTERM)
        waiting.join()
        assert served.process.wait(ENDS_WITHIN_SECONDS) == 0
        assert served.process.stderr is not None
        assert b"Traceback" not in served.process.stderr.read()
    assert [type(one) for one in mentioned_before] == [httpx.RemoteProtocolError]


async def test_a_caller_in_process_may_stop_waiting() -> None:
    async with calling() as caller:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await caller.send("GET", "/accounting/bills", fault="slow=100")
        assert (await caller.send("GET", "/accounting/bills")).status_code == 200


async def test_a_call_that_was_never_answered_is_on_the_page() -> None:
    async with calling() as caller:
        with pytest.raises(httpx.TransportError):
            await caller.send("GET", "/accounting/currencies", fault="cut_before_commit")
        page = await caller.client.get("/")
        assert "<td>/versioned/accounting/currencies</td><td>no answer</td>" in page.text


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


async def test_a_job_that_never_ends_keeps_its_key_and_may_have_booked() -> None:
    async with calling() as caller:
        before, body = await caller.bill("FT-778"), await caller.payment_of("FT-778", "480.00")
        headers = {"Idempotency-Key": "endless", "X-Sandbox-Fault": "job_never_ends"}
        asked = {"access_token": caller.token}
        sent = [
            await caller.client.post("/versioned/accounting/bill_payments", params=asked, json=body, headers=headers)
            for _ in range(3)
        ]
        assert len({one.json()["async_response"]["id"] for one in sent}) == 1
        assert (await caller.bill("FT-778"))["amount_due"] == before["amount_due"] - 480
