"""Calls that take longer than a client waits: they are answered in time with what is known, and go on behind it.

Many clients give a call a minute. One that is cut off then learns nothing of a payment that is on its way, so the call
ends before that with the state of its proposal, and get_proposal or the same call again tells the rest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from rutter_ap_tools.errors import ApError, RetryError

T = TypeVar("T")
End = Callable[[], Awaitable[None]]
"""Ends the work of a call, as far as it may be ended, and waits for that."""
ANSWER_SECONDS_MAX = 45
logger = logging.getLogger("rutter_ap")


class LongCalls:
    """The calls of a process that are being worked on."""

    def __init__(self, seconds_max: float = ANSWER_SECONDS_MAX) -> None:
        self.seconds_max = seconds_max
        self._running: dict[asyncio.Task[object], anyio.CancelScope] = {}

    async def in_time(self, work: Callable[[], Awaitable[T]], late: Callable[[End], Awaitable[T]]) -> T:
        """The result of `work`, or of `late` once it takes too long; `late` is given the way to end it.

        Whoever cancels the call cancels its work, except for what must not be interrupted, and waits for that.
        """
        scope = anyio.CancelScope()
        results: list[T] = []

        async def run() -> None:
            with scope:
                results.append(await work())

        task = asyncio.create_task(run())
        self._running[task] = scope
        task.add_done_callback(self._done)
        try:
            await asyncio.wait({task}, timeout=self.seconds_max)
        except asyncio.CancelledError:
            await _end(task, scope)
            raise
        if not task.done():
            task.add_done_callback(_report)
            return await late(lambda: _end(task, scope))
        task.result()
        if not results:
            raise RetryError("the server is stopping", code="server.stopping")
        return results[0]

    async def aclose(self) -> None:
        """Ends what may be ended, and waits for the rest."""
        for task, scope in list(self._running.items()):
            await _end(task, scope)

    def _done(self, task: asyncio.Task[object]) -> None:
        del self._running[task]


async def _end(task: asyncio.Task[object], scope: anyio.CancelScope) -> None:
    scope.cancel()
    with anyio.CancelScope(shield=True):
        await asyncio.wait({task})


def _report(task: asyncio.Task[object]) -> None:
    """Nobody is left to be told; what our own errors say is in the proposal."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, ApError):
        logger.error("an unexpected %s after a call was answered", type(error).__name__)
