"""A process that an enemy may suspend or kill between any two of its steps, and whose clock he may set."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Protocol

import httpx

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.errors import ApError
from rutter_sandbox import Sandbox
from support.bench import Bench, PowerCut, Wire

_LOOKS = frozenset({"GET", "HEAD"})


class Watcher(Protocol):
    """Who sees what leaves a process, and what the ledger took."""

    def looks(self, process: Process) -> None: ...

    def leaves(self, process: Process, path: str) -> None: ...

    def took(self, process: Process, path: str, key: str, body: dict[str, Any]) -> None: ...


class MachineClock(FixedClock):
    """The clock of one machine, which may be wrong; `truth` is what time it is."""

    def __init__(self, truth: FixedClock) -> None:
        super().__init__(truth.instant)
        self.truth = truth
        self.ahead = timedelta()

    @property
    def is_machines(self) -> bool:
        """It is held against Rutter's time."""
        return True

    def now(self) -> datetime:
        """What the machine shows."""
        return self.truth.instant + self.ahead


class WatchedWire(Wire):
    """A wire whose process stops or ends at any request; `Date` is the true time."""

    def __init__(self, sandbox: Sandbox, process: Process, watcher: Watcher) -> None:
        super().__init__(sandbox)
        self._process = process
        self._watcher = watcher
        self._inner = _Ledger(sandbox, process, watcher)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """What is written has left this process once it is here, however long it is on its way."""
        if request.method in _LOOKS:
            await self._process.step()
            return await super().handle_async_request(request)
        self._watcher.leaves(self._process, request.url.path)
        self._process.is_on_its_way = True
        try:
            await self._process.step()
            return await super().handle_async_request(request)
        finally:
            self._process.is_on_its_way = False


class _Ledger(httpx.ASGITransport):
    def __init__(self, sandbox: Sandbox, process: Process, watcher: Watcher) -> None:
        super().__init__(sandbox.asgi)
        self._process = process
        self._watcher = watcher

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        response.headers["Date"] = format_datetime(
            self._process.clock.truth.instant.replace(microsecond=0), usegmt=True
        )
        if request.method not in _LOOKS and response.is_success:
            body = json.loads(await request.aread() or b"{}")
            self._watcher.took(self._process, request.url.path, request.headers.get("Idempotency-Key", ""), body)
        return response


class Process:
    """One process, its own clock, and where it stops: after `stops_in` or `ends_in` more steps, if that is set.

    A step is a request, or a transaction of the store. A suspended process does nothing until it is woken; one that
    ended never does anything again, not even what it meant to do on its way out.
    """

    def __init__(
        self, home: Path, sandbox: Sandbox, truth: FixedClock, watcher: Watcher, database_url: str, steady: Steady
    ) -> None:
        self.clock = MachineClock(truth)
        self.bench = Bench(home, sandbox, self.clock, database_url, wire=WatchedWire(sandbox, self, watcher))
        self.stops_in: int | None = None
        self.ends_in: int | None = None
        # So many steps after it began to send something, it is suspended.
        self.stops_sending_in: int | None = None
        # A write has left it and has not arrived.
        self.is_on_its_way = False
        self.is_gone = False
        self.asleep: asyncio.Task[Any] | None = None
        self._go = asyncio.Event()
        self._go.set()
        self._stopped = asyncio.Event()
        exchange: Any = self.bench.company.rutter.bills._session.exchange
        exchange.time.steady = steady
        store = self.bench.app.store
        if database_url:
            # Replicas share the database's time, which here is the true one.
            store._clock = truth
        dispatcher = self.bench.app.dispatcher
        dispatcher.send = self._sending(dispatcher.send)  # type: ignore[method-assign]
        dispatcher._may_leave = self._looking(dispatcher._may_leave, watcher)  # type: ignore[method-assign]
        store.read = self._stepping(store.read_now)  # type: ignore[method-assign]
        store.write = self._stepping(store.write_now)  # type: ignore[method-assign]

    def _stepping(self, transact: Callable[[Callable[[Tx], Any]], Any]) -> Any:
        """On this thread, so that the same choices always lead to the same steps."""

        async def stepping(work: Callable[[Tx], Any]) -> Any:
            await self.step()
            return transact(work)

        return stepping

    def _sending(self, send: Any) -> Any:
        async def sending(*arguments: Any, **more: Any) -> Any:
            if self.stops_sending_in is not None:
                self.stops_in, self.stops_sending_in = self.stops_sending_in, None
            return await send(*arguments, **more)

        return sending

    def _looking(self, may_leave: Any, watcher: Watcher) -> Any:
        async def looking(*arguments: Any) -> bool:
            watcher.looks(self)
            allowed: bool = await may_leave(*arguments)
            return allowed

        return looking

    async def step(self) -> None:
        """Goes on, waits to be woken, or ends."""
        if self.stops_in is not None:
            self.stops_in -= 1
            if self.stops_in < 0:
                self.stops_in = None
                self._go.clear()
                self._stopped.set()
        if self.ends_in is not None:
            self.ends_in -= 1
            if self.ends_in < 0:
                self.is_gone = True
        await self._go.wait()
        if self.is_gone:
            raise PowerCut

    async def run(self, work: Coroutine[Any, Any, Any]) -> str:
        """Runs it to its end, to the end of the process, or until the process is suspended; says how it went."""
        return await self._follow(asyncio.create_task(work))

    async def wake(self) -> str:
        """Lets a suspended process go on."""
        assert self.asleep is not None
        task, self.asleep = self.asleep, None
        self._stopped.clear()
        self._go.set()
        return await self._follow(task)

    async def _follow(self, task: asyncio.Task[Any]) -> str:
        stopped = asyncio.create_task(self._stopped.wait())
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not task.done():
            self.asleep = task
            return "suspended"
        self.stops_in = self.ends_in = self.stops_sending_in = None
        self._stopped.clear()
        self._go.set()
        error = task.exception()
        if error is None:
            return str(getattr(task.result(), "status", None) or getattr(task.result(), "state", "done"))
        if _is_power_cut(error):
            self.is_gone = True
            return "power cut"
        if isinstance(error, ApError):
            codes = [one.code for one in getattr(error, "findings", ())]
            return f"{error.error_code} {' '.join(codes)}".strip()
        raise error

    async def ends(self, *, lock_is_seen: bool = True) -> None:
        """Nothing is left of it but, where `lock_is_seen` is false, the doubt whether it still runs."""
        self.is_gone = True
        if self.asleep is not None:
            assert await self.wake() == "power cut"
        processes = self.bench.app.processes
        if lock_is_seen and processes._held is not None:
            os.close(processes._held)
            processes._held = None

    async def closes(self) -> None:
        """Frees what this test holds for it."""
        if not self.is_gone:
            await self.bench.app.aclose()
            return
        await self.ends()
        await self.bench.app.companies.aclose()
        self.bench.app.store.close()


Steady = Callable[[], float]


def _is_power_cut(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return error.split(PowerCut)[1] is None
    return isinstance(error, PowerCut)
