"""The client for code that is not asynchronous: an event loop in a thread of its own, and calls that wait for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from functools import partial
from typing import ParamSpec, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from rutter_ap_server.rutter.client import RutterClient

P = ParamSpec("P")
T = TypeVar("T")


class Waiting:
    """Calls the client and waits for what it returns or raises. Threads may share one."""

    def __init__(self, portal: BlockingPortal) -> None:
        self._portal = portal

    def __call__(self, call: Callable[P, Awaitable[T]], *args: P.args, **named: P.kwargs) -> T:
        """`wait(company.bills.list, limit=10)` is `await company.bills.list(limit=10)`.

        It raises what the call raises, and RuntimeError once the `with` block of `blocking` has ended.
        """
        return self._portal.call(partial(call, *args, **named))

    def each(self, items: AsyncIterator[T]) -> Iterator[T]:
        """`for bill in wait.each(company.bills.walk())`"""
        while True:
            try:
                item = self._portal.call(anext, items)
            except StopAsyncIteration:
                return
            yield item

    def within(self, context: AbstractAsyncContextManager[T]) -> AbstractContextManager[T]:
        """`with wait.within(company.attachments.download(bill_id, file_id)) as file`"""
        return self._portal.wrap_async_context_manager(context)


@contextmanager
def blocking(client: RutterClient) -> Iterator[Waiting]:
    """The way to wait for a client's calls; closes the client at its end."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(client):
        yield Waiting(portal)
