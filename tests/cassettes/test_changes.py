"""The tools that change bills, payments, credits and vendors, against the recorded answers."""

from __future__ import annotations

from typing import Any

import pytest
from mcp.client import Client

from rutter_ap_server.app import App
from support.clerk import Company, account_of, due_on, enter, number_of, released
from support.recording import marked
from support.serving import done

pytestmark = pytest.mark.anyio


async def test_update_bill_replaces_the_lines_to_the_last_digit(company: Company) -> None:
    async with company() as (client, app):
        bill = await enter(client, app, "21", "78.01")
        lines = [
            {"amount": "70.02", "account": bill["expense_account"]},
            {"amount": "8.06", "account": bill["expense_account"]},
        ]
        changed = await done(client, "update_bill", bill_id=bill["id"], lines=lines)
        assert changed["status"] == "posted" or await released(app, changed) == "posted"
        shown = await done(client, "get_bill", bill_id=bill["id"])
        assert [line["amount"]["amount"] for line in shown["lines"]] == ["70.02", "8.06"]
        assert shown["bill"]["due"]["amount"] == "78.08"


async def test_delete_bill_removes_it_once_released(company: Company) -> None:
    async with company() as (client, app):
        bill = await enter(client, app, "22", "22.02")
        held = await done(client, "delete_bill", bill_id=bill["id"])
        assert await due_on(client, bill["id"]) == "22.02"
        assert await released(app, held) == "posted"
        left = await done(client, "list_bills", document_number=number_of("22"), status="any")
        assert left["bills"] == []


async def test_void_payment_makes_the_bill_due_again_to_the_last_digit(company: Company) -> None:
    async with company() as (client, app):
        bill = await enter(client, app, "23", "30.04")
        funding = await account_of(client, "bank", bill["amount"]["currency"])
        paid = await done(client, "pay_bill", bill_id=bill["id"], amount="10.01", account=funding)
        assert await released(app, paid) == "posted"
        (payment,) = (await done(client, "list_payments", bill_id=bill["id"]))["payments"]
        assert payment["amount"]["amount"] == "10.01"
        assert await due_on(client, bill["id"]) == "20.03"
        held = await done(client, "void_payment", payment_id=payment["id"])
        assert await released(app, held) == "posted"
        assert await due_on(client, bill["id"]) == "30.04"


async def test_create_credit_is_open_to_the_last_digit_once_released(company: Company) -> None:
    async with company() as (client, app):
        bill = await enter(client, app, "24", "50.05")
        credit = await _credit(client, app, bill, "24", "12.34")
        assert credit["total"] == credit["remaining"] == {"amount": "12.34", "currency": bill["amount"]["currency"]}
        assert credit["applied"] == []


async def test_remove_credit_takes_it_off_the_bill_again(company: Company) -> None:
    async with company() as (client, app):
        bill = await enter(client, app, "25", "50.05")
        credit = await _credit(client, app, bill, "25", "20.06")
        applied = await done(client, "apply_credit", credit_id=credit["id"], bill_id=bill["id"], amount="10.01")
        assert applied["status"] == "posted"
        assert await due_on(client, bill["id"]) == "40.04"
        held = await done(client, "remove_credit", credit_id=credit["id"], bill_id=bill["id"])
        assert await released(app, held) == "posted"
        assert await due_on(client, bill["id"]) == "50.05"


async def test_save_vendor_enters_one_that_did_not_exist(company: Company) -> None:
    async with company() as (client, app):
        name = marked("Recorded Vendor 26")
        assert (await done(client, "find_records", kind="vendor", name=name))["records"] == []
        held = await done(client, "save_vendor", name=name, currency="USD", email="recorded@vendor.example")
        assert await released(app, held) == "posted"
        (found,) = (await done(client, "find_records", kind="vendor", name=name))["records"]
        assert (found["name"], found["status"]) == (name, "active")


async def test_create_record_creates_the_kind_the_policy_allows(company: Company) -> None:
    async with company() as (client, app):
        name = marked("Recorded Customer 27")
        assert (await done(client, "find_records", kind="customer", name=name))["records"] == []
        app.policy.path.write_text('[records]\nmay_create = ["customer"]\n', encoding="utf-8")
        held = await done(client, "create_record", kind="customer", name=name)
        assert await released(app, held) == "posted"
        (found,) = (await done(client, "find_records", kind="customer", name=name))["records"]
        assert (found["name"], found["status"]) == (name, "active")


async def _credit(client: Client, app: App, bill: dict[str, Any], number: str, amount: str) -> dict[str, Any]:
    """A credit of the bill's vendor, as list_credits shows it."""
    credit_number = marked(f"RAP-CREDIT-{number}")
    held = await done(
        client,
        "create_credit",
        vendor=bill["vendor"]["id"],
        issue_date="2026-11-16",
        currency=bill["amount"]["currency"],
        document_number=credit_number,
        lines=[{"amount": amount, "account": bill["expense_account"], "description": "recorded"}],
    )
    assert await released(app, held) == "posted"
    found = await done(client, "list_credits", vendor=bill["vendor"]["id"])
    credit: dict[str, Any] = next(c for c in found["credits"] if c["document_number"] == credit_number)
    return credit
