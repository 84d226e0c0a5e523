"""One request and its response, bounded in time and size, and retried where that is safe.

An exchange ends in a `Response` or in `NoAnswer`, and the layer above says what that means. Nothing here raises for
what the network or Rutter does, but for one exception that carries nothing: `NothingSent`, for a change of which no
attempt left this machine. So no exception that carries a request, a URL or a body ever leaves this module.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode

import anyio
import httpx
from tenacity import AsyncRetrying, RetryCallState, stop_after_attempt

from rutter_ap_server.rutter.credentials import Credentials
from rutter_ap_server.rutter.errors import NothingSent
from rutter_ap_server.rutter.known_secrets import KnownSecrets
from rutter_ap_server.rutter.limiter import Clock, RateLimiter, Sleep
from rutter_ap_server.rutter.request import API_VERSION, Call, Limits, NoAnswer, Outcome, Response, read_response
from rutter_ap_server.rutter.their_time import TheirTime
from rutter_ap_server.rutter.transport import TOKEN_EXTENSION, TokenTransport, network_transport, quiet_network_log
from rutter_ap_server.rutter.wire import is_json
from rutter_ap_tools.errors import OperatorError

_FENCED: Final = "fenced"
STATUSES_RETRIED: Final = frozenset({408, 429, 452, 500, 502, 503, 504})


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
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._credentials = credentials
        self._base = _checked_base(base_url)
        self._given = transport
        self._proxy = proxy
        self._transport: TokenTransport | None = None
        self._slots = anyio.Semaphore(limits.concurrency)
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
            await self._transport.aclose()

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

    async def send_once(self, call: Call) -> Outcome:
        """Makes exactly one attempt."""
        # The rate limit's wait is outside the deadline: a call that never left must not count as one that may have.
        await self._limiter.acquire()
        async with self._slots:
            # The last thing before it leaves, since it may have waited here for long.
            if call.fence is not None and not await call.fence():
                return NoAnswer(_FENCED, sent=False)
            try:
                with anyio.fail_after(self.limits.attempt_seconds):
                    return await self._exchange(call)
            except TimeoutError:
                return NoAnswer("timeout", sent=True)

    async def _exchange(self, call: Call) -> Outcome:
        response = await self._open(call)
        return response if isinstance(response, NoAnswer) else await self._read(response, call)

    async def _read(self, response: httpx.Response, call: Call) -> Outcome:
        try:
            body = await _bounded_body(response, self.limits.body_bytes_max)
        finally:
            await close_quietly(response)
        if isinstance(body, NoAnswer):
            return body
        return read_response(response, body, self.secrets, hands_over=call.hands_over)

    async def open(self, call: Call) -> httpx.Response | Outcome:
        """A read whose body is streamed: the open response when it is a success. The caller closes it."""
        outcome: httpx.Response | Outcome = NoAnswer("not_reachable", sent=False)

        async def attempt() -> Outcome:
            nonlocal outcome
            await self._limiter.acquire()
            async with self._slots:
                response = await self._open(call)
            if isinstance(response, NoAnswer):
                outcome = response
                return response
            parsed = read_response(response, b"", self.secrets)
            if parsed.is_success and not parsed.is_html:
                outcome = response
                return parsed
            outcome = await self._read(response, call)
            return outcome

        await self._repeat(attempt, self.limits.attempts_max, _may_be_read)
        return outcome

    async def _repeat(
        self, attempt: Callable[[], Awaitable[Outcome]], attempts_max: int, again: Callable[[Outcome], bool]
    ) -> tuple[Outcome, bool]:
        doubt = False

        def should_repeat(state: RetryCallState) -> bool:
            nonlocal doubt
            outcome = _result(state)
            if _in_doubt(outcome):
                doubt = True
            return again(outcome)

        retrying = AsyncRetrying(
            sleep=self.sleep,
            stop=lambda state: stop_after_attempt(attempts_max)(state) or self._asks_for_too_long(state),
            wait=self._wait_seconds,
            retry=should_repeat,
            retry_error_callback=_result,
        )
        result: Outcome = await retrying(attempt)
        return result, doubt

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
        if self._transport is None:
            # A TLS context takes tens of milliseconds, so it is not created at start-up.
            inner = self._given or network_transport(connections_max=self.limits.concurrency * 2, proxy=self._proxy)
            self._transport = TokenTransport(inner, self._credentials)
        asked_at = self.time.steady()
        try:
            response = await self._transport.handle_async_request(self._request(call))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol):
            return NoAnswer("not_reachable", sent=False)
        except httpx.TimeoutException:
            return NoAnswer("timeout", sent=True)
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError, anyio.BrokenResourceError):
            return NoAnswer("cut_off", sent=True)
        # The date of an answer from a cache is not that of now.
        if "age" not in response.headers:
            self.time.note(response.headers.get("date"), asked_at)
        return response


def _checked_base(base_url: str) -> str:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query or url.fragment:
        raise OperatorError("Rutter's base URL must be an http(s) address with a host and at most a path.")
    return base_url.rstrip("/")


async def close_quietly(response: httpx.Response) -> None:
    """Closes the response, even while the task is being cancelled."""
    with anyio.CancelScope(shield=True):
        await response.aclose()


def _result(state: RetryCallState) -> Outcome:
    assert state.outcome is not None
    result: Outcome = state.outcome.result()
    return result


def _left(outcome: Outcome, doubt: bool) -> tuple[Outcome, bool]:
    """Raises `NothingSent` where that is known; else what came of it."""
    if isinstance(outcome, NoAnswer) and not outcome.sent and not doubt:
        fenced = outcome.reason == _FENCED
        raise NothingSent("It was not to be sent any more." if fenced else "Rutter could not be reached.")
    return outcome, doubt


def _is_server_error(response: Response) -> bool:
    return response.status >= 500 and response.status != 501


def _in_doubt(outcome: Outcome) -> bool:
    return outcome.sent if isinstance(outcome, NoAnswer) else _is_server_error(outcome)


def _may_pass(outcome: Outcome) -> bool:
    if isinstance(outcome, NoAnswer):
        return outcome.reason in {"not_reachable", "timeout", "cut_off"}
    return outcome.status in STATUSES_RETRIED


def _may_be_read(outcome: Outcome) -> bool:
    """`_may_pass`, or a gateway answered in Rutter's place, which says nothing of the books."""
    if isinstance(outcome, Response) and outcome.is_html and (outcome.is_success or _is_server_error(outcome)):
        return True
    return _may_pass(outcome)


