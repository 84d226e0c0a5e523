"""Against a Rutter in a process of its own: companies from the settings and from the store, each with its own fate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.connect_flow import consent, link_company, listed
from support.sandbox_server import Announced, sandbox_server, settings_of
from support.serving import done, failed, serving
from support.store_rows import put

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def rutter() -> Iterator[Announced]:
    """A sandbox that is served, and what it says of itself."""
    with sandbox_server() as served:
        yield served


async def test_without_a_token_no_company_is_connected_until_linked(rutter: Announced, home: Path) -> None:
    async with serving(home, environ=settings_of(rutter)) as (client, _):
        error = await failed(client, "list_bills")
        assert error["code"] == "company.none"
        assert "connect_ledger" in error["next_step"]
        empty = await done(client, "list_connections")
        assert empty["connections"] == []
        begun = await done(client, "connect_ledger", name="Only One")
        assert begun["link_url"].startswith(rutter["base_url"].removesuffix("/versioned") + "/link/")
        await consent(begun["link_url"])
        assert (await done(client, "connect_ledger", name="Only One"))["status"] == "connected"
        bills = await done(client, "list_bills")
        assert (bills["company"]["name"], bills["environment"]) == ("Only One", "sandbox")
    async with serving(home, environ=settings_of(rutter)) as (client, _):
        assert (await done(client, "list_bills"))["company"]["name"] == "Only One"


async def test_the_company_of_the_settings_is_beside_the_linked_ones(rutter: Announced, home: Path) -> None:
    own = rutter["connections"][0]
    async with serving(home, environ=settings_of(rutter, own["access_token"])) as (client, _):
        assert (await done(client, "list_bills"))["company"]["name"] == "Harbor & Pine Ltd"
        await link_company(client, "Beside")
        assert set(await listed(client)) == {"Harbor & Pine Ltd", "Beside"}
        assert (await failed(client, "list_bills"))["code"] == "company.unknown"


async def test_a_refused_token_in_the_settings_affects_no_other(rutter: Announced, home: Path) -> None:
    async with serving(home, environ=settings_of(rutter)) as (client, _):
        await link_company(client, "Still Here")
    async with serving(home, environ=settings_of(rutter, "no-such-token-4711")) as (client, _):
        assert (await done(client, "list_bills", company="Still Here"))["bills"]
        rows = await listed(client)
        assert rows["Still Here"]["health"] == "active"
        assert rows["the company of RUTTER_ACCESS_TOKEN"]["health"] == "unknown"
        assert (await failed(client, "list_bills"))["code"] == "company.unknown", "two companies, of which one is ill"
        error = await failed(client, "list_bills", company="RUTTER_ACCESS_TOKEN")
        assert (error["code"], error["who"]) == ("credentials_rejected", "operator")
        assert "4711" not in str(rows) + str(error)


async def test_a_refused_token_is_reported_when_it_is_the_only_one(rutter: Announced, home: Path) -> None:
    async with serving(home, environ=settings_of(rutter, "no-such-token-4711")) as (client, _):
        assert (await failed(client, "list_bills"))["code"] == "credentials_rejected"
        (row,) = (await listed(client)).values()
        assert (row["id"], row["health"]) == ("RUTTER_ACCESS_TOKEN", "unknown")
        assert "does not accept" in row["problem"]


async def test_a_connection_kept_twice_counts_once(rutter: Announced, home: Path) -> None:
    async with serving(home, environ=settings_of(rutter)) as (client, app):
        company_id = await link_company(client, "Twice")
        token = await app.connect_flow.connections.secret(company_id, "access_token")
        assert token is not None
    async with serving(home, environ=settings_of(rutter, token.reveal())) as (client, _):
        bills = await done(client, "list_bills")
        assert bills["company"]["id"] == company_id
        assert len(await listed(client)) == 1


async def test_companies_of_one_environment_are_not_those_of_another(rutter: Announced, home: Path) -> None:
    async with serving(home, environ=settings_of(rutter)) as (client, _):
        await link_company(client, "Practice")
    async with serving(home, environ=settings_of(rutter) | {"RUTTER_ENVIRONMENT": "production"}) as (client, _):
        assert (await failed(client, "list_bills", company="Practice"))["code"] == "company.none"


async def test_an_unreachable_rutter_is_reported_and_not_remembered(home: Path) -> None:
    with sandbox_server() as served:
        async with serving(home, environ=settings_of(served)) as (client, _):
            await link_company(client, "Far Away")
            await listed(client)
    async with serving(home, environ=settings_of(served)) as (client, _):
        row = (await listed(client))["Far Away"]
        assert row["health"] == "unknown"
        assert "not be reached" in row["problem"]
        assert "It last responded on 20" in row["problem"]
        assert served["base_url"] not in str(row)


def connect_again(rutter: Announced) -> dict[str, str]:
    """Another connection to the ledger of the first company, with its token."""
    body = {"platform": "QUICKBOOKS", "realm_id": "sandbox-1"}
    made = httpx.post(
        f"{rutter['base_url']}/connections/create",
        json=body,
        auth=(rutter["client_id"], rutter["client_secret"]),
        headers={"X-Rutter-Version": "2024-08-31"},
        timeout=20,
        trust_env=False,
    )
    fields: dict[str, str] = made.raise_for_status().json()["connection"]
    return fields


LINK = {"role": "funding", "account": "Operating Checking"}


async def test_a_new_token_for_the_same_ledger_takes_its_place(rutter: Announced, home: Path) -> None:
    """One server may still run with the earlier token: of the two it is the one that stops writing."""
    token, again = rutter["connections"][0]["access_token"], connect_again(rutter)
    async with serving(home, environ=settings_of(rutter, token)) as (client, _):
        linked = await done(client, "link_account", **LINK)
        own_id = linked["company"]["id"]
        async with serving(home, environ=settings_of(rutter, again["access_token"])) as (newer, app):
            found = await done(newer, "list_proposals", state="posted")
            assert (found["company"]["id"], found["proposals"][0]["id"]) == (again["id"], linked["proposal_id"])
            assert (await app.companies.get("")).ledger_id == own_id != again["id"]
            assert (await done(newer, "link_account", **LINK))["company"]["id"] == again["id"]
            late = await failed(client, "link_account", **LINK)
            assert (late["code"], again["id"] in late["message"]) == ("company.linked_twice", True)


async def test_an_open_write_of_the_earlier_token_stops_the_new_one(rutter: Announced, home: Path) -> None:
    token, again = rutter["connections"][0]["access_token"], connect_again(rutter)
    async with serving(home, environ=settings_of(rutter, token)) as (client, app):
        own_id = (await done(client, "list_bills"))["company"]["id"]
        open_one = put(app.store, company_id=own_id, environment="sandbox", state="unknown")
    async with serving(home, environ=settings_of(rutter, again["access_token"])) as (client, app):
        assert (await done(client, "list_bills"))["company"]["id"] == again["id"]
        error = await failed(client, "link_account", **LINK)
        assert (error["code"], open_one.id in error["next_step"]) == ("connection.unsettled", True)
        await app.recover()
        assert (await done(client, "get_proposal", proposal_id=open_one.id))["proposal"]["state"] == "unknown"


async def test_a_saved_company_is_not_linked_again_by_a_token(rutter: Announced, home: Path) -> None:
    async with serving(home, environ=settings_of(rutter)) as (client, app):
        await done(client, "list_connections")
        again = connect_again(rutter)
        await app.connect_flow.onboarding.adopt(again["id"], actor="terminal")
        assert (await done(client, "list_bills"))["company"]["id"] == again["id"]
    async with serving(home, environ=settings_of(rutter, rutter["connections"][0]["access_token"])) as (client, _):
        assert (await done(client, "list_bills"))["company"]["id"] == again["id"]
        (problem,) = [row["problem"] for row in (await listed(client)).values() if row["id"] != again["id"]]
        assert "already connected" in problem
