"""The six tools against what Rutter's answers looked like when they were recorded. Nothing here reaches a network."""

from __future__ import annotations

import hashlib
import re
import socket
from contextlib import AbstractAsyncContextManager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
import yaml
from mcp.client import Client
from vcr.errors import CannotOverwriteExistingCassetteException

from cassettes.conftest import OUTSIDE
from cassettes.recorder import FOLDER, recorded, recorder
from rutter_ap_server.app import App
from rutter_ap_server.rutter.models.credits import BillCreditMemoCreate, CreditLineDraft
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_server.sandbox import open_sandbox
from serving import PASSCODE, done

pytestmark = pytest.mark.anyio


class Company(Protocol):
    def __call__(self) -> AbstractAsyncContextManager[tuple[Client, App]]: ...


@pytest.fixture
def company(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> Company:
    """The recorded company; its cassette is named after the test."""
    record = bool(request.config.getoption("--record"))
    if not record:

        def shut(*_: Any, **__: Any) -> None:
            raise AssertionError("a replay must not reach for the network")

        monkeypatch.setattr(socket.socket, "connect", shut)
        monkeypatch.setattr(socket, "getaddrinfo", shut)
    name = request.node.name
    return lambda: recorded(name, home, record=record, outside=OUTSIDE)


async def test_list_bills_answers_what_is_unpaid_in_one_call(company: Company) -> None:
    async with company() as (client, _):
        found = await done(client, "list_bills", limit=200)
        assert {bill["status"] for bill in found["bills"]} <= {"open", "partially_paid"}
        due = [bill["due_date"] for bill in found["bills"] if "due_date" in bill]
        assert due == sorted(due)
        assert all(re.fullmatch(r"\d+(\.\d+)?", bill["due"]["amount"]) for bill in found["bills"])


async def test_create_bill_books_the_last_digit(company: Company) -> None:
    async with company() as (client, _):
        entered = await _enter(client, "1", "77.07")
        assert entered["amount"] == {"amount": "77.07", "currency": entered["amount"]["currency"]}
        shown = await done(client, "get_bill", bill_id=entered["id"])
        assert shown["bill"]["due"]["amount"] == "77.07"


async def test_pay_bill_is_held_then_released_and_pays_exactly_the_amount(company: Company) -> None:
    async with company() as (client, app):
        bill = await _enter(client, "2", "120.03")
        funding = await _account(client, "bank", bill["amount"]["currency"])
        held = await done(client, "pay_bill", bill_id=bill["id"], amount="20.01", account=funding)
        assert held["status"] == "held"
        await app.approvals.add_approver("Dana", PASSCODE)
        office = await app.offices.named("")
        seen = await app.approvals.look(held["proposal_id"], office)
        released = await app.approvals.approve(seen, office, name="Dana", passcode=PASSCODE, channel="terminal")
        assert released.state == "posted"
        shown = await done(client, "get_bill", bill_id=bill["id"])
        assert shown["bill"]["due"]["amount"] == "100.02"
        assert [p["amount"]["amount"] for p in shown["payments"]] == ["20.01"]


async def test_a_payment_of_another_amount_is_not_answered_with_a_recorded_one() -> None:
    """Bodies are part of the match: left out, which is vcrpy's default, 20.02 would be told that 20.01 was booked."""
    path = FOLDER / "test_pay_bill_is_held_then_released_and_pays_exactly_the_amount.yaml"
    kept = yaml.safe_load(path.read_text(encoding="utf-8"))["interactions"]
    asked = next(
        i["request"]
        for i in kept
        if i["request"]["uri"].split("?")[0].endswith("/bill_payments") and i["request"]["method"] == "POST"
    )
    body = asked["body"]
    assert "20.01" in body
    headers = {"content-type": "application/json"}
    with recorder(record=False).use_cassette(str(path)):
        async with httpx.AsyncClient() as client:
            with pytest.raises(CannotOverwriteExistingCassetteException):
                await client.post(asked["uri"], content=body.replace("20.01", "20.02"), headers=headers)
            answered = await client.post(asked["uri"], content=body, headers=headers)
            assert answered.status_code == 200


async def test_apply_credit_lowers_what_is_due(company: Company) -> None:
    async with company() as (client, app):
        bill = await _enter(client, "4", "50.05")
        office = await app.offices.named("")
        account = await _account(client, "expense", bill["amount"]["currency"])
        created = await office.ledger.bill_credit_memos.create(
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
    async with company() as (client, _):
        bill = await _enter(client, "5", "5.00")
        (home.parent / "files" / "receipt.txt").write_text("Received with thanks.\n")
        attached = await done(client, "attach_file", bill_id=bill["id"], path="receipt.txt")
        assert attached["record"]["sha256"] == hashlib.sha256(b"Received with thanks.\n").hexdigest()
        shown = await done(client, "get_bill", bill_id=bill["id"])
        assert [a["file_name"] for a in shown["attachments"]] == ["receipt.txt"]


async def test_link_account_remembers_which_account_pays(company: Company) -> None:
    async with company() as (client, _):
        bill = await _enter(client, "6", "6.00")
        funding = await _account(client, "bank", bill["amount"]["currency"])
        linked = await done(client, "link_account", role="funding", account=funding)
        assert linked["record"]["account"]["id"] == funding
        tried = await done(client, "pay_bill", bill_id=bill["id"], dry_run=True)
        assert tried["summary"].endswith(linked["record"]["account"]["name"])


def test_no_cassette_holds_a_token_a_secret_or_an_authorization() -> None:
    sandbox = open_sandbox()
    secrets = [sandbox.client_id, sandbox.client_secret, *(c.access_token for c in sandbox.connections)]
    sandbox.close()
    cassettes = sorted(FOLDER.glob("*.yaml"))
    assert len(cassettes) >= 6
    for cassette in cassettes:
        text = cassette.read_text(encoding="utf-8")
        assert "uthorization" not in text, cassette.name
        assert re.search(r"\bBasic [A-Za-z0-9+/=]{8,}", text) is None, cassette.name
        assert not [secret for secret in secrets if secret in text], cassette.name
        tokens = re.findall(r"access_token[\"']?\s*[=:]\s*[\"']?([A-Za-z0-9_-]+)", text)
        assert set(tokens) <= {"REDACTED"}, cassette.name
        assert re.search(r"client_?secret", text, re.IGNORECASE) is None, cassette.name


async def _enter(client: Client, number: str, amount: str) -> dict[str, Any]:
    """A bill of this recording's own, from a vendor of the company, booked to one of its expense accounts."""
    accounts = await done(client, "find_records", kind="account", account_type="expense")
    expense = next(a for a in accounts["records"] if a["status"] == "active")
    vendors = await done(client, "find_records", kind="vendor")
    vendor = next(v for v in vendors["records"] if v["status"] == "active" and v.get("currency") == expense["currency"])
    entered = await done(
        client,
        "create_bill",
        vendor=vendor["id"],
        issue_date="2026-11-16",
        due_date="2026-12-16",
        currency=expense["currency"],
        document_number=f"RAP-RECORDING-{number}",
        lines=[{"amount": amount, "account": expense["id"], "description": "recorded"}],
    )
    assert entered["status"] == "posted"
    record: dict[str, Any] = entered["record"]
    return record


async def _account(client: Client, account_type: str, currency: str) -> str:
    accounts = await done(client, "find_records", kind="account", account_type=account_type)
    found: str = next(a["id"] for a in accounts["records"] if a["status"] == "active" and a.get("currency") == currency)
    return found
