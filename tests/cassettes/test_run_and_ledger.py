"""A payment run, and the tools about the connection itself, against what Rutter's answers looked like when recorded."""

from __future__ import annotations

import pytest

from support.clerk import Company, account_of, due_on, enter, released
from support.recording import marked
from support.serving import done

pytestmark = pytest.mark.anyio


async def test_propose_payment_run_pays_every_bill_its_own_amount(company: Company) -> None:
    async with company() as (client, app):
        bills = [await enter(client, app, f"3{position}", amount) for position, amount in enumerate(("31.01", "32.02"))]
        funding = await account_of(client, "bank", bills[0]["amount"]["currency"])
        run = await done(client, "propose_payment_run", bill_ids=[bill["id"] for bill in bills], account=funding)
        assert run["total"]["amount"] == "63.03"
        assert await released(app, run) == "posted"
        for bill, amount in zip(bills, ("31.01", "32.02"), strict=True):
            assert await due_on(client, bill["id"]) == "0.00"
            (payment,) = (await done(client, "list_payments", bill_id=bill["id"]))["payments"]
            assert payment["amount"]["amount"] == amount


async def test_list_connections_shows_the_company_and_what_it_can_do(company: Company) -> None:
    async with company() as (client, _):
        (row,) = (await done(client, "list_connections"))["connections"]
        assert (row["health"], row["environment"]) == ("active", "sandbox")
        assert "record_payment" in row["abilities"]["can"]


async def test_connect_ledger_begins_one_connection_and_resumes_it(company: Company) -> None:
    async with company() as (client, _):
        name = marked("Recorded Company")
        begun = await done(client, "connect_ledger", name=name)
        again = await done(client, "connect_ledger", name=name)
        assert begun["status"] == again["status"] == "waiting"
        assert begun["company"] == again["company"]
        assert begun["link_url"].startswith("http")
        rows = {row.get("name"): row for row in (await done(client, "list_connections"))["connections"]}
        assert rows[name]["health"] == "waiting"


async def test_sync_ledger_says_how_old_the_data_is_and_asks_for_more(company: Company) -> None:
    async with company() as (client, _):
        asked = await done(client, "sync_ledger")
        assert asked["status"] == "queued"
        assert asked["last_synced_at"]
