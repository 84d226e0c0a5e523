"""Answers that end late or never, grow, lead elsewhere or say when to come again, over a real socket and in process."""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import pytest

from support.sandbox.client import calling
from support.sandbox.processes import Served, served


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as running:
        yield running


def _faulty(fault: str) -> dict[str, str]:
    return {"X-Sandbox-Fault": fault}


def _read(server: Served, fault: str, *, seconds: float, bytes_max: int = 10**9) -> bytes:
    """What comes of the answer to a payment within that time, until it ends or is enough; then the caller leaves."""
    query, body, parts, size = {"access_token": server.token}, server.a_payment(), [], 0
    until = time.monotonic() + seconds
    with server.client.stream(
        "POST", "/accounting/bill_payments", params=query, json=body, headers=_faulty(fault), timeout=5
    ) as response:
        assert response.status_code == 200
        for part in response.iter_raw():
            parts.append(part)
            size += len(part)
            if time.monotonic() > until or size > bytes_max:
                break
    return b"".join(parts)


def test_a_dripping_body_comes_a_byte_at_a_time(server: Served) -> None:
    before = server.payments()
    came = _read(server, "dripping_body", seconds=1)
    assert 3 <= len(came) <= 20
    assert b'{"bill_payment":'.startswith(came[:16])
    assert server.payments() == before + 1


def test_no_pause_between_two_bytes_is_long_enough_to_time_out(server: Served) -> None:
    query = {"access_token": server.token}
    with pytest.raises(httpx.RemoteProtocolError):
        # Each byte comes in time, and the whole never does: the sandbox gives up first here.
        server.client.get("/accounting/bills", params=query, headers=_faulty("dripping_body=2"), timeout=0.5)


def test_an_endless_body_comes_as_fast_as_it_is_read(server: Served) -> None:
    before = server.payments()
    came = _read(server, "endless_body", seconds=20, bytes_max=50_000_000)
    assert len(came) > 50_000_000
    # JSON allows blanks at its end, so a reader without bounds would find nothing wrong with it.
    assert json.loads(came.rstrip())["bill_payment"]["id"]
    assert server.payments() == before + 1
    assert server.get("/accounting/bills", limit="1")["bills"], "the sandbox is as ever once the caller has left"


def test_an_answer_may_stop_in_the_middle_and_say_nothing_more(server: Served) -> None:
    body, before, query = server.a_payment(), server.payments(), {"access_token": server.token}
    with pytest.raises(httpx.ReadTimeout):
        server.client.post(
            "/accounting/bill_payments", params=query, json=body, headers=_faulty("no_answer_mid_body=30"), timeout=0.4
        )
    assert server.payments() == before + 1
    with pytest.raises(httpx.RemoteProtocolError):
        server.client.get("/accounting/bills", params=query, headers=_faulty("no_answer_mid_body=1"), timeout=5)


def test_a_small_body_unpacks_to_a_quarter_of_a_gigabyte(server: Served) -> None:
    before = server.payments()
    packed = _read(server, "gzip_bomb", seconds=30)
    assert len(packed) < 2_000_000
    unpacker, size, end = zlib.decompressobj(wbits=31), 0, b""
    while packed:
        part = unpacker.decompress(packed, 2**20)
        packed, size, end = unpacker.unconsumed_tail, size + len(part), (end + part)[-10_000:]
    assert size > 250 * 2**20
    assert json.loads(end.lstrip())["bill_payment"]["id"]
    assert unpacker.eof, "it is a whole and valid answer"
    assert server.payments() == before + 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_does_nothing_and_leads_to_nothing(server: Served, status: int) -> None:
    body, before, query = server.a_payment(), server.payments(), {"access_token": server.token}
    response = server.pay(body, **_faulty(f"redirect_{status}"))
    assert response.status_code == status
    assert response.headers["location"] == f"{server.origin}/elsewhere/versioned/accounting/bill_payments"
    assert server.token not in response.headers["location"]
    assert server.payments() == before
    followed = server.client.get(
        "/accounting/bills", params=query, headers=_faulty(f"redirect_{status}"), follow_redirects=True
    )
    assert followed.status_code == 404
    page = httpx.get(f"{server.origin}/", trust_env=False).text
    assert "/elsewhere/versioned/accounting/bills" in page, "whoever follows is seen"
    assert "/elsewhere/versioned/accounting/bill_payments" not in page


@pytest.mark.parametrize(("fault", "seconds"), [("retry_after_seconds", 1), ("retry_after_seconds=20", 20)])
def test_a_rate_limit_may_say_in_how_many_seconds_to_come(server: Served, fault: str, seconds: int) -> None:
    before = server.payments()
    response = server.pay(server.a_payment(), **_faulty(fault))
    assert (response.status_code, response.headers["retry-after"]) == (429, str(seconds))
    assert response.json()["error_code"] == "RATE_LIMIT_EXCEEDED"
    assert server.payments() == before


@pytest.mark.parametrize(("fault", "seconds"), [("retry_after_date", 1), ("retry_after_date=20", 20)])
def test_a_rate_limit_may_name_a_date_of_http(server: Served, fault: str, seconds: int) -> None:
    response = server.pay(server.a_payment(), **_faulty(fault))
    assert response.status_code == 429
    when = parsedate_to_datetime(response.headers["retry-after"])
    assert response.headers["retry-after"].endswith(" GMT")
    assert abs((when - datetime.now(UTC)).total_seconds() - seconds) < 3


def test_a_storm_of_rate_limits_passes_after_so_many_calls(server: Served) -> None:
    rule = {"fault": "retry_after_seconds", "path": "/accounting/", "times": 40, "seconds": 2}
    server.client.put(f"{server.origin}/sandbox/faults", json={"rules": [rule]}).raise_for_status()
    query = {"access_token": server.token, "limit": "1"}
    answers = [server.client.get("/accounting/bills", params=query) for _ in range(42)]
    server.client.put(f"{server.origin}/sandbox/faults", json={"rules": []}).raise_for_status()
    assert [one.status_code for one in answers] == [429] * 40 + [200] * 2
    assert {one.headers["retry-after"] for one in answers[:40]} == {"2"}


@pytest.mark.parametrize("fault", ["endless_body", "dripping_body=1", "no_answer_mid_body"])
async def test_in_process_an_endless_answer_ends_in_a_timeout(fault: str) -> None:
    async with calling() as caller:
        with pytest.raises(httpx.ReadTimeout):
            await caller.send("GET", "/accounting/bills", fault=fault)
        assert (await caller.send("GET", "/accounting/bills")).status_code == 200


@pytest.mark.parametrize("fault", ["endless_body", "dripping_body"])
async def test_in_process_a_caller_may_leave_an_endless_answer(fault: str) -> None:
    async with calling() as caller:
        with pytest.raises((TimeoutError, httpx.ReadTimeout)):
            async with asyncio.timeout(0.05):
                await caller.send("GET", "/accounting/bills", fault=fault)
        assert (await caller.send("GET", "/accounting/bills")).status_code == 200


async def test_in_process_a_bomb_a_redirect_and_a_date_are_the_same() -> None:
    async with calling() as caller:
        bomb = await caller.send("GET", "/connections", fault="gzip_bomb")
        assert (bomb.status_code, bomb.headers["content-encoding"]) == (200, "gzip")
        assert len(bomb.content) > 256 * 2**20
        moved = await caller.send("GET", "/connections", fault="redirect_307")
        assert moved.headers["location"] == "http://sandbox/elsewhere/versioned/connections"
        assert "retry-after" in (await caller.send("GET", "/connections", fault="retry_after_date")).headers
