"""One bill in full. The bill itself must exist; related records that cannot be read are left out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal

import anyio

from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.directory import NameResolver
from rutter_ap_server.reads.amounts import (
    LedgerDataError,
    SetAside,
    ledger_money,
    readable_money,
    require_clear,
    rounding_words,
)
from rutter_ap_server.reads.bills import UNPAID, bill_row, rounding_notes
from rutter_ap_server.reads.doubts import doubt_about, not_known, payment_if_readable
from rutter_ap_server.reads.history import HISTORY_PAGES_MAX, may_be_open
from rutter_ap_server.reads.links import safe_link
from rutter_ap_server.rutter.abilities import Support, abilities_of
from rutter_ap_server.rutter.filters import equal
from rutter_ap_server.rutter.models.attachments import Attachment
from rutter_ap_server.rutter.models.base import Allocation as Link
from rutter_ap_server.rutter.models.base import Record
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.models.bills import BillLine as LedgerLine
from rutter_ap_server.rutter.models.credits import BillCreditMemo
from rutter_ap_server.rutter.models.payments import BillPayment
from rutter_ap_tools.bills import Allocation, AttachmentRow, BillDetail, BillLine, BillRow, OpenCredits, Tag
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.money import Money
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import MoneyShape, Named

# A bill usually has one payment or a few; looking up the account of more is not worth the requests.
_PAYMENTS_MAX = 20
# So it is with the numbers of its purchase orders.
_ORDERS_MAX = 20


async def bill_detail(company: Company, bill_id: str) -> BillDetail:
    """The bill with that id, names included. Raises `NotFoundUpstream`, and `LedgerDataError` for unusable amounts."""
    return await detail_of(company, await company.rutter.bills.get(bill_id))


async def detail_of(company: Company, bill: Bill) -> BillDetail:
    """That bill, names included. Raises `LedgerDataError` for unusable amounts."""
    names = NameResolver(company.directory)
    row = bill_row(bill, await names.named("vendor", bill.vendor_id or ""), company.clock.today())
    lines = [await _line(line, bill.currency_code, names) for line in bill.line_items]
    related = _Related()
    await related.read(company, bill)
    attachments = None
    if related.attachments is not None:
        attachments = [AttachmentRow(id=a.id, file_name=clean(a.file_name, 120)) for a in related.attachments]
    credits_left, doubts = _open_credits(bill, related), _doubts(bill, row, related)
    return BillDetail(
        company=company.named,
        environment=company.environment,
        bill=row,
        reference=clean(bill.additional_fields.reference, 200) or None if bill.additional_fields else None,
        memo=clean(bill.memo, 500) or None,
        sub_total=_shape(bill.sub_total, bill.currency_code),
        tax=_shape(bill.tax_amount, bill.currency_code),
        discount=_shape(bill.total_discount, bill.currency_code),
        currency_rate=_plain(bill.currency_rate),
        purchase_orders=related.orders or None,
        payment_terms=await _named(names, "payment_terms", bill.payment_terms_id),
        accounts_payable_account=await _named(names, "account", bill.account_id),
        subsidiary=await _named(names, "subsidiary", bill.subsidiary_id),
        created_at=bill.created_at,
        updated_at=bill.updated_at,
        last_synced_at=bill.last_synced_at,
        platform_id=clean(bill.platform_id, 100) or None,
        platform_url=safe_link(bill.platform_url),
        lines=lines,
        payments=[
            await _payment(link, bill, related, names) for link in bill.linked_payments if _is_usable(link, bill)
        ],
        credits=[_credit(link, bill, related) for link in bill.linked_credit_memos if _is_usable(link, bill)],
        journal_entries=[_allocation(link, bill) for link in _journals(bill) if _is_usable(link, bill)] or None,
        attachments=attachments,
        open_credits=credits_left,
        next_step=next_step(
            row,
            company.platform,
            open_credits=credits_left.remaining.money if credits_left else None,
            credits_known=related.credits is not None,
            has_document=bool(attachments) if attachments is not None else None,
            is_settled_by_payments=bool(bill.linked_payments),
            every_file_listed=abilities_of(company.platform).lists_every_file,
        )
        + (" A person can look at it there: platform_url." if safe_link(bill.platform_url) else "")
        + "".join(f" {doubt}" for doubt in doubts),
    )


def _journals(bill: Bill) -> tuple[Link, ...]:
    """The journal entries that settle a part of the bill, like its payments. One without an amount says nothing."""
    entries = bill.additional_fields.linked_journal_entries if bill.additional_fields else ()
    return tuple(
        Link(id=one.journal_id, allocated_amount=one.amount, allocated_date=one.allocated_at)
        for one in entries
        if one.amount is not None
    )


def _is_usable(link: Link, bill: Bill) -> bool:
    try:
        _allocation(link, bill)
    except LedgerDataError:
        return False
    return True


def _doubts(bill: Bill, row: BillRow, related: _Related) -> list[str]:
    """What was rounded of the bill, and what belongs to it and cannot be used."""
    said = [*rounding_notes(bill, row), *_doubtful_sums(bill), *related.unlisted]
    lines = sum(1 for line in bill.line_items if not _is_exact(line.total_amount, bill.currency_code))
    said += [f"Lines whose amount cannot be used: {lines}."] if lines else []
    links = (*bill.linked_payments, *bill.linked_credit_memos, *_journals(bill))
    said += [
        f"Left out, because its amount cannot be used: {clean(link.id, 100) or 'a payment or credit without an id'}."
        for link in links
        if not _is_usable(link, bill)
    ]
    aside = SetAside("Credit")
    for credit in (related.credits or {}).values() if bill.status in UNPAID else ():
        try:
            if may_be_open(credit):
                require_clear(credit, credit.status)
                ledger_money(credit.remaining_amount, credit.currency_code or bill.currency_code, "remaining credit")
        except LedgerDataError as error:
            aside.add(credit, error)
    return said + aside.notes


def _doubtful_sums(bill: Bill) -> list[str]:
    """Which parts of the total were rounded, or cannot be used and are left out; of the bill, and of how many lines."""
    sums = (("sub-total", bill.sub_total), ("tax", bill.tax_amount), ("discount", bill.total_discount))
    of_lines = [(line.sub_total, line.tax_amount, line.discount_amount) for line in bill.line_items]
    given = [(what, shown, readable_money(shown, bill.currency_code)) for what, shown in sums if shown is not None]
    rounded = rounding_words([(what, shown, money) for what, shown, money in given if money is not None])
    said = [f"Bill {bill.id}: {rounded}."] if rounded else []
    said += [f"Left out, because it cannot be used: its {what}." for what, _, money in given if money is None]
    lines = sum(1 for each in of_lines if not all(_is_exact(one, bill.currency_code) for one in each))
    return [*said, f"Lines with a sub-total, tax or discount that cannot be used: {lines}."] if lines else said


def _is_exact(amount: Decimal | None, currency: str) -> bool:
    try:
        return amount is None or bool(ledger_money(amount, currency, "line amount"))
    except LedgerDataError:
        return False


@dataclass(slots=True)
class _Related:
    """Records related to a bill. None means that they could not be read; not every platform has all of them."""

    attachments: tuple[Attachment, ...] | None = None
    credits: dict[str, BillCreditMemo] | None = None
    payments: dict[str, BillPayment] | None = None
    unlisted: list[str] = field(default_factory=list)
    orders: list[Named] = field(default_factory=list)

    async def read(self, company: Company, bill: Bill) -> None:
        """Reads all of them concurrently."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._read_attachments, company, bill)
            tasks.start_soon(self._read_payments, company, bill)
            tasks.start_soon(self._read_orders, company, bill)
            if bill.vendor_id and (bill.status in UNPAID or bill.linked_credit_memos):
                tasks.start_soon(self._read_credits, company, bill.vendor_id)

    async def _read_attachments(self, company: Company, bill: Bill) -> None:
        try:
            self.attachments = await company.rutter.attachments.list(bill.id)
        except ApError:
            self.attachments = None

    async def _read_payments(self, company: Company, bill: Bill) -> None:
        self.payments = {}
        # The bill itself has the dates and amounts; where this ends, only the accounts of the rest are missing.
        with suppress(ApError):
            for link in bill.linked_payments[:_PAYMENTS_MAX]:
                payment = await payment_if_readable(company, link.id) if link.id else None
                if payment is not None:
                    self.payments[payment.id] = payment
        await self._doubt(company, "bill_payments", "whether this bill has other payments", self.payments)

    async def _read_orders(self, company: Company, bill: Bill) -> None:
        ids = [link.id for link in bill.linked_purchase_orders if link.id]
        self.orders = [Named(id=one) for one in ids]
        # Without the number, the id alone is still worth showing.
        with suppress(ApError):
            for place, one in enumerate(ids[:_ORDERS_MAX]):
                number = (await company.rutter.purchase_orders.get(one)).document_number
                self.orders[place] = Named(id=one, name=clean(number, 60) or None)

    async def _read_credits(self, company: Company, vendor_id: str) -> None:
        walk = company.rutter.bill_credit_memos.walk(filter=equal("vendor_id", vendor_id), pages_max=HISTORY_PAGES_MAX)
        try:
            self.credits = {credit.id: credit async for credit in walk}
        except ApError:
            self.credits = None
        await self._doubt(company, "bill_credit_memos", "whether the vendor has open credits", self.credits or {})

    async def _doubt(self, company: Company, many: str, what: str, listed: Mapping[str, Record]) -> None:
        """Notes what may be there and is not listed. What cannot be asked now is no less in doubt."""
        try:
            doubt = await doubt_about(company, many, listed.values())
        except ApError:
            doubt = abilities_of(company.platform).doubt(many)
        if doubt is not None:
            self.unlisted.append(not_known(what, doubt))


