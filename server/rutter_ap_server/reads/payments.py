"""The `list_payments` tool: recorded payments, latest first, one page at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import msgspec

from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.directory import NameResolver
from rutter_ap_server.reads.amounts import LedgerDataError, SetAside, ledger_money, require_usable, rounding_words
from rutter_ap_server.reads.doubts import doubt_about, not_known, payment_if_readable, refused
from rutter_ap_server.reads.history import all_or_latest
from rutter_ap_server.reads.paging import NOT_ALL_SEEN, PAGE_SIZE, Stream, pack, resume, take
from rutter_ap_server.rutter.errors import NotSupportedHere
from rutter_ap_server.rutter.filters import equal
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.models.payments import BillPayment
from rutter_ap_server.rutter.paging import Page
from rutter_ap_server.rutter.platforms import ignores_filters
from rutter_ap_server.store.canonical import digest
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.money import Money
from rutter_ap_tools.payments import ListPayments, PaidBill, PaymentList, PaymentRow
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import MoneyShape


async def list_payments(company: Company, query: ListPayments) -> PaymentList:
    """The `list_payments` tool: ordered by entry, or by payment date where the platform cannot sort.

    Raises `BadInput` for another query's cursor, `NotFound` or `Ambiguous` for the vendor,
    `NotFoundUpstream` for a bill that does not exist, and `PersonError` or `NotSupportedHere` where Rutter does not
    offer the list.
    """
    wanted = await _wanted(company, query)
    try:
        stream, note = await _stream(company, wanted, query.cursor)
        page = await take(stream, wanted.matches, query.limit)
    except NotSupportedHere:
        raise refused(company, "bill_payments") from None
    # What only the bill shows of its payments is not in the list.
    doubt = await doubt_about(company, "bill_payments", () if wanted.bill_id else page.records)
    names = NameResolver(company.directory)
    rows: list[PaymentRow] = []
    notes = [*filter(None, [note]), *([NOT_ALL_SEEN] if page.stuck else [])]
    aside = SetAside("Payment")
    for payment in page.records:
        try:
            row = await _row(payment, names)
        except LedgerDataError as error:
            aside.add(payment, error)
            continue
        rows.append(row)
        if said := rounding_words((("total", payment.total_amount, row.amount.money),)):
            notes.append(f"Payment {payment.id}: {said}.")
    if doubt is not None:
        notes.append(not_known(f"whether there are {'other ' if rows else ''}payments that match", doubt))
    return PaymentList(
        company=company.named,
        environment=company.environment,
        payments=rows,
        notes=[*aside.notes, *notes],
        next_cursor=pack(wanted.digest, [stream]) if page.more else None,
    )


@dataclass(frozen=True, slots=True)
class _PaymentQuery:
    """The filters of a call. Rutter cannot filter by date (Rutter docs: Filtering Objects)."""

    vendor_id: str | None
    bill_id: str
    date_from: date | None
    date_to: date | None

    def matches(self, payment: BillPayment) -> bool:
        day = payment.transaction_date.date() if payment.transaction_date else None
        if payment.trouble:
            # It may be one that is looked for: it is set aside and named then.
            return self.vendor_id is None or payment.vendor_id in (None, self.vendor_id)
        return (
            (self.vendor_id is None or payment.vendor_id == self.vendor_id)
            and (self.date_from is None or (day is not None and day >= self.date_from))
            and (self.date_to is None or (day is not None and day <= self.date_to))
        )

    @property
    def digest(self) -> str:
        """Identifies the query, so that a cursor is accepted only by the query it came from."""
        parts = ("payments", self.vendor_id, self.bill_id, self.date_from, self.date_to)
        return digest([str(part) for part in parts])[:16]


async def _wanted(company: Company, query: ListPayments) -> _PaymentQuery:
    date_from = date.fromisoformat(query.date_from) if query.date_from else None
    date_to = date.fromisoformat(query.date_to) if query.date_to else None
    if date_from and date_to and date_from > date_to:
        raise BadInput("`date_from` is after `date_to`")
    vendor_id = (await company.directory.vendor_to_read(query.vendor)).id if query.vendor else None
    return _PaymentQuery(vendor_id, query.bill_id, date_from, date_to)


async def _stream(company: Company, wanted: _PaymentQuery, cursor: str) -> tuple[Stream[BillPayment], str]:
    chosen = equal("vendor_id", wanted.vendor_id) if wanted.vendor_id else None

    async def fetch(at: str | None) -> Page[BillPayment]:
        # Sorted by creation time, which never changes: a payment recorded between two pages does not shift the others.
        return await company.rutter.bill_payments.list(
            filter=chosen, sort="created_at DESC", cursor=at, limit=PAGE_SIZE
        )

    stream = Stream(fetch)
    resume(cursor, wanted.digest, [stream])
    if wanted.bill_id:
        stream.hold(_latest_first(await _of_bill(company, wanted.bill_id)))
    elif ignores_filters(company.platform):
        found, note = await all_or_latest(company, company.rutter.bill_payments)
        stream.hold(_latest_first(payment for payment in found if wanted.matches(payment)))
        return stream, note
    return stream, ""


async def _of_bill(company: Company, bill_id: str) -> list[BillPayment]:
    """The payments linked to a bill: they are few, and Rutter has no filter for them."""
    bill = await company.rutter.bills.get(bill_id)
    ids = dict.fromkeys(link.id for link in bill.linked_payments if link.id)
    return [await _payment(company, payment_id, bill) for payment_id in ids]


async def _payment(company: Company, payment_id: str, bill: Bill) -> BillPayment:
    """The payment; where payments may not be readable, what its bill shows of one that is not."""
    payment = await payment_if_readable(company, payment_id)
    if payment is not None:
        return payment
    links = [link for link in bill.linked_payments if link.id == payment_id]
    return BillPayment(
        id=payment_id,
        vendor_id=bill.vendor_id,
        transaction_date=links[0].allocated_date,
        currency_code=bill.currency_code,
        linked_bills=tuple(msgspec.structs.replace(link, id=bill.id) for link in links),
    )


def _latest_first(payments: Iterable[BillPayment]) -> list[BillPayment]:
    return sorted(payments, key=_day, reverse=True)


def _day(payment: BillPayment) -> tuple[datetime, str]:
    return (payment.transaction_date or datetime.min.replace(tzinfo=UTC), payment.id)


async def _row(payment: BillPayment, names: NameResolver) -> PaymentRow:
    require_usable(payment)
    currency = payment.currency_code
    shares = [
        (link.id or "", ledger_money(link.allocated_amount, currency, "allocated amount"))
        for link in payment.linked_bills
    ]
    if payment.total_amount is None:
        total = Money.total((share for _, share in shares), currency)
    else:
        total = ledger_money(payment.total_amount, currency, "payment total")
    return PaymentRow(
        id=payment.id,
        date=payment.transaction_date.date() if payment.transaction_date else None,
        vendor=await names.named("vendor", payment.vendor_id) if payment.vendor_id else None,
        account=await names.named("account", payment.account_id) if payment.account_id else None,
        amount=MoneyShape.of(total),
        document_number=clean(payment.document_number, 60) or None,
        status=clean(payment.status, 30) or None,
        bills=[PaidBill(id=bill_id, amount=MoneyShape.of(share)) for bill_id, share in shares],
    )
