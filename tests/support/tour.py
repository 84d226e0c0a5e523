"""What the tests on the sandbox's books share: finding things by what they are, and entering a bill."""

from __future__ import annotations

import uuid
from datetime import date
from decimal import Decimal
from typing import TypeVar

from rutter_ap_server.rutter import Done, RutterClient, WriteOutcome, contains, equal
from rutter_ap_server.rutter.company import CompanyClient
from rutter_ap_server.rutter.models.accounts import Account
from rutter_ap_server.rutter.models.bills import Bill, BillCreate, BillLineDraft
from rutter_ap_server.rutter.models.vendors import Vendor
from rutter_sandbox import Sandbox

TODAY = date(2025, 6, 2)


def company(client: RutterClient, sandbox: Sandbox, platform: str = "QUICKBOOKS") -> CompanyClient:
    token = next(each.access_token for each in sandbox.connections if each.platform == platform)
    return client.connection(token)


R = TypeVar("R")


def done(outcome: WriteOutcome[R]) -> R:
    assert isinstance(outcome, Done), outcome
    return outcome.record


def key() -> str:
    return str(uuid.uuid4())


async def account_of(co: CompanyClient, kind: str) -> Account:
    found = (await co.accounts.list(filter=equal("account_type", kind))).items
    return next(each for each in found if each.currency_code == "USD")


async def vendor_of(co: CompanyClient) -> Vendor:
    return (await co.vendors.list(filter=contains("vendor_name", "A"))).items[0]


async def new_bill(co: CompanyClient, amount: str = "100.10") -> Bill:
    line = BillLineDraft(account_id=(await account_of(co, "expense")).id, total_amount=Decimal(amount))
    draft = BillCreate(
        vendor_id=(await vendor_of(co)).id, issue_date=TODAY, currency_code="USD", line_items=(line,), memo="tour"
    )
    return done(await co.bills.create(draft, idempotency_key=key()))
