"""One exchange: what is repeated and what is not, how long it waits, and what is known when no usable answer comes."""

from __future__ import annotations

import gzip
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from rutter_ap_server.rutter import Credentials, Limits
from rutter_ap_server.rutter.bodies import close_quietly
from rutter_ap_server.rutter.credentials import Secret
from rutter_ap_server.rutter.errors import NothingSent
from rutter_ap_server.rutter.exchange import Exchange, Streamed
from rutter_ap_server.rutter.request import Call, NoAnswer, Outcome, Response
from rutter_ap_tools.errors import OperatorError
from support.scripted_upstream import CLIENT_ID, CLIENT_SECRET, TOKEN, FakeTime, Scripted, answer, refusal
from support.store_rows import START

READ, DELETE = Call("GET", "/bills"), Call("DELETE", "/bills/b-1")
WRITE = Call("POST", "/bills", body=b"{}", idempotency_key="key-1")
Answer = httpx.Response | Exception
GOOD = {"bill": {"id": "b-1"}}
NEVER_LEFT: tuple[type[Exception], ...] = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)
BROKEN_OFF: tuple[type[Exception], ...] = (
    httpx.ReadTimeout,
    httpx.WriteTimeout,
    httpx.ReadError,
    httpx.RemoteProtocolError,
    httpx.StreamError,
    httpx.InvalidURL,
    OSError,
    anyio.BrokenResourceError,
)


def exchange(
    script: httpx.AsyncBaseTransport, time: FakeTime | None = None, *, jitter: float = 0.5, **limits: Any
) -> Exchange:
    time = time or FakeTime()
    return Exchange(
        Credentials(CLIENT_ID, CLIENT_SECRET),
        base_url="https://rutter.test/versioned/",
        transport=script,
        limits=Limits(**limits),
        sleep=time.sleep,
        clock=time.clock,
        jitter=lambda: jitter,
    )


async def sent(kind: str, *answers: Answer, **limits: Any) -> tuple[Outcome, bool, int]:
    """What came of a read, a delete or a write, whether an earlier attempt may have been done, and the attempts."""
    script = Scripted(*answers)
    under = exchange(script, **limits)
    if kind == "read":
        outcome, doubt = await under.send(READ), False
    elif kind == "delete":
        outcome, doubt = await under.send_delete(DELETE)
    else:
        outcome, doubt = await under.send_write(WRITE if kind == "write" else replace(WRITE, idempotency_key=None))
    return outcome, doubt, len(script.requests)


def page(status: int = 200) -> httpx.Response:
    return httpx.Response(status, text="<html>", headers={"content-type": "text/html"})


EVERY = ("read", "delete", "write", "write without a key")
# What left may have been done: only what is the same twice is repeated.
SAFE, KEYED, UNSENT = EVERY[:2], EVERY[:3], EVERY


@pytest.mark.parametrize(
    ("first", "again"),
    [
        *((refusal(status), ()) for status in (400, 407, 409, 428, 430, 451, 453, 499, 501)),
        *((refusal(status), KEYED) for status in (429, 452, 500, 502, 503, 504)),
        (refusal(408), SAFE),
        (refusal(505), ("write",)),
        # With a job id the key would only replay what came of it.
        (refusal(429, x_rutter_job_id="j"), SAFE),
        (refusal(500, x_rutter_job_id="j"), SAFE),
        # A gateway answered in Rutter's place.
        (page(200), ("read",)),
        (page(404), ()),
        (page(501), ()),
        (page(520), ("read", "write")),
        (answer(200, GOOD), ()),
        (httpx.Response(200, content=b"{"), ("read",)),
        (httpx.Response(200, headers={"content-encoding": "br"}, stream=httpx.ByteStream(b"{}")), ()),
        *((failure("x"), UNSENT) for failure in NEVER_LEFT),
        *((failure("x"), SAFE) for failure in BROKEN_OFF),
    ],
    ids=lambda each: str(each.status_code) if isinstance(each, httpx.Response) else type(each).__name__,
)
@pytest.mark.parametrize("kind", EVERY)
async def test_each_failure_is_repeated_only_where_that_is_safe(kind: str, first: Answer, again: Sequence[str]) -> None:
    _, _, attempts = await sent(kind, first, answer(200, GOOD))

    assert attempts == (2 if kind in again else 1)


@pytest.mark.parametrize(("kind", "most"), [("read", 3), ("delete", 3), ("write", 2)])
async def test_attempts_are_counted_by_kind(kind: str, most: int) -> None:
    limits = {"attempts_max": 3, "write_attempts_max": 2}
    outcome, doubt, attempts = await sent(kind, *[refusal(503)] * 5, **limits)

    assert isinstance(outcome, Response)
    assert (outcome.status, attempts, doubt) == (503, most, kind != "read")


