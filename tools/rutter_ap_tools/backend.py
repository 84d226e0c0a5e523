"""The port: everything a tool call can reach. The implementation decides; a tool only states what is requested."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from rutter_ap_tools.wire import Arguments, Result, WriteArguments, WriteResult

R = TypeVar("R", bound=Result)


class Query(Arguments, Generic[R]):
    """The arguments of a tool that changes no accounting records; `R` is its result."""


class Backend(Protocol):
    """Everything behind the tools. Both methods raise only `ApError`s."""

    async def read(self, query: Query[R]) -> R:
        """Returns the result of a query."""
        ...

    async def submit(self, request: WriteArguments) -> WriteResult:
        """Submits a write to the guard, which judges it; some tools document a subtype of `WriteResult`."""
        ...


async def carry_out(backend: Backend, arguments: Arguments) -> Result:
    """Carries out a call by the type of its arguments: a write is judged, everything else is a query."""
    if isinstance(arguments, WriteArguments):
        return await backend.submit(arguments)
    assert isinstance(arguments, Query), "a tool's arguments are either a write or a query"
    return await backend.read(arguments)
