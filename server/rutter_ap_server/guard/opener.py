"""How a call gets its person to open a link: the port that each protocol generation fills in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable


class Opened(StrEnum):
    """What is known of a link. That it was opened says nothing about what the person did behind it."""

    OPENED = "opened"
    NOT_OPENED = "not_opened"
    CANNOT_ASK = "cannot_ask"


@dataclass(frozen=True, slots=True)
class LinkToOpen:
    """A link for a person. `id` is the same whenever the same thing is asked for; the link itself is in no repr."""

    id: str
    text: str
    url: str
    timeout_seconds: int

    def __repr__(self) -> str:
        return f"LinkToOpen({self.id!r})"


@runtime_checkable
class Opener(Protocol):
    """One call's way to hand its person a link."""

    async def open_link(self, link: LinkToOpen) -> Opened:
        """Shows the link and waits at most its time for the person to open it.

        Where the protocol answers in a later call this raises instead, and the call ends there.
        """
        ...

    async def link_done(self, link: LinkToOpen) -> None:
        """What the link was for is done; a client that still shows it may stop."""
        ...


class NoOpener:
    """Nobody can be shown a link: a terminal, or a client without the capability."""

    async def open_link(self, link: LinkToOpen) -> Opened:
        """It cannot be shown."""
        return Opened.CANNOT_ASK

    async def link_done(self, link: LinkToOpen) -> None:
        """Nobody is waiting."""