@pytest.mark.parametrize(
    ("first", "then", "doubt"),
    [
        (refusal(500), answer(200, GOOD), True),
        (refusal(429), answer(200, GOOD), False),
        (httpx.ConnectError("x"), answer(200, GOOD), False),
        (refusal(500), httpx.ConnectError("x"), True),
    ],
)
@pytest.mark.parametrize("kind", ["delete", "write"])
async def test_whether_an_earlier_attempt_may_have_been_done(
    kind: str, first: Answer, then: Answer, doubt: bool
) -> None:
    _, known, _ = await sent(kind, first, then, attempts_max=2, write_attempts_max=2)

    assert known is doubt


@pytest.mark.parametrize("kind", ["delete", "write", "write without a key"])
async def test_what_never_left_raises_and_what_was_in_doubt_does_not(kind: str) -> None:
    with pytest.raises(NothingSent, match="could not be reached"):
        await sent(kind, *[httpx.ConnectError("x")] * 4)

    outcome, doubt = await exchange(Scripted(*[httpx.ConnectError("x")] * 3)).send_write(WRITE, in_doubt=True)
    assert (outcome, doubt) == (NoAnswer("not_reachable", sent=False), True)


@pytest.mark.parametrize("failure", NEVER_LEFT)
async def test_a_read_that_never_left_says_so(failure: type[Exception]) -> None:
    outcome, _, _ = await sent("read", *[failure("x")] * 4)
    assert outcome == NoAnswer("not_reachable", sent=False)


@pytest.mark.parametrize("failure", BROKEN_OFF)
@pytest.mark.parametrize("begun", [False, True])
async def test_what_broke_off_may_have_arrived(failure: type[Exception], begun: bool) -> None:
    first = failure("x")
    if begun and failure is not httpx.InvalidURL:
        outcome, _, _ = await sent("write", httpx.Response(200, stream=Body(b"{", first)))
    else:
        outcome, _, _ = await sent("write", first)
    reason = "timeout" if issubclass(failure, httpx.TimeoutException) else "cut_off"
    assert outcome == NoAnswer(reason, sent=True)


