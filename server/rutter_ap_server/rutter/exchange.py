"""One request and its response, bounded in time and size, and retried where that is safe.

An exchange ends in a `Response` or in `NoAnswer`, and the layer above says what that means. Nothing here raises for
what the network or Rutter does, but for one exception that carries nothing: `NothingSent`, for a change of which no
attempt left this machine. So no exception that carries a request, a URL or a body ever leaves this module.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import anyio
import httpx
from tenacity import AsyncRetrying, RetryCallState, stop_after_attempt

from rutter_ap_server.rutter.addresses import (
    checked_base,
    checked_credentials,
    checked_proxy,
    proxy_from_environment,
    trusted_certificates,
)
from rutter_ap_server.rutter.bodies import close_quietly, whole_body
from rutter_ap_server.rutter.credentials import Credentials
from rutter_ap_server.rutter.error_map import is_refusal
from rutter_ap_server.rutter.errors import Misconfigured, NothingSent
from rutter_ap_server.rutter.known_secrets import KnownSecrets
from rutter_ap_server.rutter.limiter import Clock, RateLimiter, Sleep
from rutter_ap_server.rutter.request import API_VERSION, Call, Limits, NoAnswer, Outcome, Response, read_response
from rutter_ap_server.rutter.their_time import TheirTime
from rutter_ap_server.rutter.transport import TOKEN_EXTENSION, TokenTransport, network_transport, quiet_network_log
from rutter_ap_server.rutter.wire import is_json

_FENCED: Final = "fenced"
STATUSES_RETRIED: Final = frozenset({408, 429, 452, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, eq=False)
class Streamed:
    """An open response whose body is still to come, all of it before `deadline` (by `anyio.current_time`)."""

    response: httpx.Response
    deadline: float


class Exchange:
    """A process's connection to Rutter: one transport, one rate limiter, a few requests at a time."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        base_url: str,
        transport: httpx.AsyncBaseTransport | None,
        limits: Limits,
        sleep: Sleep,
        clock: Clock = time.monotonic,
        proxy: str | None = None,
        ca_file: str | Path | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._credentials = checked_credentials(credentials)
        if not isinstance(limits, Limits):
            raise Misconfigured("The client's limits must be Limits.")
        self._base = checked_base(base_url, in_process=transport is not None)
        self._given = transport
        self._proxy = checked_proxy(proxy, self._base) if proxy else None
        self._ca_file = ca_file
        self._transport: TokenTransport | None = None
        self._slots = anyio.Semaphore(limits.concurrency)
        self._streams = anyio.Semaphore(limits.downloads)
        self._open_streams: list[Streamed] = []
        self._limiter = RateLimiter(limits.requests_max, limits.window_seconds, clock=clock, sleep=sleep)
        self._jitter = jitter
        self.secrets = KnownSecrets(credentials.authorization().removeprefix("Basic "), credentials.client_secret)
        self.time = TheirTime()
        self.limits = limits
        self.sleep = sleep
        self.clock = clock
        quiet_network_log()

    async def aclose(self) -> None:
        if self._transport is not None:
            await close_quietly(self._transport)

    async def send(self, call: Call) -> Outcome:
        """Sends a read, retried after anything temporary, a body that is no JSON included."""
        outcome, _ = await self._repeat(
            partial(self.send_once, call), self.limits.attempts_max, lambda got: _may_be_read(got) or _is_cut(got)
        )
        return outcome

    async def send_delete(self, call: Call) -> tuple[Outcome, bool]:
        """A DELETE, repeated after anything temporary; and whether any attempt may have been done.

        Raises `NothingSent`.
        """
        return _left(*await self._repeat(partial(self.send_once, call), self.limits.attempts_max, _may_pass))

    async def send_write(self, call: Call, *, in_doubt: bool = False) -> tuple[Outcome, bool]:
        """A POST or PATCH, repeated only under its own key; and whether any attempt may have been done.

        `in_doubt`: it was sent before, under this key, and its outcome was lost. Raises `NothingSent` when neither that
        nor any attempt of now can have left.
        """

        def again(outcome: Outcome) -> bool:
            if isinstance(outcome, NoAnswer):
                return not outcome.sent and outcome.reason != _FENCED
            # With a job id, Rutter has accepted it: the same key would only replay that job's result.
            if outcome.job_id is not None or call.idempotency_key is None:
                return False
            return outcome.status in {429, 452} or _is_server_error(outcome)

        outcome, doubt = await self._repeat(partial(self.send_once, call), self.limits.write_attempts_max, again)
        return _left(outcome, doubt or in_doubt)

    async def send_once(self, call: Call, begin_by: float) -> Outcome:
        """Makes exactly one attempt, unless its turn does not come until `begin_by` (by `clock`)."""
        # Waiting for a turn is outside the attempt's time: what never left must not count as what may have.
        async with self._turn(self._slots, begin_by) as is_ours:
            if not is_ours or not await self._within_the_rate(begin_by):
                return NoAnswer("busy", sent=False)
            # The last thing before it leaves, since it may have waited here for long.
            if not await self._may_leave(call):
                return NoAnswer(_FENCED, sent=False)
            with anyio.move_on_after(self.limits.attempt_seconds):
                return await self._exchange(call)
            return NoAnswer("timeout", sent=True)

    async def _may_leave(self, call: Call) -> bool:
        if call.fence is None:
            return True
        # It holds a slot meanwhile, so it may take no longer than what it is asked for.
        with anyio.move_on_after(self.limits.attempt_seconds):
            return await call.fence()
        return False

    @asynccontextmanager
    async def _turn(self, slots: anyio.Semaphore, begin_by: float) -> AsyncIterator[bool]:
        """One of the slots for as long as the context lasts; False when none came free in time."""
        if not await self._in_time(slots.acquire, begin_by):
            yield False
            return
        try:
            yield True
        finally:
            slots.release()

    async def _within_the_rate(self, begin_by: float) -> bool:
        # Asked just before a request leaves: the limit counts what is sent, and not what waits to be.
        return await self._in_time(self._limiter.acquire, begin_by)

    async def _in_time(self, acquire: Callable[[], Awaitable[None]], begin_by: float) -> bool:
        with anyio.move_on_after(max(0.0, begin_by - self.clock())):
            await acquire()
            return True
        return False

    async def _exchange(self, call: Call) -> Outcome:
        response = await self._open(call)
        return response if isinstance(response, NoAnswer) else await self._read(response, call)

    async def _read(self, response: httpx.Response, call: Call) -> Outcome:
        body = await whole_body(response, self.limits.body_bytes_max)
        if isinstance(body, NoAnswer):
            return body
        return read_response(response, body, self.secrets, hands_over=call.hands_over)

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[Streamed | Outcome]:
        """A read whose body is streamed: open while the context is, or what came instead.

        Streams have slots of their own, so that slow files never keep a payment from being sent; all of one, from its
        first byte to its last, takes at most `download_seconds`.
        """
        if not await self._in_time(self._take_stream, self.clock() + self.limits.call_seconds):
            yield NoAnswer("busy", sent=False)
            return
        deadline = anyio.current_time() + self.limits.download_seconds
        opened: httpx.Response | Outcome = NoAnswer("timeout", sent=True)
        streamed: Streamed | None = None
        try:
            with anyio.CancelScope(deadline=deadline):
                opened = await self._opened(call)
            if isinstance(opened, httpx.Response):
                streamed = Streamed(opened, deadline)
                self._open_streams.append(streamed)
                yield streamed
            else:
                yield opened
        finally:
            if streamed is None:
                self._streams.release()
            else:
                await self._end(streamed)

    async def _take_stream(self) -> None:
        """One of the slots for files, or that of one whose time is over, though its caller holds it open."""
        while True:
            now = anyio.current_time()
            for late in [each for each in self._open_streams if each.deadline <= now]:
                await self._end(late)
            # One that is still being opened may be held as long.
            deadlines = [each.deadline for each in self._open_streams] or [now + self.limits.download_seconds]
            with anyio.CancelScope(deadline=min(deadlines)):
                await self._streams.acquire()
                return

    async def _end(self, streamed: Streamed) -> None:
        """Closes it and gives its slot back, once."""
        if streamed in self._open_streams:
            self._open_streams.remove(streamed)
            try:
                await close_quietly(streamed.response)
            finally:
                self._streams.release()

    async def _opened(self, call: Call) -> httpx.Response | Outcome:
        opened: httpx.Response | None = None

        async def attempt(begin_by: float) -> Outcome:
            nonlocal opened
            if not await self._within_the_rate(begin_by):
                return NoAnswer("busy", sent=False)
            with anyio.move_on_after(self.limits.attempt_seconds):
                response = await self._open(call)
                if isinstance(response, NoAnswer):
                    return response
                head = read_response(response, b"", self.secrets)
                # A web page is a file like any other when Rutter itself sent it, and a gateway's answer otherwise.
                if head.is_success and (head.request_id is not None or not head.is_html):
                    opened = response
                    return replace(head, is_html=False)
                return await self._read(response, call)
            return NoAnswer("timeout", sent=True)

        outcome, _ = await self._repeat(attempt, self.limits.attempts_max, _may_be_read)
        return outcome if opened is None else opened

    async def _repeat(
        self, attempt: Callable[[float], Awaitable[Outcome]], attempts_max: int, again: Callable[[Outcome], bool]
    ) -> tuple[Outcome, bool]:
        doubt = False
        begin_by = self.clock() + self.limits.call_seconds

        def should_repeat(state: RetryCallState) -> bool:
            nonlocal doubt
            outcome = _result(state)
            if _in_doubt(outcome):
                doubt = True
            if isinstance(outcome, Response) and outcome.status == 429:
                self._pause_all(outcome.retry_after_seconds)
            return again(outcome)

        def must_stop(state: RetryCallState) -> bool:
            too_late = self.clock() + state.upcoming_sleep >= begin_by
            return too_late or stop_after_attempt(attempts_max)(state) or self._asks_for_too_long(state)

        retrying = AsyncRetrying(
            sleep=self.sleep,
            stop=must_stop,
            wait=self._wait_seconds,
            retry=should_repeat,
            retry_error_callback=_result,
        )

        async def once() -> Outcome:
            return await attempt(begin_by)

        result: Outcome = await retrying(once)
        return result, doubt

    def _pause_all(self, asked_seconds: float | None) -> None:
        """After a 429: the limit is the organisation's, so whatever else is sent now would be refused too."""
        # Never longer than the least that the refused call itself waits.
        pause_seconds = self.limits.backoff_first_seconds / 2 if asked_seconds is None else asked_seconds
        self._limiter.pause(min(pause_seconds, self.limits.retry_after_max_seconds))

    def _asks_for_too_long(self, state: RetryCallState) -> bool:
        outcome = _result(state)
        asked = outcome.retry_after_seconds if isinstance(outcome, Response) else None
        return asked is not None and asked > self.limits.retry_after_max_seconds

    def _wait_seconds(self, state: RetryCallState) -> float:
        grown: float = self.limits.backoff_first_seconds * 2.0 ** (state.attempt_number - 1)
        # Half of the wait is random, so that replicas that failed together do not retry together.
        wait_seconds = min(grown, self.limits.backoff_max_seconds) * (0.5 + 0.5 * self._jitter())
        outcome = _result(state)
        asked = outcome.retry_after_seconds if isinstance(outcome, Response) else None
        return wait_seconds if asked is None else max(wait_seconds, asked)

    def _request(self, call: Call) -> httpx.Request:
        limits = self.limits
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": "rutter-ap",
            "X-Rutter-Version": API_VERSION,
        }
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        if call.idempotency_key is not None:
            headers["Idempotency-Key"] = call.idempotency_key
        query = "?" + urlencode(call.query, quote_via=quote) if call.query else ""
        extensions: dict[str, Any] = {
            "timeout": {
                "connect": limits.connect_seconds,
                "read": limits.read_seconds,
                "write": limits.write_seconds,
                "pool": limits.pool_seconds,
            },
            TOKEN_EXTENSION: call.token,
        }
        url = httpx.URL(self._base + call.path + query)
        return httpx.Request(call.method, url, headers=headers, content=call.body, extensions=extensions)

    async def _open(self, call: Call) -> httpx.Response | NoAnswer:
        try:
            transport = self._connected()
        except Misconfigured as error:
            return NoAnswer("misconfigured", sent=False, error=error)
        asked_at = self.time.steady()
        try:
            response = await transport.handle_async_request(self._request(call))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol):
            return NoAnswer("not_reachable", sent=False)
        except httpx.ProxyError:
            # It did not open the tunnel through which the request would have left.
            return NoAnswer("proxy_refused", sent=False)
        except httpx.TimeoutException:
            return NoAnswer("timeout", sent=True)
        except Exception:  # noqa: BLE001 - a transport may raise anything, once a request may be under way
            return NoAnswer("cut_off", sent=True)
        # The date of an answer from a cache is not that of now.
        if "age" not in response.headers:
            self.time.note(response.headers.get("date"), asked_at)
        return response

    def _connected(self) -> TokenTransport:
        """The transport, made on first use: a TLS context takes tens of milliseconds. Raises `Misconfigured`."""
        if self._transport is None:
            inner = self._given
            if inner is None:
                connections_max = self.limits.concurrency + self.limits.downloads
                proxy = self._proxy or proxy_from_environment(self._base)
                inner = network_transport(
                    connections_max=connections_max,
                    proxy=proxy,
                    # Plain HTTP is this machine's own, and needs no certificates.
                    verify=self._base.startswith("https") and trusted_certificates(self._ca_file),
                )
            self._transport = TokenTransport(inner, self._credentials)
        return self._transport


