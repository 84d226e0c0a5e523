"""The client keeps Rutter's limit by itself, and never has more than a few requests in the air."""

from __future__ import annotations

import anyio
import httpx

from rutter_ap_server.rutter import Limits
from rutter_ap_server.rutter.limiter import RateLimiter
from support.scripted_upstream import TOKEN, FakeTime, Scripted, answer, bill, client_for


async def test_the_501st_request_waits_for_the_window() -> None:
    time = FakeTime()
    limiter = RateLimiter(500, 10.0, clock=time.clock, sleep=time.sleep)
    for _ in range(500):
        await limiter.acquire()
    assert time.slept == []
    time.now += 4.0
    await limiter.acquire()
    assert time.slept == [6.0]


async def test_no_window_ever_holds_more_than_the_limit() -> None:
    time = FakeTime()
    limiter = RateLimiter(3, 10.0, clock=time.clock, sleep=time.sleep)
    passed: list[float] = []
    for number in range(20):
        await limiter.acquire()
        passed.append(time.now)
        time.now += number % 3
    assert all(later - earlier >= 10.0 for earlier, later in zip(passed, passed[3:], strict=False))


async def test_the_limit_spans_a_clients_companies_and_retries() -> None:
    time = FakeTime()
    script = Scripted(answer(500), *[answer(200, {"bill": bill()}) for _ in range(3)])
    async with client_for(script, time, Limits(requests_max=2, window_seconds=10.0)) as client:
        for token in ("a", "b", "c"):
            await client.connection(token).bills.get("b-1")
    assert sum(time.slept) >= 10.0


class Crowd(httpx.AsyncBaseTransport):
    """Counts how many requests are in the air at once."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        self.now -= 1
        return answer(200, {"bill": bill()})


async def test_at_most_sixteen_requests_are_in_the_air() -> None:
    crowd = Crowd()
    async with client_for(crowd) as client, anyio.create_task_group() as group:
        for _ in range(40):
            group.start_soon(client.connection(TOKEN).bills.get, "b-1")
    assert crowd.most == 16


async def test_a_cancelled_call_gives_its_place_back() -> None:
    class Stuck(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/stuck"):
                await anyio.sleep_forever()
            return answer(200, {"bill": bill()})

    async with client_for(Stuck()) as client:
        for _ in range(5):
            with anyio.move_on_after(0):
                await client.connection(TOKEN).bills.get("stuck")
        assert (await client.connection(TOKEN).bills.get("b-1")).id == "b-1"


async def test_an_attempt_that_never_ends_is_ended() -> None:
    class Stuck(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await anyio.sleep_forever()
            raise AssertionError

    limits = Limits(attempt_seconds=0.01, attempts_max=1)
    async with client_for(Stuck(), limits=limits) as client:
        outcome = await client.connection(TOKEN).bills.delete("b-1")
    assert repr(outcome) == "Unknown(job_id=None, reason='timeout')"