class Body(httpx.AsyncByteStream):
    """A body in parts, which may break off."""

    def __init__(self, *parts: bytes | Exception) -> None:
        self.parts, self.closed, self.given = parts, False, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            self.given += 1
            yield part

    async def aclose(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.closed = True


@pytest.mark.parametrize(
    ("parts", "encoding", "expected"),
    [
        ([b"1234", b"5678"], "", b"12345678"),
        ([b"1234", b"56789", b"0"], "", "too_large"),
        ([gzip.compress(b"12345678")], "gzip", b"12345678"),
        ([gzip.compress(b"12345678")], " GZIP ", b"12345678"),
        ([b"12345678"], "identity", b"12345678"),
        ([gzip.compress(b"123456789")], "gzip", "too_large"),
        ([b"no gzip at all"], "gzip", "not_readable"),
        ([b"{}"], "br", "not_readable"),
    ],
)
async def test_a_body_is_read_up_to_its_bound(parts: list[bytes], encoding: str, expected: bytes | str) -> None:
    body = Body(*parts)
    response = httpx.Response(400, headers={"content-encoding": encoding} if encoding else {}, stream=body)
    outcome, _, _ = await sent("write", response, body_bytes_max=8)

    if isinstance(expected, bytes):
        assert isinstance(outcome, Response)
        assert outcome.body == expected
    else:
        assert outcome == NoAnswer(expected, sent=True)
    assert body.closed
    assert body.given <= 2


async def test_what_is_closed_while_cancelled_is_closed() -> None:
    body = Body()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await close_quietly(httpx.Response(200, stream=body))
    assert body.closed


@pytest.mark.parametrize(
    ("jitter", "waits"),
    [(0.0, [0.25, 0.5, 1.0, 1.5, 1.5]), (1.0, [0.5, 1.0, 2.0, 3.0, 3.0]), (0.5, [0.375, 0.75, 1.5])],
)
async def test_a_wait_doubles_up_to_its_bound_and_half_of_it_is_random(jitter: float, waits: list[float]) -> None:
    time = FakeTime()
    limits = {"attempts_max": len(waits) + 1, "backoff_max_seconds": 3.0}
    await exchange(Scripted(*[refusal(503)] * (len(waits) + 1)), time, jitter=jitter, **limits).send(READ)

    assert time.slept == waits


@pytest.mark.parametrize(
    ("asked", "slept"), [("30", [30.0]), ("31", []), ("0", [0.5]), ("1", [1.0]), ("0000000020", [20.0])]
)
async def test_a_wait_that_is_asked_for_is_kept_if_it_is_short(asked: str, slept: list[float]) -> None:
    time = FakeTime()
    script = Scripted(refusal(429, retry_after=asked), answer(200, GOOD))
    await exchange(script, time, jitter=1.0).send(READ)

    assert time.slept == slept


@pytest.mark.parametrize(
    ("until", "sent_at", "slept"),
    [
        ("Mon, 02 Mar 2026 09:30:20 GMT", "Mon, 02 Mar 2026 09:30:00 GMT", [20.0]),
        ("Monday, 02-Mar-26 09:30:20 GMT", "Mon, 02 Mar 2026 09:30:00 GMT", [20.0]),
        ("Mon, 02 Mar 2026 09:31:00 GMT", "Mon, 02 Mar 2026 09:30:00 GMT", []),
        ("Mon, 02 Mar 2026 09:29:00 GMT", "Mon, 02 Mar 2026 09:30:00 GMT", [0.5]),
        ("Mon, 02 Mar 2026 09:29:00 GMT", None, [0.5]),
        ("soon", "Mon, 02 Mar 2026 09:30:00 GMT", [0.5]),
    ],
)
async def test_a_wait_until_a_date_is_kept_by_the_clock_that_wrote_it(
    until: str, sent_at: str | None, slept: list[float]
) -> None:
    time = FakeTime()
    headers = {"retry_after": until} | ({"date": sent_at} if sent_at else {})
    await exchange(Scripted(refusal(429, **headers), answer(200, GOOD)), time, jitter=1.0).send(READ)

    assert time.slept == slept


async def test_no_attempt_begins_once_the_calls_time_is_over() -> None:
    time = FakeTime()
    script = Scripted(*[refusal(429, retry_after="20")] * 4)
    await exchange(script, time, jitter=1.0, call_seconds=50.0).send(READ)

    assert (len(script.requests), time.slept) == (3, [20.0, 20.0])


async def test_a_request_is_sent_whole() -> None:
    script = Scripted(*[answer(200, GOOD) for _ in range(3)])
    under = exchange(script, connect_seconds=1.0, read_seconds=2.0, write_seconds=3.0, pool_seconds=4.0)
    await under.send(Call("GET", "/bills", {"filter": 'a="b c"/d', "x": "1"}, token=Secret.of(TOKEN)))
    await under.send_write(WRITE)
    await under.send(READ)
    read, write, plain = script.requests

    assert str(read.url) == (f"https://rutter.test/versioned/bills?filter=a%3D%22b%20c%22%2Fd&x=1&access_token={TOKEN}")
    assert str(plain.url) == "https://rutter.test/versioned/bills"
    always = {"accept": "application/json", "accept-encoding": "gzip", "user-agent": "rutter-ap"}
    assert always.items() <= dict(read.headers).items()
    assert read.headers["x-rutter-version"] == "2024-08-31"
    assert {"content-type", "idempotency-key"}.isdisjoint(read.headers)
    assert (write.headers["content-type"], write.headers["idempotency-key"]) == ("application/json", "key-1")
    assert (write.method, script.bodies) == ("POST", [b"", b"{}", b""])
    assert read.extensions["timeout"] == {"connect": 1.0, "read": 2.0, "write": 3.0, "pool": 4.0}


async def test_a_change_that_may_not_leave_any_more_stays_here() -> None:
    asked = 0

    async def fence() -> bool:
        nonlocal asked
        asked += 1
        return asked < 2

    script = Scripted(refusal(429), answer(200, GOOD))
    with pytest.raises(NothingSent, match="not to be sent any more"):
        await exchange(script).send_write(replace(WRITE, fence=fence))
    assert (len(script.requests), asked) == (1, 2)

    asked = 0
    outcome, doubt = await exchange(Scripted(refusal(500))).send_write(replace(WRITE, fence=fence))
    assert (outcome, doubt) == (NoAnswer("fenced", sent=False), True)


@pytest.mark.parametrize(
    "address",
    [
        "https://rutter.test/versioned",
        "https://rutter.test/a/versioned/",
        "https://rutter.test:8443/versioned",
        "http://in-process/versioned",
    ],
)
def test_an_address_with_a_host_and_a_path_is_taken(address: str) -> None:
    assert exchange_at(address) is not None


@pytest.mark.parametrize(
    "address",
    [
        "ftp://rutter.test",
        "https://",
        "rutter.test",
        "https://me@rutter.test",
        "https://rutter.test/?a=1",
        "https://rutter.test/#a",
        "ftp://rutter.test/versioned",
        "https:///versioned",
        "https://me@rutter.test/versioned",
        "https://rutter.test/versioned?a=/versioned",
        "https://rutter.test/versioned#/versioned",
        "https://rutter.test:port/versioned",
        "https://rutter.test:99999/versioned",
        "https://rutter.test:0/versioned",
        "https://rutter.test",
        "https://rutter.test/",
        "https://rutter.test/unversioned",
        "https://rutter.test/versioned/x",
        " https://rutter.test/versioned",
        "https://rutter.test/versioned ",
        "https://rutter.test/ver sioned",
        "https://rutter.test/versioned\n",
        "https://rutter.test\u00a0/versioned",
        "",
    ],
)
def test_an_address_of_another_kind_is_the_operators_to_mend(address: str) -> None:
    with pytest.raises(OperatorError):
        exchange_at(address)


def exchange_at(address: str) -> Exchange:
    credentials = Credentials(CLIENT_ID, CLIENT_SECRET)
    return Exchange(credentials, base_url=address, transport=Scripted(), limits=Limits(), sleep=FakeTime().sleep)


@pytest.mark.parametrize(("before", "after"), [(logging.NOTSET, logging.WARNING), (logging.DEBUG, logging.DEBUG)])
def test_headers_stay_out_of_the_log_unless_somebody_wants_them(before: int, after: int) -> None:
    logger, level = logging.getLogger("httpcore"), logging.getLogger("httpcore").level
    try:
        logger.setLevel(before)
        exchange(Scripted())
        assert logger.level == after
    finally:
        logger.setLevel(level)


class Closing(Scripted):
    """An upstream that knows whether it was closed."""

    closed = 0

    async def aclose(self) -> None:
        self.closed += 1


async def test_what_was_never_used_need_not_be_closed() -> None:
    transport = Closing(answer(200, GOOD))
    under = exchange(transport)
    await under.aclose()
    assert transport.closed == 0
    await under.send(READ)
    await under.aclose()
    assert transport.closed == 1


async def test_one_transport_serves_all_requests() -> None:
    under = exchange(Scripted(answer(200, GOOD), answer(200, GOOD)))
    await under.send(READ)
    first = under._transport
    await under.send(READ)
    assert under._transport is first is not None


async def opened(*answers: Answer) -> tuple[httpx.Response | Outcome, int]:
    script = Scripted(*answers)
    async with exchange(script).stream(READ) as found:
        if isinstance(found, Streamed):
            return found.response, len(script.requests)
        return found, len(script.requests)


async def test_a_body_is_streamed_only_of_a_success() -> None:
    body = Body(b"ab")
    found, attempts = await opened(page(200), refusal(503), httpx.Response(200, stream=body))
    assert isinstance(found, httpx.Response)
    assert (attempts, body.given, body.closed) == (3, 0, True)

    refused, attempts = await opened(refusal(404, x_rutter_request_id="r"))
    assert isinstance(refused, Response)
    assert (refused.status, refused.request_id, attempts) == (404, "r", 1)
    assert b"SOME_CODE" in refused.body

    away, attempts = await opened(*[httpx.ConnectError("x")] * 4)
    assert (away, attempts) == (NoAnswer("not_reachable", sent=False), 4)
    web, attempts = await opened(*[page(200)] * 4)
    assert isinstance(web, Response)
    assert (web.is_html, web.body, attempts) == (True, b"<html>", 4)
    file = httpx.Response(200, text="<html>", headers={"content-type": "text/html", "x-rutter-request-id": "r"})
    assert await opened(file) == (file, 1)


async def test_what_is_streamed_waits_for_its_turn_like_all() -> None:
    time = FakeTime()
    under = exchange(Scripted(refusal(404), refusal(404)), time, requests_max=1, window_seconds=10.0)
    for waited in ([], [10.0]):
        async with under.stream(READ) as found:
            assert isinstance(found, Response)
        assert time.slept == waited


@pytest.mark.parametrize("cached", [False, True])
async def test_the_date_of_an_answer_from_a_cache_tells_no_time(cached: bool) -> None:
    headers = {"date": "Mon, 02 Mar 2026 09:30:00 GMT"} | ({"age": "9"} if cached else {})
    under = exchange(Scripted(httpx.Response(200, headers=headers, content=b"{}")))
    await under.send(READ)

    assert (under.time.difference(START) is None) is cached


@pytest.mark.parametrize("hands_over", [False, True])
async def test_a_token_is_left_in_an_answer_that_hands_it_over(hands_over: bool) -> None:
    under = exchange(Scripted(answer(200, {"access_token": TOKEN})))
    under.secrets.learn(TOKEN)
    outcome = await under.send(replace(READ, hands_over=hands_over))

    assert isinstance(outcome, Response)
    assert (TOKEN.encode() in outcome.body) is hands_over


async def test_secrets_are_taken_out_of_what_is_answered() -> None:
    text = f"it is {CLIENT_SECRET}"
    outcome, _, _ = await sent("read", httpx.Response(400, content=text.encode()))
    assert isinstance(outcome, Response)
    assert CLIENT_SECRET.encode() not in outcome.body
