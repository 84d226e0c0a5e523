"""One bill in full: names and not ids alone, each kind looked up once, and a next step that fits bill and platform."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.companies.company import Company
from rutter_ap_server.reads.bill_detail import bill_detail, next_step
from rutter_ap_server.reads.credits import list_credits
from rutter_ap_server.rutter.models.bills import BillCreate, BillLineDraft, LineItemDraft
from rutter_ap_server.rutter.models.credits import (
    BillCreditApplicationCreate,
    BillCreditMemoCreate,
    CreditLineDraft,
)
from rutter_ap_server.rutter.models.payments import AllocationDraft
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_server.rutter.platforms import PLATFORMS as EVERY_PLATFORM
from rutter_ap_tools.bills import BillDetail, BillRow
from rutter_ap_tools.credits import ListCredits
from rutter_ap_tools.money import Money
from rutter_ap_tools.wire import MoneyShape, Named
from support.practice_company import practice
from support.serving import bill_numbered, done, failed, link_funding, serving, text_of

pytestmark = pytest.mark.anyio
DAY = datetime(2026, 11, 20, tzinfo=UTC)
_KINDS = {
    "QUICKBOOKS": ("class", "department", "customer", "tax_rate", "item"),
    "NETSUITE": ("class", "department", "location", "tax_rate"),
    "SAGE_INTACCT": ("class", "department", "location", "project"),
}
_COLLECTIONS = {"class": "classes"}


async def entered(company: Company, kinds: tuple[str, ...]) -> tuple[str, dict[str, tuple[str, str]]]:
    """A bill whose two lines refer to one record of each kind; and those records as (id, name)."""
    ledger = company.rutter
    chosen: dict[str, tuple[str, str]] = {}
    for kind in kinds:
        record = await anext(aiter(getattr(ledger, _COLLECTIONS.get(kind, f"{kind}s")).walk()))
        chosen[kind] = (record.id, getattr(record, "customer_name" if kind == "customer" else "name"))
    account = next(a for a in (await company.directory.accounts()).values() if a.account_type == "expense")
    chosen["account"] = (account.id, account.name or "")
    fields: dict[str, Any] = {f"{kind}_id": chosen[kind][0] for kind in kinds if kind != "item"}
    if "item" in kinds:
        fields["item"] = LineItemDraft(id=chosen["item"][0], quantity=Decimal(2), unit_amount=Decimal("12.50"))
    line = BillLineDraft(account_id=account.id, total_amount=Decimal("25.00"), description="Two of them", **fields)
    vendor = next(v for v in (await company.directory.vendors()).values() if v.status == "active")
    currency = next(iter(vendor.currency_codes), "USD")
    draft = BillCreate(vendor_id=vendor.id, issue_date=DAY, currency_code=currency, line_items=(line, line))
    outcome = await ledger.bills.create(draft, idempotency_key="one-bill")
    assert isinstance(outcome, Done)
    return outcome.record.id, chosen


async def shown(company: Company, bill_id: str) -> BillDetail:
    return await bill_detail(company, bill_id)


@pytest.mark.parametrize("platform", _KINDS)
async def test_every_reference_of_a_line_is_named_by_one_lookup_a_kind(platform: str, tmp_path: Path) -> None:
    async with practice(tmp_path, platform) as (company, wire):
        bill_id, chosen = await entered(company, _KINDS[platform])
        company.directory.forget()
        wire.asked.clear()
        found = await shown(company, bill_id)
        assert len(found.lines) == 2
        for line in found.lines:
            assert line.account == Named(id=chosen["account"][0], name=chosen["account"][1])
            assert {(t.kind, t.id, t.name) for t in line.tags} == {(k, *chosen[k]) for k in _KINDS[platform]}
            if "item" in _KINDS[platform]:
                assert Decimal(line.quantity or 0) == 2
                assert Decimal(line.unit_amount or 0) == Decimal("12.5")
        lists = [one for one in wire.asked if not one.endswith(bill_id)]
        assert len(lists) == len(set(lists)), "no list is read twice"
        looked_up = {one.rsplit("/", 1)[1] for one in lists}
        # NetSuite puts every bill into a subsidiary.
        of_bill = {"subsidiaries"} if platform == "NETSUITE" else set()
        assert looked_up == {_COLLECTIONS.get(k, f"{k}s") for k in _KINDS[platform]} | of_bill | {
            "accounts",
            "vendors",
            "attachments",
            "bill_credit_memos",
        }


async def test_what_cannot_be_named_keeps_its_id_or_is_left_out(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, wire):
        kinds = _KINDS["QUICKBOOKS"]
        bill_id, chosen = await entered(company, kinds)
        company.directory.forget()
        wire.asked.clear()
        wire.missing = {"accounts", "vendors", "classes", "items", "attachments", "bill_credit_memos"}
        found = await shown(company, bill_id)
        line = found.lines[0]
        assert line.account == Named(id=chosen["account"][0])
        names = {tag.kind: tag.name for tag in line.tags}
        assert (names["class"], names["item"]) == (None, None)
        assert names["department"] == chosen["department"][1]
        assert {tag.id for tag in line.tags} == {chosen[kind][0] for kind in kinds}
        assert (found.bill.vendor.name, found.attachments, found.open_credits) == (None, None, None)
        assert "Check for open credits with list_credits first." in found.next_step
        assert "no document" not in found.next_step
        # There are two lines: what failed once is not asked for again.
        for collection in ("accounts", "vendors", "classes", "items"):
            assert sum(1 for one in wire.asked if one.endswith(f"/{collection}")) == 1


async def test_a_payment_on_a_bill_shows_its_date_amount_and_account(home: Path) -> None:
    async with serving(home) as (client, _):
        bill = await bill_numbered(client, "FT-791")
        found = await done(client, "get_bill", bill_id=bill["id"])
        said = text_of(await client.call_tool("get_bill", {"bill_id": bill["id"]}))
    (payment,) = found["payments"]
    assert payment["amount"] == {"amount": "2400.00", "currency": "USD"}
    assert payment["account"]["name"] == "Operating Checking"
    assert f"payment {payment['id']}: 2400.00 USD on {payment['date']} from Operating Checking" in said
    assert found["attachments"] == []
    assert "attach_file" in found["next_step"]


async def test_open_credits_in_the_bills_currency_come_before_paying(home: Path) -> None:
    async with serving(home) as (client, _):
        bill = await bill_numbered(client, "INV-1043")
        found = await done(client, "get_bill", bill_id=bill["id"])
        (credit,) = (await done(client, "list_credits"))["credits"]
        assert found["open_credits"] == {"remaining": credit["remaining"], "ids": [credit["id"]]}
        step = found["next_step"]
        assert step.index("apply them first with apply_credit") < step.index("pay_bill")
        other = await done(client, "get_bill", bill_id=(await bill_numbered(client, "KF-2039"))["id"])
        assert "open_credits" not in other
        assert "apply_credit" not in other["next_step"]


async def test_only_open_credits_in_the_bills_currency_are_offered(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, wire):
        bill = next(b for b in [b async for b in company.rutter.bills.walk()] if b.document_number == "INV-1043")
        assert (await shown(company, bill.id)).open_credits is not None
        wire.replaced = {b'"currency_code":"USD","memo":"Credit': b'"currency_code":"GBP","memo":"Credit'}
        assert (await shown(company, bill.id)).open_credits is None
    async with practice(tmp_path, "XERO") as (company, _):
        bills = [b async for b in company.rutter.bills.walk() if b.status == "open"]
        before = [c async for c in company.rutter.bill_credit_memos.walk()]
        credit = next(c for c in before if c.document_number == "PC-1")
        bill = next(b for b in bills if b.vendor_id == credit.vendor_id)
        draft = BillCreditMemoCreate(
            vendor_id=credit.vendor_id or "",
            issue_date=DAY,
            line_items=(CreditLineDraft(account_id=bill.line_items[0].account_id or "", total_amount=Decimal("9.00")),),
            currency_code=bill.currency_code,
            status="draft",
        )
        assert isinstance(await company.rutter.bill_credit_memos.create(draft, idempotency_key="draft"), Done)
        found = await shown(company, bill.id)
        assert found.open_credits is not None
        assert found.open_credits.ids == [credit.id]
        opened = await list_credits(company, ListCredits())
        available = {c.id for c in before if c.status in ("open", "partially_paid")}
        assert {row.id for row in opened.credits} == available >= {credit.id}
        assert len((await list_credits(company, ListCredits(status="any"))).credits) == len(before) + 1


async def test_an_applied_credit_shows_its_number_and_what_it_left(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, _):
        (credit,) = [c async for c in company.rutter.bill_credit_memos.walk()]
        assert credit.vendor_id
        theirs = [b async for b in company.rutter.bills.walk() if b.vendor_id == credit.vendor_id]
        bill = next(b for b in theirs if b.status == "open" and (b.amount_due or 0) > 120)
        application = BillCreditApplicationCreate(
            bill_credit_memo_id=credit.id,
            vendor_id=credit.vendor_id,
            transaction_date=DAY,
            currency_code="USD",
            linked_bills=(AllocationDraft(id=bill.id, allocated_amount=Decimal("50.00")),),
        )
        outcome = await company.rutter.bill_credit_applications.apply(application, idempotency_key="half-of-it")
        assert isinstance(outcome, Done)
        found = await shown(company, bill.id)
        (applied,) = found.credits
        assert (applied.id, applied.document_number, applied.date) == (credit.id, "CM-0117", date(2026, 11, 20))
        assert applied.amount == MoneyShape(amount="50.00", currency="USD")
        assert found.open_credits is not None
        assert found.open_credits.remaining == MoneyShape(amount="70.00", currency="USD")


async def test_a_held_write_is_shown_on_the_bill_until_it_expires(home: Path) -> None:
    clock = FixedClock(datetime.now(UTC))
    async with serving(home, clock=clock) as (client, _):
        await link_funding(client)
        bill = await bill_numbered(client, "GR-88")
        before = await done(client, "get_bill", bill_id=bill["id"])
        assert before["proposals"] == []
        held = await done(client, "pay_bill", bill_id=bill["id"], amount="40.00")
        assert held["status"] == "held"
        found = await done(client, "get_bill", bill_id=bill["id"])
        assert found["proposals"] == [{"id": held["proposal_id"], "tool": "pay_bill", "state": "held"}]
        assert found["next_step"].startswith("A write on this bill is not finished; check it with get_proposal")
        other = await done(client, "get_bill", bill_id=(await bill_numbered(client, "FT-778"))["id"])
        assert other["proposals"] == []
        clock.instant += timedelta(days=400)
        assert (await done(client, "get_bill", bill_id=bill["id"]))["proposals"] == []


async def test_a_missing_bill_is_an_error_and_not_an_empty_result(home: Path) -> None:
    async with serving(home) as (client, _):
        error = await failed(client, "get_bill", bill_id="00000000-0000-4000-8000-000000000000")
    assert error["who"] == "assistant"


def a_bill(status: str) -> BillRow:
    usd = MoneyShape(amount="90.00", currency="USD")
    return BillRow(id="b1", vendor=Named(id="v1"), status=status, total=usd, due=usd, days_overdue=0)


def test_the_next_step_never_names_what_the_platform_lacks() -> None:
    credit = Money.of("20.00", "USD")
    for platform, credits_left, has_document in itertools.product(EVERY_PLATFORM, (None, credit), (None, False, True)):
        step = next_step(
            a_bill("open"),
            platform,
            open_credits=credits_left,
            credits_known=True,
            has_document=has_document,
            is_settled_by_payments=False,
        )
        assert ("pay_bill" in step) == (platform != "FRESHBOOKS")
        assert ("apply_credit" in step) == (credits_left is not None and platform != "DYNAMICS365")
        assert ("attach_file" in step) == (has_document is False)


@pytest.mark.parametrize("status", ["paid", "draft", "void", "submitted", "pending_approval", "rejected", "unknown"])
def test_a_bill_that_is_not_due_is_never_offered_for_payment(status: str) -> None:
    step = next_step(
        a_bill(status),
        "QUICKBOOKS",
        open_credits=None,
        credits_known=False,
        has_document=False,
        is_settled_by_payments=True,
    )
    assert "pay_bill" not in step
    assert ("void_payment" in step) == (status == "paid")
