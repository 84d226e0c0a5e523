"""Scopes: a token opens a part of the catalogue, and what it does not open is not there in any form."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, PromptReference, ResourceTemplateReference

from rutter_ap_server.mcp.server import build_server
from rutter_ap_tools.catalogue import CATALOGUE
from rutter_ap_tools.scopes import SCOPES, permitting, scope_of
from rutter_ap_tools.tool import Risk
from support.serving import app_in, bill_numbered, done

both_generations = pytest.mark.parametrize("mode", ["auto", "legacy"])


@asynccontextmanager
async def with_token(home: Path, granted: Sequence[str], mode: str = "auto") -> AsyncIterator[Client]:
    """A client whose token carries these scopes, as a transport would narrow the server."""
    app = app_in(home)
    server = build_server(app, CATALOGUE, instructions="", allowed=lambda ctx: permitting(granted))
    async with Client(server, mode=mode) as client:
        yield client
    await app.aclose()


def test_every_risk_has_its_scope_and_every_scope_a_sentence() -> None:
    assert {risk: scope_of(risk) for risk in Risk} == {
        Risk.READS: "ap:read",
        Risk.WRITES: "ap:write",
        Risk.DESTROYS: "ap:pay",
        Risk.MOVES_MONEY: "ap:pay",
    }
    assert set(SCOPES) == {scope_of(risk) for risk in Risk}
    assert all(words.endswith(".") for words in SCOPES.values())


@pytest.mark.parametrize("granted", [[], ["openid", "ap", "ap:*", "AP:READ", "ap:read "]])
def test_what_is_no_scope_of_ours_opens_nothing(granted: list[str]) -> None:
    assert not [tool.name for tool in CATALOGUE if permitting(granted)(tool)]


def test_a_scope_grants_no_other_but_a_writer_sees_the_outcome() -> None:
    for scope in SCOPES:
        opened = {tool.name for tool in CATALOGUE if permitting([scope])(tool)}
        expected = {tool.name for tool in CATALOGUE if scope_of(tool.risk) == scope}
        assert opened == expected | {"get_proposal"}
    assert all(permitting(SCOPES)(tool) for tool in CATALOGUE)


@both_generations
async def test_what_a_token_hides_is_refused_like_what_never_was(mode: str, home: Path) -> None:
    async with with_token(home, ["ap:write"], mode) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert "create_bill" in names
        assert not names & {"list_bills", "get_bill", "pay_bill"}
        for name in ("pay_bill", "list_bills", "no_such_tool"):
            with pytest.raises(MCPError) as caught:
                await client.call_tool(name, {})
            assert (caught.value.code, caught.value.message) == (INVALID_PARAMS, f"unknown tool: {name}")
        assert (await client.list_prompts()).prompts == []
        assert [one.uri_template for one in (await client.list_resource_templates()).resource_templates] == [
            "ap://proposals/{id}"
        ]
        for refused in (
            client.complete(PromptReference(name="apply_open_credits"), {"name": "vendor", "value": "a"}),
            client.complete(ResourceTemplateReference(uri="ap://bills/{id}{?company}"), {"name": "id", "value": ""}),
        ):
            with pytest.raises(MCPError) as caught:
                await refused
            assert caught.value.code == INVALID_PARAMS


@both_generations
async def test_a_reader_reads_and_a_payer_without_reading_sees_nothing(mode: str, home: Path) -> None:
    async with with_token(home, ["ap:read"], mode) as client:
        bill = await bill_numbered(client, "NW-2291")
        assert (await done(client, "get_bill", bill_id=bill["id"]))["bill"] == bill
        assert (await client.read_resource(f"ap://bills/{bill['id']}")).contents
    async with with_token(home, ["ap:pay"], mode) as client:
        assert "pay_bill" in {tool.name for tool in (await client.list_tools()).tools}
        with pytest.raises(MCPError, match="unknown resource"):
            await client.read_resource(f"ap://bills/{bill['id']}")
    async with with_token(home, [], mode) as client:
        assert (await client.list_tools()).tools == []
        assert (await client.list_resources()).resources == []
        with pytest.raises(MCPError, match="unknown resource: ap://policy"):
            await client.read_resource("ap://policy")
