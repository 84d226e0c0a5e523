"""Rutter's limit of 500 requests in 10 seconds, enforced here so that it is never hit (Rutter docs: Rate Limits)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable

import anyio

Sleep = Callable[[float], Awaitable[None]]
Clock = Callable[[], float]


class RateLimiter:
    """Allows at most `requests_max` requests in any `window_seconds`; further ones wait, and all wait in a pause."""

    def __init__(self, requests_max: int, window_seconds: float, *, clock: Clock, sleep: Sleep) -> None:
        self._window_seconds = window_seconds
        self._requests_max = requests_max
        self._passed: deque[float] = deque()
        self._paused_until = -math.inf
        self._clock = clock
        self._sleep = sleep
        self._turn = anyio.Lock()

    def pause(self, seconds: float) -> None:
        """Nothing is sent for that long: Rutter has said that there were too many requests, whoever sent them."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    async def acquire(self) -> None:
        """Waits until one more request may be sent."""
        async with self._turn:
            while len(self._passed) >= self._requests_max:
                wait_seconds = self._passed[0] + self._window_seconds - self._clock()
                if wait_seconds <= 0:
                    self._passed.popleft()
                else:
                    await self._sleep(wait_seconds)
            await self._sit_out_the_pause()
            self._passed.append(self._clock())

    async def _sit_out_the_pause(self) -> None:
        # Each pause is slept through once, and another that began meanwhile after it.
        slept_until = -math.inf
        while self._paused_until > max(slept_until, self._clock()):
            slept_until = self._paused_until
            await self._sleep(slept_until - self._clock())
