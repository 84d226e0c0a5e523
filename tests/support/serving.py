"""A whole server for a test: a real app on the embedded sandbox, and the official MCP client in front of it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from mcp.client import Client
from mcp.client.extension import advertise
from mcp.client.session import ElicitationFnT
from mcp.client.stdio import StdioServerParameters
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp.types import CallToolResult, TextContent

from rutter_ap_prompts import instructions
from rutter_ap_server.clock import Clock
from rutter_ap_server.mcp.server import build_server
from rutter_ap_server.serving import ServingApp
from rutter_ap_server.settings import read_settings
from rutter_ap_tools.catalogue import narrowed
from support.seeded import STORE, practice_home

# What a host says that shows cards.
CARDS = advertise(EXTENSION_ID, {"mimeTypes": [APP_MIME_TYPE]})
PASSCODE = "a passcode only Dana knows"


def app_in(home: Path, environ: Mapping[str, str] | None = None, clock: Clock | None = None) -> ServingApp:
    """An app over the embedded sandbox whose books and store are in `home`."""
    return ServingApp(read_settings({"RUTTER_AP_HOME": str(home), **(environ or {})}), clock)


@asynccontextmanager
async def serving(
    home: Path,
    *,
    mode: str = "auto",
    answering: ElicitationFnT | None = None,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    cards: bool = False,
) -> AsyncIterator[tuple[Client, ServingApp]]:
    """A client connected in process to a server of its own, in a home that was used before; `cards`: it shows them."""
    if not (home / STORE).exists():
        practice_home(home)
    app = app_in(home, environ, clock)
    tools = narrowed(toolsets=app.settings.toolsets, read_only=app.settings.read_only)
    server = build_server(app, tools, instructions=instructions())
    try:
        extensions = [CARDS] if cards else []
        async with Client(server, mode=mode, elicitation_callback=answering, extensions=extensions) as client:
            yield client, app
    finally:
        await app.aclose()


@asynccontextmanager
async def over_stdio(
    home: Path,
    *,
    mode: str = "auto",
    answering: ElicitationFnT | None = None,
    environ: Mapping[str, str] | None = None,
    cards: bool = False,
) -> AsyncIterator[Client]:
    """A client connected to a server process of its own, started as Claude Desktop would."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "rutter_ap_server", "stdio"],
        # A desk only where a test is about it: on a person's machine their browser would open.
        env={"RUTTER_AP_HOME": str(home), "RUTTER_AP_DESK": "off", "TZ": "UTC", **(environ or {})},
    )
    extensions = [CARDS] if cards else []
    async with Client(server, mode=mode, elicitation_callback=answering, extensions=extensions) as client:
        yield client


async def done(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The typed answer of a call that must succeed."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    structured: dict[str, Any] = result.structured_content
    return structured


async def failed(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The typed error of a call that must fail."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, text_of(result)
    structured: dict[str, Any] = result.structured_content
    return structured


def text_of(result: CallToolResult) -> str:
    """The text a model would read."""
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


async def bill_numbered(client: Client, number: str) -> dict[str, Any]:
    """The bill of the seeded story with that number, whatever its status."""
    found = await done(client, "list_bills", document_number=number, status="any")
    assert len(found["bills"]) == 1, f"the story has one bill {number}"
    bill: dict[str, Any] = found["bills"][0]
    return bill


async def link_funding(client: Client) -> None:
    """The account that pays in US dollars."""
    linked = await done(client, "link_account", role="funding", account="Operating Checking")
    assert linked["status"] == "posted"


def held_payment(home: Path, number: str, amount: str) -> str:
    """A payment that an assistant proposed and nobody released yet; its proposal's id."""

    async def propose() -> str:
        async with serving(home) as (client, _):
            await link_funding(client)
            bill = await bill_numbered(client, number)
            return str((await done(client, "pay_bill", bill_id=bill["id"], amount=amount))["proposal_id"])

    return anyio.run(propose)
