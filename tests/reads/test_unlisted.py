"""What a platform may not list is not known, whatever tool is asked: no answer says that there is none of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from mcp.client import Client

from rutter_ap_server.companies.company import CompanyIdentity
from rutter_ap_server.reads.records import find_records
from rutter_ap_server.rutter.abilities import abilities_of
from rutter_ap_tools.catalogue import CATALOGUE
from rutter_ap_tools.records import FIND_RECORDS, FindRecords, RecordKind
from rutter_ap_tools.render import NOT_KNOWN
from rutter_ap_tools.tool import Risk
from support.bench import START, Bench
from support.bench_client import client_at_bench
from support.practice_company import practice
from support.serving import done, failed, serving, text_of
from support.unlisted import EXTENSION, WITHOUT, Lists, answering, business_central, claims_none, emptying

READ_TOOLS = sorted(tool.name for tool in CATALOGUE if tool.risk is Risk.READS)


async def everything_said(client: Client, bench: Bench) -> dict[str, str]:
    """What every read tool says when it is asked for all it has, and for what is not there, by tool and question."""
    bill = await bench.bill("NW-2291")
    paid = [one async for one in bench.company.rutter.bills.walk() if one.status == "paid"][-1]
    vendor = bill.vendor_id or ""
    held = await bench.pay("NW-2291", "100.00")
    asked: dict[str, list[dict[str, object]]] = {
        "list_bills": [{}, {"vendor": vendor}],
        "get_bill": [{"bill_id": bill.id}, {"bill_id": paid.id}],
        "summarize_payables": [{}, {"vendor": vendor}],
        "list_payments": [
            {},
            {"vendor": vendor},
            {"bill_id": bill.id},
            {"bill_id": paid.id},
            {"date_to": "1999-01-01"},
        ],
        "list_credits": [{}, {"vendor": vendor}, {"status": "any"}],
        "read_attachment": [{"bill_id": bill.id}],
        "find_records": [{"kind": kind.value} for kind in RecordKind],
        "get_proposal": [{"proposal_id": held.proposal_id}],
        "list_proposals": [{}],
        "list_connections": [{}],
        "sync_ledger": [{}],
    }
    assert sorted(asked) == READ_TOOLS
    return {
        f"{tool} {call}": text_of(result) + json.dumps(result.structured_content, ensure_ascii=False)
        for tool, calls in asked.items()
        for call in calls
        for result in [await client.call_tool(tool, call)]
    }


@pytest.mark.parametrize("shown", [True, False], ids=["bills show payments", "bills show none"])
@pytest.mark.parametrize("lists", WITHOUT)
async def test_no_read_tool_claims_none_without_the_extension(home: Path, lists: Lists, shown: bool) -> None:
    async with business_central(home, lists=lists, bills_show_payments=shown) as (client, bench):
        said = await everything_said(client, bench)

    assert {question: claims for question, text in said.items() if (claims := claims_none(text))} == {}
    of_payments = [text for question, text in said.items() if question.startswith(("list_payments", "get_bill"))]
    assert all(EXTENSION in text for text in of_payments)


async def test_what_was_written_here_is_told_from_the_rest(home: Path) -> None:
    """By the companies that a server really uses."""
    async with serving(home) as (client, app):
        new = {"name": "New Checking", "account_type": "bank", "currency": "USD"}
        made = (await done(client, "link_account", role="funding", create=new))["record"]["id"]
        company = await app.companies.get("")

        assert await company.written_here(company.ledger_id, [made, "another"]) == 1
        assert await company.written_here(company.ledger_id, ["another"]) == 0


async def test_with_the_extension_none_means_none(home: Path) -> None:
    async with business_central(home, lists="whole") as (client, _):
        found = await client.call_tool("list_payments", {"date_to": "1999-01-01"})
        assert text_of(found).endswith("No payments match.")


@pytest.mark.parametrize("lists", ["not found", "not allowed"])
async def test_a_list_that_is_refused_says_who_can_act(home: Path, lists: Lists) -> None:
    async with business_central(home, lists=lists) as (client, _):
        told = await failed(client, "list_payments")

    assert (told["code"], told["who"]) == ("platform.condition", "person")
    assert EXTENSION in told["message"]
    assert "install" in told["next_step"]
    assert "sync_ledger" in told["next_step"]


async def test_a_bill_shows_its_payments_that_cannot_be_read(home: Path) -> None:
    async with business_central(home, lists="not found", bills_show_payments=True) as (client, bench):
        bill_id = (await bench.bill("NW-2291")).id
        bench.wire.answers = answering("whole")
        payment_id = await bench.pay_by_hand("NW-2291", "77.10")
        bench.wire.answers = answering("not found", bills_show_payments=True)
        found = await done(client, "list_payments", bill_id=bill_id)
        shown = await done(client, "get_bill", bill_id=bill_id)

    assert [(one["id"], one["amount"]["amount"], one["date"]) for one in found["payments"]] == [
        (payment_id, "77.10", START.date().isoformat())
    ]
    assert [(one["id"], one["amount"]["amount"]) for one in shown["payments"]] == [(payment_id, "77.10")]
    assert found["notes"][0].startswith(f"{NOT_KNOWN}whether there are other payments that match")
    assert f"{NOT_KNOWN}whether this bill has other payments" in shown["next_step"]


async def test_what_a_connection_can_do_names_its_condition(home: Path) -> None:
    async with business_central(home) as (client, _):
        [row] = (await done(client, "list_connections"))["connections"]
        text = text_of(await client.call_tool("list_connections", {}))

    needs = [f"{name}: needs {EXTENSION}" for name in ("payments", "record_payment")]
    assert sorted(row["abilities"]["on_condition"]) == needs
    assert "record_payment" not in row["abilities"]["can"]
    assert f"record_payment: needs {EXTENSION}" in text.partition("on a condition: ")[2]


@pytest.mark.parametrize("kind", list(RecordKind), ids=str)
@pytest.mark.parametrize("platform", ["DYNAMICS365", "SAGE_INTACCT_V2", "XERO", "QUICKBOOKS"])
async def test_an_empty_list_of_records_means_none_where_documented(
    home: Path, platform: str, kind: RecordKind
) -> None:
    documented = abilities_of(platform).doubt(kind.plural) is None
    async with client_at_bench(home, platform=platform) as (client, bench):
        bench.wire.answers = emptying(kind.plural)
        bench.company.directory.forget()
        result = await client.call_tool("find_records", {"kind": kind.value})

    if result.is_error:
        assert "Rutter does not offer" in text_of(result)
        assert not documented
    else:
        assert (NOT_KNOWN in text_of(result)) is not documented
        assert (f"No {kind.words} matches." in text_of(result)) is documented


async def test_bills_that_may_not_be_listed_are_not_none(tmp_path: Path) -> None:
    async with client_at_bench(tmp_path / "home", platform="WAVE") as (client, bench):
        bench.wire.answers = emptying("bills", "bill_payments", "bill_credit_memos")
        for tool in ("list_bills", "summarize_payables", "list_payments", "list_credits"):
            text = text_of(await client.call_tool(tool, {}))
            assert NOT_KNOWN in text
            assert not claims_none(text)
        assert (await done(client, "summarize_payables"))["complete"] is False


async def test_a_record_that_is_not_listed_may_be_there(home: Path) -> None:
    async with client_at_bench(home, platform="WAVE") as (client, bench):
        bench.wire.answers = emptying("vendors")
        told = await failed(client, "list_bills", vendor="Northwind Utilities")
    assert "whether it has this one is not known" in told["message"]


@pytest.mark.parametrize("platform", ["QUICKBOOKS", "XERO"])
async def test_outside_xero_only_files_of_rutter_are_listed(home: Path, platform: str) -> None:
    async with client_at_bench(home, platform=platform) as (client, bench):
        [bill] = [one async for one in bench.company.rutter.bills.walk() if one.status == "open"][:1]
        assert await bench.company.rutter.attachments.list(bill.id) == ()
        shown = await done(client, "get_bill", bill_id=bill.id)
        read = await failed(client, "read_attachment", bill_id=bill.id)

    every_file = platform == "XERO"
    assert ("No document is attached" in shown["next_step"]) is every_file
    assert ("No document was uploaded through Rutter" in shown["next_step"]) is not every_file
    assert (read["message"] == "no file is attached to this bill") is every_file
    assert ("A file may be there all the same" in read["next_step"]) is not every_file


async def test_accounts_of_no_known_type_are_counted_out(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, wire):
        wire.replaced = {b'"account_type":"bank"': b'"account_type":"unknown"'}
        identity = CompanyIdentity(company.id, company.name, "SAGE_INTACCT", "embedded")
        query = FindRecords(kind=RecordKind.ACCOUNT, account_type="bank")
        found = await find_records(replace(company, identity=identity), query)

    assert found.records == []
    [note] = found.notes
    assert note.startswith("Left out, because the ledger does not say of which type they are: ")
    assert "No account matches among those that could be read." in FIND_RECORDS.render(found)
