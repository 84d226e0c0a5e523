"""`rutter-ap tools`: what an assistant is offered, and what the list costs it."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rutter_ap_server.cli.command import AS_JSON, command
from rutter_ap_server.cli.output import line, print_json, table
from rutter_ap_server.mcp.server import listed
from rutter_ap_server.settings import read_settings
from rutter_ap_tools.catalogue import narrowed
from rutter_ap_tools.tool import Tool

_BYTES_PER_TOKEN = 4


@command(AS_JSON)
def list_tools(given: argparse.Namespace) -> int:
    """The catalogue as an assistant sees it, with its size."""
    settings = read_settings()
    tools = narrowed(toolsets=settings.toolsets, read_only=settings.read_only)
    wire = [offered(tool) for tool in tools]
    sizes = [_size(tool) for tool in wire]
    if given.json:
        print_json({"tools": wire, "bytes": sum(sizes)})
        return 0
    rows = [
        (tool.name, tool.risk.value, f"{size:,} bytes", tool.title) for tool, size in zip(tools, sizes, strict=True)
    ]
    table([*rows], right=[2])
    line(f"{len(tools)} tools, {sum(sizes):,} bytes: {token_figures(wire)}.")
    return 0


def offered(tool: Tool[Any, Any]) -> dict[str, Any]:
    """A tool as it is sent to a client."""
    return listed(tool).model_dump(mode="json", by_alias=True, exclude_none=True)


def token_figures(wire: list[dict[str, Any]]) -> str:
    """What a list of tools costs an assistant, to the nearest hundred tokens; many clients leave output schemas out."""
    without = [{name: value for name, value in tool.items() if name != "outputSchema"} for tool in wire]
    briefly, fully = (round(sum(map(_size, tools)) / _BYTES_PER_TOKEN, -2) for tools in (without, wire))
    return f"about {briefly:,.0f} tokens without output schemas, {fully:,.0f} with them"


def _size(tool: dict[str, Any]) -> int:
    return len(json.dumps(tool, separators=(",", ":")).encode())
