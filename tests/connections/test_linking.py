"""Linking a company: begun in the chat, finished on the page by a person, kept across restarts, and never twice."""

from __future__ import annotations

from pathlib import Path

import anyio
import httpx
import pytest

from rutter_ap_server.app import App
from support.connect_flow import audited, consent, in_books, in_store, link_company, listed
from support.serving import done, failed, serving, text_of

pytestmark = pytest.mark.anyio


async def test_a_linked_company_is_usable_at_once_and_after_a_restart(home: Path) -> None:
    async with serving(home) as (client, _):
        company_id = await link_company(client, "Fjord Books", "NETSUITE")
        bills = await done(client, "list_bills", company="fjord books")
        assert [bill["document_number"] for bill in bills["bills"]] == ["FV-1"]
        assert bills["company"] == {"id": company_id, "name": "Fjord Books"}
        assert bills["environment"] == "embedded"
    async with serving(home) as (client, _):
        again = await done(client, "list_bills", company=company_id)
        assert [bill["document_number"] for bill in again["bills"]] == ["FV-1"]
    assert audited(home) == ["connection_started", "connection_linked"]


async def test_an_unnamed_company_takes_its_name_from_the_platform(home: Path) -> None:
    async with serving(home) as (client, _):
        begun = await done(client, "connect_ledger")
        await consent(begun["link_url"], "QUICKBOOKS")
        linked = await done(client, "connect_ledger")
        assert linked["status"] == "connected"
        assert linked["company"]["name"].startswith("Linked Quickbooks Company")


async def test_a_repeated_call_returns_the_same_link_and_connection(home: Path) -> None:
    async with serving(home) as (client, _):
        answers = [await done(client, "connect_ledger", name=name) for name in ("Second", "second", " SECOND ")]
        other = await done(client, "connect_ledger", name="Third")
        assert len({answer["link_url"] for answer in answers}) == 1
        assert {answer["status"] for answer in answers} == {"waiting"}
        assert other["link_url"] != answers[0]["link_url"]
    assert in_books(home, "SELECT COUNT(*) FROM companies WHERE platform IS NULL") == [(2,)]


async def test_many_calls_at_once_begin_one_connection(home: Path) -> None:
    async with serving(home) as (client, _):
        ids: set[str] = set()

        async def begin() -> None:
            ids.add((await done(client, "connect_ledger", name="Second"))["company"]["id"])

        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(begin)
        assert len(ids) == 1
    assert in_books(home, "SELECT COUNT(*) FROM companies WHERE platform IS NULL") == [(1,)]


async def test_a_list_finds_what_a_person_finished_without_being_told(home: Path) -> None:
    async with serving(home) as (client, _):
        begun = await done(client, "connect_ledger", name="Second")
        rows = await listed(client)
        assert (rows["Second"]["health"], rows["Second"]["sign_in_url"]) == ("waiting", begun["link_url"])
        await consent(begun["link_url"])
        rows = await listed(client)
        assert (rows["Second"]["health"], rows["Second"]["platform"]) == ("active", "XERO")
        assert "sign_in_url" not in rows["Second"]
    assert audited(home) == ["connection_started", "connection_linked"]


async def test_a_read_only_server_lists_what_waits_and_finishes_none(home: Path) -> None:
    async with serving(home) as (client, _):
        begun = await done(client, "connect_ledger", name="Second")
        await consent(begun["link_url"])
    async with serving(home, environ={"RUTTER_AP_READ_ONLY": "true"}) as (client, _):
        assert (await listed(client))["Second"]["health"] == "waiting"
        offered = {tool.name for tool in (await client.list_tools()).tools}
        assert {"list_connections", "sync_ledger"} <= offered
        assert "connect_ledger" not in offered
    assert in_store(home, "SELECT status FROM connections") == [("pending",)]


async def test_a_trial_makes_nothing(home: Path) -> None:
    async with serving(home) as (client, _):
        tried = await done(client, "connect_ledger", name="Second", dry_run=True)
        assert tried["status"] == "dry_run"
        assert "Nothing was changed" in tried["next_step"]
        assert list(await listed(client)) == ["Harbor & Pine Ltd"]
    assert in_books(home, "SELECT COUNT(*) FROM companies WHERE platform IS NULL") == [(0,)]


