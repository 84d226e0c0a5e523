"""One ledger is one company, however often it is linked: nothing is paid, counted or forgotten twice over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from rutter_ap_server.app import App
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.store.connections import SavedConnection
from support.approvers import add_approver
from support.connect_flow import consent, in_books, in_store, link_company, listed
from support.serving import PASSCODE, done, failed, serving

pytestmark = pytest.mark.anyio
FIRST = "Harbor & Pine Ltd"
TABLE = """
    [{}currencies.USD]
    approve_above = "1.00"
    two_approvers_above = "500.00"
    single_limit = "{}"
    day_limit = "80.00"
    vendor_day_limit = "80.00"
"""


async def link_again(client: Client, ledger: str, name: str = "Again") -> tuple[str, dict[str, Any]]:
    """The id of another connection to the ledger of that one, and what the last call said."""
    begun = await done(client, "connect_ledger", name=name)
    await consent(begun["link_url"], ledger=ledger)
    company_id: str = begun["company"]["id"]
    return company_id, await failed(client, "connect_ledger", connection_id=company_id)


async def remove(app: App, company_id: str) -> None:
    """What `rutter-ap connections remove` does, once it was confirmed."""
    saved: SavedConnection = await app.connect_flow.connections.saved(company_id)
    await app.connect_flow.connections.remove(saved, actor="terminal")


async def bill_of(client: Client, company: str) -> str:
    bills = await done(client, "list_bills", company=company, status="any")
    (bill_id,) = [bill["id"] for bill in bills["bills"] if bill["document_number"] == "FV-1"]
    return str(bill_id)


async def bank_of(client: Client, company: str) -> str:
    accounts = await done(client, "find_records", kind="account", company=company)
    return next(str(row["name"]) for row in accounts["records"] if row["account_type"] == "bank")


async def pay(client: Client, app: App, company: str, amount: str) -> str:
    """A payment of the linked company's bill, released by Dana; what became of it."""
    bill_id, bank = await bill_of(client, company), await bank_of(client, company)
    held = await done(client, "pay_bill", bill_id=bill_id, amount=amount, account=bank, company=company)
    assert held["company"]["id"] == company
    await add_approver(app.store, "Dana", PASSCODE)
    known = await app.companies.get(company)
    seen = await app.approvals.preview(held["proposal_id"], known)
    released = await app.approvals.approve(seen, known, by=Proof("Dana", PASSCODE), channel="terminal")
    return str(released.state)


def paid(home: Path) -> int:
    """How many payments all ledgers of linked companies show."""
    linked = "SELECT number FROM companies WHERE store_name LIKE 'Linked %'"
    query = f"SELECT COUNT(*) FROM objects WHERE kind = 'bill_payment' AND company IN ({linked})"
    return int(in_books(home, query)[0][0])


async def own_id(client: Client) -> str:
    return str((await listed(client))[FIRST]["id"])


async def test_linking_a_ledger_twice_is_said_at_once(home: Path) -> None:
    async with serving(home) as (client, _):
        own = await own_id(client)
        again, said = await link_again(client, own)
        assert (said["code"], said["who"]) == ("company.linked_twice", "person")
        assert own in said["message"]
        assert f"connections remove {again}" in said["next_step"]
        row = (await listed(client))["Again"]
        assert (row["health"], "already connected" in row["problem"]) == ("unknown", True)
        # The one in use is as usable as before, and need not even be named.
        assert (await done(client, "list_bills"))["company"]["id"] == own
        for tool, arguments in (("list_bills", {}), ("link_account", {"role": "funding", "account": "Operating"})):
            error = await failed(client, tool, company=again, **arguments)
            assert error["code"] == "company.linked_twice", tool


async def test_a_list_that_finishes_a_second_link_shows_it(home: Path) -> None:
    async with serving(home) as (client, _):
        own = await own_id(client)
        begun = await done(client, "connect_ledger", name="Again")
        await consent(begun["link_url"], ledger=own)
        assert "already connected" in (await listed(client))["Again"]["problem"]


async def test_one_bill_is_not_paid_through_two_connections(home: Path) -> None:
    async with serving(home) as (client, app):
        first = await link_company(client)
        again, _ = await link_again(client, first)
        assert await pay(client, app, first, "50.00") == "posted"
        bill_id = await bill_of(client, first)
        for company in (again, "Again"):
            error = await failed(client, "pay_bill", bill_id=bill_id, amount="50.00", company=company)
            assert error["code"] in ("company.linked_twice", "company.unknown")
    assert paid(home) == 1


