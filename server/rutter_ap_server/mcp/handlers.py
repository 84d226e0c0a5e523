"""What the server has beside tools: prompts, resources, watching, completion. Each is imported on its first use.

A server that only lists and calls tools, as most do, reads no prompt and knows no address.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext

from rutter_ap_tools.tool import Tool

if TYPE_CHECKING:
    from anyio.abc import TaskGroup
    from mcp.server.lowlevel import Server

    from rutter_ap_server.mcp.live_data import LiveData
    from rutter_ap_server.mcp.subscriptions import Subscriptions
    from rutter_ap_tools.backend import Backend

Context = ServerRequestContext[Any, Any]


@dataclass(slots=True)
class ServerState:
    """What lives as long as the server does: tasks of its own, and who watches what, once anybody does."""

    tasks: TaskGroup
    watch: Subscriptions | None = None


@asynccontextmanager
async def life(server: Server[Any]) -> AsyncIterator[ServerState]:
    """The server's life; whatever still runs for it ends with it."""
    async with anyio.create_task_group() as tasks:
        yield ServerState(tasks)
        tasks.cancel_scope.cancel()


class Handlers:
    """One method for each request. `offered_to` says which tools a caller has: all the rest follows from that."""

    def __init__(
        self,
        offered_to: Callable[[Context], Mapping[str, Tool[Any, Any]]],
        desk_of: Callable[[Context], Backend],
        live_data: Callable[[], LiveData] | None,
    ) -> None:
        self._offered_to = offered_to
        self._desk_of = desk_of
        self._open_sources = live_data

    def handlers(self) -> dict[str, Any]:
        """What is handed to the SDK's server. Without sources there are prompts alone."""
        prompts = {"on_list_prompts": self.list_prompts, "on_get_prompt": self.get_prompt}
        if self._open_sources is None:
            return prompts
        return prompts | {
            "on_list_resources": self.list_resources,
            "on_list_resource_templates": self.list_templates,
            "on_read_resource": self.read_resource,
            "on_subscribe_resource": self.subscribe,
            "on_unsubscribe_resource": self.unsubscribe,
            "on_subscriptions_listen": self.listen,
            "on_completion": self.complete,
        }

    @cached_property
    def _sources(self) -> LiveData:
        assert self._open_sources is not None, "only a server with sources has the handlers that need them"
        return self._open_sources()

    async def list_prompts(self, ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
        from rutter_ap_server.mcp import prompts

        return prompts.list_prompts(self._offered_to(ctx))

    async def get_prompt(self, ctx: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        from rutter_ap_server.mcp import prompts

        return prompts.get_prompt(self._offered_to(ctx), params.name, params.arguments or {})

    async def list_resources(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        from rutter_ap_server.mcp import resources

        return await resources.list_resources(self._offered_to(ctx), self._sources)

    async def list_templates(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        from rutter_ap_server.mcp import resources

        return resources.list_templates(self._offered_to(ctx))

    async def read_resource(self, ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        from rutter_ap_server.mcp import resources

        reading = resources.Reading(self._desk_of(ctx), self._offered_to(ctx), self._sources)
        return await resources.read_resource(reading, params.uri)

    async def subscribe(self, ctx: Context, params: types.SubscribeRequestParams) -> types.EmptyResult:
        from rutter_ap_server.mcp import resources

        proposal_id = resources.watched_proposal(self._offered_to(ctx), params.uri)
        if proposal_id is None or not await self._watch(ctx).subscribe(ctx, params.uri, proposal_id):
            raise resources.not_found(params.uri)
        return types.EmptyResult()

    async def unsubscribe(self, ctx: Context, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
        self._watch(ctx).unsubscribe(ctx, params.uri)
        return types.EmptyResult()

    async def listen(
        self, ctx: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        from rutter_ap_server.mcp import resources

        offered = self._offered_to(ctx)
        asked = params.notifications.resource_subscriptions or ()
        named = {uri: resources.watched_proposal(offered, uri) for uri in asked}
        return await self._watch(ctx).listen(ctx, params, {uri: one for uri, one in named.items() if one is not None})

    async def complete(self, ctx: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
        from rutter_ap_server.mcp import completion, prompts, resources

        offered, ref, argument = self._offered_to(ctx), params.ref, params.argument
        if isinstance(ref, types.PromptReference):
            kind = prompts.completed_with(offered, ref.name, argument.name)
        else:
            kind = resources.completed_with(offered, ref.uri, argument.name)
        given = (params.context.arguments if params.context else None) or {}
        return await completion.complete(self._sources, kind, argument.value, given)

    def _watch(self, ctx: Context) -> Subscriptions:
        from rutter_ap_server.mcp.subscriptions import Subscriptions

        living: ServerState = ctx.lifespan_context
        if living.watch is None:
            living.watch = Subscriptions(living.tasks, self._sources)
        return living.watch
