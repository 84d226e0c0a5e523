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
from functools import partial
from typing import Any

import httpx
import pytest

from rutter_ap_server.rutter import CompanyClient, Credentials, Done, Limits, Rejected, RutterClient, Unknown, errors
from rutter_ap_server.rutter.models.accounts import AccountCreate, AccountUpdate
from rutter_ap_server.rutter.models.base import Draft
from rutter_ap_server.rutter.models.bills import BillCreate, BillLineDraft, BillUpdate
from rutter_ap_server.rutter.models.credits import (
    BillCreditApplicationCreate,
    BillCreditMemo,
    BillCreditMemoCreate,
    BillCreditMemoUpdate,
    BillCreditUnapplicationCreate,
    CreditLineDraft,
)
from rutter_ap_server.rutter.models.customers import CustomerCreate, CustomerUpdate
from rutter_ap_server.rutter.models.dimensions import ClassCreate, DepartmentCreate
from rutter_ap_server.rutter.models.items import ItemCreate, ItemUpdate
from rutter_ap_server.rutter.models.payments import AllocationDraft, BillPayment, BillPaymentCreate, BillPaymentUpdate
from rutter_ap_server.rutter.models.purchase_orders import (
    PurchaseOrderCreate,
    PurchaseOrderLineDraft,
    PurchaseOrderUpdate,
)
from rutter_ap_server.rutter.models.terms import PaymentTermCreate, TaxComponentDraft, TaxRateCreate
from rutter_ap_server.rutter.models.vendors import VendorCreate, VendorUpdate
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

    return Attempt(lambda again: books.bills.delete(bill.id), lambda: gone(books.bills, bill.id))


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


async def new_credit(books: CompanyClient, name: str) -> BillCreditMemoCreate:
    line = CreditLineDraft(account_id=(await account_of(books, "expense")).id, total_amount=CENTS)
    return BillCreditMemoCreate(
        vendor_id=(await vendor_of(books)).id,
        issue_date=TODAY,
        currency_code="USD",
        line_items=(line,),
        document_number=name,
    )


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


@dataclass(frozen=True)
class Kind:
    """Master data and orders: how to make one under a name, and what a change of it is."""

    collection: str
    named: str
    new: Callable[[CompanyClient, str], Awaitable[Draft]]
    change: Callable[[str], Draft] | None = None
    platform: str = "QUICKBOOKS"
    is_deleted: bool = False

    def of(self, books: CompanyClient) -> Any:
        return getattr(books, self.collection)

    async def made(self, books: CompanyClient, name: str) -> str:
        record_id: str = done(await self.of(books).create(await self.new(books, name), idempotency_key=key())).id
        return record_id


def simply(draft: Callable[[str], Draft]) -> Callable[[CompanyClient, str], Awaitable[Draft]]:
    async def new(_books: CompanyClient, name: str) -> Draft:
        return draft(name)

    return new


async def new_order(books: CompanyClient, name: str) -> Draft:
    vendor, item = (await books.vendors.list(limit=1)).items[0], (await books.items.list(limit=1)).items[0]
    line = PurchaseOrderLineDraft(item=item.id, quantity=Decimal(2), unit_amount=Decimal("3.50"))
    return PurchaseOrderCreate(
        vendor_id=vendor.id, currency="USD", line_items=(line,), txn_date=TODAY, document_number=name
    )


VAT = TaxComponentDraft(name="VAT", rate=Decimal(19))
KINDS = [
    Kind(
        "vendors",
        "vendor_name",
        simply(lambda name: VendorCreate(vendor_name=name, contact_name="Ann", currency_code="USD")),
        lambda name: VendorUpdate(vendor_name=name),
        is_deleted=True,
    ),
    Kind(
        "accounts",
        "name",
        simply(lambda name: AccountCreate(name=name, account_type="expense", currency_code="USD")),
        lambda name: AccountUpdate(name=name),
    ),
    Kind(
        "customers",
        "contact_name",
        simply(lambda name: CustomerCreate(contact_name=name)),
        lambda name: CustomerUpdate(contact_name=name),
    ),
    Kind(
        "items", "name", simply(lambda name: ItemCreate(name=name)), lambda name: ItemUpdate(name=name), is_deleted=True
    ),
    Kind("classes", "name", simply(lambda name: ClassCreate(name=name))),
    Kind("departments", "name", simply(lambda name: DepartmentCreate(name=name))),
    Kind("tax_rates", "name", simply(lambda name: TaxRateCreate(name=name, components=(VAT,)))),
    Kind("payment_terms", "term_name", simply(lambda name: PaymentTermCreate(term_name=name, due_days=Decimal(9)))),
    Kind(
        "purchase_orders",
        "document_number",
        new_order,
        lambda name: PurchaseOrderUpdate(document_number=name),
        platform="NETSUITE",
        is_deleted=True,
    ),
    Kind("bill_credit_memos", "document_number", new_credit, lambda name: BillCreditMemoUpdate(document_number=name)),
]