def _is_cut(outcome: Outcome) -> bool:
    """Whether the body was cut or spoilt on its way."""
    return isinstance(outcome, Response) and outcome.is_success and not is_json(outcome.body)


async def _bounded_body(response: httpx.Response, bytes_max: int) -> bytes | NoAnswer:
    chunks: list[bytes] = []
    async for chunk in bounded_chunks(response, bytes_max):
        if isinstance(chunk, NoAnswer):
            return chunk
        chunks.append(chunk)
    return b"".join(chunks)


async def bounded_chunks(response: httpx.Response, bytes_max: int) -> AsyncIterator[bytes | NoAnswer]:
    """The parts of a body. When it fails or grows too large, the last part is the `NoAnswer` that says so."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip"}:
        # Only gzip was offered; other encodings can turn a kilobyte into gigabytes in one step.
        yield NoAnswer("not_readable", sent=True)
        return
    size = 0
    try:
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > bytes_max:
                break
            yield chunk
        else:
            return
        failure = "too_large"
    except httpx.TimeoutException:
        failure = "timeout"
    except httpx.DecodingError:
        failure = "not_readable"
    except (httpx.HTTPError, httpx.StreamError, OSError, anyio.BrokenResourceError):
        failure = "cut_off"
    yield NoAnswer(failure, sent=True)
