"""What the guide says of accounts, credits and categories: what pays, what settles, and what a line is for."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.rutter import equal
from rutter_ap_server.rutter.models.bills import BillCreate, BillLineDraft
from rutter_ap_server.rutter.models.credits import BillCreditApplicationCreate
from rutter_ap_server.rutter.models.payments import AllocationDraft, BillPaymentCreate
from support.clerk import released
from support.serving import bill_numbered, serving
from support.serving import done as called
from support.surface.books import TODAY, ledger
from support.tour import done

pytestmark = pytest.mark.anyio
TYPES = ("accounts_payable", "bank", "credit_card", "expense")
# A platform on which lines refer to each kind, and the collection it is found in.
KINDS = {
    "class": ("QUICKBOOKS", "classes"),
    "customer": ("QUICKBOOKS", "customers"),
    "department": ("QUICKBOOKS", "departments"),
    "location": ("NETSUITE", "locations"),
    "project": ("SAGE_INTACCT", "projects"),
}
CATEGORIES = {"accounts_payable": "liability", "bank": "asset", "credit_card": "liability", "expense": "expense"}


@pytest.mark.parametrize("kind", TYPES)
async def test_accounts_are_narrowed_by_their_type(kind: str) -> None:
    async with ledger() as books:
        accounts = books.company().accounts
        await accounts.list(limit=500)
        every = books.wire.answer["accounts"]
        found = await accounts.list(filter=equal("account_type", kind), limit=500)
        assert books.wire.query["filter"] == f'account_type="{kind}"'
        assert {one.id for one in found.items} == {one["id"] for one in every if one["account_type"] == kind}
        assert {(one.account_type, one.category) for one in found.items} == {(kind, CATEGORIES[kind])}


@pytest.mark.parametrize("kind", ["bank", "credit_card"])
async def test_a_bill_is_paid_from_a_bank_account_or_a_card(kind: str) -> None:
    async with ledger() as books:
        company = books.company()
        accounts = (await company.accounts.list(filter=equal("account_type", kind))).items
        source = next(one for one in accounts if one.currency_code == "USD")
        bill = (await company.bills.list(filter=equal("document_number", "FT-802"))).items[0]
        draft = BillPaymentCreate(
            account_id=source.id,
            transaction_date=TODAY,
            linked_bills=(AllocationDraft(id=bill.id, allocated_amount=Decimal("10.01")),),
        )
        payment = done(await company.bill_payments.create(draft, idempotency_key=kind))
        assert (payment.account_id, payment.total_amount) == (source.id, Decimal("10.01"))
        after = await company.accounts.get(source.id)
        # Money leaves a bank account, and a debt grows on a card.
        change = Decimal("-10.01") if kind == "bank" else Decimal("10.01")
        assert (after.balance or 0) - (source.balance or 0) == change


async def test_the_tool_pays_from_a_card_too(home: Path) -> None:
    async with serving(home) as (client, app):
        card = await called(client, "find_records", kind="account", account_type="credit_card")
        linked = await called(client, "link_account", role="funding", account=card["records"][0]["id"])
        assert linked["record"]["account"]["id"] == card["records"][0]["id"]
        bill = await bill_numbered(client, "FT-802")
        held = await called(client, "pay_bill", bill_id=bill["id"], amount="10.01")
        assert held["status"] == "posted" or await released(app, held) == "posted"
        (payment,) = (await called(client, "list_payments", bill_id=bill["id"]))["payments"]
        assert payment["account"]["id"] == card["records"][0]["id"]
        assert payment["amount"] == {"amount": "10.01", "currency": "USD"}


async def test_a_credit_is_applied_in_part_and_then_in_whole() -> None:
    async with ledger() as books:
        company = books.company()
        credit = next(one for one in (await company.bill_credit_memos.list()).items if one.remaining_amount)
        found = await company.bills.list(filter=equal("vendor_id", credit.vendor_id or ""), limit=500)
        bill = next(one for one in found.items if one.status == "open" and one.currency_code == credit.currency_code)
        whole = credit.remaining_amount or Decimal()
        for part, left in ((Decimal("0.07"), whole - Decimal("0.07")), (whole - Decimal("0.07"), Decimal())):
            draft = BillCreditApplicationCreate(
                bill_credit_memo_id=credit.id,
                vendor_id=credit.vendor_id or "",
                transaction_date=TODAY,
                currency_code=bill.currency_code,
                linked_bills=(AllocationDraft(id=bill.id, allocated_amount=part),),
            )
            assert done(await company.bill_credit_applications.apply(draft, idempotency_key=str(part))).success
            assert (await company.bill_credit_memos.get(credit.id)).remaining_amount == left
        assert (await company.bills.get(bill.id)).amount_due == (bill.amount_due or 0) - whole


async def test_the_tool_applies_a_part_and_then_the_rest(home: Path) -> None:
    async with serving(home) as (client, app):
        credit = (await called(client, "list_credits"))["credits"][0]
        whole = Decimal(credit["remaining"]["amount"])
        bills = await called(client, "list_bills", vendor=credit["vendor"]["id"])
        bill = next(
            one
            for one in bills["bills"]
            if one["due"]["currency"] == credit["remaining"]["currency"] and Decimal(one["due"]["amount"]) > whole
        )
        for amount, left in (({"amount": "0.07"}, whole - Decimal("0.07")), ({}, Decimal())):
            applied = await called(client, "apply_credit", credit_id=credit["id"], bill_id=bill["id"], **amount)
            assert applied["status"] == "posted" or await released(app, applied) == "posted"
            listed = (await called(client, "list_credits", status="any", limit=200))["credits"]
            (after,) = [one for one in listed if one["id"] == credit["id"]]
            assert Decimal(after["remaining"]["amount"]) == left
        shown = await called(client, "get_bill", bill_id=bill["id"])
        assert Decimal(shown["bill"]["due"]["amount"]) == Decimal(bill["due"]["amount"]) - whole


@pytest.mark.parametrize("kind", KINDS)
async def test_a_line_is_tied_to_a_record_of_each_kind(kind: str) -> None:
    platform, plural = KINDS[kind]
    async with ledger() as books:
        company = books.company(platform)
        collection: Any = getattr(company, plural)
        record = (await collection.list()).items[0]
        account = (await company.accounts.list(filter=equal("account_type", "expense"), limit=500)).items
        expense = next(one for one in account if one.account_type == "expense")
        vendor = next(v for v in (await company.vendors.list()).items if expense.currency_code in v.currency_codes)
        line = BillLineDraft(account_id=expense.id, total_amount=Decimal("5.05"), **{f"{kind}_id": record.id})
        draft = BillCreate(
            vendor_id=vendor.id, issue_date=TODAY, currency_code=expense.currency_code or "", line_items=(line,)
        )
        bill = done(await company.bills.create(draft, idempotency_key=kind))
        assert books.wire.body["bill"]["line_items"][0][f"{kind}_id"] == record.id
        (kept,) = (await company.bills.get(bill.id)).line_items
        assert getattr(kept, f"{kind}_id") == record.id
        assert kept.total_amount == Decimal("5.05")
