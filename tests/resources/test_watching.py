"""Watching a proposal: whoever asked is told when a person acts, from whatever process, and nothing is left behind."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourceUpdated
from mcp.types import INVALID_PARAMS, ResourceUpdatedNotification

from rutter_ap_server.app import App
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.mcp.server import ServerState, build_server, life
from rutter_ap_server.mcp.subscriptions import PER_SESSION_MAX
from rutter_ap_tools.catalogue import CATALOGUE
from rutter_ap_tools.scopes import permitting
from support.approvers import add_approver
from support.serving import PASSCODE, app_in, bill_numbered, done, link_funding

# The client's own words for subscribing are marked as of an earlier revision, which is what they are here for.
legacy_words = pytest.mark.filterwarnings("ignore:resources/:mcp.MCPDeprecationWarning")


class Told:
    """What a legacy client was told, address by address."""

    def __init__(self) -> None:
        self.uris: list[str] = []
        self.anything = anyio.Event()

    async def __call__(self, message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            self.uris.append(message.params.uri)
            self.anything.set()


@asynccontextmanager
async def a_server(home: Path, **named: Any) -> AsyncIterator[tuple[Server[Any], App, ServerState]]:
    """A server whose one life many clients share, as over HTTP."""
    app = app_in(home)
    server = build_server(app, CATALOGUE, instructions="", **named)
    async with life(server) as shared:

        @asynccontextmanager
        async def the_same(_: Server[Any]) -> AsyncIterator[ServerState]:
            yield shared

        server.lifespan = the_same
        yield server, app, shared
    await app.aclose()


async def held_payments(client: Client, *numbers: str) -> list[str]:
    """The ids of payments that wait for a person."""
    await link_funding(client)
    ids = []
    for number in numbers:
        bill = await bill_numbered(client, number)
        held = await done(client, "pay_bill", bill_id=bill["id"])
        assert held["status"] == "held"
        ids.append(held["proposal_id"])
    return ids


async def declined_elsewhere(home: Path, proposal_id: str) -> None:
    """A person declines, in another process as far as the server can tell."""
    other = app_in(home)
    await add_approver(other.store, "Dana", PASSCODE)
    await other.approvals.decline(proposal_id, by=Proof("Dana", PASSCODE), channel="terminal")
    await other.aclose()


def addresses(shared: ServerState) -> tuple[str, ...]:
    return shared.subscriptions.addresses if shared.subscriptions else ()


async def test_a_stream_hears_only_of_the_proposal_it_watches(home: Path) -> None:
    async with a_server(home) as (server, _, shared), Client(server) as client:
        watched, other = await held_payments(client, "NW-2291", "BH-5520")
        uris = [f"ap://proposals/{watched}", "ap://policy", "ap://proposals/none", "nonsense", f"ap://bills/{watched}"]
        async with client.listen(resource_subscriptions=uris, tools_list_changed=True) as events:
            assert events.honored.resource_subscriptions == uris[:1]
            assert not events.honored.tools_list_changed
            assert addresses(shared) == (uris[0],)
            await declined_elsewhere(home, other)
            await declined_elsewhere(home, watched)
            with anyio.fail_after(10):
                assert await anext(events) == ResourceUpdated(uri=uris[0])
            (contents,) = (await client.read_resource(uris[0])).contents
            assert '"state": "declined"' in contents.text  # type: ignore[union-attr]
        # The stream's own end is on its way; a server that ends waits for nobody.
        await anyio.sleep(0.2)
        assert addresses(shared) == ()


@legacy_words
async def test_a_session_is_told_until_it_says_that_it_heard_enough(home: Path) -> None:
    told = Told()
    async with a_server(home) as (server, _, shared), Client(server, mode="legacy", message_handler=told) as client:
        first, second, third = await held_payments(client, "NW-2291", "BH-5520", "NW-2304")
        uris = [f"ap://proposals/{one}" for one in (first, second, third)]
        await client.subscribe_resource(uris[0])
        await client.subscribe_resource(uris[1])
        await client.subscribe_resource(uris[0])
        await client.unsubscribe_resource(uris[1])
        await client.unsubscribe_resource(uris[2])
        assert addresses(shared) == (uris[0],)
        for one in (third, second, first):
            await declined_elsewhere(home, one)
        with anyio.fail_after(10):
            await told.anything.wait()
        assert told.uris == [uris[0]]


@legacy_words
async def test_a_session_that_ends_leaves_nothing_behind(home: Path) -> None:
    async with a_server(home) as (server, _, shared), Client(server, mode="legacy") as staying:
        (proposal,) = await held_payments(staying, "NW-2291")
        uri = f"ap://proposals/{proposal}"
        async with Client(server, mode="legacy") as going:
            await going.subscribe_resource(uri)
            await staying.subscribe_resource(uri)
            assert addresses(shared) == (uri,)
        assert addresses(shared) == (uri,)
        await staying.unsubscribe_resource(uri)
        assert addresses(shared) == ()
        async with Client(server, mode="legacy") as going:
            await going.subscribe_resource(uri)
        assert addresses(shared) == ()


@legacy_words
async def test_only_a_proposal_that_may_be_seen_can_be_watched(home: Path) -> None:
    async with a_server(home) as (server, _, _), Client(server, mode="legacy") as client:
        (proposal,) = await held_payments(client, "NW-2291")
        for uri in ("ap://policy", "ap://proposals/none", "ap://nothing", f"ap://bills/{proposal}"):
            with pytest.raises(MCPError) as caught:
                await client.subscribe_resource(uri)
            assert (caught.value.code, caught.value.data) == (INVALID_PARAMS, {"uri": uri})
    uri = f"ap://proposals/{proposal}"
    async with a_server(home, allowed=lambda ctx: permitting([])) as (server, _, shared):
        async with Client(server, mode="legacy") as client:
            with pytest.raises(MCPError, match="unknown resource"):
                await client.subscribe_resource(uri)
        async with Client(server) as client, client.listen(resource_subscriptions=[uri]) as events:
            assert not events.honored.resource_subscriptions
            assert addresses(shared) == ()


@legacy_words
async def test_a_session_watches_a_bounded_number_of_proposals(home: Path) -> None:
    async with a_server(home) as (server, _, shared), Client(server, mode="legacy") as client:
        (proposal,) = await held_payments(client, "NW-2291")
        # Every spelling of an address is one more to remember.
        halves = [(proposal[:n], f"%{ord(proposal[n]):02X}", proposal[n + 1 :]) for n in range(len(proposal))]
        spellings = ["".join(parts) for parts in halves]
        spellings += [before + code + after[:-1] + f"%{ord(after[-1]):02X}" for before, code, after in halves[:-1]]
        uris = [f"ap://proposals/{one}" for one in spellings]
        assert len(set(uris)) > PER_SESSION_MAX
        for uri in uris[:PER_SESSION_MAX]:
            await client.subscribe_resource(uri)
        with pytest.raises(MCPError, match=f"at most {PER_SESSION_MAX}"):
            await client.subscribe_resource(uris[PER_SESSION_MAX])
        assert addresses(shared) == tuple(uris[:PER_SESSION_MAX])
        async with Client(server) as modern, modern.listen(resource_subscriptions=uris) as events:
            assert events.honored.resource_subscriptions == uris[:PER_SESSION_MAX]


@legacy_words
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_it_is_the_same_over_a_pipe_to_a_server_of_its_own(mode: str, home: Path) -> None:
    told = Told()
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "rutter_ap_server", "stdio"],
        env={"RUTTER_AP_HOME": str(home), "RUTTER_AP_DESK": "off"},
    )
    async with Client(command, mode=mode, message_handler=told) as client:
        assert len((await client.list_prompts()).prompts) == 8
        (proposal,) = await held_payments(client, "NW-2291")
        uri = f"ap://proposals/{proposal}"
        with anyio.fail_after(20):
            if mode == "legacy":
                await client.subscribe_resource(uri)
                await declined_elsewhere(home, proposal)
                await told.anything.wait()
                assert told.uris == [uri]
            else:
                async with client.listen(resource_subscriptions=[uri]) as events:
                    await declined_elsewhere(home, proposal)
                    assert await anext(events) == ResourceUpdated(uri=uri)
        (contents,) = (await client.read_resource(uri)).contents
        assert '"state": "declined"' in contents.text  # type: ignore[union-attr]
