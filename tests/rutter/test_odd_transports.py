"""A transport may raise anything, fail to close, or send more than it said: each ends as an outcome of the client."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator

import anyio
import httpx
import pytest

from rutter_ap_server.rutter import Done, Limits, Unknown, bodies, errors
from support.scripted_upstream import TOKEN, Scripted, answer, bill, client_for, page, refusal
from support.scripted_writes import NEW_BILL

RAISED = [
    RuntimeError("x"),
    ValueError("x"),
    KeyError("x"),
    EOFError(),
    MemoryError(),
    UnicodeError(),
    ExceptionGroup("x", [OSError()]),
]
WRITTEN = json.dumps({"bill": bill()}).encode()
PACKED = {"content-encoding": "gzip"}


class Body(httpx.AsyncByteStream):
    """Its parts, then what it raises; `closing` is what its end does."""

    def __init__(self, *parts: bytes, raised: Exception | None = None, closing: Exception | str = "") -> None:
        self.parts, self.raised, self.closing = parts, raised, closing

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            yield part
        if self.raised is not None:
            raise self.raised

    async def aclose(self) -> None:
        if self.closing == "never":
            await anyio.sleep_forever()
        if isinstance(self.closing, Exception):
            raise self.closing


async def write(*answers: httpx.Response | Exception, limits: Limits | None = None) -> object:
    async with client_for(Scripted(*answers), limits=limits) as client:
        return await client.connection(TOKEN).bills.create(NEW_BILL, idempotency_key="k")


@pytest.mark.parametrize("raised", RAISED, ids=lambda each: type(each).__name__)
async def test_whatever_is_raised_on_the_way_is_an_outcome(raised: Exception) -> None:
    assert await write(raised) == Unknown(None, "cut_off")
    assert await write(httpx.Response(200, stream=Body(b"{", raised=raised))) == Unknown(None, "cut_off")
    async with client_for(Scripted(*[raised] * 9)) as client:
        books = client.connection(TOKEN)
        with pytest.raises(errors.UpstreamUnavailable) as failure:
            await books.bills.list()
        assert failure.value.__context__ is None
        with pytest.raises(errors.WriteOutcomeUnknown):
            await books.rotate_token()
        with pytest.raises(errors.UpstreamUnavailable):
            async with books.attachments.download("b-1", "a-1") as file:
                await file.read()


@pytest.mark.parametrize("closing", [RuntimeError("x"), httpx.ReadError("x"), "never"], ids=str)
async def test_a_connection_that_does_not_close_holds_nothing_up(
    closing: Exception | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "CLOSE_SECONDS_MAX", 0.05)
    limits = Limits(attempt_seconds=0.2, attempts_max=1, concurrency=1, body_bytes_max=1000)
    answers = [httpx.Response(200, stream=Body(bytes(2000), closing=closing)) for _ in range(3)]
    with anyio.fail_after(5):
        async with client_for(Scripted(*answers, answer(200, {"bill": bill()})), limits=limits) as client:
            for _ in answers:
                with pytest.raises(errors.UpstreamNonsense):
                    await client.connection(TOKEN).bills.get("b-1")
            assert (await client.connection(TOKEN).bills.get("b-1")).id == "b-1"


@pytest.mark.parametrize("tail", [b"x", gzip.compress(b"{}"), bytes(100)], ids=["text", "packed", "zeros"])
@pytest.mark.parametrize("in_one_part", [True, False])
async def test_nothing_may_follow_the_end_of_a_packed_body(tail: bytes, in_one_part: bool) -> None:
    whole = gzip.compress(WRITTEN)
    parts = [whole + tail] if in_one_part else [whole, tail]
    answered = httpx.Response(200, headers=PACKED, stream=Body(*parts))
    assert await write(answered) == Unknown(None, "unreadable_answer")
    assert isinstance(await write(httpx.Response(200, headers=PACKED, stream=Body(whole))), Done)


async def test_what_comes_in_is_bounded_even_if_nothing_comes_out() -> None:
    # A name in the header of gzip, which never ends.
    head = b"\x1f\x8b\x08\x08" + bytes(6)
    given = 0

    class Endless(Body):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal given
            yield head
            while True:
                given += 1
                yield b"n" * 65536

    answered = httpx.Response(200, headers=PACKED, stream=Endless())
    tracemalloc.start()
    try:
        outcome = await write(answered, limits=Limits(body_bytes_max=2**20))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert outcome == Unknown(None, "unreadable_answer")
    assert given < 20
    assert peak < 2 * 2**20


@pytest.mark.parametrize(
    "item",
    [b"null", b"5", b"[]", b'{"id":"b-1","seen":1e99999999999999999999}', b'{"id":"b-1","seen":%s}' % (b"9" * 9999)],
    ids=lambda each: each[:20].decode(),
)
async def test_a_record_of_any_shape_can_be_looked_at(item: bytes) -> None:
    raw = json.dumps(page(["X"])).encode().replace(b'"X"', item)
    async with client_for(Scripted(httpx.Response(200, content=raw))) as client:
        [found] = (await client.connection(TOKEN).bills.list()).items
    assert (found.platform_data, bool(found.trouble)) == (None, True)
    assert found.extra in ({}, {"seen": "1e99999999999999999999"})


async def test_what_a_connection_is_made_with_is_quoted_to_nobody() -> None:
    said = refusal(400, message="bad refresh token refresh-1234567 for store Main Street")
    async with client_for(Scripted(said)) as client:
        with pytest.raises(errors.BadRequest) as failure:
            await client.connections.create("XERO", oauth_refresh_token="refresh-1234567", store_name="Main Street")
    detail = failure.value.untrusted_detail or ""
    assert "refresh-1234567" not in detail
    assert "Main Street" in detail
