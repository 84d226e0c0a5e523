"""What every server does while it serves: it takes up what was left open, and keeps in touch with those beside it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from rutter_ap_server.settings import Settings
from rutter_ap_tools.errors import ApError

FIRST_RECOVERY_SECONDS = 2
RECOVERY_SECONDS = 60
_DESK_SECONDS = 2
# Well within what the store counts as a sign of life.
_HOLD_SECONDS = 20
_TELL_SECONDS = 10
logger = logging.getLogger("rutter_ap")


class LookedAfter(Protocol):
    """What is asked of the app while it serves."""

    async def recover(self) -> None:
        """Tries to resolve what is open."""
        ...

    async def hold_policy(self) -> None:
        """Tells the store which policy this process holds."""
        ...

    async def reopen_desk(self) -> None:
        """Serves the desk again that was there before."""
        ...

    async def keep_desk(self) -> None:
        """Takes the desk over from a process that served it and has ended."""
        ...

    async def tell_people(self) -> None:
        """Tells those who want to know that a person is needed."""
        ...


Opened = Callable[[], Awaitable[LookedAfter]]


def look_after(opened: Opened, settings: Settings, tasks: TaskGroup) -> None:
    """Starts all of it, as these settings want it. No call waits for any of it."""
    if not settings.read_only:
        tasks.start_soon(_recover_now_and_then, opened)
        tasks.start_soon(_hold_policy, opened)
    if settings.hosts_desk:
        tasks.start_soon(_look_after_desk, opened)
    if settings.notify:
        tasks.start_soon(_tell_people, opened)


async def _recover_now_and_then(opened: Opened) -> None:
    """Takes up what an earlier process left open; first a moment after the start, so as not to slow it."""
    pause = FIRST_RECOVERY_SECONDS
    while True:
        await anyio.sleep(pause)
        pause = RECOVERY_SECONDS
        try:
            await (await opened()).recover()
        except ApError as error:
            logger.warning("recovery: %s", error.error_code)


async def _hold_policy(opened: Opened) -> None:
    """Tells the store again and again which policy this server holds, so that those beside it can compare."""
    pause = FIRST_RECOVERY_SECONDS
    while True:
        await anyio.sleep(pause)
        pause = _HOLD_SECONDS
        await (await opened()).hold_policy()


async def _look_after_desk(opened: Opened) -> None:
    """Keeps the desk of this home at its address, whichever of its servers end or start again."""
    await anyio.sleep(FIRST_RECOVERY_SECONDS)
    app = await opened()
    try:
        await app.reopen_desk()
    except ApError as error:
        logger.warning("desk: %s", error.error_code)
    while True:
        await anyio.sleep(_DESK_SECONDS)
        await app.keep_desk()


async def _tell_people(opened: Opened) -> None:
    while True:
        await anyio.sleep(_TELL_SECONDS)
        app = await opened()
        try:
            await app.tell_people()
        except Exception as error:  # noqa: BLE001 - a convenience must not take the server down, and its text may hold anything
            logger.warning("notices: %s", type(error).__name__)
