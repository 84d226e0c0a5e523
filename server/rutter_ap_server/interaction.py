"""The port to the person behind a call: ask a question, hand over a link, report progress, whatever the protocol."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.money import Money

_WITH_COMMAS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)


def is_amount(typed: str, money: Money) -> bool:
    """Whether a person typed exactly this amount; commas are accepted, but only between thousands."""
    plain = typed.strip()
    if "," in plain and not _WITH_COMMAS.fullmatch(plain):
        return False
    try:
        return Money.parse(plain.replace(",", ""), money.currency) == money
    except BadInput:
        return False


class Reply(StrEnum):
    """A person's reply. Only an explicit acceptance releases anything, and only an explicit no declines it."""

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
class PendingAnswer:
    """The reply to an earlier question, carried by the retry of a call (MCP 2026-07-28, multi-round-trip requests)."""

    question_id: str
    reply: Reply
    typed: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the preparer as proposals name it, the protocol it speaks, and the tools it is offered."""

    preparer: str
    protocol: str
    tools: frozenset[str]


@dataclass(frozen=True, slots=True)
class CardQuestion:
    """The question of a card; without an `id` it may not be answered there, for the `reason` if there is one."""

    id: str = field(default="", repr=False)
    reason: str = ""
    must_type: bool = False


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


class Interaction(Protocol):
    """The way from one call to its person."""

    @property
    def can_ask(self) -> bool:
        """Whether the client said it can show a question at all."""
        ...

    def pending_answer(self) -> PendingAnswer | None:
        """The answer this call brought along, if it did."""
        ...

    async def ask(self, question: Question) -> Reply:
        """Puts the question and waits at most its time; `Reply.NONE` when nothing came.

        Where the protocol answers in a later call this raises instead, and the call ends there.
        """
        ...

    async def open_link(self, link: LinkToOpen) -> Opened:
        """Shows the link and waits at most its time for the person to open it.

        Where the protocol answers in a later call this raises instead, and the call ends there.
        """
        ...

    async def link_done(self, link: LinkToOpen) -> None:
        """Says that what the link was for is done; a client that still shows it may stop."""
        ...

    async def report_progress(self, done: float, total: float, message: str) -> None:
        """Says how far the call is, with a few words, to a client that wants to know."""
        ...


class NoInteraction:
    """Nobody can be asked, shown a link or told anything: a terminal, a read, or a client without the capability."""

    can_ask = False

    def pending_answer(self) -> PendingAnswer | None:
        """There is never an answer."""
        return None

    async def ask(self, question: Question) -> Reply:
        """There is never a reply."""
        return Reply.NONE

    async def open_link(self, link: LinkToOpen) -> Opened:
        """The link cannot be shown."""
        return Opened.CANNOT_ASK

    async def link_done(self, link: LinkToOpen) -> None:
        """Nobody is waiting."""

    async def report_progress(self, done: float, total: float, message: str) -> None:
        """Nobody is told."""


NO_INTERACTION = NoInteraction()
