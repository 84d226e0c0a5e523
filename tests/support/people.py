"""The person behind a call: who says yes, who says no, and who never answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcp.client.session import ElicitationFnT
from mcp.types import ElicitRequestParams, ElicitResult

from rutter_ap_server.interaction import NoInteraction, PendingAnswer, Question, Reply


def answer(action: str, **content: Any) -> ElicitationFnT:
    """A person at an MCP client who answers every question the same."""

    async def answering(context: Any, params: ElicitRequestParams) -> ElicitResult:
        return ElicitResult(action=action, content=content or None)

    return answering


class Answering(NoInteraction):
    """A person who answers every question the same, after `meanwhile` has happened."""

    can_ask = True

    def __init__(self, answer: Reply, meanwhile: Callable[[], Any] | None = None) -> None:
        self._answer = answer
        self._meanwhile = meanwhile
        self.questions: list[Question] = []

    def pending_answer(self) -> PendingAnswer | None:
        """No answer comes before its question."""
        return None

    async def ask(self, question: Question) -> Reply:
        """The answer."""
        self.questions.append(question)
        if self._meanwhile is not None:
            await self._meanwhile()
        return self._answer


def accepts(meanwhile: Callable[[], Any] | None = None) -> Answering:
    """A person who says yes."""
    return Answering(Reply.ACCEPTED, meanwhile)


def declines() -> Answering:
    """A person who says no, or a client that does so unasked."""
    return Answering(Reply.DECLINED)


def never_answers() -> Answering:
    """A question that nobody answered in time."""
    return Answering(Reply.NONE)


class Asked(Exception):
    """The call ended with a question."""

    def __init__(self, question: Question) -> None:
        super().__init__("asked")
        self.question = question


class InRounds(NoInteraction):
    """A client that repeats the call with its answer, as the newer protocol does."""

    can_ask = True

    def __init__(self, question_id: str = "", answer: Reply = Reply.ACCEPTED) -> None:
        self._brought = PendingAnswer(question_id, answer) if question_id else None

    def pending_answer(self) -> PendingAnswer | None:
        """What this call brought along."""
        return self._brought

    async def ask(self, question: Question) -> Reply:
        """Ends the call."""
        raise Asked(question)


class HearsProgress(Answering):
    """A client that is told how far a run is; `fails` says what happens to it at which line."""

    def __init__(self, fails: dict[int, BaseException] | None = None) -> None:
        super().__init__(Reply.ACCEPTED)
        self.fails = fails or {}
        self.told: list[tuple[float, float]] = []

    async def report_progress(self, done: float, total: float, _message: str) -> None:
        """Hears it, or is not there any more."""
        self.told.append((done, total))
        if int(done) in self.fails:
            raise self.fails[int(done)]
