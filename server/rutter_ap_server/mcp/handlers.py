"""Handlers for resources, subscriptions and completion, which need the whole app. `server.py` has the rest."""

from __future__ import annotations

from collections.abc import Callable

import mcp_types as types

from rutter_ap_server.mcp import completion, prompts, resources
from rutter_ap_server.mcp.context import Context, OfferedTo
from rutter_ap_server.mcp.live_data import LiveData
from rutter_ap_server.mcp.subscriptions import Subscriptions
from rutter_ap_tools.backend import Backend


class Handlers:
    """One method for each request. `offered_to` gives a caller's tools, which decide everything else it may see."""

    def __init__(self, offered_to: OfferedTo, backend_of: Callable[[Context], Backend], live_data: LiveData) -> None:
        self._offered_to = offered_to
        self._backend_of = backend_of
        self._live_data = live_data

    async def list_resources(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        return await resources.list_resources(self._offered_to(ctx), self._live_data)

    async def list_templates(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        return resources.list_templates(self._offered_to(ctx))

    async def read_resource(self, ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        reading = resources.ResourceRead(self._backend_of(ctx), self._offered_to(ctx), self._live_data)
        return await resources.read_resource(reading, params.uri)

    async def subscribe(self, ctx: Context, params: types.SubscribeRequestParams) -> types.EmptyResult:
        proposal_id = resources.watched_proposal(self._offered_to(ctx), params.uri)
        if proposal_id is None or not await self._subscriptions(ctx).subscribe(ctx, params.uri, proposal_id):
            raise resources.not_found(params.uri)
        return types.EmptyResult()

    async def unsubscribe(self, ctx: Context, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
        self._subscriptions(ctx).unsubscribe(ctx, params.uri)
        return types.EmptyResult()

    async def listen(
        self, ctx: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        offered = self._offered_to(ctx)
        asked = params.notifications.resource_subscriptions or ()
        named = {uri: resources.watched_proposal(offered, uri) for uri in asked}
        wanted = {uri: one for uri, one in named.items() if one is not None}
        return await self._subscriptions(ctx).listen(ctx, params, wanted)

    async def complete(self, ctx: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
        offered, ref, argument = self._offered_to(ctx), params.ref, params.argument
        if isinstance(ref, types.PromptReference):
            kind = prompts.completed_with(offered, ref.name, argument.name)
        else:
            kind = resources.completed_with(offered, ref.uri, argument.name)
        given = (params.context.arguments if params.context else None) or {}
        return await completion.complete(self._live_data, kind, argument.value, given)

    def _subscriptions(self, ctx: Context) -> Subscriptions:
        state = ctx.lifespan_context
        if state.subscriptions is None:
            state.subscriptions = Subscriptions(state.tasks, self._live_data)
        subscriptions: Subscriptions = state.subscriptions
        return subscriptions
