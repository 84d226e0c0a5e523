"""The catalogue as MCP tools: calls in, typed results out, and every error is one of ours."""

from __future__ import annotations

import hashlib
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import mcp_types as types
from anyio.abc import TaskGroup
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from rutter_ap_server.installed import as_installed
from rutter_ap_server.interaction import NO_INTERACTION, Caller, Interaction
from rutter_ap_server.mcp import card, prompts
from rutter_ap_server.mcp.context import Allowed, Context, OfferedTo
from rutter_ap_server.mcp.elicitation import InputRequired, interaction_for
from rutter_ap_server.mcp.icons import icons
from rutter_ap_tools.backend import Backend, carry_out
from rutter_ap_tools.errors import Ambiguous, ApError, Refused
from rutter_ap_tools.proposals import ANSWER_CARD, AnswerCard, GetProposal, ProposalAnswer
from rutter_ap_tools.render import render_error
from rutter_ap_tools.text import clean
from rutter_ap_tools.tool import Tool
from rutter_ap_tools.validate import read_arguments
from rutter_ap_tools.wire import Result

if TYPE_CHECKING:
    # Behind the lazy seam: a server that only lists its tools and prompts loads neither.
    from rutter_ap_server.mcp.handlers import Handlers
    from rutter_ap_server.mcp.subscriptions import Subscriptions

NAME = "rutter-ap"
# How long a client may cache a list. Lists are private, because scopes narrow them per caller.
_LISTS = CacheHint(ttl_ms=60_000, scope="private")
_HINTS: dict[CacheableMethod, CacheHint] = dict.fromkeys(
    ("tools/list", "prompts/list", "resources/list", "resources/templates/list"), _LISTS
)
logger = logging.getLogger("rutter_ap")


class ServedApp(Protocol):
    """What the server needs from the app behind it."""

    def backend(self, preparer: str, interaction: Interaction) -> Backend:
        """The backend of one call, for its preparer and its interaction."""
        ...

    @property
    def cards(self) -> card.CardAnswers:
        """What stands behind the card in the chat."""
        ...

    def handlers(self, offered_to: OfferedTo, backend_of: Callable[[Context], Backend]) -> Handlers:
        """The handlers for requests that need the whole app."""
        ...


class AppSource(Protocol):
    """Where the server gets its app: already there, or loaded when the first request needs it."""

    async def opened(self) -> ServedApp:
        """The app."""
        ...


@dataclass(slots=True)
class ServerState:
    """What lives as long as the server runs: its own tasks, and subscriptions once there are any."""

    tasks: TaskGroup
    subscriptions: Subscriptions | None = None


@asynccontextmanager
async def life(server: Server[Any]) -> AsyncIterator[ServerState]:
    """The server's lifespan; its remaining tasks are cancelled at the end."""
    async with anyio.create_task_group() as tasks:
        yield ServerState(tasks)
        tasks.cancel_scope.cancel()


def everything(ctx: Context) -> Callable[[Tool[Any, Any]], bool]:
    """Without access tokens, every caller is offered everything the operator offers."""
    return lambda tool: True