async def named(kind: Kind, books: CompanyClient, name: str) -> int:
    return len([each async for each in kind.of(books).walk() if getattr(each, kind.named) == name])


async def create(kind: Kind, books: CompanyClient) -> Attempt:
    name, own = unique(), key()
    draft, to = await kind.new(books, name), kind.of(books)
    return Attempt(lambda again: to.create(draft, idempotency_key=own, again=again), lambda: named(kind, books, name))


async def update(kind: Kind, books: CompanyClient) -> Attempt:
    assert kind.change is not None
    record_id, name, own = await kind.made(books, unique()), unique(), key()
    draft, to = kind.change(name), kind.of(books)
    return Attempt(
        lambda again: to.update(record_id, draft, idempotency_key=own, again=again), lambda: named(kind, books, name)
    )


async def delete(kind: Kind, books: CompanyClient) -> Attempt:
    record_id, to = await kind.made(books, unique()), kind.of(books)
    return Attempt(lambda again: to.delete(record_id), lambda: gone(to, record_id))


async def gone(collection: Any, record_id: str) -> int:
    try:
        await collection.get(record_id)
    except errors.NotFoundUpstream:
        return 1
    return 0


@dataclass(frozen=True)
class Write:
    """A kind of write: how one is prepared, and where."""

    name: str
    prepare: Callable[[CompanyClient], Awaitable[Attempt]]
    platform: str = "QUICKBOOKS"
    has_key: bool = True


WRITES = [
    *(
        Write(one.__name__, one)
        for one in (
            create_bill,
            update_bill,
            create_payment,
            update_payment,
            void_payment,
            apply_credit,
            unapply_credit,
            upload_file,
        )
    ),
    Write("delete_bill", delete_bill, has_key=False),
    *(Write(f"create of {kind.collection}", partial(create, kind), kind.platform) for kind in KINDS),
    *(Write(f"update of {kind.collection}", partial(update, kind), kind.platform) for kind in KINDS if kind.change),
    *(
        Write(f"delete of {kind.collection}", partial(delete, kind), kind.platform, has_key=False)
        for kind in KINDS
        if kind.is_deleted
    ),
]


async def no_time(_seconds: float) -> None:
    """Waiting that takes none."""


@asynccontextmanager
async def practice() -> AsyncIterator[tuple[Callable[[str], CompanyClient], Callable[[str], Awaitable[None]]]]:
    """The companies by platform, and the switch for what goes wrong with its writes."""
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

            yield partial(company, client, sandbox), strike
    finally:
        sandbox.close()


# Their length is no matter here.
TIMED = frozenset({"slow", "dripping_body", "endless_body", "retry_after_seconds", "retry_after_date"})
# A 450 is the platform's refusal. One that is a lie cannot be told from one that is true, by its answer.
LIES = frozenset({"status_450_after_commit"})


ENDING = ("create_payment", "delete_bill")
# What a payment and a deletion end in while it goes on. A deletion has no key, and needs none to be repeated.
ENDS: dict[str, tuple[type, type]] = {
    **dict.fromkeys(("date_off", "slow", "tidied_texts", "plural_alone"), (Done, Done)),
    **dict.fromkeys(("duplicate_webhooks", "reordered_webhooks"), (Done, Done)),
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
    "success_false": (Done, Unknown),
}


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
async def test_every_write_ends_in_what_is_true_and_once_at_most(fault: str) -> None:
    async with practice() as (books, strike):
        for write in WRITES:
            attempt = await write.prepare(books(write.platform))
            await strike(fault)
            first = await outcome_of(attempt, again=False)
            await strike("")
            booked = await attempt.booked()
            said = f"{write.name}: {first}, booked {booked} times"
            assert booked <= 1, said
            assert is_true(first, booked) or fault in LIES, said
            if write.name in ENDING:
                assert isinstance(first, ENDS[fault][ENDING.index(write.name)]), said

            second = await outcome_of(attempt, again=not isinstance(first, errors.NothingSent))
            after = await attempt.booked()
            said += f"; then {second}, booked {after} times"
            assert after <= 1, said
            assert is_true(second, after), said
            if isinstance(first, Rejected) and first.job_id is not None and write.has_key:
                # Under its key it never will be.
                assert after == booked, said
