"""The six tools against what Rutter's answers looked like when they were recorded. Nothing here reaches a network."""

from __future__ import annotations

import hashlib
import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from rutter_ap_server.rutter.models.credits import BillCreditMemoCreate, CreditLineDraft
from rutter_ap_server.rutter.outcomes import Done
from support.clerk import Company, account_of, enter, number_of, released
from support.serving import done

pytestmark = pytest.mark.anyio


async def test_list_bills_answers_what_is_unpaid_in_one_call(company: Company) -> None:
    async with company() as (client, _):
        found = await done(client, "list_bills", limit=200)
        assert {bill["status"] for bill in found["bills"]} <= {"open", "partially_paid"}
        due = [bill["due_date"] for bill in found["bills"] if "due_date" in bill]
        assert due == sorted(due)
        assert all(re.fullmatch(r"\d+(\.\d+)?", bill["due"]["amount"]) for bill in found["bills"])


async def test_create_bill_books_the_last_digit(company: Company) -> None:
    async with company() as (client, app):
        entered = await enter(client, app, "1", "77.07")
        assert entered["amount"] == {"amount": "77.07", "currency": entered["amount"]["currency"]}
        shown = await done(client, "get_bill", bill_id=entered["id"])
        assert shown["bill"]["due"]["amount"] == "77.07"


async def test_pay_bill_is_held_then_pays_exactly_once_released(company: Company) -> None:
    async with company() as (client, app):
        bill = await enter(client, app, "2", "120.03")
        funding = await account_of(client, "bank", bill["amount"]["currency"])
        held = await done(client, "pay_bill", bill_id=bill["id"], amount="20.01", account=funding)
        assert held["status"] == "held"
        assert await released(app, held) == "posted"
        shown = await done(client, "get_bill", bill_id=bill["id"])
        assert shown["bill"]["due"]["amount"] == "100.02"
        assert [p["amount"]["amount"] for p in shown["payments"]] == ["20.01"]


async def test_apply_credit_lowers_what_is_due(company: Company) -> None:
    async with company() as (client, app):
        bill = await enter(client, app, "4", "50.05")
        connected = await app.companies.get("")
        account = await account_of(client, "expense", bill["amount"]["currency"])
        created = await connected.rutter.bill_credit_memos.create(
            BillCreditMemoCreate(
                vendor_id=bill["vendor"]["id"],
                issue_date=date(2026, 11, 1),
                currency_code=bill["amount"]["currency"],
                line_items=(CreditLineDraft(account_id=account, total_amount=Decimal("12.34")),),
            ),
            idempotency_key=f"credit for {bill['id']}",
        )
        assert isinstance(created, Done)
        applied = await done(client, "apply_credit", credit_id=created.record.id, bill_id=bill["id"])
        assert applied["status"] == "posted"
        assert applied["record"]["amount"]["amount"] == "12.34"
        assert applied["record"]["bill_due"]["amount"] == "37.71"


async def test_attach_file_keeps_the_document_with_its_bill(company: Company, home: Path) -> None:
    async with company() as (client, app):
        bill = await enter(client, app, "5", "5.00")
        said = f"Received with thanks: {number_of('5')}, 5.00 {bill['amount']['currency']}\n"
        (home.parent / "files" / "receipt.txt").write_text(said)
        attached = await done(client, "attach_file", bill_id=bill["id"], path="receipt.txt")
        assert attached["record"]["sha256"] == hashlib.sha256(said.encode()).hexdigest()
        shown = await done(client, "get_bill", bill_id=bill["id"])
        assert [a["file_name"] for a in shown["attachments"]] == ["receipt.txt"]


async def test_link_account_remembers_which_account_pays(company: Company) -> None:
    async with company() as (client, app):
        bill = await enter(client, app, "6", "6.00")
        funding = await account_of(client, "bank", bill["amount"]["currency"])
        linked = await done(client, "link_account", role="funding", account=funding)
        assert linked["record"]["account"]["id"] == funding
        tried = await done(client, "pay_bill", bill_id=bill["id"], dry_run=True)
        assert f"from {linked['record']['account']['name']}, dated " in tried["summary"]
