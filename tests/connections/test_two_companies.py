"""Two companies behind one server: each call says which, each stands for itself, and a broken one harms no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from rutter_ap_server.guard.writes.registry import WRITES as EVERY_WRITE
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.records import RecordKind
from support.connect_flow import consent, in_books, in_store, link_company, listed
from support.serving import done, failed, serving

pytestmark = pytest.mark.anyio
FIRST = "Harbor & Pine Ltd"
READS: dict[str, dict[str, Any]] = {
    "list_bills": {},
    "get_bill": {"bill_id": "b1"},
    "find_records": {"kind": "vendor"},
    "sync_ledger": {},
}
WRITES: dict[str, dict[str, Any]] = {
    "create_bill": {"vendor": "v1", "issue_date": "2026-03-01", "currency": "USD", "lines": [{"amount": "10.00"}]},
    "pay_bill": {"bill_id": "b1"},
    "apply_credit": {"credit_id": "c1", "bill_id": "b1"},
    "attach_file": {"bill_id": "b1", "path": "x.pdf"},
    "link_account": {"role": "funding", "account": "Operating Checking"},
}


async def test_with_two_companies_every_call_must_name_one(
    home: Path,
) -> None:
    """Reads and writes alike, and the error names the companies."""
    async with serving(home) as (client, _):
        company_id = await link_company(client)
        for tool, arguments in (READS | WRITES).items():
            error = await failed(client, tool, **arguments)
            assert error["code"] == "company.unknown", tool
            assert "must name one connected company" in error["message"], tool
            assert FIRST in error["next_step"], tool
            assert f"Second ({company_id})" in error["next_step"], tool


async def test_a_write_stays_in_the_company_that_was_named(home: Path) -> None:
    async with serving(home) as (client, _):
        company_id = await link_company(client)
        await done(client, "link_account", role="funding", account="Operating Checking", company=FIRST)
        accounts = await done(client, "find_records", kind="account", company="Second")
        bank = next(row["name"] for row in accounts["records"] if row["account_type"] == "bank")
        linked = await done(client, "link_account", role="funding", account=bank, company=company_id)
        assert linked["company"] == {"id": company_id, "name": "Second"}
        rows = in_store(home, "SELECT company_id, account_name FROM links ORDER BY company_id = ? DESC", company_id)
        assert rows[0] == (company_id, bank)
        assert rows[1][1] == "Operating Checking"
        assert rows[1][0] != company_id


async def test_a_bill_of_one_company_is_not_found_in_the_other(home: Path) -> None:
    async with serving(home) as (client, _):
        await link_company(client)
        bill = (await done(client, "list_bills", company="Second"))["bills"][0]
        assert (await done(client, "get_bill", bill_id=bill["id"], company="Second"))["bill"]["id"] == bill["id"]
        assert (await failed(client, "get_bill", bill_id=bill["id"], company=FIRST))["code"] == "rutter_not_found"


async def test_two_companies_of_one_name_are_told_apart_by_their_ids(home: Path) -> None:
    async with serving(home) as (client, app):
        one = await link_company(client, "Twin")
        other = await link_company(client, "Other")
        app.store.write_now(lambda tx: tx.connections.rename(other, "Twin"))
        error = await failed(client, "list_bills", company="Twin")
        assert error["code"] == "ambiguous"
        assert {candidate["id"] for candidate in error["candidates"]} == {one, other}
        assert (await done(client, "list_bills", company=other))["company"]["id"] == other


async def _state(home: Path, company_id: str, status: str, reason: str | None = None) -> None:
    in_books(home, "UPDATE companies SET status = ?, disabled_reason = ? WHERE id = ?", status, reason, company_id)


async def _first_is_fine(client: Client) -> None:
    assert (await done(client, "list_bills", company=FIRST))["bills"]
    assert (await listed(client))[FIRST]["health"] == "active"


async def test_an_expired_sign_in_says_who_can_help_and_recovers(
    home: Path,
) -> None:
    """The company is back once a person has signed in."""
    async with serving(home) as (client, _):
        company_id = await link_company(client)
        await _state(home, company_id, "needs_reauth")
        error = await failed(client, "list_bills", company="Second")
        assert (error["code"], error["who"]) == ("connection_needs_sign_in", "person")
        assert "connect_ledger" in error["next_step"]
        await _first_is_fine(client)

        row = (await listed(client, company="Second"))["Second"]
        assert row["health"] == "needs_reauth"
        again = await done(client, "connect_ledger", connection_id="Second")
        assert (again["status"], again["link_url"]) == ("waiting", row["sign_in_url"])
        await consent(again["link_url"])
        assert (await done(client, "connect_ledger", connection_id="Second"))["status"] == "connected"
        assert (await done(client, "list_bills", company="Second"))["bills"]
        assert "sign_in_url" not in (await listed(client, company="Second"))["Second"]


async def test_the_practice_company_itself_can_be_signed_in_to_again(home: Path) -> None:
    async with serving(home) as (client, _):
        await done(client, "list_bills")
        in_books(home, "UPDATE companies SET status = 'needs_reauth' WHERE number = 1")
        again = await done(client, "connect_ledger", connection_id=FIRST)
        assert again["status"] == "waiting"
        await consent(again["link_url"])
        assert (await done(client, "connect_ledger", connection_id=FIRST))["status"] == "connected"
        assert (await done(client, "list_bills"))["bills"]


async def test_a_disabled_company_is_listed_as_that_and_harms_no_other(home: Path) -> None:
    async with serving(home) as (client, _):
        company_id = await link_company(client)
        await _state(home, company_id, "disabled", "MANUALLY_DISABLED")
        error = await failed(client, "list_bills", company="Second")
        assert (error["code"], error["who"]) == ("connection_disabled", "person")
        assert (await failed(client, "connect_ledger", connection_id="Second"))["code"] == "connection_disabled"
        row = (await listed(client))["Second"]
        assert (row["health"], "sign_in_url" in row) == ("disabled", False)
        await _first_is_fine(client)


@pytest.mark.parametrize("state", ["not_ready", "unhealthy"])
async def test_other_states_are_told_in_one_word_with_why(home: Path, state: str) -> None:
    async with serving(home) as (client, _):
        await _state(home, await link_company(client), state)
        row = (await listed(client))["Second"]
        assert row["health"] == state
        assert row["problem"]
        await _first_is_fine(client)


async def test_a_company_without_its_token_gets_it_back_from_rutter(home: Path) -> None:
    async with serving(home) as (client, _):
        company_id = await link_company(client)
    in_store(home, "DELETE FROM secrets WHERE company_id = ?", company_id)
    async with serving(home) as (client, _):
        error = await failed(client, "list_bills", company="Second")
        assert (error["code"], error["who"]) == ("connection.token_gone", "person")
        assert company_id in error["next_step"]
        row = (await listed(client))["Second"]
        assert row["health"] == "unknown"
        assert "connect_ledger" in row["problem"]
        await _first_is_fine(client)
        assert (await failed(client, "list_bills"))["code"] == "company.unknown", "it still counts as a company"

        assert (await done(client, "connect_ledger", connection_id=company_id))["status"] == "connected"
        assert (await done(client, "list_bills", company="Second"))["bills"]


async def test_a_token_that_was_rotated_elsewhere_is_fetched_anew(home: Path) -> None:
    async with serving(home) as (client, app):
        await link_company(client)
        await (await app.companies.get("Second")).rutter.rotate_token()
        assert (await failed(client, "list_bills", company="Second"))["code"] == "credentials_rejected"
        await _first_is_fine(client)
        assert (await done(client, "connect_ledger", connection_id="Second"))["status"] == "connected"
        assert (await done(client, "list_bills", company="Second"))["bills"]


async def test_a_connection_deleted_at_rutter_harms_no_other(home: Path) -> None:
    async with serving(home) as (client, app):
        company_id = await link_company(client)
        await (await app.companies.client()).connections.delete(company_id)
        error = await failed(client, "connect_ledger", connection_id="Second")
        assert (error["code"], error["who"]) == ("connection.gone", "person")
        assert f"connections remove {company_id}" in error["next_step"]
        assert (await listed(client))["Second"]["health"] == "unknown"
        await _first_is_fine(client)


async def test_abilities_say_what_is_supported_unknown_and_missing(home: Path) -> None:
    async with serving(home) as (client, _):
        await link_company(client, "Sage", "SAGE_INTACCT")
        rows = await listed(client)
        quickbooks, sage = rows[FIRST]["abilities"], rows["Sage"]["abilities"]
        every = [*quickbooks["can"], *quickbooks["not_documented"], *quickbooks["cannot"]]
        assert sorted(every) == sorted([*sage["can"], *sage["not_documented"], *sage["cannot"]])
        assert len(every) == len(set(every))
        needs = {need.shown_as for write in EVERY_WRITE for need in write.needs}
        assert set(every) == needs | {kind.plural for kind in RecordKind} | {"payments", "credits"}
        assert {"create_bill", "record_payment", "void_payment", "apply_credit"} <= set(quickbooks["can"])
        assert {"void_payment", "delete_bill"} <= set(sage["not_documented"])
        assert "remove_credit" in quickbooks["not_documented"]
        # What update_bill can do depends on the platform, and where a flag would be dropped it is not offered.
        assert {"replace_bill_lines", "change_bill_memo", "create_customer", "create_item"} <= set(quickbooks["can"])
        assert {"submit_bill", "tax_inclusive_lines"} <= set(quickbooks["cannot"])
        assert {"replace_bill_lines", "change_bill_memo", "create_class"} <= set(sage["not_documented"])
        assert {"projects", "locations"} <= set(sage["can"])
        assert {"projects", "locations"} <= set(quickbooks["cannot"])


def _sixty_more(tx: Tx) -> None:
    for number in range(60):
        tx.connections.begin(f"c{number}", environment="embedded", name=f"N{number}")
        tx.connections.activate(f"c{number}", name=f"N{number}", platform="XERO")


async def test_more_companies_than_are_asked_at_once_are_all_listed(home: Path) -> None:
    async with serving(home) as (client, app):
        await link_company(client)
        app.store.write_now(_sixty_more)
        rows = await listed(client)
        assert len(rows) == 62
        assert rows[FIRST]["health"] == "active"
        assert {row["health"] for name, row in rows.items() if name.startswith("N")} == {"unknown"}
