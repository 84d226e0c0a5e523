"""While a company's first sync runs it can be read, every answer says that records may be missing, no write passes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.client import Client
from msgspec import structs

from rutter_ap_server.app import App
from rutter_ap_server.companies.company import FIRST_SYNC_NOTE
from rutter_ap_server.companies.ledgers import identity_of
from rutter_ap_server.rutter.errors import NotReady
from rutter_ap_server.rutter.models.vendors import VendorCreate
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_tools.catalogue import CATALOGUE
from rutter_ap_tools.text import fold
from rutter_ap_tools.tool import Risk
from support.bench import a_bench
from support.connect_flow import in_books, listed
from support.people import answer
from support.seeded import practice_home
from support.serving import bill_numbered, done, failed, link_funding, serving, text_of

pytestmark = pytest.mark.anyio
YES = answer("accept", approve=True)
READS: dict[str, dict[str, Any]] = {
    "list_bills": {},
    "summarize_payables": {},
    "list_payments": {},
    "list_credits": {"status": "any"},
    "find_records": {"kind": "vendor"},
}
NEW_BILL: dict[str, Any] = {
    "vendor": "Northwind Utilities",
    "issue_date": "2026-11-18",
    "currency": "USD",
    "document_number": "NW-FIRST-SYNC",
    "lines": [{"amount": "10.01", "account": "Utilities"}],
}


def first_sync(home: Path, *, runs: bool) -> None:
    in_books(home, "UPDATE companies SET status = ? WHERE number = 1", "not_ready" if runs else "active")


@asynccontextmanager
async def syncing(home: Path) -> AsyncIterator[tuple[Client, App, str]]:
    """A server whose company was used before, and begins its first sync again; and the id of one of its bills."""
    async with serving(home, answering=YES) as (client, app):
        await link_funding(client)
        bill = await bill_numbered(client, "GR-88")
        first_sync(home, runs=True)
        yield client, app, bill["id"]


async def test_every_read_answers_and_says_what_may_be_missing(home: Path) -> None:
    async with syncing(home) as (client, _, bill_id):
        reads = READS | {"get_bill": {"bill_id": bill_id}, "read_attachment": {"bill_id": bill_id}}
        elsewhere = {"list_connections", "sync_ledger", "get_proposal", "list_proposals"}
        assert set(reads) | elsewhere == {tool.name for tool in CATALOGUE if tool.risk is Risk.READS}
        for tool, arguments in READS.items():
            first_sync(home, runs=False)
            before = await done(client, tool, **arguments)
            first_sync(home, runs=True)
            found = await done(client, tool, **arguments)
            assert found.pop("company") == before.pop("company") | {"note": FIRST_SYNC_NOTE}, tool
            assert found == before, tool
        shown = await client.call_tool("get_bill", {"bill_id": bill_id})
        assert FIRST_SYNC_NOTE in text_of(shown)
        assert (await listed(client))["Harbor & Pine Ltd"]["health"] == "not_ready"


async def test_what_is_not_found_is_not_said_to_be_missing(home: Path) -> None:
    async with syncing(home) as (client, _, _):
        calls: list[tuple[str, dict[str, Any]]] = [
            ("list_bills", {"vendor": "Nobody At All"}),
            ("get_bill", {"bill_id": "b-unknown"}),
            ("create_bill", NEW_BILL | {"vendor": "Nobody At All"}),
        ]
        for tool, arguments in calls:
            assert FIRST_SYNC_NOTE in (await failed(client, tool, **arguments))["next_step"], tool
        first_sync(home, runs=False)
        for tool, arguments in calls:
            assert "first sync" not in (await failed(client, tool, **arguments))["next_step"], tool


async def test_no_write_passes_during_the_first_sync(home: Path) -> None:
    """An answer in the chat does not release it, whatever the policy allows; a preview says why."""
    practice_home(home)
    (home / "policy.toml").write_text('[tools]\npay_bill = "allow"\ncreate_bill = "allow"\nsave_vendor = "allow"\n')
    async with syncing(home) as (client, _, bill_id):
        writes: dict[str, dict[str, Any]] = {
            "create_bill": NEW_BILL,
            "pay_bill": {"bill_id": bill_id, "amount": "1.00"},
            "save_vendor": {"name": "Willow & Sons Joinery", "currency": "USD"},
            "update_bill": {"bill_id": bill_id, "memo": "checked"},
            "link_account": {"role": "expense", "account": "Utilities"},
        }
        for tool, arguments in writes.items():
            tried = await done(client, tool, dry_run=True, **arguments)
            held = await done(client, tool, **arguments)
            assert (tried["verdict"], held["status"], held["verdict"]) == ("approve", "held", "approve"), tool
            assert "ledger.incomplete" in {one["code"] for one in held["findings"]}, tool
        first_sync(home, runs=False)
        passed = await done(client, "create_bill", **NEW_BILL | {"document_number": "NW-AFTER"})
        assert passed["status"] == "posted"
        assert "ledger.incomplete" not in {one["code"] for one in passed["findings"]}


async def test_lists_of_the_first_sync_are_read_again_after_it(home: Path) -> None:
    """A vendor that came in with the rest of the first sync is found at once, and the note is gone."""
    async with syncing(home) as (_, app, _):
        company = await app.companies.get("")
        company.directory.forget()
        assert "Willow" not in {one.vendor_name for one in (await company.directory.vendors()).values()}
        assert company.is_incomplete
        first_sync(home, runs=False)
        new = VendorCreate(vendor_name="Willow", contact_name="Willow", currency_code="USD")
        assert isinstance(await company.rutter.vendors.create(new, idempotency_key="willow"), Done)
        again = await app.companies.get("")
        assert "Willow" in {one.vendor_name for one in (await again.directory.vendors()).values()}
        assert not again.is_incomplete


async def test_the_client_alone_bypasses_nothing_unless_it_is_told_to(home: Path) -> None:
    async with syncing(home) as (_, app, bill_id):
        client, company = await app.companies.client(), await app.companies.get("")
        token = company.rutter._session.token
        plain, bypassing = client.connection(token), client.connection(token, bypass_first_sync=True)
        with pytest.raises(NotReady):
            await plain.bills.get(bill_id)
        assert (await bypassing.bills.get(bill_id)).id == bill_id
        assert (plain.first_sync.reads, bypassing.first_sync.reads) == (0, 1)


@pytest.mark.parametrize(("is_synced", "name"), [(False, None), (False, "Harbor & Pine Ltd"), (True, None)])
async def test_a_ledger_without_a_name_is_not_used_before_it_has_one(
    home: Path, is_synced: bool, name: str | None
) -> None:
    """Two connections to one such ledger would not be known from two ledgers."""
    async with a_bench(home) as bench:
        rutter = bench.company.rutter
        plain = structs.replace(await rutter.detail(), store_name=None, store_unique_id=None)
        rutter.first_sync.is_bypassed = True

        def answer(request: httpx.Request, _: httpx.Response) -> httpx.Response:
            if not is_synced and "force_fetch" not in request.url.params:
                return httpx.Response(400, json={"error_code": "PRODUCT_NOT_READY"}, request=request)
            return httpx.Response(200, json={"company_info": {"id": "c1", "name": name}}, request=request)

        bench.wire.answers = answer
        if is_synced or name:
            assert (await identity_of(rutter, "c1", plain, "sandbox")).name == fold(name)
        else:
            with pytest.raises(NotReady):
                await identity_of(rutter, "c1", plain, "sandbox")
