"""What does not wait for each other is done at once: whoever asked waits for the slowest, not for the sum."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import anyio

A = TypeVar("A")
B = TypeVar("B")


async def both(first: Callable[[], Awaitable[A]], second: Callable[[], Awaitable[B]]) -> tuple[A, B]:
    """Both results. An error of one ends the other, and is raised as it is."""
    firsts: list[A] = []
    seconds: list[B] = []
    errors: list[Exception] = []

    async def into(results: list[Any], work: Callable[[], Awaitable[object]]) -> None:
        try:
            results.append(await work())
        except Exception as error:  # noqa: BLE001 - raised below, where no group wraps it
            errors.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(into, firsts, first)
        group.start_soon(into, seconds, second)
    if errors:
        raise errors[0]
    return firsts[0], seconds[0]


async def side_by_side(*reads: Callable[[], Awaitable[object]]) -> None:
    """Reads what will be needed together, into a reading. What one of them raises is raised to whoever needs it."""

    async def ahead(read: Callable[[], Awaitable[object]]) -> None:
        # Not even a bug here may hide what the ledger says to whoever asks for it.
        with suppress(Exception):
            await read()

    async with anyio.create_task_group() as tasks:
        for read in reads:
            tasks.start_soon(ahead, read)
