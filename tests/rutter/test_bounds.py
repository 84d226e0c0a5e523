"""Whatever an upstream does, a call ends: in time, in memory, and with its slots given back. Each is measured."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from rutter_ap_server.rutter import CompanyClient, Credentials, Done, Limits, RutterClient, errors
from support.scripted_upstream import CLIENT_ID, CLIENT_SECRET, TOKEN, answer, bill, page, refusal
from support.scripted_writes import NEW_PAYMENT

MEGABYTE = 2**20
BRIEF = Limits(
    attempt_seconds=0.2,
    attempts_max=2,
    backoff_first_seconds=0.01,
    call_seconds=0.5,
    download_seconds=0.3,
    body_bytes_max=MEGABYTE,
    attachment_bytes_max=MEGABYTE,
)
Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]
PAID = {"bill_payment": {"id": "p-1", "currency_code": "USD", "linked_bills": []}}


def client_of(handler: Handler, limits: Limits = BRIEF) -> RutterClient:
    """A client of an upstream of one function, in real time."""

    class Upstream(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return await handler(request)

    return RutterClient(
        Credentials(CLIENT_ID, CLIENT_SECRET),
        base_url="https://rutter.test/versioned",
        transport=Upstream(),
        limits=limits,
    )


class Stream(httpx.AsyncByteStream):
    """A body whose parts never end."""

    def __init__(self, part: bytes, pause_seconds: float = 0.0) -> None:
        self.part, self.pause_seconds, self.closed = part, pause_seconds, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await anyio.sleep(self.pause_seconds)
            yield self.part

    async def aclose(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.closed = True


def bomb(megabytes: int) -> bytes:
    """That many zeros, packed to about a thousandth."""
    return gzip.compress(bytes(megabytes * MEGABYTE))


async def read_list(books: CompanyClient) -> object:
    return await books.bills.list()


async def read_file(books: CompanyClient) -> object:
    async with books.attachments.download("b-1", "a-1") as file:
        return await file.read()


READS = [read_list, read_file]
PACKED = {"content-encoding": "gzip"}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("headers", [{}, PACKED])
async def test_a_body_that_drips_for_ever_is_given_up_in_time(
    read: Callable[[CompanyClient], Awaitable[object]], headers: dict[str, str]
) -> None:
    streams: list[Stream] = []

    async def drip(_: httpx.Request) -> httpx.Response:
        # An unpacked body that never gets anywhere: the first bytes of a gzip header, over and over, are none.
        streams.append(Stream(b"", 0.005) if headers else Stream(b" ", 0.005))
        return httpx.Response(200, headers=headers, stream=streams[-1])

    started = anyio.current_time()
    async with client_of(drip) as client:
        with pytest.raises(errors.UpstreamUnavailable):
            await read(client.connection(TOKEN))
    assert anyio.current_time() - started < 1.5
    assert all(stream.closed for stream in streams)


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("kind", ["endless", "bomb"])
async def test_a_body_without_measure_is_cut_at_its_bound(
    read: Callable[[CompanyClient], Awaitable[object]], kind: str
) -> None:
    packed = bomb(200)

    async def flood(_: httpx.Request) -> httpx.Response:
        if kind == "endless":
            return httpx.Response(200, stream=Stream(bytes(65536)))
        return httpx.Response(200, headers=PACKED, stream=Stream(packed))

    async with client_of(flood) as client:
        books = client.connection(TOKEN)
        tracemalloc.start()
        try:
            with pytest.raises(errors.UpstreamNonsense) as failure:
                await read(books)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert failure.value.error_code == "upstream_too_large"
    assert peak < 5 * MEGABYTE


async def test_a_bomb_inside_a_write_leaves_it_unknown() -> None:
    async def flood(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=PACKED, stream=Stream(bomb(50)))

    async with client_of(flood) as client:
        outcome = await client.connection(TOKEN).bill_payments.create(NEW_PAYMENT, idempotency_key="k")
    assert repr(outcome) == "Unknown(job_id=None, reason='unreadable_answer')"


async def test_packed_bodies_are_read_whole_in_any_parts() -> None:
    packed = gzip.compress(json.dumps(page([bill()])).encode())

    class Bytewise(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for at in range(len(packed)):
                yield packed[at : at + 1]

    async def reply(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=PACKED, stream=Bytewise())

    async with client_of(reply) as client:
        assert [each.id for each in (await client.connection(TOKEN).bills.list()).items] == ["b-1"]


async def test_slow_files_never_keep_a_payment_from_being_sent() -> None:
    files: list[Stream] = []

    async def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/file"):
            files.append(Stream(b"x", 0.01))
            return httpx.Response(200, stream=files[-1])
        return answer(200, PAID)

    limits = replace(BRIEF, download_seconds=60.0, call_seconds=60.0)
    async with client_of(reply, limits) as client, anyio.create_task_group() as tasks:
        books = client.connection(TOKEN)
        for _ in range(8):
            tasks.start_soon(read_file, books)
        await anyio.wait_all_tasks_blocked()
        assert isinstance(await books.bill_payments.create(NEW_PAYMENT, idempotency_key="k"), Done)
        # Two at a time; the others still wait for their turn.
        assert [file.closed for file in files] == [False, False]
        tasks.cancel_scope.cancel()
    assert all(file.closed for file in files)


async def test_a_file_whose_turn_does_not_come_says_so() -> None:
    async def reply(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Stream(b"x", 0.01))

    limits = replace(BRIEF, download_seconds=60.0, call_seconds=0.1)
    async with client_of(reply, limits) as client, anyio.create_task_group() as tasks:
        books = client.connection(TOKEN)
        for _ in range(limits.downloads):
            tasks.start_soon(read_file, books)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(errors.UpstreamUnavailable, match="waiting"):
            await read_file(books)
        tasks.cancel_scope.cancel()


async def test_a_file_held_open_beyond_its_time_gives_its_slot_back() -> None:
    files: list[Stream] = []

    async def reply(_: httpx.Request) -> httpx.Response:
        files.append(Stream(b"x", 0.01))
        return httpx.Response(200, stream=files[-1])

    async def hold(books: CompanyClient) -> None:
        async with books.attachments.download("b-1", "a-1") as file:
            await anyio.sleep(0.6)
            with pytest.raises(errors.UpstreamUnavailable):
                await file.read()

    limits = replace(BRIEF, download_seconds=0.1, call_seconds=5.0)
    async with client_of(reply, limits) as client:
        books = client.connection(TOKEN)
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(hold, books)
            await anyio.wait_all_tasks_blocked()
            started = anyio.current_time()
            for _ in range(3):
                async with books.attachments.download("b-1", "a-1"):
                    assert [file.closed for file in files[:2]].count(True) >= 1
            assert anyio.current_time() - started < 0.5
        # Both holders came back, and neither slot was given back twice.
        assert client._exchange._streams.value == limits.downloads


async def test_a_fence_that_never_answers_holds_no_slot() -> None:
    async def reply(_: httpx.Request) -> httpx.Response:
        return answer(200, {"bill": bill()})

    async with client_of(reply, replace(BRIEF, concurrency=1)) as client:
        books = client.connection(TOKEN)
        with anyio.fail_after(5), pytest.raises(errors.NothingSent):
            await books.fenced(never).bill_payments.create(NEW_PAYMENT, idempotency_key="k")
        assert (await books.bills.get("b-1")).id == "b-1"


async def never() -> bool:
    await anyio.sleep_forever()
    raise AssertionError


async def test_a_payment_that_finds_every_slot_taken_never_leaves() -> None:
    asked: list[str] = []

    async def hang(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        await anyio.sleep_forever()
        raise AssertionError

    limits = Limits(attempt_seconds=5.0, call_seconds=0.2, concurrency=2)
    async with client_of(hang, limits) as client:
        books = client.connection(TOKEN)
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(books.bills.list)
            await anyio.wait_all_tasks_blocked()
            started = anyio.current_time()
            with pytest.raises(errors.NothingSent, match="waiting"):
                await books.bill_payments.create(NEW_PAYMENT, idempotency_key="k")
            assert anyio.current_time() - started < 1
            with pytest.raises(errors.UpstreamUnavailable, match="waiting"):
                await books.bills.get("b-1")
            tasks.cancel_scope.cancel()
    assert asked == ["GET", "GET"]


async def test_slots_come_back_from_every_end() -> None:
    ends = iter(range(10**6))

    async def reply(request: httpx.Request) -> httpx.Response:
        number = next(ends)
        if request.url.path.endswith("/good"):
            return answer(200, {"bill": bill("good")})
        if number % 4 == 0:
            raise httpx.ReadError("x")
        if number % 4 == 1:
            await anyio.sleep_forever()
        if number % 4 == 2:
            return httpx.Response(200, stream=Stream(bytes(65536)))
        return refusal(400)

    limits = Limits(attempt_seconds=0.02, attempts_max=1, body_bytes_max=MEGABYTE, concurrency=2, call_seconds=5.0)
    async with client_of(reply, limits) as client:
        books = client.connection(TOKEN)
        for _ in range(12):
            with pytest.raises(errors.RutterError):
                await books.bills.get("bad")
            with anyio.move_on_after(0.001), suppress(errors.RutterError):
                await books.bills.get("cancelled")
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(books.bills.get, "good")


async def test_a_storm_of_refusals_is_waited_out_by_all_together() -> None:
    opened_at, asked = time.monotonic() + 1.0, 0

    async def reply(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return answer(200, {"bill": bill()}) if time.monotonic() >= opened_at else refusal(429, retry_after="1")

    async with client_of(reply, Limits()) as client, anyio.create_task_group() as tasks:
        for _ in range(40):
            tasks.start_soon(client.connection(TOKEN).bills.get, "b-1")
    # Only those in the air when the first refusal came are sent twice.
    assert asked <= 40 + Limits().concurrency


async def test_a_refusal_for_too_many_pauses_a_payment_too() -> None:
    asked: list[tuple[str, float]] = []

    async def reply(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, time.monotonic()))
        return refusal(429, retry_after="1") if len(asked) == 1 else answer(200, PAID | {"bill": bill()})

    async with client_of(reply, Limits()) as client, anyio.create_task_group() as tasks:
        books = client.connection(TOKEN)
        tasks.start_soon(books.bills.get, "b-1")
        await anyio.wait_all_tasks_blocked()
        assert isinstance(await books.bill_payments.create(NEW_PAYMENT, idempotency_key="k"), Done)
    assert min(at for method, at in asked if method == "POST") - asked[0][1] >= 0.99


async def test_the_rate_is_that_of_requests_and_not_of_those_who_wait() -> None:
    arrived: list[float] = []

    async def reply(_: httpx.Request) -> httpx.Response:
        arrived.append(time.monotonic())
        # The first ones hold their slots for longer than the window.
        await anyio.sleep(0.4 if len(arrived) <= 4 else 0.0)
        return answer(200, {"bill": bill()})

    limits = Limits(requests_max=20, window_seconds=0.3)
    async with client_of(reply, limits) as client, anyio.create_task_group() as tasks:
        for _ in range(60):
            tasks.start_soon(client.connection(TOKEN).bills.get, "b-1")
    assert len(arrived) == 60
    # Less than the window, because between its turn and its arrival a request takes a moment.
    assert all(later - earlier > 0.2 for earlier, later in zip(arrived, arrived[20:], strict=False))


@pytest.mark.parametrize("platform", ["QUICKBOOKS", "SAGE_INTACCT"])
async def test_a_walk_holds_no_more_of_a_long_list_than_of_a_short_one(platform: str) -> None:
    def pages(count: int) -> Handler:
        async def reply(request: httpx.Request) -> httpx.Response:
            if "last_synced_at_min" in request.url.params:
                return answer(200, page([], platform=platform))
            at = int(request.url.params.get("cursor", 0))
            synced = {"last_synced_at": "2026-02-01T00:00:00Z" if at == 0 else "2026-01-01T00:00:00Z"}
            rows = [bill(f"b-{at}-{row}", memo="x" * 500, **synced) for row in range(500)]
            return answer(200, page(rows, str(at + 1) if at + 1 < count else None, platform=platform))

        return reply

    async def peak_of(count: int) -> int:
        async with client_of(pages(count), Limits()) as client:
            tracemalloc.start()
            try:
                seen = 0
                async for _ in client.connection(TOKEN).bills.walk():
                    seen += 1
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
                assert seen == count * 500

    await peak_of(2)
    assert await peak_of(24) < 1.3 * await peak_of(4)


@pytest.mark.parametrize("platform", ["QUICKBOOKS", "SAGE_INTACCT"])
async def test_a_walk_without_end_is_given_up_in_time(platform: str) -> None:
    pages = 0

    async def reply(_: httpx.Request) -> httpx.Response:
        nonlocal pages
        pages += 1
        await anyio.sleep(0.02)
        return answer(200, page([bill(f"b-{pages}")], str(pages), platform=platform))

    async def walk(books: CompanyClient) -> None:
        async for _ in books.bills.walk():
            # What the caller does with a bill is the caller's own time.
            await anyio.sleep(0.05)

    started = anyio.current_time()
    async with client_of(reply, Limits(walk_seconds=0.2)) as client:
        with pytest.raises(errors.WalkTooLong):
            await walk(client.connection(TOKEN))
    assert 3 <= pages <= 12
    assert anyio.current_time() - started < 5


NOT_A_LIST: list[Any] = [None, {}, "", 0, False]


@pytest.mark.parametrize("said", NOT_A_LIST)
async def test_what_is_no_list_never_means_none(said: Any) -> None:
    async def reply(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rsplit("/", 1)[1]
        return answer(200, {name: said, "next_cursor": None})

    async with client_of(reply) as client:
        books = client.connection(TOKEN)
        asks: list[Callable[[], Awaitable[object]]] = [
            books.bills.list,
            books.bill_payments.list,
            books.bill_credit_memos.list,
            books.events,
            lambda: books.attachments.list("b-1"),
            client.connections.list,
        ]
        for ask in asks:
            with pytest.raises(errors.UpstreamNonsense):
                await ask()
        with pytest.raises(errors.UpstreamNonsense):
            [each async for each in books.bills.walk()]
