"""Watches proposals: a subscribed client is notified when one changes state. Nothing depends on it.

The protocol revisions differ: MCP 2026-07-28 opens a stream (`subscriptions/listen`), earlier ones subscribe to a URI
and are notified on their session. Both are served by checking the store once a second while anyone is subscribed,
because another process may release a proposal as well as this one.
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
    """One URI: its proposal, the state when last checked, and who is subscribed."""

    proposal_id: str
    state: str
    streams: int = 0
    sessions: list[Connection] = field(default_factory=list)

    @property
    def is_wanted(self) -> bool:
        return bool(self.streams or self.sessions)


class Subscriptions:
    """Who watches which proposal. One per server; `tasks` runs the check while anyone is subscribed."""

    def __init__(self, tasks: TaskGroup, live_data: LiveData) -> None:
        self._tasks = tasks
        self._live_data = live_data
        self._bus = InMemorySubscriptionBus()
        self._listen = ListenHandler(self._bus, max_subscriptions=_STREAMS_MAX, max_buffered_events=PER_SESSION_MAX)
        self._watched: dict[str, _Watched] = {}
        self._is_looking = False

    @property
    def addresses(self) -> tuple[str, ...]:
        """The URIs being watched now."""
        return tuple(self._watched)

    async def listen(
        self,
        ctx: ServerRequestContext[Any, Any],
        params: types.SubscriptionsListenRequestParams,
        wanted: Mapping[str, str],
    ) -> types.SubscriptionsListenResult:
        """A stream of changes (MCP 2026-07-28). `wanted` are the proposals this caller may see, by URI.

        The acknowledgement lists what is watched: proposals that exist, at most 50, and nothing else.
        """
        states = await self._states(dict(list(wanted.items())[:PER_SESSION_MAX]))
        honoured = types.SubscriptionFilter(resource_subscriptions=list(states) or None)
        with self._streaming(states, wanted):
            return await self._listen(ctx, params.model_copy(update={"notifications": honoured}))

    async def subscribe(self, ctx: ServerRequestContext[Any, Any], uri: str, proposal_id: str) -> bool:
        """Notifies this session of changes (MCP 2025-11-25 and earlier); False if there is no such proposal."""
        states = await self._states({uri: proposal_id})
        if not states:
            return False
        # The SDK gives a handler its session but not the underlying connection, and we must know when that ends.
        connection = ctx.session._connection
        mine = [one for one in self._watched.values() if connection in one.sessions]
        if len(mine) >= PER_SESSION_MAX:
            raise MCPError(types.INVALID_PARAMS, f"a session can watch at most {PER_SESSION_MAX} proposals")
        if not mine:
            connection.exit_stack.callback(self._forget, connection)
        watched = self._watch(uri, proposal_id, states[uri])
        if connection not in watched.sessions:
            watched.sessions.append(connection)
        return True

    def unsubscribe(self, ctx: ServerRequestContext[Any, Any], uri: str) -> None:
        """Ends a subscription, if there is one."""
        watched = self._watched.get(uri)
        if watched is not None:
            watched.sessions = [one for one in watched.sessions if one is not ctx.session._connection]
            self._drop_unwanted()

    async def _states(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """The states of the proposals that exist, by URI; empty while the store cannot be read."""
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
        """Checks once a second, until no one is subscribed."""
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
            # A client that does not read must not block the others.
            with anyio.move_on_after(_TELLING_SECONDS_MAX):
                await connection.send_resource_updated(uri)
