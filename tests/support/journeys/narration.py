"""How a journey is told: a request, the calls made for it, what the assistant can tell, and what the books then say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from rutter_ap_server.app import App


@dataclass(frozen=True, slots=True)
class Taken:
    """A value out of the latest answer of a tool.

    A text in the path is a field, a number a place in a list, a mapping the one row of a list that has these values.
    """

    tool: str
    path: tuple[Any, ...]

    def out_of(self, answers: dict[str, Any]) -> Any:
        """The value as it was answered."""
        node = answers[self.tool]
        for part in self.path:
            if isinstance(part, dict):
                rows = [row for row in node if part.items() <= row.items()]
                assert len(rows) == 1, f"{self.tool} shows {len(rows)} rows with {part}"
                (node,) = rows
            else:
                node = node[part]
        return node


def taken(tool: str, *path: Any) -> Taken:
    """What an assistant reads in that tool's latest answer."""
    return Taken(tool, path)


@dataclass(frozen=True, slots=True)
class Given:
    """A value the person gave with the request, such as the handle of a file they uploaded."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call. Its arguments are words of the request, or taken from earlier answers."""

    tool: str
    arguments: dict[str, Any]


def call(tool: str, /, **arguments: Any) -> Call:
    """A call that must succeed."""
    return Call(tool, arguments)


@dataclass(frozen=True, slots=True)
class Release:
    """The named approver releases the proposal of that tool's latest answer, outside the chat."""

    tool: str


@dataclass(frozen=True, slots=True)
class Decline:
    """The named approver declines it instead."""

    tool: str


@dataclass(frozen=True, slots=True)
class SignIn:
    """The person opens the link that was answered, picks the platform and consents."""

    tool: str
    platform: str


Step = Call | Release | Decline | SignIn
# What stands in the company before the request, beyond the story: answers what the person gives with it.
Setting = Callable[[App], Awaitable[dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Journey:
    """One request from its first call to its end.

    `tells` are facts that stand in what the assistant read by the end, so that it can answer the person. `gone` and
    `new` are the lines by which the ledger differs afterwards: nothing else may have changed.
    """

    name: str
    request: str
    calls_max: int
    steps: tuple[Step, ...]
    tells: tuple[str, ...]
    gone: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    setting: Setting | None = None
