"""Reads that do not depend on each other are sent at once: what a caller waits for is the slowest, not the sum."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

A = TypeVar("A")
B = TypeVar("B")


async def together(first: Callable[[], Awaitable[A]], second: Callable[[], Awaitable[B]]) -> tuple[A, B]:
    """Both results. An error of one ends the other, and is raised as it is."""
    firsts: list[A] = []
    seconds: list[B] = []
    errors: list[Exception] = []

    async def run_second() -> None:
        try:
            seconds.append(await second())
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(run_second)
        try:
            firsts.append(await first())
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)
            group.cancel_scope.cancel()
    if errors:
        raise errors[0]
    return firsts[0], seconds[0]