def _result(state: RetryCallState) -> Outcome:
    assert state.outcome is not None
    result: Outcome = state.outcome.result()
    return result


def _left(outcome: Outcome, doubt: bool) -> tuple[Outcome, bool]:
    """Raises `NothingSent` where that is known; else what came of it."""
    if not isinstance(outcome, NoAnswer) or outcome.sent or doubt:
        return outcome, doubt
    words = {_FENCED: "It was not to be sent any more.", "busy": "Too many requests were waiting; it was not sent."}
    words["proxy_refused"] = "The proxy refused the way to Rutter."
    message = outcome.error.message if outcome.error else words.get(outcome.reason, "Rutter could not be reached.")
    raise NothingSent(message, next_step=outcome.error.next_step if outcome.error else None)


def _is_server_error(response: Response) -> bool:
    return response.status >= 500 and response.status != 501


def _in_doubt(outcome: Outcome) -> bool:
    if isinstance(outcome, NoAnswer):
        return outcome.sent
    return not outcome.is_success and not is_refusal(outcome.status)


def _may_pass(outcome: Outcome) -> bool:
    if isinstance(outcome, NoAnswer):
        return outcome.reason in {"not_reachable", "proxy_refused", "timeout", "cut_off"}
    return outcome.status in STATUSES_RETRIED


def _may_be_read(outcome: Outcome) -> bool:
    """`_may_pass`, or a gateway answered in Rutter's place, which says nothing of the books."""
    if isinstance(outcome, Response) and outcome.is_html and (outcome.is_success or _is_server_error(outcome)):
        return True
    return _may_pass(outcome)


def _is_cut(outcome: Outcome) -> bool:
    """Whether the body was cut or spoilt on its way."""
    return isinstance(outcome, Response) and outcome.is_success and not is_json(outcome.body)
