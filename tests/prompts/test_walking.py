"""Each prompt is walked through on the practice company: its calls, in its order, with only the arguments it names."""

from __future__ import annotations

import re
import runpy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.types import TextContent

from rutter_ap_server.app import App
from support.serving import bill_numbered, done, link_funding, serving

MAKE_INVOICE = Path(__file__).parents[2] / "examples" / "invoices" / "make.py"
Given = dict[str, Any]
Seen = list[tuple[str, dict[str, Any]]]


@asynccontextmanager
async def practice(home: Path) -> AsyncIterator[tuple[Client, App]]:
    """The practice company, with a folder files may be attached from."""
    files = home.parent / "files"
    files.mkdir()
    async with serving(home, environ={"RUTTER_AP_FILES": str(files)}) as (client, app):
        yield client, app


async def walk(client: Client, prompt: str, words: dict[str, str], given: Given) -> Seen:
    """Calls what the prompt's text says, as a literal reader would. Each call must succeed.

    `given` holds values by argument, or by `tool.argument` and `kind.argument` where one name means several things.
    What the text first tries is then done.
    """
    (message,) = (await client.get_prompt(prompt, words)).messages
    assert isinstance(message.content, TextContent)
    seen: Seen = []
    for tool, listed in re.findall(r"`(\w+)\((.*?)\)`", message.content.text):
        parts = [part.strip().partition("=") for part in listed.split(",") if part.strip()]
        literal = {name: value.strip('"') for name, equals, value in parts if equals}
        names = [name for name, equals, _ in parts if not equals and name != "dry_run"]
        arguments = dict(literal)
        for name in names:
            for key in (f"{tool}.{name}", f"{literal.get('kind')}.{name}", name):
                if key in given:
                    arguments[name] = given[key]
                    break
        if any(name == "dry_run" for name, _, _ in parts):
            tried = await done(client, tool, **arguments, dry_run=True)
            assert tried["status"] == "dry_run"
        response = await done(client, tool, **arguments)
        if response.get("proposal_id"):
            given["proposal_id"] = response["proposal_id"]
        if (response.get("record") or {}).get("kind") == "bill":
            given["bill_id"] = response["record"]["id"]
        if tool == "connect_ledger" and response["status"] == "waiting":
            given["connection_id"] = response["company"]["id"]
        seen.append((tool, response))
    return seen


def answers(seen: Seen, tool: str) -> list[dict[str, Any]]:
    return [response for name, response in seen if name == tool]


async def test_a_bill_is_entered_from_its_document(home: Path) -> None:
    async with practice(home) as (client, _):
        earlier = await bill_numbered(client, "NW-2291")
        today = (await done(client, "list_bills"))["today"]
        lines = (("Power", "60.00"), ("Water", "17.20"))
        # The maker of the repository's example invoice, for one that is dated today.
        make = runpy.run_path(str(MAKE_INVOICE))
        invoice = make["Invoice"]("Northwind Utilities", "Harbor & Pine Ltd", "NW-2399", today, today, lines)
        (home.parent / "files" / "invoice.pdf").write_bytes(make["render"](invoice))
        given = {
            "vendor": "Northwind Utilities",
            "vendor.name": "northwind",
            "account.name": "util",
            "account_type": "expense",
            "bill_id": earlier["id"],
            "document_number": "NW-2399",
            "issue_date": today,
            "due_date": today,
            "currency": "USD",
            "lines": [{"amount": amount, "account": "Utilities", "description": words} for words, amount in lines],
            "path": "invoice.pdf",
        }
        seen = await walk(client, "enter_bill_from_document", {"document": "invoice.pdf"}, given)
        (entered,) = answers(seen, "create_bill")
        (attached,) = answers(seen, "attach_file")
        assert (entered["status"], attached["status"]) == ("posted", "posted")
        bill = await done(client, "get_bill", bill_id=entered["record"]["id"])
        assert bill["bill"]["total"] == {"amount": "77.20", "currency": "USD"}
        assert [file["file_name"] for file in bill["attachments"]] == ["invoice.pdf"]


async def test_an_open_credit_is_applied_before_anything_is_paid(home: Path) -> None:
    async with practice(home) as (client, _):
        (credit,) = (await done(client, "list_credits", vendor="Acme Office Supply"))["credits"]
        bill = await bill_numbered(client, "INV-1051")
        given = {
            "vendor": "Acme Office Supply",
            "document_number": "INV-1051",
            "credit_id": credit["id"],
            "bill_id": bill["id"],
            "amount": credit["remaining"]["amount"],
        }
        seen = await walk(client, "apply_open_credits", {"vendor": "Acme Office Supply"}, given)
        (applied,) = answers(seen, "apply_credit")
        (removed,) = answers(seen, "remove_credit")
        assert applied["status"] == "posted"
        assert applied["record"]["bill_due"]["amount"] == "125.00"
        assert removed["status"] in ("posted", "held")


