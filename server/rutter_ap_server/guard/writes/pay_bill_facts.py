"""Facts about a payment's history: payments to the vendor, bills with the same number, files, line totals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import partial

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.writes.parties import BillFact, ledger_bill, read_account, read_vendor, twins_of
from rutter_ap_server.guard.writes.pay_bill_rules import FileOnBill, OtherBill
from rutter_ap_server.guard.writes.payees import keys_of
from rutter_ap_server.reads.amounts import LedgerDataError, SetAside, ledger_money, require_clear
from rutter_ap_server.reads.history import History, bills_to_compare, credits_of, may_be_open, payments_to
from rutter_ap_server.rutter.abilities import Doubt
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.models.credits import BillCreditMemo
from rutter_ap_server.rutter.models.payments import BillPayment
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.money import Money, exponent_of
from rutter_ap_tools.numbers import number_key

_DEAD = ("void", "rejected")


@dataclass(frozen=True, slots=True)
class VendorPast:
    """What a vendor was paid, and its open credits; `unusable` are credits whose remaining amount is not known.

    `credits` are all of them, also those used up. `unlisted` says why there may be payments that are not listed, None
    if there are none.
    """

    open_credits: Money
    paid_before: bool = False
    earlier_payments: tuple[Money, ...] = ()
    unusable: tuple[str, ...] = ()
    credits: History[BillCreditMemo] = field(default_factory=lambda: History([]))
    unlisted: Doubt | None = None


async def vendor_past(company: Company, vendor_id: str, currency: str) -> VendorPast:
    """The vendor's open credits in that currency, and every payment to it that is not void."""
    owed, aside = Money.zero(currency), SetAside("Credit")
    history = await credits_of(company, vendor_id)
    for credit in filter(may_be_open, history.records):
        if credit.currency_code not in (None, currency):
            continue
        try:
            require_clear(credit, credit.status)
            # Without a currency it may be in this one: it is named, not counted.
            owed += ledger_money(credit.remaining_amount, credit.currency_code, "remaining credit")
        except LedgerDataError as error:
            aside.add(credit, error)
    listed = await payments_to(company, vendor_id)
    payments = [p for p in listed.records if p.status != "void" and not p.trouble]
    amounts = tuple(paid for p in payments if (paid := paid_amount(p)) is not None)
    unread = () if history.whole or history.unlisted is not None else (history.doubt,)
    return VendorPast(owed, bool(payments), amounts, (*aside.notes, *unread), history, listed.unlisted)


def paid_amount(payment: BillPayment) -> Money | None:
    """The amount of a payment; None if the ledger's figures cannot be used, which are then ignored."""
    total = payment.total_amount
    if total is None:
        total = sum((link.allocated_amount for link in payment.linked_bills), Decimal(0))
    try:
        return ledger_money(total, payment.currency_code, "payment total")
    except LedgerDataError:
        return None


async def read_ahead(company: Company, bill_id: str, vendor_id: str | None, account_id: str) -> None:
    """Reads side by side what the facts of a payment need, as far as that is known before the bill is read."""
    await company.ahead(
        partial(ledger_bill, company, bill_id),
        partial(read_account, company, account_id),
        partial(files_on, company, bill_id),
        # The names of the accounts that its lines are booked to.
        partial(company.directory.cached_list, "account"),
        *((partial(_of_vendor_ahead, company, vendor_id),) if vendor_id else ()),
    )


async def _of_vendor_ahead(company: Company, vendor_id: str) -> None:
    async def documents(of: str) -> None:
        await bills_to_compare(company, [of])

    async def of_twins() -> None:
        # By what the list shows of it: if it has other keys by now, its twins are read when that is known.
        listed = await company.directory.cached_list("vendor")
        known = listed.by_id.get(vendor_id)
        twins = await twins_of(company, vendor_id, keys_of(known), listed) if known is not None else ()
        await company.ahead(*(partial(documents, twin) for twin in twins))

    await company.ahead(
        partial(read_vendor, company, vendor_id),
        partial(credits_of, company, vendor_id),
        partial(payments_to, company, vendor_id),
        partial(documents, vendor_id),
        of_twins,
    )


async def bills_of_number(company: Company, bill: BillFact, vendor_ids: Iterable[str]) -> tuple[tuple[Bill, ...], str]:
    """Other bills of these vendors with this bill's number, ignoring spelling, and why some may be missing."""
    number = number_key(bill.number)
    if not number:
        return (), ""
    history = await bills_to_compare(company, vendor_ids, [bill.number])
    found = (
        one
        for one in history.records
        if one.id != bill.id and one.status not in _DEAD and number_key(one.document_number) == number
    )
    return tuple(sorted(found, key=lambda one: one.id)), "" if history.sure else history.doubt


def other_bill(bill: Bill) -> OtherBill:
    """Another bill of the vendor with the same number."""
    try:
        total: Money | None = ledger_money(bill.total_amount, bill.currency_code, "total of another bill")
    except LedgerDataError:
        # Its number alone makes it a duplicate.
        total = None
    return OtherBill(bill.id, bill.status, total)


async def files_on(company: Company, bill_id: str) -> tuple[FileOnBill, ...] | None:
    """The files on the bill; None if they cannot be read."""

    async def read() -> tuple[FileOnBill, ...]:
        return tuple(FileOnBill(file.id, file.file_name) for file in await company.rutter.attachments.list(bill_id))

    try:
        return await company.once(("files", bill_id), read)
    except ApError:
        return None


def paid_on(bill: Bill) -> tuple[tuple[Money, date | None], ...]:
    """The payments already made on a bill, with their dates."""
    return tuple(
        (
            ledger_money(link.allocated_amount, bill.currency_code, "amount of a payment on the bill"),
            link.allocated_date.date() if link.allocated_date else None,
        )
        for link in bill.linked_payments
    )


def line_sums(bill: Bill, total: Money) -> tuple[Money, ...]:
    """The possible totals of the lines: platforms differ in whether a line includes tax and discount.

    Empty if a line has no amount. A sum that differs from the total only by rounding counts as the total.
    """
    amounts = [line.total_amount for line in bill.line_items if line.total_amount is not None]
    if not amounts or len(amounts) < len(bill.line_items):
        return ()
    plain = sum(amounts, Decimal(0))
    line_tax = sum((line.tax_amount or Decimal(0) for line in bill.line_items), Decimal(0))
    sums = []
    for tax in (Decimal(0), line_tax, bill.tax_amount or Decimal(0)):
        for discount in (Decimal(0), bill.total_discount or Decimal(0)):
            sums.append(plain + tax - abs(discount))
    rounding = len(amounts) * Decimal(1).scaleb(-exponent_of(total.currency))
    if any(abs(found - total.amount) <= rounding for found in sums):
        return (total,)
    try:
        return tuple(Money.of(found, total.currency) for found in sums)
    except ApError:
        # Lines with too many decimals for the currency cannot be compared with a total in it.
        return ()
