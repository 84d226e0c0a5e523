"""Handing a person the link: with a real client of either protocol generation, and with one that cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mcp.client.session import ElicitationFnT
from mcp.types import (
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitRequestURLParams,
    ElicitResult,
    InputRequiredResult,
)

from support.connect_flow import consent, in_books, link_company
from support.serving import done, over_stdio, serving

pytestmark = pytest.mark.anyio
BOTH = pytest.mark.parametrize("mode", ["auto", "legacy"], ids=["rounds", "in the call"])


class Person:
    """Somebody at the client, who opens links or does not, and signs in there or does not."""

    def __init__(self, action: str = "accept", *, signs_in: bool = True) -> None:
        self.action = action
        self.signs_in = signs_in
        self.seen: list[ElicitRequestURLParams] = []

    @property
    def answering(self) -> ElicitationFnT:
        """What the client asks."""

        async def answering(context: Any, params: ElicitRequestParams) -> ElicitResult:
            assert isinstance(params, ElicitRequestURLParams), "a link is never asked for by a form"
            self.seen.append(params)
            if self.signs_in:
                await consent(params.url)
            return ElicitResult(action=self.action)

        return answering


@BOTH
async def test_opening_the_link_and_signing_in_connects_in_one_call(home: Path, mode: str) -> None:
    person = Person()
    async with serving(home, mode=mode, answering=person.answering) as (client, _):
        linked = await done(client, "connect_ledger", name="Second")
        assert (linked["status"], linked["platform"]) == ("connected", "XERO")
        assert "link_url" not in linked
        assert (await done(client, "list_bills", company="Second"))["bills"]
    (seen,) = person.seen
    assert "Second" in seen.message
    assert seen.url.startswith("http://127.0.0.1:")
    assert (seen.elicitation_id is None) == (mode == "auto"), "an id of its own is part of the older protocol alone"
    assert in_books(home, "SELECT COUNT(*) FROM companies WHERE platform IS NULL") == [(0,)]


@BOTH
@pytest.mark.parametrize("action", ["accept", "decline", "cancel"])
async def test_an_opened_link_means_nothing_until_the_sign_in_is_seen(home: Path, mode: str, action: str) -> None:
    person = Person(action, signs_in=False)
    async with serving(home, mode=mode, answering=person.answering) as (client, _):
        begun = await done(client, "connect_ledger", name="Second")
        assert begun["status"] == "waiting"
        assert begun["link_url"] == person.seen[0].url
        assert ("was opened" in begun["next_step"]) == (action == "accept")
        assert len(person.seen) == 1, "a person is not asked again and again"
        await consent(begun["link_url"])
        assert (await done(client, "connect_ledger", name="Second"))["status"] == "connected"
    assert in_books(home, "SELECT COUNT(*) FROM companies WHERE platform IS NULL") == [(0,)]


@BOTH
async def test_a_client_that_cannot_show_links_gets_it_in_the_answer(home: Path, mode: str) -> None:
    async with serving(home, mode=mode) as (client, _):
        begun = await done(client, "connect_ledger", name="Second")
        assert begun["status"] == "waiting"
        assert "Give the person the link" in begun["next_step"]
        await consent(begun["link_url"])
        assert (await done(client, "connect_ledger", name="Second"))["status"] == "connected"


@BOTH
async def test_over_a_real_stdio_process_a_person_links_a_company(home: Path, mode: str) -> None:
    async with over_stdio(home, mode=mode, answering=Person().answering) as client:
        assert (await done(client, "connect_ledger", name="Second"))["status"] == "connected"
        assert (await done(client, "list_bills", company="Second"))["bills"]


@BOTH
async def test_a_person_signs_in_again_through_the_same_door(home: Path, mode: str) -> None:
    async with serving(home) as (client, _):
        company_id = await link_company(client)
    in_books(home, "UPDATE companies SET status = 'needs_reauth' WHERE id = ?", company_id)
    person = Person()
    async with serving(home, mode=mode, answering=person.answering) as (client, _):
        again = await done(client, "connect_ledger", connection_id="Second")
        assert (again["status"], again["company"]["id"]) == ("connected", company_id)
        assert len(person.seen) == 1
        assert (await done(client, "list_bills", company="Second"))["bills"]


async def test_an_answer_to_another_link_counts_for_nothing(home: Path) -> None:
    async with serving(home, answering=Person(signs_in=False).answering) as (client, _):
        first = await client.session.call_tool("connect_ledger", {"name": "Second"}, allow_input_required=True)
        assert isinstance(first, InputRequiredResult)
        replayed = await client.session.call_tool(
            "connect_ledger",
            {"name": "Third"},
            input_responses={"open": ElicitResult(action="accept")},
            request_state=first.request_state,
            allow_input_required=True,
        )
        assert isinstance(replayed, InputRequiredResult), "the person is asked about the third company itself"
        assert replayed.request_state != first.request_state


async def test_a_form_is_never_what_a_link_is_asked_by(home: Path) -> None:
    async with serving(home, answering=Person(signs_in=False).answering) as (client, _):
        asked = await client.session.call_tool("connect_ledger", {"name": "Second"}, allow_input_required=True)
        assert isinstance(asked, InputRequiredResult)
        assert asked.input_requests is not None
        params = asked.input_requests["open"].params
        assert isinstance(params, ElicitRequestURLParams)
        assert not isinstance(params, ElicitRequestFormParams)
