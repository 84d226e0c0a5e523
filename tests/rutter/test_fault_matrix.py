"""Every mishap of the sandbox crossed with every kind of write: each ends in what is true, and is booked at most once.

The books are asked afterwards, with the mishap gone. `Done` must be there; `Rejected` and `NothingSent` must not, and
must stay away; `Unknown` may be either. Then the same write is sent again under its key, as a program would that has
lost the first outcome, and the books must hold it once.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest

from rutter_ap_server.rutter import CompanyClient, Credentials, Done, Limits, Rejected, RutterClient, Unknown, errors
from rutter_ap_server.rutter.models.accounts import AccountCreate
from rutter_ap_server.rutter.models.bills import BillCreate, BillLineDraft, BillUpdate
from rutter_ap_server.rutter.models.credits import (
    BillCreditApplicationCreate,
    BillCreditMemo,
    BillCreditMemoCreate,
    BillCreditUnapplicationCreate,
    CreditLineDraft,
)
from rutter_ap_server.rutter.models.dimensions import DepartmentCreate
from rutter_ap_server.rutter.models.payments import AllocationDraft, BillPayment, BillPaymentCreate, BillPaymentUpdate
from rutter_ap_server.rutter.models.vendors import VendorCreate
from rutter_ap_server.rutter.outcomes import WriteOutcome
from rutter_sandbox.faults import NAMES
from support.seeded import seeded_sandbox
from support.tour import TODAY, account_of, company, done, key, new_bill, vendor_of

Again = Callable[[bool], Awaitable[WriteOutcome[Any]]]
CENTS = Decimal("10.01")


@dataclass
class Attempt:
    """One write to try: how to send it (again), and how often the books hold it."""

    send: Again
    booked: Callable[[], Awaitable[int]]


def unique() -> str:
    return f"M-{uuid.uuid4().hex[:10]}"


async def create_bill(books: CompanyClient) -> Attempt:
    number, own = unique(), key()
    line = BillLineDraft(account_id=(await account_of(books, "expense")).id, total_amount=CENTS)
    draft = BillCreate(
        vendor_id=(await vendor_of(books)).id,
        issue_date=TODAY,
        currency_code="USD",
        line_items=(line,),
        document_number=number,
    )

    async def booked() -> int:
        return len((await books.bills.list(match={"document_number": number})).items)

    return Attempt(lambda again: books.bills.create(draft, idempotency_key=own, again=again), booked)


async def update_bill(books: CompanyClient) -> Attempt:
    bill, memo, own = await new_bill(books), unique(), key()

    async def booked() -> int:
        return int((await books.bills.get(bill.id)).memo == memo)

    draft = BillUpdate(memo=memo)
    return Attempt(lambda again: books.bills.update(bill.id, draft, idempotency_key=own, again=again), booked)


async def delete_bill(books: CompanyClient) -> Attempt:
    bill = await new_bill(books)

    async def booked() -> int:
        try:
            await books.bills.get(bill.id)
        except errors.NotFoundUpstream:
            return 1
        return 0

    return Attempt(lambda again: books.bills.delete(bill.id), booked)


async def create_payment(books: CompanyClient) -> Attempt:
    bill, own = await new_bill(books, "40.04"), key()
    draft = BillPaymentCreate(
        account_id=(await account_of(books, "bank")).id,
        transaction_date=TODAY,
        linked_bills=(AllocationDraft(id=bill.id, allocated_amount=CENTS),),
    )

    async def booked() -> int:
        paid = [link.allocated_amount for link in (await books.bills.get(bill.id)).linked_payments]
        assert set(paid) <= {CENTS}
        return len(paid)

    return Attempt(lambda again: books.bill_payments.create(draft, idempotency_key=own, again=again), booked)


async def paid(books: CompanyClient) -> BillPayment:
    sent = await (await create_payment(books)).send(False)
    payment: BillPayment = done(sent)
    return payment


async def update_payment(books: CompanyClient) -> Attempt:
    payment, memo, own = await paid(books), unique(), key()

    async def booked() -> int:
        return int((await books.bill_payments.get(payment.id)).memo == memo)

    draft = BillPaymentUpdate(memo=memo)
    return Attempt(
        lambda again: books.bill_payments.update(payment.id, draft, idempotency_key=own, again=again), booked
    )


async def void_payment(books: CompanyClient) -> Attempt:
    payment, own = await paid(books), key()

    async def booked() -> int:
        return int((await books.bill_payments.get(payment.id)).status == "void")

    return Attempt(lambda again: books.bill_payments.void(payment.id, idempotency_key=own, again=again), booked)


async def new_credit(books: CompanyClient, number: str) -> BillCreditMemoCreate:
    line = CreditLineDraft(account_id=(await account_of(books, "expense")).id, total_amount=CENTS)
    return BillCreditMemoCreate(
        vendor_id=(await vendor_of(books)).id,
        issue_date=TODAY,
        currency_code="USD",
        line_items=(line,),
        document_number=number,
    )


async def create_credit(books: CompanyClient) -> Attempt:
    number, own = unique(), key()
    draft = await new_credit(books, number)

    async def booked() -> int:
        return len([each async for each in books.bill_credit_memos.walk() if each.document_number == number])

    return Attempt(lambda again: books.bill_credit_memos.create(draft, idempotency_key=own, again=again), booked)


async def apply_credit(books: CompanyClient) -> Attempt:
    bill, own = await new_bill(books), key()
    memo: BillCreditMemo = done(
        await books.bill_credit_memos.create(await new_credit(books, unique()), idempotency_key=key())
    )
    draft = await application(books, memo, bill.id)

    async def booked() -> int:
        return len((await books.bills.get(bill.id)).linked_credit_memos)

    applications = books.bill_credit_applications
    return Attempt(lambda again: applications.apply(draft, idempotency_key=own, again=again), booked)


async def application(books: CompanyClient, memo: BillCreditMemo, bill_id: str) -> BillCreditApplicationCreate:
    return BillCreditApplicationCreate(
        bill_credit_memo_id=memo.id,
        vendor_id=(await vendor_of(books)).id,
        transaction_date=TODAY,
        currency_code="USD",
        linked_bills=(AllocationDraft(id=bill_id, allocated_amount=CENTS),),
    )


async def unapply_credit(books: CompanyClient) -> Attempt:
    bill, own = await new_bill(books), key()
    memo: BillCreditMemo = done(
        await books.bill_credit_memos.create(await new_credit(books, unique()), idempotency_key=key())
    )
    applications = books.bill_credit_applications
    done(await applications.apply(await application(books, memo, bill.id), idempotency_key=key()))
    draft = BillCreditUnapplicationCreate(bill_credit_memo_id=memo.id, bill_id=bill.id)

    async def booked() -> int:
        return 1 - len((await books.bills.get(bill.id)).linked_credit_memos)

    return Attempt(lambda again: applications.unapply(draft, idempotency_key=own, again=again), booked)


async def upload_file(books: CompanyClient) -> Attempt:
    bill, own = await new_bill(books), key()

    async def booked() -> int:
        return len(await books.attachments.list(bill.id))

    files = books.attachments
    return Attempt(
        lambda again: files.upload(bill.id, "invoice.pdf", b"%PDF-1.7", idempotency_key=own, again=again), booked
    )


async def create_vendor(books: CompanyClient) -> Attempt:
    name, own = unique(), key()

    async def booked() -> int:
        return len((await books.vendors.list(match={"vendor_name": name})).items)

    draft = VendorCreate(vendor_name=name, contact_name=name, currency_code="USD")
    return Attempt(lambda again: books.vendors.create(draft, idempotency_key=own, again=again), booked)


async def create_account(books: CompanyClient) -> Attempt:
    name, own = unique(), key()

    async def booked() -> int:
        return len([each async for each in books.accounts.walk() if each.name == name])

    draft = AccountCreate(name=name, account_type="expense", currency_code="USD")
    return Attempt(lambda again: books.accounts.create(draft, idempotency_key=own, again=again), booked)


async def create_department(books: CompanyClient) -> Attempt:
    name, own = unique(), key()

    async def booked() -> int:
        return len([each async for each in books.departments.walk() if each.name == name])

    draft = DepartmentCreate(name=name)
    return Attempt(lambda again: books.departments.create(draft, idempotency_key=own, again=again), booked)


WRITES = [
    create_bill,
    update_bill,
    delete_bill,
    create_payment,
    update_payment,
    void_payment,
    create_credit,
    apply_credit,
    unapply_credit,
    upload_file,
    create_vendor,
    create_account,
    create_department,
]


async def no_time(_seconds: float) -> None:
    """Waiting that takes none."""


@asynccontextmanager
async def practice() -> AsyncIterator[tuple[CompanyClient, Callable[[str], Awaitable[None]]]]:
    """A company, and the switch for what goes wrong with its writes."""
    sandbox = seeded_sandbox(today=TODAY, admin=True)
    transport = httpx.ASGITransport(sandbox.asgi)
    credentials = Credentials(sandbox.client_id, sandbox.client_secret)
    limits = Limits(body_bytes_max=2**20, job_wait_seconds=8.0)
    try:
        async with (
            RutterClient(
                credentials, base_url="http://sandbox/versioned", transport=transport, sleep=no_time, limits=limits
            ) as client,
            httpx.AsyncClient(transport=transport, base_url="http://sandbox") as switches,
        ):

            async def strike(fault: str) -> None:
                at_once = {"seconds": 0} if fault in TIMED else {}
                methods = ("POST", "PATCH", "DELETE") if fault else ()
                rules = [{"fault": fault, "method": method} | at_once for method in methods]
                (await switches.put("/sandbox/faults", json={"rules": rules})).raise_for_status()

            yield company(client, sandbox), strike
    finally:
        sandbox.close()


# Their length is no matter here.
TIMED = frozenset({"slow", "dripping_body", "endless_body", "retry_after_seconds", "retry_after_date"})
# A 450 is the platform's refusal. One that is a lie cannot be told from one that is true, by its answer.
LIES = frozenset({"status_450_after_commit"})


async def outcome_of(attempt: Attempt, *, again: bool) -> WriteOutcome[Any] | errors.NothingSent:
    try:
        return await attempt.send(again)
    except errors.NothingSent as error:
        return error


def is_true(outcome: WriteOutcome[Any] | errors.NothingSent, booked: int) -> bool:
    if isinstance(outcome, Unknown):
        return True
    return booked == (1 if isinstance(outcome, Done) else 0)


@pytest.mark.parametrize("fault", NAMES)
async def test_every_write_ends_in_what_is_true_and_is_booked_at_most_once(fault: str) -> None:
    async with practice() as (books, strike):
        for write in WRITES:
            attempt = await write(books)
            await strike(fault)
            first = await outcome_of(attempt, again=False)
            await strike("")
            booked = await attempt.booked()
            said = f"{write.__name__}: {first}, booked {booked} times"
            assert booked <= 1, said
            assert is_true(first, booked) or fault in LIES, said

            second = await outcome_of(attempt, again=not isinstance(first, errors.NothingSent))
            after = await attempt.booked()
            said += f"; then {second}, booked {after} times"
            assert after <= 1, said
            assert is_true(second, after), said
            if isinstance(first, Rejected) and first.job_id is not None and write is not delete_bill:
                # Under its key it never will be; a deletion has none.
                assert after == booked, said


# What a payment and a deletion end in while it goes on. A deletion has no key, and needs none to be repeated.
ENDS: dict[str, tuple[type, type]] = {
    **dict.fromkeys(("date_off", "slow", "tidied_texts", "plural_alone"), (Done, Done)),
    **dict.fromkeys(("duplicate_webhooks", "reordered_webhooks", "success_false"), (Done, Done)),
    **dict.fromkeys(("list_null", "list_missing", "repeated_cursor", "missing_from_list"), (Done, Done)),
    **dict.fromkeys(("stale_list", "stale_read", "no_extension_404"), (Done, Done)),
    **dict.fromkeys(("job_404_at_first", "job_500_at_first", "job_processing"), (Done, Done)),
    **dict.fromkeys(("malformed_json", "truncated_json", "html_after_commit"), (Done, Done)),
    **dict.fromkeys(("empty_after_commit", "keyless_after_commit"), (Done, Done)),
    **dict.fromkeys(("status_429", "status_452", "retry_after_seconds", "retry_after_date"), (Rejected, Rejected)),
    **dict.fromkeys((f"redirect_{status}" for status in (301, 302, 307, 308)), (Rejected, Rejected)),
    **dict.fromkeys(("status_450_after_commit", "errors_alone", "job_fails", "token_quoted"), (Rejected, Rejected)),
    **dict.fromkeys((f"status_{status}_before_commit" for status in (408, 500, 502, 503, 504)), (Unknown, Unknown)),
    **dict.fromkeys((f"status_{status}_after_commit" for status in (408, 500, 502, 503, 504)), (Unknown, Unknown)),
    **dict.fromkeys(("cut_before_commit", "cut_after_commit", "cut_mid_body"), (Unknown, Unknown)),
    **dict.fromkeys(
        (f"no_answer_{when}" for when in ("before_commit", "after_commit", "mid_body")), (Unknown, Unknown)
    ),
    **dict.fromkeys(("dripping_body", "endless_body", "gzip_bomb", "html", "job_never_ends"), (Unknown, Unknown)),
    "errors_beside": (Unknown, Unknown),
}


@pytest.mark.parametrize("fault", NAMES)
async def test_each_mishap_has_its_class_of_outcome(fault: str) -> None:
    async with practice() as (books, strike):
        for write, expected in zip((create_payment, delete_bill), ENDS[fault], strict=True):
            attempt = await write(books)
            await strike(fault)
            assert isinstance(await outcome_of(attempt, again=False), expected), write.__name__
            await strike("")
