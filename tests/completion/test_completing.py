"""Completion on live data: what a person may mean, by prefix or part, bounded, and never a ledger's error."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, Completion, PromptReference, ResourceTemplateReference

from rutter_ap_prompts.loader import load_prompts
from rutter_ap_server.rutter.models.vendors import VendorCreate
from rutter_ap_tools.text import fold
from support.serving import bill_numbered, done, link_funding, serving

both_generations = pytest.mark.parametrize("mode", ["auto", "legacy"])
BILL, VENDOR = "ap://bills/{id}{?company}", "ap://vendors/{id}{?company}"
FILE, PROPOSAL = "ap://bills/{id}/attachments/{n}{?company}", "ap://proposals/{id}"


async def in_prompt(client: Client, prompt: str, argument: str, typed: str, **given: str) -> Completion:
    ref = PromptReference(name=prompt)
    answer = await client.complete(ref, {"name": argument, "value": typed}, given or None)
    return answer.completion


async def in_address(client: Client, template: str, place: str, typed: str, **given: str) -> Completion:
    ref = ResourceTemplateReference(uri=template)
    answer = await client.complete(ref, {"name": place, "value": typed}, given or None)
    return answer.completion


@both_generations
async def test_vendors_are_found_by_the_start_of_a_name_then_inside(mode: str, home: Path) -> None:
    async with serving(home, mode=mode) as (client, _):
        every = await in_prompt(client, "enter_bill_from_document", "vendor", "")
        vendors = (await done(client, "find_records", kind="vendor"))["records"]
        assert sorted(every.values) == sorted(one["name"] for one in vendors)
        assert (every.total, every.has_more) == (len(vendors), False)
        found = await in_prompt(client, "enter_bill_from_document", "vendor", "ACME")
        assert found.values == ["Acme Office Supply", "Acme Packaging"]
        found = await in_prompt(client, "enter_bill_from_document", "vendor", "p")
        assert found.values[0] == "Acme Office Supply"
        assert set(found.values) == {v["name"] for v in vendors if "p" in v["name"].casefold()}
        assert (await in_prompt(client, "enter_bill_from_document", "vendor", "no such vendor")).values == []
        ids = await in_address(client, VENDOR, "id", "northwind")
        assert ids.values == [one["id"] for one in vendors if one["name"].startswith("Northwind")]
        assert (await in_address(client, VENDOR, "id", ids.values[0][:8])).values == ids.values


@both_generations
async def test_what_completes_a_name_is_what_a_tool_takes(mode: str, home: Path) -> None:
    async with serving(home, mode=mode) as (client, _):
        for name in (await in_prompt(client, "enter_bill_from_document", "vendor", "")).values:
            assert "bills" in await done(client, "list_bills", vendor=name)


@both_generations
async def test_unpaid_bills_are_found_by_number_and_by_their_vendor(mode: str, home: Path) -> None:
    async with serving(home, mode=mode) as (client, _):
        bills = (await done(client, "list_bills", limit=200))["bills"]
        numbers = await in_prompt(client, "apply_open_credits", "bill", "nw-")
        assert numbers.values == ["NW-2291", "NW-2304"]
        assert (await in_prompt(client, "apply_open_credits", "bill", "northwind")).values == numbers.values
        ids = await in_address(client, BILL, "id", "nw-")
        assert set(ids.values) == {one["id"] for one in bills if one["document_number"].startswith("NW-")}
        every = await in_address(client, BILL, "id", "")
        assert set(every.values) == {one["id"] for one in bills}


@both_generations
async def test_companies_accounts_and_currencies_are_those_in_use(mode: str, home: Path) -> None:
    async with serving(home, mode=mode) as (client, app):
        (company,) = await app.companies.all()
        assert (await in_prompt(client, "weekly_payment_run", "company", "harb")).values == [company.name]
        assert (await in_address(client, "ap://company/{id}", "id", "pine")).values == [company.id]
        assert (await in_prompt(client, "weekly_payment_run", "account", "")).values == [
            "Euro Account",
            "Operating Checking",
            "Savings",
        ]
        assert (await in_prompt(client, "weekly_payment_run", "currency", "")).values == ["EUR", "USD"]
        assert (await in_prompt(client, "weekly_payment_run", "currency", "u")).values == ["USD", "EUR"]


@both_generations
async def test_a_company_given_before_narrows_what_follows(mode: str, home: Path) -> None:
    async with serving(home, mode=mode) as (client, _):
        prompt = "enter_bill_from_document"
        assert (await in_prompt(client, prompt, "vendor", "acme", company="harbor & pine ltd")).values
        assert (await in_prompt(client, prompt, "vendor", "acme", company="Somebody Else")).values == []


@both_generations
async def test_proposals_that_still_wait_come_first(mode: str, home: Path) -> None:
    async with serving(home, mode=mode) as (client, _):
        await link_funding(client)
        bill = await bill_numbered(client, "NW-2291")
        held = await done(client, "pay_bill", bill_id=bill["id"])
        linked = await done(client, "link_account", role="expense", account="Utilities")
        found = (await in_address(client, PROPOSAL, "id", "")).values
        assert found[0] == held["proposal_id"]
        assert linked["proposal_id"] in found[1:]
        assert (await in_address(client, PROPOSAL, "id", "NW-2291")).values == [held["proposal_id"]]


@both_generations
async def test_the_files_of_a_bill_are_counted_once_the_bill_is_known(mode: str, home: Path) -> None:
    async with serving(home, mode=mode) as (client, app):
        bill = await bill_numbered(client, "NW-2291")
        (company,) = await app.companies.all()
        for name in ("first.pdf", "second.pdf"):
            content = f"%PDF-1.7 {name}".encode()
            await company.rutter.attachments.upload(bill["id"], name, content, idempotency_key=name)
        assert (await in_address(client, FILE, "n", "", id=bill["id"])).values == ["1", "2"]
        assert (await in_address(client, FILE, "n", "second", id=bill["id"])).values == ["2"]
        assert (await in_address(client, FILE, "n", "")).values == []
        assert (await in_address(client, FILE, "n", "", id="no-such-bill")).values == []


@both_generations
async def test_no_match_completes_to_nothing_and_a_wrong_name_errs(mode: str, home: Path) -> None:
    async with serving(home, mode=mode) as (client, _):
        assert (await in_prompt(client, "enter_bill_from_document", "document", "inv")).values == []
        for template, place in (("ap://nothing/{id}", "id"), (BILL, "vendor"), ("ap://policy", "id")):
            with pytest.raises(MCPError) as caught:
                await in_address(client, template, place, "")
            assert caught.value.code == INVALID_PARAMS
        for prompt, argument in (("no_such_prompt", "vendor"), ("enter_bill_from_document", "colour")):
            with pytest.raises(MCPError) as caught:
                await in_prompt(client, prompt, argument, "")
            assert caught.value.code == INVALID_PARAMS
            assert caught.value.message.startswith("unknown ")


async def test_every_argument_of_every_prompt_can_be_asked_for(home: Path) -> None:
    async with serving(home) as (client, _):
        for prompt in load_prompts():
            for argument in prompt.arguments:
                found = await in_prompt(client, prompt.name, argument.name, "")
                assert bool(found.values) == bool(argument.completes), (prompt.name, argument.name)


async def test_at_most_a_hundred_values_come_cleaned_and_on_one_line(home: Path) -> None:
    async with serving(home) as (client, app):
        (company,) = await app.companies.all()
        for n in range(105):
            draft = VendorCreate(vendor_name=f"Many\u200b Hands\u202e {n:03}", contact_name="Sam", currency_code="USD")
            await company.rutter.vendors.create(draft, idempotency_key=f"many-{n}")
        found = await in_prompt(client, "enter_bill_from_document", "vendor", "many HANDS")
        assert (len(found.values), found.total, found.has_more) == (100, 105, True)
        assert found.values[0] == "Many Hands 000"
        assert all(value.isprintable() and fold(value).startswith("many hands") for value in found.values)


async def test_a_ledger_out_of_reach_offers_nothing_and_says_so_soon(home: Path) -> None:
    environ = {
        "RUTTER_ENVIRONMENT": "sandbox",
        "RUTTER_BASE_URL": "http://127.0.0.1:1/versioned",
        "RUTTER_CLIENT_ID": "client",
        "RUTTER_CLIENT_SECRET": "a secret of the client",
        "RUTTER_ACCESS_TOKEN": "a token of the company",
    }
    async with serving(home, environ=environ) as (client, _):
        began = time.monotonic()
        for template in (VENDOR, BILL):
            assert (await in_address(client, template, "id", "a")).values == []
        assert (await in_address(client, PROPOSAL, "id", "")).values == []
        assert time.monotonic() - began < 15