async def _line(line: LedgerLine, currency: str, names: NameResolver) -> BillLine:
    item = line.item
    references = {
        "item": item.id if item else None,
        "class": line.class_id,
        "department": line.department_id,
        "location": line.location_id,
        "customer": line.customer_id,
        "project": line.project_id,
        "tax_rate": line.tax_rate_id,
    }
    task_id = line.additional_fields.task_id if line.additional_fields else None
    named = {kind: await names.named(kind, record_id) for kind, record_id in references.items() if record_id}
    return BillLine(
        # A line with decimals of its own, or one that cannot be used, does not hide the bill.
        amount=_shape(line.total_amount, currency),
        sub_total=_shape(line.sub_total, currency),
        tax=_shape(line.tax_amount, currency),
        discount=_shape(line.discount_amount, currency),
        discount_percentage=_plain(line.discount_percentage),
        account=await _named(names, "account", line.account_id),
        description=clean(line.description, 200) or None,
        quantity=_plain(item.quantity) if item else None,
        unit_amount=_plain(item.unit_amount) if item else None,
        tags=[
            *(Tag(kind=kind, id=record.id, name=record.name) for kind, record in named.items()),
            # Rutter lists tasks on one platform alone, and nothing here enters any.
            *([Tag(kind="task", id=task_id)] if task_id else []),
        ],
    )


