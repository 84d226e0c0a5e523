"""The catalogue as MCP tools: calls in, typed results out, and every error one of ours."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from rutter_ap_tools.errors import Ambiguous, ApError, Refused
from rutter_ap_tools.reading import read_arguments
from rutter_ap_tools.say import say_error
from rutter_ap_tools.text import clean
from rutter_ap_tools.tool import Tool

if TYPE_CHECKING:
    from rutter_ap_server.guard.asker import Asker
    from rutter_ap_tools.port import Desk

    # Who is asking, and how its person can be asked, give the desk a call is handed to.
    DeskFor = Callable[[str, Asker], Desk]

NAME = "rutter-ap"
logger = logging.getLogger("rutter_ap")


def build_server(desk_for: DeskFor, tools: Sequence[Tool[Any, Any]], *, instructions: str) -> Server[Any]:
    """The MCP server; `tools` is the catalogue as the operator narrowed it, `desk_for` gives each call its desk."""
    offered = {tool.name: tool for tool in tools}
    assert len(offered) == len(tools), "two tools share a name"

    async def on_list_tools(
        ctx: ServerRequestContext[Any, Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[listed(tool) for tool in tools])

    async def on_call_tool(
        ctx: ServerRequestContext[Any, Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        tool = offered.get(params.name)
        if tool is None:
            # A tool the operator hid and one that never was get the same answer.
            raise MCPError(code=types.INVALID_PARAMS, message=f"unknown tool: {clean(params.name, 60)}")
        return await call(desk_for, tool, ctx, params)

    return Server(
        NAME,
        version=version("rutter-ap"),
        title="Accounts payable over Rutter",
        instructions=instructions,
        on_list_tools=on_list_tools,
        on_call_tool=on_call_tool,
    )


def listed(tool: Tool[Any, Any]) -> types.Tool:
    """A tool as a client sees it."""
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.input_schema(),
        output_schema=tool.output_schema(),
        annotations=types.ToolAnnotations(**tool.annotations),
    )


async def call(
    desk_for: DeskFor, tool: Tool[Any, Any], ctx: ServerRequestContext[Any, Any], params: types.CallToolRequestParams
) -> types.CallToolResult | types.InputRequiredResult:
    """One call: arguments read, the tool's own handler asked, the result said in text and typed."""
    from rutter_ap_server.asking import AskFirst, asker_for

    try:
        arguments = read_arguments(tool.arguments, params.arguments or {})
        desk = desk_for(preparer_of(ctx), asker_for(ctx, params))
        result = await tool.handle(desk, arguments)
    except AskFirst as first:
        return first.result()
    except ApError as error:
        return error_result(error)
    except Exception as error:  # noqa: BLE001 - the last line: what nobody expected still gets an answer of ours
        # The exception's own text may hold anything; where it was raised is what helps to mend it.
        frames = "".join(traceback.format_tb(error.__traceback__))
        logger.error("unexpected %s in %s\n%s", type(error).__name__, tool.name, frames)
        return error_result(_unexpected())
    return types.CallToolResult(
        content=[types.TextContent(text=tool.say(result))],
        structured_content=result.model_dump(mode="json", exclude_none=True),
    )


def preparer_of(ctx: ServerRequestContext[Any, Any]) -> str:
    """Who made a call: over stdio, the client's own name, which is only what it says of itself."""
    client = ctx.session.client_params
    name = clean(client.client_info.name, 80) if client else ""
    return f"assistant ({name})" if name else "assistant"


def error_result(error: ApError) -> types.CallToolResult:
    """An error as a tool result: text for the model, the same facts typed."""
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
        content=[types.TextContent(text=say_error(error))], structured_content=structured, is_error=True
    )


def _unexpected() -> ApError:
    return ApError(
        "something went wrong that we did not foresee",
        code="internal",
        next_step="Ask get_proposal before repeating a write; whoever runs this server finds the place in its log.",
    )
