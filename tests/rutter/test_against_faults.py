"""Every refusal and every mishap, as the sandbox really answers it: what it becomes, and what a write is worth."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import pytest

from rutter_ap_server.rutter import Credentials, Done, Rejected, RutterClient, Unknown, errors
from rutter_ap_server.rutter.models.bills import BillCreate, BillLineDraft
from rutter_ap_server.rutter.models.payments import AllocationDraft, BillPaymentCreate
from rutter_sandbox import Sandbox
from support.seeded import seeded_sandbox
from support.tour import TODAY, account_of, company, key, new_bill

pytestmark = pytest.mark.anyio


async def _no_time(_seconds: float) -> None:
    """Waiting that takes none."""


@asynccontextmanager
async def rutter(secret: str | None = None) -> AsyncIterator[tuple[RutterClient, Sandbox, httpx.AsyncClient]]:
    """The client in front of a sandbox whose switches are open, and a plain way to those switches."""
    sandbox = seeded_sandbox(today=TODAY, admin=True)
    transport = httpx.ASGITransport(sandbox.asgi)
    credentials = Credentials(sandbox.client_id, secret or sandbox.client_secret)
    base_url = "http://sandbox/versioned"
    try:
        async with (
            RutterClient(credentials, base_url=base_url, transport=transport, sleep=_no_time) as client,
            httpx.AsyncClient(transport=transport, base_url="http://sandbox") as switches,
        ):
            yield client, sandbox, switches
    finally:
        sandbox.close()


async def _strike(switches: httpx.AsyncClient, fault: str, method: str, path: str = "", **more: Any) -> None:
    rule = {"fault": fault, "method": method, "path": path, **more}
    (await switches.put("/sandbox/faults", json={"rules": [rule]})).raise_for_status()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("status_429", errors.RateLimited),
        ("status_452", errors.PlatformRateLimited),
        ("status_500_before_commit", errors.UpstreamUnavailable),
        ("status_503_before_commit", errors.UpstreamUnavailable),
        ("cut_before_commit", errors.UpstreamUnavailable),
        ("cut_mid_body", errors.UpstreamUnavailable),
        ("malformed_json", errors.UpstreamNonsense),
        ("truncated_json", errors.UpstreamNonsense),
    ],
)
async def test_a_read_that_always_fails_raises_what_says_who_can_act(
    fault: str, kind: type[errors.RutterError]
) -> None:
    async with rutter() as (client, sandbox, switches):
        books = company(client, sandbox)
        await _strike(switches, fault, "GET")
        with pytest.raises(kind) as failure:
            await books.bills.list()
        assert sandbox.client_secret not in f"{failure.value!r} {failure.value} {failure.value.args}"


FAILS_ONCE = ["status_429", "status_452", "status_503_before_commit", "cut_before_commit"]
FAILS_ONCE += ["html", "truncated_json", "malformed_json", "cut_mid_body"]


@pytest.mark.parametrize("fault", FAILS_ONCE)
async def test_a_read_that_fails_once_is_simply_read_again(fault: str) -> None:
    async with rutter() as (client, sandbox, switches):
        await _strike(switches, fault, "GET", times=1)
        assert (await company(client, sandbox).bills.list(limit=3)).items


@pytest.mark.parametrize(
    ("fault", "booked"),
    [
        ("cut_before_commit", False),
        ("cut_after_commit", True),
        ("cut_mid_body", True),
        ("job_never_ends", None),
    ],
)
async def test_a_lost_payment_is_unknown_and_its_key_never_pays_twice(fault: str, booked: bool | None) -> None:
    async with rutter() as (client, sandbox, switches):
        books = company(client, sandbox)
        bill = await new_bill(books, "40.04")
        bank = await account_of(books, "bank")
        draft = BillPaymentCreate(
            account_id=bank.id,
            transaction_date=TODAY,
            linked_bills=(AllocationDraft(id=bill.id, allocated_amount=Decimal("10.01")),),
        )
        payment_key = key()
        await _strike(switches, fault, "POST", "bill_payments")
        outcome = await books.bill_payments.create(draft, idempotency_key=payment_key)
        assert isinstance(outcome, Unknown), outcome
        (await switches.put("/sandbox/faults", json={"rules": []})).raise_for_status()
        if booked is not None:
            seen = (await books.bills.get(bill.id)).linked_payments
            assert bool(seen) is booked
        again = await books.bill_payments.create(draft, idempotency_key=payment_key, again=True)
        assert isinstance(again, Done | Unknown)
        paid = [link.allocated_amount for link in (await books.bills.get(bill.id)).linked_payments]
        assert paid == [Decimal("10.01")]


@pytest.mark.parametrize("fault", ["truncated_json", "malformed_json"])
async def test_an_unreadable_payment_is_found_by_the_job_in_its_header(fault: str) -> None:
    async with rutter() as (client, sandbox, switches):
        books = company(client, sandbox)
        bill = await new_bill(books, "40.04")
        link = AllocationDraft(id=bill.id, allocated_amount=Decimal("10.01"))
        draft = BillPaymentCreate(
            account_id=(await account_of(books, "bank")).id, transaction_date=TODAY, linked_bills=(link,)
        )
        await _strike(switches, fault, "POST", "bill_payments")
        outcome = await books.bill_payments.create(draft, idempotency_key=key())
        assert isinstance(outcome, Done)
        assert [paid.id for paid in (await books.bills.get(bill.id)).linked_payments] == [outcome.record.id]


async def test_a_platform_refusal_is_rejected_replayed_and_traceless() -> None:
    async with rutter() as (client, sandbox, _):
        books = company(client, sandbox)
        bill = await new_bill(books, "10.00")
        bank = await account_of(books, "bank")
        too_much = BillPaymentCreate(
            account_id=bank.id,
            transaction_date=TODAY,
            linked_bills=(AllocationDraft(id=bill.id, allocated_amount=Decimal("10.01")),),
        )
        payment_key = key()
        for _ in range(2):
            outcome = await books.bill_payments.create(too_much, idempotency_key=payment_key)
            assert isinstance(outcome, Rejected)
            assert isinstance(outcome.error, errors.PlatformRejected)
        other = BillPaymentCreate(
            account_id=bank.id,
            transaction_date=TODAY,
            linked_bills=(AllocationDraft(id=bill.id, allocated_amount=Decimal("1.00")),),
        )
        conflict = await books.bill_payments.create(other, idempotency_key=payment_key)
        assert isinstance(conflict, Rejected)
        assert isinstance(conflict.error, errors.Conflict)
        assert (await books.bills.get(bill.id)).amount_due == Decimal("10.00")


async def test_unknown_ids_bad_requests_and_missing_calls_differ() -> None:
    async with rutter() as (client, sandbox, _):
        books = company(client, sandbox)
        with pytest.raises(errors.NotFoundUpstream):
            await books.bills.get("00000000-0000-4000-8000-000000000000")
        with pytest.raises(errors.BadRequest):
            await books.bills.list(filter='no_such_field="x"')
        with pytest.raises(errors.NotSupportedHere):
            await books.subsidiaries.list()
        line = BillLineDraft(account_id="00000000-0000-4000-8000-000000000000", total_amount=Decimal("1.00"))
        draft = BillCreate(
            vendor_id="00000000-0000-4000-8000-000000000000",
            issue_date=date(2025, 6, 1),
            currency_code="USD",
            line_items=(line,),
        )
        refused = await books.bills.create(draft, idempotency_key=key())
        assert isinstance(refused, Rejected)
        assert isinstance(refused.error, errors.BadRequest)


async def test_wrong_credentials_and_tokens_are_the_operators_to_fix() -> None:
    async with rutter(secret="another secret") as (client, sandbox, _):
        with pytest.raises(errors.CredentialsRejected):
            await company(client, sandbox).bills.list()
    async with rutter() as (client, _, _):
        with pytest.raises(errors.CredentialsRejected):
            await client.connection("00000000-0000-4000-8000-000000000000").bills.list()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("needs_reauth", errors.NeedsReauth),
        ("disabled", errors.ConnectionDisabled),
        ("not_ready", errors.NotReady),
    ],
)
async def test_a_connection_that_cannot_be_used_says_who_can_mend_it(
    status: str, kind: type[errors.RutterError]
) -> None:
    async with rutter() as (client, sandbox, switches):
        connection = sandbox.connections[0]
        (await switches.put(f"/sandbox/connections/{connection.id}", json={"status": status})).raise_for_status()
        with pytest.raises(kind):
            await company(client, sandbox).bills.list()


async def test_a_company_linked_on_the_hosted_page_can_be_read() -> None:
    async with rutter() as (client, _, switches):
        made = await client.connections.create()
        assert made.link_url is not None
        form = {"platform": "XERO", "consent": "yes"}
        shown = await switches.post(made.link_url, data=form)
        assert shown.status_code == 200
        token = re.search(r'id="public-token">([^<]+)<', shown.text)
        assert token is not None
        exchanged = await client.exchange_public_token(token[1])
        assert exchanged.platform == "XERO"
        assert (await client.connection(exchanged.access_token).accounts.list()).items
        with pytest.raises(errors.RutterError):
            await client.exchange_public_token(token[1])


async def test_webhook_configs_are_read_one_by_one_and_all_together() -> None:
    async with rutter() as (client, _, switches):
        assert await client.webhook_configs() == ()
        given = {"webhooks": [{"url": "https://example.com/hook", "allowed_types": ["BILL_UPDATED"]}]}
        (await switches.put("/sandbox/webhooks", json=given)).raise_for_status()
        (config,) = await client.webhook_configs()
        assert config.url == "https://example.com/hook"
        assert (await client.webhook_config(config.id)).id == config.id
