"""Rutter's limit of 500 requests in 10 seconds, enforced here so that it is never hit (Rutter docs: Rate Limits)."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import anyio

Sleep = Callable[[float], Awaitable[None]]
Clock = Callable[[], float]


class RateLimiter:
    """Allows at most `requests_max` calls in any `window_seconds`; further calls wait."""

    def __init__(self, requests_max: int, window_seconds: float, *, clock: Clock, sleep: Sleep) -> None:
        self._window_seconds = window_seconds
        self._requests_max = requests_max
        self._passed: deque[float] = deque()
        self._clock = clock
        self._sleep = sleep
        self._turn = anyio.Lock()

    async def acquire(self) -> None:
        """Waits until one more request may be sent."""
        async with self._turn:
            while len(self._passed) >= self._requests_max:
                wait_seconds = self._passed[0] + self._window_seconds - self._clock()
                if wait_seconds <= 0:
                    self._passed.popleft()
                else:
                    await self._sleep(wait_seconds)
            self._passed.append(self._clock())
