"""Submitting and opening a draft: where the platform documents it, once a person says so, and never past a rule."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.client import Client

from rutter_ap_server.app import App
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes import update_bill_rules as rules
from rutter_ap_server.guard.writes.base import Rule
from rutter_ap_server.guard.writes.update_bill import UpdateBillWrite
from rutter_ap_server.guard.writes.update_bill_rules import FROM, REACHED, ChangeFacts
from rutter_ap_server.rutter.abilities import Support, abilities_of
from rutter_ap_server.rutter.models.base import given
from rutter_ap_server.rutter.models.bills import (
    BILL_STATUSES,
    BILL_STATUSES_ON_UPDATE,
    BillCreate,
    BillLineDraft,
    BillUpdate,
)
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.findings import Finding
from support.approvers import add_approver
from support.bench import PASSCODE, a_bench
from support.connect_flow import in_books
from support.facts import a_bill, a_prepared_write, usd
from support.people import answer
from support.serving import done, failed, serving

pytestmark = pytest.mark.anyio
YES = answer("accept", approve=True)
DRAFT = "PP-4"
DAY = datetime(2026, 11, 20, tzinfo=UTC)


def made(status: str, **changes: Any) -> PreparedWrite:
    fields = {"bill_id": "b1", "changes": {"status": status} | changes}
    return replace(a_prepared_write(tool="update_bill", fields=fields), money=None)


def facts(status: str, **changed: Any) -> ChangeFacts:
    return ChangeFacts(a_bill(status=status), is_shown=False, accounts=(), others=(), now={}, **changed)


def said(finding: Any) -> str | None:
    return f"{finding.severity.word} {finding.code}" if isinstance(finding, Finding) else None


def test_what_may_be_asked_for_is_what_rutter_documents() -> None:
    assert set(FROM) == set(REACHED) == set(BILL_STATUSES_ON_UPDATE)


@pytest.mark.parametrize("wanted", BILL_STATUSES_ON_UPDATE)
@pytest.mark.parametrize("status", BILL_STATUSES)
def test_only_a_draft_is_made_payable(wanted: str, status: str) -> None:
    found = said(rules.bill_not_draft(made(wanted), facts(status), Policy()))
    assert found == (None if status in (wanted, *FROM[wanted]) else "refuse bill.not_draft")


@pytest.mark.parametrize(
    ("rule", "wanted", "status", "expected"),
    [
        (rules.bill_status_moved, "submitted", "draft", "ask bill.status_moved"),
        (rules.bill_status_moved, "open", "draft", "ask bill.status_moved"),
        (rules.bill_status_moved, "open", "submitted", "approve bill.status_moved"),
        (rules.bill_status_moved, "open", "open", None),
    ],
)
def test_what_makes_a_bill_payable_needs_a_person(
    rule: Rule[ChangeFacts], wanted: str, status: str, expected: str | None
) -> None:
    assert said(rule(made(wanted), facts(status), Policy())) == expected


def test_new_lines_of_a_draft_that_is_opened_need_a_person() -> None:
    prepared = replace(made("open", lines=[{"amount": "9.00"}]), money=usd("9.00"))
    assert said(rules.bill_lines_replaced(prepared, facts("draft"), Policy())) == "ask bill.lines_replaced"


@pytest.mark.parametrize(
    ("wanted", "shown", "is_reached"),
    [
        *(("open", status, status in ("open", "partially_paid", "paid")) for status in BILL_STATUSES),
        *(("submitted", status, status in ("submitted", "pending_approval")) for status in BILL_STATUSES),
    ],
)
async def test_posted_means_that_the_ledger_shows_the_status(
    home: Path, wanted: str, shown: str, is_reached: bool
) -> None:
    async with a_bench(home) as bench:
        bill = await bench.bill("NW-2291")

        def look(request: httpx.Request, response: httpx.Response) -> httpx.Response:
            body = response.json()
            body["bill"]["status"] = shown
            return httpx.Response(200, json=body, request=request)

        bench.wire.answers = look
        prepared = replace(made(wanted), fields={"bill_id": bill.id, "changes": {"status": wanted}})
        found = await UpdateBillWrite().read_back(prepared, bench.company, bill, {"now": {"status": "draft"}})
    assert bool(found) is is_reached


@asynccontextmanager
async def at_xero(home: Path, answering: Any = YES) -> AsyncIterator[tuple[Client, App, str, str]]:
    """A server with the practice company on Xero; that company, and its draft."""
    async with serving(home, answering=answering) as (client, app):
        await done(client, "list_bills")
        [(company,)] = in_books(home, "SELECT id FROM companies WHERE platform = 'XERO' ORDER BY number LIMIT 1")
        await app.connect_flow.onboarding.adopt(company, actor="terminal")
        [draft] = (await done(client, "list_bills", company=company, status="draft", document_number=DRAFT))["bills"]
        yield client, app, company, draft["id"]


async def test_a_draft_is_submitted_and_then_opened(home: Path) -> None:
    async with at_xero(home) as (client, _, company, bill_id):
        found = await done(client, "get_bill", bill_id=bill_id, company=company)
        assert found["next_step"].startswith("A draft cannot be paid. update_bill can submit or open it.")
        submitted = await done(client, "update_bill", bill_id=bill_id, company=company, status="submitted")
        assert (submitted["status"], submitted["record"]["bill_status"]) == ("posted", "submitted")
        assert "submitted instead of ‹draft›" in submitted["summary"]
        held = await done(client, "update_bill", bill_id=bill_id, company=company, status="open")
        assert (held["status"], held["verdict"]) == ("held", "approve")
        shown = await done(client, "get_bill", bill_id=bill_id, company=company)
        assert shown["bill"]["status"] == "submitted"


async def test_a_draft_is_opened_with_its_last_correction(home: Path) -> None:
    async with at_xero(home) as (client, _, company, bill_id):
        changes = {"status": "open", "document_number": "PP-4-A"}
        tried = await done(client, "update_bill", bill_id=bill_id, company=company, dry_run=True, **changes)
        assert (tried["status"], tried["verdict"]) == ("dry_run", "ask")
        opened = await done(client, "update_bill", bill_id=bill_id, company=company, **changes)
        assert (opened["status"], opened["record"]["bill_status"]) == ("posted", "open")
        shown = await done(client, "get_bill", bill_id=bill_id, company=company)
        assert (shown["bill"]["status"], shown["bill"]["document_number"]) == ("open", "PP-4-A")
        again = await failed(client, "update_bill", bill_id=bill_id, company=company, **changes)
        assert again["code"] == "write.no_change"
        back = await failed(client, "update_bill", bill_id=bill_id, company=company, status="submitted")
        assert "bill.not_draft" in {one["code"] for one in back["findings"]}


async def test_a_no_leaves_the_draft_as_it_is(home: Path) -> None:
    async with at_xero(home, answer("decline")) as (client, _, company, bill_id):
        declined = await done(client, "update_bill", bill_id=bill_id, company=company, status="open")
        assert declined["status"] == "declined"
        shown = await done(client, "get_bill", bill_id=bill_id, company=company)
        assert shown["bill"]["status"] == "draft"


@pytest.mark.parametrize("status", ["submitted", "open"])
async def test_a_release_is_bound_to_the_lines_that_it_books(home: Path, status: str) -> None:
    """A draft may be changed by anybody, unasked: who opens it is shown where it is booked, and opens that."""
    async with at_xero(home, None) as (client, app, company, bill_id):
        await add_approver(app.store, "Ana", PASSCODE)
        held = await done(client, "update_bill", bill_id=bill_id, company=company, status=status)
        at = await app.companies.get(company)
        seen = await app.approvals.preview(held["proposal_id"], at)
        rows = {row[0]: row[1] for section in seen.statement.sections for row in section.rows if row[1:]}
        draft = await at.rutter.bills.get(bill_id)
        [line], total = draft.line_items, draft.total_amount
        accounts = await at.directory.accounts()
        assert accounts[line.account_id or ""].label in rows["Lines of the bill"]

        other = next(one.id for one in accounts.values() if one.account_type == "expense" and one.id != line.account_id)
        again = BillLineDraft(
            account_id=other,
            total_amount=line.total_amount or Decimal(0),
            description=given(line.description),
            tax_rate_id=given(line.tax_rate_id),
        )
        moved = BillUpdate(line_items=(again,))
        assert isinstance(await at.rutter.bills.update(bill_id, moved, idempotency_key="by hand"), Done)
        assert (await at.rutter.bills.get(bill_id)).total_amount == total
        with pytest.raises(ApError, match="a fact moved"):
            await app.approvals.approve(seen, at, by=Proof("Ana", PASSCODE), channel="terminal")
        assert (await at.rutter.bills.get(bill_id)).status == "draft"


@pytest.mark.parametrize(("number", "expected"), [(DRAFT, "refuse bill.duplicate"), ("PP-5", "approve bill.similar")])
async def test_a_draft_that_repeats_a_bill_is_not_opened(home: Path, number: str, expected: str) -> None:
    """It is compared with the vendor's others as a new bill would be, by number, amount and date."""
    async with at_xero(home) as (client, app, company, bill_id):
        books = (await app.companies.get(company)).rutter
        draft = await books.bills.get(bill_id)
        lines = tuple(
            BillLineDraft(account_id=one.account_id or "", total_amount=Decimal(96)) for one in draft.line_items
        )
        copy = BillCreate(
            vendor_id=draft.vendor_id or "",
            issue_date=draft.issue_date or DAY,
            currency_code=draft.currency_code,
            document_number=number,
            line_items=lines,
        )
        assert isinstance(await books.bills.create(copy, idempotency_key="by hand"), Done)
        if expected.startswith("refuse"):
            found = await failed(client, "update_bill", bill_id=bill_id, company=company, status="open")
        else:
            found = await done(client, "update_bill", bill_id=bill_id, company=company, status="open")
            assert found["status"] == "held"
        assert expected in {f"{one['severity']} {one['code']}" for one in found["findings"]}


async def test_a_platform_without_drafts_of_its_own_refuses(home: Path) -> None:
    """Sent there it would be dropped without a word, and nobody would know."""
    for platform, support in (("NETSUITE", Support.YES), ("XERO", Support.YES), ("QUICKBOOKS", Support.NO)):
        assert abilities_of(platform).support("bills", "set_status") is support
    async with serving(home, answering=YES) as (client, _):
        [draft] = (await done(client, "list_bills", status="draft"))["bills"]
        refused = await failed(client, "update_bill", bill_id=draft["id"], status="open")
        assert {one["code"] for one in refused["findings"]} >= {"platform.unsupported"}
        assert "submit or open a draft of a bill" in refused["message"]