def build_server(
    source: AppSource,
    tools: Sequence[Tool[Any, Any]],
    *,
    instructions: str,
    allowed: Allowed = everything,
    on_listed: Callable[[], object] = lambda: None,
) -> Server[Any]:
    """The MCP server; `tools` is the catalogue as narrowed by the operator.

    `allowed` narrows it further per caller; a hidden tool is refused like one that does not exist, and so are the
    prompts and resources that depend on it. `on_listed` is called when a client has asked for the tools.
    """
    offered = {tool.name: tool for tool in tools}
    assert len(offered) == len(tools), "two tools share a name"

    def offered_to(ctx: Context) -> dict[str, Tool[Any, Any]]:
        is_allowed = allowed(ctx)
        return {name: tool for name, tool in offered.items() if is_allowed(tool)}

    async def on_list_tools(ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        on_listed()
        own = offered_to(ctx)
        tools = [listed(tool) for tool in own.values()]
        if card.shows_card(ctx, own):
            tools = card.with_card(own.values(), tools)
            # Only who can show a card waits for the app: the policy says whether there is one more tool.
            if await (await source.opened()).cards.may_answer():
                tools.append(card.for_the_card_alone(listed(ANSWER_CARD)))
        return types.ListToolsResult(tools=tools)

    async def on_call_tool(
        ctx: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        own = offered_to(ctx)
        with_card = card.shows_card(ctx, own)
        tool = own.get(params.name) or (ANSWER_CARD if with_card and params.name == ANSWER_CARD.name else None)
        if tool is None:
            # A hidden tool and one that does not exist return the same error.
            raise MCPError(code=types.INVALID_PARAMS, message=f"unknown tool: {clean(params.name, 60)}")
        return await call(source, tool, ctx, params, own if with_card else None)

    async def on_list_prompts(ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
        return prompts.list_prompts(offered_to(ctx))

    async def on_get_prompt(ctx: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        return prompts.get_prompt(offered_to(ctx), params.name, params.arguments or {})

    server = _Server(
        NAME,
        version=version("rutter-ap"),
        title="Accounts payable over Rutter",
        instructions=instructions,
        icons=icons("server"),
        cache_hints=_HINTS,
        lifespan=life,
        on_list_tools=on_list_tools,
        on_call_tool=on_call_tool,
        on_list_prompts=on_list_prompts,
        on_get_prompt=on_get_prompt,
        **_of_the_app(source, offered_to),
    )
    server.extensions[card.EXTENSION_ID] = {}
    return server


def _of_the_app(source: AppSource, offered_to: OfferedTo) -> dict[str, Any]:
    """The handlers that need the app; each forwards to a method of `Handlers`."""
    made: list[Handlers] = []

    async def handlers() -> Handlers:
        app = await source.opened()
        if not made:
            # A read never asks anyone.
            made.append(app.handlers(offered_to, lambda ctx: app.backend(preparer_of(ctx), NO_INTERACTION)))
        return made[0]

    def answered_by(method: str) -> Callable[[Context, Any], Awaitable[Any]]:
        async def answer(ctx: Context, params: Any) -> Any:
            return await getattr(await handlers(), method)(ctx, params)

        return answer

    read_other = answered_by("read_resource")

    async def on_read_resource(ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        if params.uri == card.CARD_URI and card.shows_card(ctx, offered_to(ctx)):
            return card.page()
        read: types.ReadResourceResult = await read_other(ctx, params)
        return read

    return {
        "on_list_resources": answered_by("list_resources"),
        "on_list_resource_templates": answered_by("list_templates"),
        "on_read_resource": on_read_resource,
        "on_subscribe_resource": answered_by("subscribe"),
        "on_unsubscribe_resource": answered_by("unsubscribe"),
        "on_subscriptions_listen": answered_by("listen"),
        "on_completion": answered_by("complete"),
    }


class _Server(Server[Any]):
    """The SDK's server, declaring only the capabilities it has: our lists never change while it runs."""

    def get_capabilities(self, *arguments: Any, **named: Any) -> types.ServerCapabilities:
        capabilities = super().get_capabilities(*arguments, **named)
        for one in (capabilities.tools, capabilities.prompts, capabilities.resources):
            if one is not None:
                one.list_changed = False
        return capabilities


@cache
def listed(tool: Tool[Any, Any]) -> types.Tool:
    """A tool as a client sees it. Its schemas are built once, because clients list the tools repeatedly."""
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.input_schema(),
        output_schema=tool.output_schema(),
        annotations=types.ToolAnnotations(**tool.annotations),
    )


async def call(
    source: AppSource,
    tool: Tool[Any, Any],
    ctx: Context,
    params: types.CallToolRequestParams,
    offered_beside_card: Mapping[str, Tool[Any, Any]] | None = None,
) -> types.CallToolResult | types.InputRequiredResult:
    """Handles one call: validates the arguments, calls the backend, and returns the result as text and typed.

    `offered_beside_card` are the tools of a caller that can show a card, whose person may answer there.
    """
    caller = Caller(preparer_of(ctx), ctx.protocol_version, frozenset(offered_beside_card or ()))
    meta: dict[str, Any] | None = None
    result: Result
    try:
        arguments = read_arguments(tool.arguments, params.arguments or {})
        app = await source.opened()
        if isinstance(arguments, AnswerCard):
            result = await app.cards.answer(arguments, caller)
        else:
            result = await carry_out(app.backend(caller.preparer, interaction_for(ctx, params)), arguments)
        # Whoever waits for a decision is an assistant: the card looks, and is answered at once.
        if offered_beside_card and isinstance(arguments, GetProposal) and not arguments.wait_seconds:
            assert isinstance(result, ProposalAnswer)
            meta = await card.question_for(app.cards, result, caller)
    except InputRequired as first:
        return first.result()
    except ApError as error:
        return error_result(error)
    except Exception as error:  # noqa: BLE001 - the last resort: an unexpected error still gets a response of ours
        # The exception's own text may contain anything; where it was raised is what helps to fix it.
        frames = "".join(traceback.format_tb(error.__traceback__))
        logger.error("unexpected %s in %s\n%s", type(error).__name__, tool.name, frames)
        return error_result(_unexpected())
    return types.CallToolResult(
        content=[types.TextContent(text=tool.render(result))],
        structured_content=result.model_dump(mode="json", exclude_none=True),
        _meta=meta,
    )


def preparer_of(ctx: Context) -> str:
    """Who made a call: whom its token is of; over stdio the client's name, which is only what it claims."""
    token = get_access_token()
    if token is not None:
        return f"assistant ({_named(token.subject or token.client_id)})"
    client = ctx.session.client_params
    name = clean(client.client_info.name, 80) if client else ""
    return f"assistant ({name})" if name else "assistant"


def _named(subject: str) -> str:
    """A subject as people read it. One that had to be cut or cleaned for that is told from its like by a hash."""
    shown = clean(subject, 80)
    return shown if shown == subject else f"{clean(subject, 60)} {hashlib.sha256(subject.encode()).hexdigest()[:16]}"


def error_result(error: ApError) -> types.CallToolResult:
    """An error as a tool result: text for the model, and the same facts typed."""
    error.next_step = as_installed(error.next_step)
    structured: dict[str, Any] = {
        "code": error.error_code,
        "message": error.message,
        "who": error.who.value,
        "next_step": error.next_step,
        "findings": [],
    }
    if isinstance(error, Refused):
        structured["findings"] = [f.model_dump(mode="json") for f in error.findings]
    if isinstance(error, Ambiguous):
        structured["candidates"] = [{"id": identifier, "name": name} for identifier, name in error.candidates]
    return types.CallToolResult(
        content=[types.TextContent(text=render_error(error))], structured_content=structured, is_error=True
    )


def _unexpected() -> ApError:
    return ApError(
        "an unexpected error occurred",
        code="internal",
        next_step="Check get_proposal before repeating a write. The server's log shows where the error occurred.",
    )
