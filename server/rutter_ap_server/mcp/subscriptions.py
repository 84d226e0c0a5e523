"""Watching proposals: a client that asked is told when one changes its state. Nothing depends on its listening.

Between revisions the way differs: MCP 2026-07-28 opens a stream (`subscriptions/listen`), earlier ones subscribe to an
address and are told on their session. Both end in one look at the store a second, and only while somebody watches: a
proposal is released by another process as often as by this one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import mcp_types as types
from anyio.abc import TaskGroup
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated
from mcp.shared.exceptions import MCPError

from rutter_ap_server.mcp.live_data import LiveData
from rutter_ap_tools.errors import ApError

LOOK_SECONDS = 1.0
PER_SESSION_MAX = 50
_STREAMS_MAX = 256
_TELLING_SECONDS_MAX = 5.0
logger = logging.getLogger("rutter_ap")


@dataclass(slots=True)
class _Watched:
    """One address: the proposal behind it, its state when last looked at, and who wants to know."""

    proposal_id: str
    state: str
    streams: int = 0
    sessions: list[Connection] = field(default_factory=list)

    @property
    def is_wanted(self) -> bool:
        return bool(self.streams or self.sessions)


class Subscriptions:
    """Who watches which proposal. One for a server's life; `tasks` is where it looks while anybody watches."""

    def __init__(self, tasks: TaskGroup, live_data: LiveData) -> None:
        self._tasks = tasks
        self._live_data = live_data
        self._bus = InMemorySubscriptionBus()
        self._listen = ListenHandler(self._bus, max_subscriptions=_STREAMS_MAX, max_buffered_events=PER_SESSION_MAX)
        self._watched: dict[str, _Watched] = {}
        self._is_looking = False

    @property
    def addresses(self) -> tuple[str, ...]:
        """What is watched now."""
        return tuple(self._watched)

    async def listen(
        self,
        ctx: ServerRequestContext[Any, Any],
        params: types.SubscriptionsListenRequestParams,
        wanted: Mapping[str, str],
    ) -> types.SubscriptionsListenResult:
        """A stream of changes (MCP 2026-07-28). `wanted` are the proposals by address that this caller may see.

        The acknowledgement names what is honoured: proposals there are, at most 50 of them, and nothing else.
        """
        states = await self._states(dict(list(wanted.items())[:PER_SESSION_MAX]))
        honoured = types.SubscriptionFilter(resource_subscriptions=list(states) or None)
        with self._streaming(states, wanted):
            return await self._listen(ctx, params.model_copy(update={"notifications": honoured}))

    async def subscribe(self, ctx: ServerRequestContext[Any, Any], uri: str, proposal_id: str) -> bool:
        """Tells this session of changes (MCP 2025-11-25 and earlier); False when there is no such proposal."""
        states = await self._states({uri: proposal_id})
        if not states:
            return False
        # The SDK hands a handler its session but not yet the connection under it, whose end is what we must know.
        connection = ctx.session._connection
        mine = [one for one in self._watched.values() if connection in one.sessions]
        if len(mine) >= PER_SESSION_MAX:
            raise MCPError(types.INVALID_PARAMS, f"a session watches at most {PER_SESSION_MAX} proposals")
        if not mine:
            connection.exit_stack.callback(self._forget, connection)
        watched = self._watch(uri, proposal_id, states[uri])
        if connection not in watched.sessions:
            watched.sessions.append(connection)
        return True

    def unsubscribe(self, ctx: ServerRequestContext[Any, Any], uri: str) -> None:
        """Ends what `subscribe` began, if it did."""
        watched = self._watched.get(uri)
        if watched is not None:
            watched.sessions = [one for one in watched.sessions if one is not ctx.session._connection]
            self._drop_unwanted()

    async def _states(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """The states by address of those proposals that there are; none while the store cannot be read."""
        try:
            states = await self._live_data.states(set(wanted.values())) if wanted else {}
        except ApError as error:
            logger.warning("watching: %s", error.error_code)
            return {}
        return {uri: states[one] for uri, one in wanted.items() if one in states}

    @contextmanager
    def _streaming(self, states: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[None]:
        watched = [self._watch(uri, wanted[uri], state) for uri, state in states.items()]
        for one in watched:
            one.streams += 1
        try:
            yield
        finally:
            for one in watched:
                one.streams -= 1
            self._drop_unwanted()

    def _watch(self, uri: str, proposal_id: str, state: str) -> _Watched:
        watched = self._watched.setdefault(uri, _Watched(proposal_id, state))
        if not self._is_looking:
            self._is_looking = True
            self._tasks.start_soon(self._look)
        return watched

    def _forget(self, connection: Connection) -> None:
        for watched in self._watched.values():
            watched.sessions = [one for one in watched.sessions if one is not connection]
        self._drop_unwanted()

    def _drop_unwanted(self) -> None:
        self._watched = {uri: one for uri, one in self._watched.items() if one.is_wanted}

    async def _look(self) -> None:
        """Looks once a second, until nobody watches any more."""
        try:
            while self._watched:
                await anyio.sleep(LOOK_SECONDS)
                await self._look_once()
        finally:
            self._is_looking = False

    async def _look_once(self) -> None:
        try:
            states = await self._states({uri: one.proposal_id for uri, one in self._watched.items()})
            for uri, one in list(self._watched.items()):
                if states.get(uri, one.state) != one.state:
                    one.state = states[uri]
                    await self._tell(uri, one)
        except Exception as error:  # noqa: BLE001 - whatever it is, a convenience must not take the server down
            logger.error("watching: unexpected %s", type(error).__name__)

    async def _tell(self, uri: str, watched: _Watched) -> None:
        await self._bus.publish(ResourceUpdated(uri=uri))
        for connection in list(watched.sessions):
            # A client that does not read must not keep the others waiting.
            with anyio.move_on_after(_TELLING_SECONDS_MAX):
                await connection.send_resource_updated(uri)
