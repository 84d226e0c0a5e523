"""Every call on bills once, against the sandbox over its own ASGI app: real books, no mocks."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from rutter_ap_server.rutter import Done, Rejected, RutterClient, errors
from rutter_ap_server.rutter.collections import ENDPOINTS
from rutter_ap_server.rutter.models.bills import BillCreate, BillLineDraft, BillUpdate
from rutter_ap_server.rutter.models.credits import (
    BillCreditApplicationCreate,
    BillCreditMemoCreate,
    BillCreditMemoUpdate,
    BillCreditUnapplicationCreate,
    CreditLineDraft,
)
from rutter_ap_server.rutter.models.payments import AllocationDraft, BillPaymentCreate, BillPaymentUpdate
from rutter_sandbox import Sandbox
from support.tour import TODAY, account_of, company, done, key, new_bill, vendor_of

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


@pytest.mark.parametrize("collection", [endpoint.many for endpoint in ENDPOINTS])
async def test_a_collection_is_listed_walked_and_fetched_completely(
    client: RutterClient, sandbox: Sandbox, collection: str
) -> None:
    seen = 0
    for connection in sandbox.connections:
        kind: Any = getattr(client.connection(connection.access_token), collection)
        try:
            walked = [each async for each in kind.walk(page_size=3)]
        except errors.NotSupportedHere:
            continue
        assert len({each.id for each in walked}) == len(walked)
        for each in walked[:2]:
            assert await kind.get(each.id) == each
            assert each.extra == {}
        expanded = await kind.list(limit=1, expand=True)
        assert all(set(each.extra) <= {"platform_data"} for each in expanded.items)
        assert expanded.connection.platform == connection.platform
        seen += len(walked)
    assert seen > 0


async def test_a_bill_is_entered_changed_paid_voided_and_deleted(client: RutterClient, sandbox: Sandbox) -> None:
    co = company(client, sandbox)
    bill = await new_bill(co, "100.10")
    assert (bill.amount_due, bill.status, bill.memo) == (Decimal("100.10"), "open", "tour")
    changed = done(await co.bills.update(bill.id, BillUpdate(memo="changed"), idempotency_key=key()))
    assert changed.memo == "changed"
    bank = await account_of(co, "bank")
    draft = BillPaymentCreate(
        account_id=bank.id,
        transaction_date=TODAY,
        vendor_id=bill.vendor_id or "",
        currency_code="USD",
        linked_bills=(AllocationDraft(id=bill.id, allocated_amount=Decimal("40.05")),),
    )
    payment = done(await co.bill_payments.create(draft, idempotency_key=key()))
    assert payment.total_amount == Decimal("40.05")
    paid = await co.bills.get(bill.id)
    assert (paid.amount_due, paid.status) == (Decimal("60.05"), "partially_paid")
    assert [(link.id, link.allocated_amount) for link in paid.linked_payments] == [(payment.id, Decimal("40.05"))]
    renamed = done(await co.bill_payments.update(payment.id, BillPaymentUpdate(memo="m"), idempotency_key=key()))
    assert renamed.memo == "m"
    assert done(await co.bill_payments.void(payment.id, idempotency_key=key())).status == "void"
    assert (await co.bills.get(bill.id)).amount_due == Decimal("100.10")
    assert done(await co.bills.delete(bill.id)).code == "deleted"
    assert done(await co.bills.delete(bill.id)).code == "not_found"
    with pytest.raises(errors.NotFoundUpstream):
        await co.bills.get(bill.id)


async def test_a_key_replays_its_result_and_other_content_conflicts(client: RutterClient, sandbox: Sandbox) -> None:
    co = company(client, sandbox)
    same = key()
    line = BillLineDraft(account_id=(await account_of(co, "expense")).id, total_amount=Decimal(5))
    draft = BillCreate(
        vendor_id=(await vendor_of(co)).id, issue_date=TODAY, currency_code="USD", line_items=(line,), memo="one"
    )
    first = await co.bills.create(draft, idempotency_key=same)
    again = await co.bills.create(draft, idempotency_key=same)
    assert isinstance(first, Done)
    assert isinstance(again, Done)
    assert (again.record.id, again.job_id) == (first.record.id, first.job_id)
    other = msgspec.structs.replace(draft, memo="two")
    conflict = await co.bills.create(other, idempotency_key=same)
    assert isinstance(conflict, Rejected)
    assert isinstance(conflict.error, errors.Conflict)


async def test_an_async_write_is_followed_and_can_be_queried_again(client: RutterClient, sandbox: Sandbox) -> None:
    co = company(client, sandbox)
    line = BillLineDraft(account_id=(await account_of(co, "expense")).id, total_amount=Decimal(5))
    draft = BillCreate(vendor_id=(await vendor_of(co)).id, issue_date=TODAY, currency_code="USD", line_items=(line,))
    outcome = await co.bills.create(draft, idempotency_key="async-1", response_mode="async")
    assert isinstance(outcome, Done)
    assert outcome.job_id is not None
    job = await client.job(outcome.job_id)
    assert (job.state, job.request.idempotency_key, job.request.method) == ("success", "async-1", "POST")
    assert await co.bills.outcome(outcome.job_id) == replace(outcome, request_id=None)


async def test_what_the_platform_refuses_is_refused(client: RutterClient, sandbox: Sandbox) -> None:
    co = company(client, sandbox)
    bill = await new_bill(co)
    draft = BillPaymentCreate(
        account_id=(await account_of(co, "bank")).id,
        transaction_date=TODAY,
        linked_bills=(AllocationDraft(id=bill.id, allocated_amount=Decimal(100000)),),
    )
    outcome = await co.bill_payments.create(draft, idempotency_key=key())
    assert isinstance(outcome, Rejected)
    assert isinstance(outcome.error, errors.PlatformRejected)
    assert outcome.error.untrusted_detail
    assert outcome.error.untrusted_detail not in str(outcome.error)


async def test_a_credit_is_entered_applied_taken_back_and_deleted(client: RutterClient, sandbox: Sandbox) -> None:
    co = company(client, sandbox)
    bill = await new_bill(co, "100")
    expense = await account_of(co, "expense")
    memo = done(
        await co.bill_credit_memos.create(
            BillCreditMemoCreate(
                vendor_id=bill.vendor_id or "",
                issue_date=TODAY,
                currency_code="USD",
                line_items=(CreditLineDraft(account_id=expense.id, total_amount=Decimal(30)),),
            ),
            idempotency_key=key(),
        )
    )
    assert memo.remaining_amount == Decimal(30)
    named = BillCreditMemoUpdate(memo="goods returned")
    assert done(await co.bill_credit_memos.update(memo.id, named, idempotency_key=key())).memo == "goods returned"
    application = BillCreditApplicationCreate(
        bill_credit_memo_id=memo.id,
        vendor_id=bill.vendor_id or "",
        transaction_date=TODAY,
        currency_code="USD",
        linked_bills=(AllocationDraft(id=bill.id, allocated_amount=Decimal("12.5")),),
    )
    assert done(await co.bill_credit_applications.apply(application, idempotency_key=key())).success
    settled = await co.bills.get(bill.id)
    assert settled.amount_due == Decimal("87.5")
    assert [link.id for link in settled.linked_credit_memos] == [memo.id]
    assert (await co.bill_credit_memos.get(memo.id)).remaining_amount == Decimal("17.5")
    back = BillCreditUnapplicationCreate(bill_credit_memo_id=memo.id, bill_id=bill.id)
    assert done(await co.bill_credit_applications.unapply(back, idempotency_key=key())).success
    assert (await co.bills.get(bill.id)).amount_due == Decimal(100)
    assert done(await co.bill_credit_memos.delete(memo.id)).success


async def test_a_file_is_attached_listed_and_downloaded_byte_for_byte(client: RutterClient, sandbox: Sandbox) -> None:
    co = company(client, sandbox)
    bill = await new_bill(co)
    uploaded = done(await co.attachments.upload(bill.id, "facture é.png", PNG, idempotency_key=key()))
    assert (uploaded.file_name, uploaded.attached_to_id) == ("facture é.png", bill.id)
    assert [each.id for each in await co.attachments.list(bill.id)] == [uploaded.id]
    async with co.attachments.download(bill.id, uploaded.id) as file:
        assert b"".join([chunk async for chunk in file]) == PNG
    with pytest.raises(errors.NotFoundUpstream):
        async with co.attachments.download(bill.id, "nothing"):
            pass