async def test_a_ledger_linked_anew_keeps_what_its_limits_counted(home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "policy.toml").write_text(TABLE.format("", "75.00"))
    async with serving(home) as (client, app):
        first = await link_company(client)
        assert await pay(client, app, first, "50.00") == "posted"
        again, _ = await link_again(client, first)
        await remove(app, first)
        assert await pay(client, app, again, "40.00") == "held"
        waits = (await done(client, "list_proposals", company=again))["proposals"][0]["id"]
        held = await app.proposal(waits)
        assert "amount.over_day_limit" in [one.code for one in held.findings]
        assert await pay(client, app, again, "30.00") == "posted"
        limits = (await done(client, "list_proposals", company=again, state="any"))["limits"]
        (left,) = [one["left"]["amount"] for one in limits if one["name"] == "day_limit" and one["hours"] == 24][:1]
        assert left == "0.00"
    assert paid(home) == 2


async def test_a_ledger_linked_anew_keeps_its_history_and_accounts(home: Path) -> None:
    async with serving(home) as (client, app):
        first = await link_company(client)
        await done(client, "link_account", role="funding", account=await bank_of(client, first), company=first)
        assert await pay(client, app, first, "50.00") == "posted"
        again, _ = await link_again(client, first)
        await remove(app, first)
    # Whichever process looks next.
    async with serving(home) as (client, _):
        held = await done(client, "pay_bill", bill_id=await bill_of(client, again), amount="10.00", company=again)
        assert (held["status"], held["company"]["id"]) == ("held", again)
        shown = await done(client, "list_proposals", company=again, state="posted")
        assert [row["tool"] for row in shown["proposals"]] == ["pay_bill", "link_account"]


async def test_a_policy_may_name_either_of_its_connections(home: Path) -> None:
    async with serving(home) as (client, app):
        first = await link_company(client)
        again, _ = await link_again(client, first)
        await remove(app, first)
        bill_id, bank = await bill_of(client, again), await bank_of(client, again)
        for named in (first, again):
            (home / "policy.toml").write_text(TABLE.format(f'companies."{named}".', "1.00"))
            tried = await failed(client, "pay_bill", bill_id=bill_id, amount="2.00", company=again, account=bank)
            assert "amount.over_single_limit" in [one["code"] for one in tried["findings"]], tried


async def test_of_a_ledger_nobody_can_tell_nothing_is_written(home: Path) -> None:
    """A connection of an earlier version, whose ledger Rutter does not say at first."""
    async with serving(home) as (client, _):
        first = await link_company(client)
        await link_again(client, first)
    in_store(home, "DELETE FROM ledger_connections")
    tokens = in_books(home, "SELECT access_token FROM companies WHERE id = ?", first)
    in_books(home, "UPDATE companies SET access_token = 'gone' WHERE id = ?", first)
    async with serving(home) as (client, _):
        rows = await listed(client)
        assert rows["Second"]["health"] == "unknown"
        await failed(client, "link_account", role="funding", account="Checking", company=first)
    assert in_store(home, "SELECT COUNT(*) FROM links") == [(0,)]
    in_books(home, "UPDATE companies SET access_token = ? WHERE id = ?", tokens[0][0], first)
    async with serving(home) as (client, _):
        rows = await listed(client)
        used = [name for name in ("Second", "Again") if rows[name]["health"] == "active"]
        assert len(used) == 1


async def test_a_connection_that_leads_elsewhere_writes_nothing(home: Path) -> None:
    async with serving(home) as (client, _):
        first = await link_company(client)
        other = await link_company(client, "Other")
    in_books(
        home, "UPDATE companies SET ledger = (SELECT number FROM companies WHERE id = ?) WHERE id = ?", other, first
    )
    async with serving(home) as (client, _):
        error = await failed(client, "link_account", role="funding", account="Checking", company=first)
        assert error["code"] == "company.other_ledger"
        assert "problem" in (await listed(client))["Second"]
    in_books(home, "UPDATE companies SET ledger = NULL WHERE id = ?", first)
    async with serving(home) as (client, _):
        assert "problem" not in (await listed(client))["Second"]