async def test_while_all_writes_are_stopped_nothing_is_linked(home: Path) -> None:
    async with serving(home) as (client, app):
        app.store.write_now(lambda tx: tx.controls.freeze("Ada"))
        refused = await failed(client, "connect_ledger", name="Second")
        assert refused["code"] == "refused"
        assert [finding["code"] for finding in refused["findings"]] == ["freeze.active"]
        app.store.write_now(lambda tx: tx.controls.unfreeze())
        assert (await done(client, "connect_ledger", name="Second"))["status"] == "waiting"
    assert in_books(home, "SELECT COUNT(*) FROM companies WHERE platform IS NULL") == [(1,)]


async def test_the_name_of_a_connected_company_is_not_given_to_another(home: Path) -> None:
    async with serving(home) as (client, _):
        await link_company(client)
        for taken in ("second", "Harbor & Pine Ltd"):
            assert (await failed(client, "connect_ledger", name=taken))["code"] == "connection.name_taken"
        assert (await failed(client, "connect_ledger", name="x" * 31))["code"] == "bad_input"


async def test_only_connections_known_here_can_be_named(home: Path) -> None:
    async with serving(home) as (client, app):
        await done(client, "list_bills")
        rutter = await app.companies.client()
        orphan = await rutter.connections.create()
        others = [one.id for one in await rutter.connections.list(status="any")]
        names = {row["id"] for row in (await done(client, "list_connections"))["connections"]}
        assert len(others) > len(names)
        for unknown in (orphan.id, next(id_ for id_ in others if id_ not in names)):
            assert (await failed(client, "connect_ledger", connection_id=unknown))["code"] == "company.unknown"
            assert (await failed(client, "list_bills", company=unknown))["code"] == "company.unknown"
            assert (await failed(client, "list_connections", company=unknown))["code"] == "company.unknown"


async def test_the_pages_serve_only_linking_and_only_this_machine(home: Path) -> None:
    async with serving(home) as (client, _):
        link = (await done(client, "connect_ledger", name="Second"))["link_url"]
        assert link.startswith("http://127.0.0.1:")
        origin = link.partition("/link/")[0]
        async with httpx.AsyncClient(trust_env=False) as browser:
            assert (await browser.get(link)).status_code == 200
            for path in ("/", "/versioned/connections", "/sandbox/faults", "/link"):
                assert (await browser.get(origin + path)).status_code == 404
            # A page elsewhere whose name was made to lead here.
            rebound = await browser.get(link, headers={"Host": "evil.example"})
            assert rebound.status_code == 404
    async with httpx.AsyncClient(trust_env=False) as browser:
        with pytest.raises(httpx.ConnectError):
            await browser.get(link)


async def test_no_page_is_served_before_somebody_wants_to_link(home: Path) -> None:
    async with serving(home) as (client, app):
        await done(client, "list_bills")
        await done(client, "list_connections")
        assert app.companies._pages is not None
        assert app.companies._pages._server is None


async def test_a_company_linked_by_another_process_needs_no_restart(home: Path) -> None:
    async with serving(home) as (client, _), serving(home) as (other, _):
        assert (await done(client, "list_bills"))["company"]["name"] == "Harbor & Pine Ltd"
        company_id = await link_company(other)
        assert (await failed(client, "list_bills"))["code"] == "company.unknown"
        assert (await done(client, "list_bills", company=company_id))["company"]["name"] == "Second"


async def test_an_answer_in_text_names_the_link_and_what_to_do_next(home: Path) -> None:
    async with serving(home) as (client, _):
        result = await client.call_tool("connect_ledger", {"name": "Second"})
        assert result.structured_content is not None
        said = text_of(result)
        assert result.structured_content["link_url"] in said
        assert f"connection_id {result.structured_content['company']['id']}" in said


async def test_without_a_key_to_seal_its_token_no_connection_begins(home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "secret.key").write_text("half a key")
    async with serving(home) as (client, _):
        assert (await failed(client, "connect_ledger", name="Second"))["code"] == "secrets.key_file"
        assert (await done(client, "list_bills"))["company"]["name"] == "Harbor & Pine Ltd"
    assert in_books(home, "SELECT COUNT(*) FROM companies WHERE platform IS NULL") == [(0,)]


async def test_a_closed_app_can_be_opened_again(home: Path) -> None:
    async with serving(home) as (client, app):
        await link_company(client)
        assert isinstance(app, App)
        await app.companies.aclose()
        assert (await done(client, "list_bills", company="Second"))["company"]["name"] == "Second"
