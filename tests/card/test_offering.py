"""The card is offered to hosts that can show one, over both protocol generations, and nothing changes for the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.extension import advertise
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp.shared.exceptions import MCPError
from mcp.types import TextResourceContents

from rutter_ap_server.mcp.card import CARD_URI
from rutter_ap_server.mcp.server import build_server, listed
from rutter_ap_tools.catalogue import CATALOGUE
from rutter_ap_tools.wire import WriteArguments
from support.cards import IN_CARD, with_policy
from support.serving import app_in, over_stdio, serving

pytestmark = pytest.mark.anyio
BOTH = pytest.mark.parametrize("mode", ["auto", "legacy"], ids=["2026-07-28", "2025-11-25"])
WRITES = {tool.name for tool in CATALOGUE if issubclass(tool.arguments, WriteArguments)}


async def seen(client: Client) -> dict[str, dict[str, Any]]:
    """The tools as they stand on the wire."""
    listing = await client.list_tools()
    return {one.name: one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in listing.tools}


CATALOGUED = {one.name: listed(one).model_dump(mode="json", by_alias=True, exclude_none=True) for one in CATALOGUE}


@BOTH
async def test_without_the_extension_nothing_differs(home: Path, mode: str) -> None:
    with_policy(home, IN_CARD)
    async with serving(home, mode=mode) as (client, _):
        assert await seen(client) == CATALOGUED
        with pytest.raises(MCPError, match="unknown tool: answer_card"):
            await client.call_tool("answer_card", {"question": "q", "release": True})
        with pytest.raises(MCPError, match="unknown resource"):
            await client.read_resource(CARD_URI)


@BOTH
async def test_every_write_is_shown_in_a_card_and_nothing_else(home: Path, mode: str) -> None:
    async with serving(home, mode=mode, cards=True) as (client, _):
        found = await seen(client)
        metas = {name: one.pop("_meta") for name, one in found.items() if "_meta" in one}
    assert found == CATALOGUED
    assert metas == {name: {"ui": {"resourceUri": CARD_URI}, "ui/resourceUri": CARD_URI} for name in WRITES}


@BOTH
async def test_only_the_policy_adds_the_tool_that_answers(home: Path, mode: str) -> None:
    with_policy(home, IN_CARD)
    async with over_stdio(home, mode=mode, cards=True) as client:
        found = await seen(client)
        assert found["answer_card"]["_meta"] == {"ui": {"resourceUri": CARD_URI, "visibility": ["app"]}}
        assert len(found) == len(CATALOGUE) + 1
    for switched_off in ("[asking]\nin_card = false", "", "[asking]\nin_card = maybe"):
        with_policy(home, switched_off)
        async with serving(home, mode=mode, cards=True) as (client, _):
            assert "answer_card" not in await seen(client)


@BOTH
async def test_a_server_that_only_reads_has_no_card(home: Path, mode: str) -> None:
    with_policy(home, IN_CARD)
    async with serving(home, mode=mode, cards=True, environ={"RUTTER_AP_READ_ONLY": "1"}) as (client, _):
        assert all("_meta" not in one for one in (await seen(client)).values())
        with pytest.raises(MCPError, match="unknown resource"):
            await client.read_resource(CARD_URI)


@BOTH
async def test_the_card_is_one_page_that_may_load_nothing(home: Path, mode: str) -> None:
    async with serving(home, mode=mode, cards=True) as (client, _):
        (page,) = (await client.read_resource(CARD_URI)).contents
    assert isinstance(page, TextResourceContents)
    assert page.mime_type == APP_MIME_TYPE
    assert page.meta == {"ui": {"csp": {}, "prefersBorder": True}}
    for way_out in ("http:", "https:", "innerHTML", "fetch(", "eval(", "src=", "href=", "import("):
        assert way_out not in page.text, way_out


async def test_the_server_says_that_it_has_cards(home: Path) -> None:
    async with serving(home) as (client, _):
        assert client.server_capabilities.extensions == {EXTENSION_ID: {}}


@BOTH
@pytest.mark.parametrize(
    "settings",
    [{}, {"mimeTypes": []}, {"mimeTypes": APP_MIME_TYPE}, {"mimeTypes": None}, {"mimeTypes": ["text/html", 1]}],
)
async def test_who_shows_other_pages_shows_no_card(home: Path, mode: str, settings: dict[str, Any]) -> None:
    server = build_server(app_in(home), CATALOGUE, instructions="")
    async with Client(server, mode=mode, extensions=[advertise(EXTENSION_ID, settings)]) as client:
        assert await seen(client) == CATALOGUED