async def _named(names: NameResolver, kind: str, record_id: str | None) -> Named | None:
    return await names.named(kind, record_id) if record_id else None


def _shape(amount: Decimal | None, currency: str) -> MoneyShape | None:
    """An amount that the ledger shows and that can be used; `_doubtful_sums` says which cannot."""
    money = readable_money(amount, currency) if amount is not None else None
    return MoneyShape.of(money) if money is not None else None


def _plain(number: Decimal | None) -> str | None:
    return f"{number:f}" if number is not None else None


async def _payment(link: Link, bill: Bill, related: _Related, names: NameResolver) -> Allocation:
    payment = (related.payments or {}).get(link.id or "")
    account_id = payment.account_id if payment else None
    return _allocation(link, bill).model_copy(
        update={"account": await names.named("account", account_id) if account_id else None}
    )


def _credit(link: Link, bill: Bill, related: _Related) -> Allocation:
    credit = (related.credits or {}).get(link.id or "")
    number = clean(credit.document_number, 60) if credit else ""
    return _allocation(link, bill).model_copy(update={"document_number": number or None})


def _allocation(link: Link, bill: Bill) -> Allocation:
    return Allocation(
        id=link.id or "",
        date=link.allocated_date.date() if link.allocated_date else None,
        amount=MoneyShape.of(ledger_money(link.allocated_amount, bill.currency_code, "allocated amount")),
    )


def _open_credits(bill: Bill, related: _Related) -> OpenCredits | None:
    """The vendor's credits that could be applied to this bill now."""
    if bill.status not in UNPAID:
        return None
    usable: dict[str, Money] = {}
    for credit in (related.credits or {}).values():
        if may_be_open(credit) and credit.currency_code == bill.currency_code:
            try:
                require_clear(credit, credit.status)
                usable[credit.id] = ledger_money(credit.remaining_amount, credit.currency_code, "remaining amount")
            except LedgerDataError:
                continue
    if not usable:
        return None
    return OpenCredits(remaining=MoneyShape.of(Money.total(usable.values(), bill.currency_code)), ids=sorted(usable))


def next_step(
    row: BillRow,
    platform: str,
    *,
    open_credits: Money | None,
    credits_known: bool,
    has_document: bool | None,
    is_settled_by_payments: bool,
    every_file_listed: bool = True,
) -> str:
    """One to four sentences. `has_document` is None when files could not be read.

    `every_file_listed`: those that were added in the platform itself are listed too.
    """
    abilities = abilities_of(platform)
    if row.status == "paid":
        can_void = is_settled_by_payments and abilities.void_payment is Support.YES
        return "The bill is paid; nothing is due." + (" void_payment can void a payment on it." if can_void else "")
    if row.status == "draft" and abilities.support("bills", "set_status") is Support.YES:
        return "A draft cannot be paid. update_bill can submit or open it."
    if row.status not in UNPAID:
        return f"A bill with status {row.status} cannot be paid. A person can change it in the accounting platform."
    steps = [_credits(open_credits, credits_known=credits_known, apply=abilities.apply_credit)]
    if has_document is False and abilities.attach_file is not Support.NO:
        lack = "No document is attached" if every_file_listed else "No document was uploaded through Rutter"
        steps.append(f"{lack}; add one with attach_file.")
    if abilities.support("bill_payments", "create") is Support.NO:
        steps.append(
            "Payments cannot be recorded through this server on this platform; a person must record them there."
        )
    else:
        steps.append(f"pay_bill can record a payment of up to {row.due.money}. It moves no money at a bank.")
    return " ".join(step for step in steps if step)


def _credits(open_credits: Money | None, *, credits_known: bool, apply: Support) -> str:
    if not credits_known:
        return "Check for open credits with list_credits first." if apply is not Support.NO else ""
    if open_credits is None:
        return ""
    if apply is Support.NO:
        return f"The vendor has {open_credits} in open credits; on this platform only a person can apply them."
    return f"The vendor has {open_credits} in open credits; apply them first with apply_credit."