async def test_a_duplicate_is_found_and_removed_when_a_person_says_so(home: Path) -> None:
    async with practice(home) as (client, app):
        twin = await bill_numbered(client, "INV1043")
        (company,) = await app.companies.all()
        await company.rutter.attachments.upload(twin["id"], "i.pdf", b"%PDF-1.7 a scan", idempotency_key="one")
        given = {"vendor": "Acme Office Supply", "bill_id": twin["id"]}
        seen = await walk(client, "chase_duplicates", {"vendor": "Acme Office Supply"}, given)
        summary = str(answers(seen, "summarize_payables")[0])
        assert "INV-1043" in summary
        assert "INV1043" in summary
        (removed,) = answers(seen, "delete_bill")
        assert removed["status"] in ("posted", "held")
        left = (await done(client, "list_bills", document_number="INV1043", status="any"))["bills"]
        assert (left == []) == (removed["status"] == "posted")


async def test_a_statement_is_compared_and_nothing_changes(home: Path) -> None:
    async with practice(home) as (client, _):
        before = await done(client, "list_bills", status="any", limit=200)
        bill = await bill_numbered(client, "NW-2291")
        given = {
            "vendor": "Northwind Utilities",
            "name": "northwind",
            "date_to": before["today"],
            "as_of": before["today"],
            "bill_id": bill["id"],
        }
        words = {"vendor": "Northwind Utilities", "statement_date": before["today"], "balance": "USD 1314.20"}
        seen = await walk(client, "reconcile_vendor_statement", words, given)
        numbers = {one["document_number"] for one in answers(seen, "list_bills")[0]["bills"]}
        assert {"NW-2291", "NW-2304"} <= numbers
        assert answers(seen, "list_payments")[0]["payments"]
        assert await done(client, "list_bills", status="any", limit=200) == before


async def test_a_month_is_checked_and_nothing_changes(home: Path) -> None:
    async with practice(home) as (client, _):
        before = await done(client, "list_bills", status="any", limit=200)
        await link_funding(client)
        bill = await bill_numbered(client, "NW-2291")
        held = await done(client, "pay_bill", bill_id=bill["id"])
        given = {
            "as_of": before["today"],
            "due_to": before["today"],
            "date_to": before["today"],
            "bill_id": bill["id"],
            "proposal_id": held["proposal_id"],
            "wait_seconds": 5,
        }
        seen = await walk(client, "month_end_close", {"month": before["today"][:7]}, given)
        assert held["proposal_id"] in str(answers(seen, "list_proposals"))
        assert "AP-317" in str(answers(seen, "list_bills")[0]["bills"])
        assert answers(seen, "list_credits")[0]["credits"]
        assert await done(client, "list_bills", status="any", limit=200) == before


async def test_a_payment_run_is_proposed_once_and_waits_for_a_person(home: Path) -> None:
    async with practice(home) as (client, _):
        await link_funding(client)
        bills = [await bill_numbered(client, number) for number in ("NW-2291", "BH-5520")]
        today = (await done(client, "list_bills"))["today"]
        given = {
            "due_to": today,
            "vendor": "Northwind Utilities",
            "bill_id": bills[0]["id"],
            "bill_ids": [one["id"] for one in bills],
            "cash": "5000.00",
            "account": "Operating Checking",
        }
        words = {"due_to": today, "currency": "USD", "account": "Operating Checking", "cash": "5000.00"}
        seen = await walk(client, "weekly_payment_run", words, given)
        (proposed,) = answers(seen, "propose_payment_run")
        assert proposed["status"] == "held"
        assert answers(seen, "get_proposal")[-1]["proposal"]["state"] == "held"
        for one in bills:
            assert (await bill_numbered(client, one["document_number"]))["due"] == one["due"]


async def test_a_vendor_is_taken_on_after_a_look_for_its_like(home: Path) -> None:
    async with practice(home) as (client, _):
        given = {
            "name": "Willow Lane Joinery",
            "currency.name": "USD",
            "currency": "USD",
            "email": "accounts@willow-lane.example",
            "phone": "+1 207 555 0148",
        }
        seen = await walk(client, "onboard_vendor", {"vendor_name": "Willow Lane Joinery"}, given)
        assert answers(seen, "find_records")[0]["records"] == []
        (saved,) = answers(seen, "save_vendor")
        assert saved["status"] in ("posted", "held")
        found = (await done(client, "find_records", kind="vendor", name="Willow Lane"))["records"]
        assert len(found) == (1 if saved["status"] == "posted" else 0)


async def test_a_ledger_is_connected_as_far_as_a_person_is_needed(home: Path) -> None:
    async with practice(home) as (client, app):
        (company,) = await app.companies.all()
        given = {
            "connection_id": company.id,
            "name": "A second company",
            "company": company.id,
            "wait_seconds": 5,
            "account": "Operating Checking",
        }
        seen = await walk(client, "connect_a_ledger", {"name": "A second company"}, given)
        begun = answers(seen, "connect_ledger")[1]
        assert begun["status"] == "waiting"
        assert begun["link_url"].startswith("http")
        assert answers(seen, "link_account")[0]["status"] == "posted"


async def test_the_walk_itself_fails_where_a_call_does(home: Path) -> None:
    async with practice(home) as (client, _):
        with pytest.raises(AssertionError):
            await walk(client, "apply_open_credits", {}, {"credit_id": "none", "bill_id": "none", "amount": "1.00"})
