"""The asker's port: how the guard puts a question to the person in the chat, whatever the protocol."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.money import Money


def is_amount(typed: str, money: Money) -> bool:
    """Whether a person typed exactly this amount; thousands may be parted by commas, as the question shows them."""
    try:
        return Money.parse(typed.strip().replace(",", ""), money.currency) == money
    except BadInput:
        return False


class Reply(StrEnum):
    """What came back. Only an explicit acceptance releases anything."""

    ACCEPTED = "accepted"
    DECLINED = "declined"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Question:
    """A question about one proposal; `id` is single-use and lives in the store."""

    id: str
    text: str
    timeout_seconds: int
    # The amount the person must type for an acceptance to count, where a tick alone is not enough.
    amount: Money | None = None

    def accepts(self, typed: str) -> bool:
        """Whether what was typed is the amount, or nothing had to be."""
        return self.amount is None or is_amount(typed, self.amount)


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer to an earlier question, carried by the retry of a call (MCP 2026-07-28, multi-round-trip requests)."""

    question_id: str
    answer: Reply
    typed: str = ""


class Asker(Protocol):
    """One call's way to its person."""

    @property
    def can_ask(self) -> bool:
        """Whether the client said it can show a question at all."""
        ...

    def pending_answer(self) -> Answered | None:
        """The answer this call brought along, if it did."""
        ...

    async def ask(self, question: Question) -> Reply:
        """Puts the question and waits at most its time; `Answer.NONE` when nothing came.

        Where the protocol answers in a later call this raises instead, and the call ends there.
        """
        ...


class Silent:
    """Nobody can be asked: a terminal, or a client without the capability."""

    can_ask = False

    def pending_answer(self) -> Answered | None:
        """There is never an answer."""
        return None

    async def ask(self, question: Question) -> Reply:
        """There is never an answer."""
        return Reply.NONE


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
