"""The `summarize_payables` tool: what is owed in total, how overdue it is and what cash it needs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.directory import NameResolver
from rutter_ap_server.reads import aging
from rutter_ap_server.reads.aging import Owed, Pair
from rutter_ap_server.reads.amounts import (
    LedgerDataError,
    SetAside,
    is_unclear,
    ledger_money,
    require_clear,
    require_usable,
    rounding_words,
)
from rutter_ap_server.reads.bills import UNPAID
from rutter_ap_server.reads.doubts import doubt_about, not_known
from rutter_ap_server.reads.history import open_credits
from rutter_ap_server.reads.paging import WALK_PAGES_MAX
from rutter_ap_server.rutter.errors import WalkTooLong
from rutter_ap_server.rutter.filters import Filter, above, equal
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.platforms import ignores_filters
from rutter_ap_tools.errors import ApError, BadInput
from rutter_ap_tools.money import Money
from rutter_ap_tools.payables import (
    AgingBucket,
    AlikeBill,
    CashNeed,
    CurrencyPayables,
    PayablesSummary,
    PossibleDuplicate,
    SummarizePayables,
    VendorOwing,
)
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import MoneyShape

_PAIRS_MAX = 20


async def summarize_payables(company: Company, query: SummarizePayables) -> PayablesSummary:
    """The `summarize_payables` tool. Raises `NotFound` or `Ambiguous` for the vendor, `BadInput` for a late date."""
    as_of = date.fromisoformat(query.as_of) if query.as_of else company.clock.today()
    if as_of.toordinal() + query.days > date.max.toordinal():
        raise BadInput("`as_of` is too far in the future")
    vendor_id = (await company.directory.vendor_to_read(query.vendor)).id if query.vendor else None
    read = await read_payables(company, vendor_id)
    names = NameResolver(company.directory)
    notes = read.all_notes
    if as_of != company.clock.today():
        notes.append("Only the aging is as of that date; the amounts are those due today.")
    currencies = sorted({bill.due.currency for bill in read.unpaid} | {left.currency for _, left in read.credits})
    summed = [await _currency(code, read, as_of, query, names, notes) for code in currencies]
    pairs = aging.possible_duplicates(read.bills.values())
    if len(pairs) > _PAIRS_MAX:
        notes.append(f"{len(pairs) - _PAIRS_MAX} more possible duplicates are not shown; filter by vendor to see them.")
    return PayablesSummary(
        company=company.named,
        environment=company.environment,
        as_of=as_of,
        days=query.days,
        complete=read.complete,
        currencies=summed,
        possible_duplicates=[await _alike(pair, names) for pair in pairs[:_PAIRS_MAX]],
        notes=notes,
    )


async def _currency(
    code: str, read: Payables, as_of: date, query: SummarizePayables, names: NameResolver, notes: list[str]
) -> CurrencyPayables:
    bills = [bill for bill in read.unpaid if bill.due.currency == code]
    credits_left: dict[str, Money] = {}
    for vendor_id, remaining in read.credits:
        if remaining.currency == code:
            credits_left[vendor_id] = credits_left.get(vendor_id, Money.zero(code)) + remaining
    vendors = aging.by_vendor(bills, as_of, code)
    rest = vendors[query.limit :]
    if rest:
        owed = Money.total((row.due for row in rest), code)
        notes.append(f"{code}: {len(rest)} more vendors, owed {owed} in total, are not shown.")
    undated = sum(1 for bill in bills if bill.due_date is None)
    if undated:
        notes.append(f"{code}: bills without a due date, not included in the cash needed: {undated}.")
    return CurrencyPayables(
        currency=code,
        bills=len(bills),
        due=MoneyShape.of(aging.sum_due(bills, code)),
        overdue=MoneyShape.of(aging.sum_due((b for b in bills if aging.is_overdue(b, as_of)), code)),
        open_credits=MoneyShape.of(Money.total(credits_left.values(), code)) if credits_left else None,
        aging=[
            AgingBucket(bucket=bucket.name, bills=bucket.bills, due=MoneyShape.of(bucket.due))
            for bucket in aging.aging(bills, as_of, code)
        ],
        cash_needed=[
            CashNeed(by=point.by, due=MoneyShape.of(point.due), cumulative=MoneyShape.of(point.cumulative))
            for point in aging.cash_needed(bills, as_of, query.days, code)
        ],
        vendors=[
            VendorOwing(
                vendor=await names.named("vendor", row.vendor_id),
                bills=row.bills,
                due=MoneyShape.of(row.due),
                overdue=MoneyShape.of(row.overdue),
                open_credits=MoneyShape.of(credits_left[row.vendor_id]) if row.vendor_id in credits_left else None,
            )
            for row in vendors[: query.limit]
        ],
    )


async def _alike(pair: Pair, names: NameResolver) -> PossibleDuplicate:
    reason = (
        "same_number_and_total"
        if pair.same_number and pair.same_total
        else ("same_number" if pair.same_number else "same_total")
    )
    return PossibleDuplicate(
        reason=reason,
        vendor=await names.named("vendor", pair.first.vendor_id),
        bills=[_alike_bill(pair.first), _alike_bill(pair.second)],
    )


def _alike_bill(bill: Owed) -> AlikeBill:
    return AlikeBill(
        id=bill.id,
        document_number=clean(bill.number, 60) or None,
        issue_date=bill.issue_date,
        total=MoneyShape.of(bill.total),
        unpaid=bill.unpaid,
    )


_RECENT_DAYS = 90
_RECENT_PAGES_MAX = 10
_TOO_MANY = "There are more unpaid bills than can be read; filter by vendor."
_TOO_MANY_OF_VENDOR = "This vendor has more unpaid bills than can be read; list_bills with due_to shows them in parts."
_NO_RECENT = "There are too many paid bills to compare with; possible duplicates cover unpaid bills only."
_SOME_CREDITS = "There are more credits than can be read; open credits are those among the 10,000 entered last."
_NO_CREDITS = "Open credits could not be read."
_ANY_CREDITS = "whether there are open credits"
_ANY_BILLS = "whether there are unpaid bills"


@dataclass(slots=True)
class Payables:
    """Bills by id, and open credits as (vendor id, amount remaining). `complete` refers to unpaid bills only."""

    bills: dict[str, Owed] = field(default_factory=dict)
    credits: list[tuple[str, Money]] = field(default_factory=list)
    complete: bool = True
    notes: list[str] = field(default_factory=list)
    bills_aside: SetAside = field(default_factory=lambda: SetAside("Bill"))
    credits_aside: SetAside = field(default_factory=lambda: SetAside("Credit"))
    rounded: dict[str, str] = field(default_factory=dict)

    @property
    def all_notes(self) -> list[str]:
        """What was left out or rounded, and why the figures may not be complete."""
        return [*self.bills_aside.notes, *self.credits_aside.notes, *self.rounded.values(), *self.notes]

    @property
    def unpaid(self) -> list[Owed]:
        """The bills that are not paid yet."""
        return [bill for bill in self.bills.values() if bill.unpaid]

    def keep(self, bill: Bill) -> None:
        """Keeps a bill that counts; if it appears twice, the later copy counts."""
        self.bills.pop(bill.id, None)
        self.rounded.pop(bill.id, None)
        # Of a bill whose status cannot be read, it is not known whether anything is owed.
        may_be_unpaid = bill.status in UNPAID or is_unclear(bill.status)
        if bill.status != "paid" and not may_be_unpaid:
            return
        try:
            if may_be_unpaid:
                require_clear(bill, bill.status)
            owed = self.bills[bill.id] = _owed(bill)
        except LedgerDataError as error:
            if may_be_unpaid:
                self.complete = False
                self.bills_aside.add(bill, error)
            return
        amounts = (("total", bill.total_amount, owed.total), ("amount due", bill.amount_due, owed.due))
        if owed.unpaid and (said := rounding_words(amounts)):
            self.rounded[bill.id] = f"Bill {bill.id}: {said}."


async def read_payables(company: Company, vendor_id: str | None) -> Payables:
    """Every unpaid bill, recently changed paid bills and open credits, of one vendor or all."""
    found = Payables()
    if ignores_filters(company.platform):
        await _read_everything(company, vendor_id, found)
    else:
        await _read_recent(company, vendor_id, found)
        try:
            # Of one whose status Rutter does not know, it must be said that something may be owed.
            for status in (*UNPAID, "unknown"):
                async for bill in _walk(company, vendor_id, equal("status", status)):
                    found.keep(bill)
        except WalkTooLong:
            found.complete = False
            found.notes.append(_TOO_MANY_OF_VENDOR if vendor_id else _TOO_MANY)
    if not found.bills and (doubt := await doubt_about(company, "bills")) is not None:
        found.complete = False
        found.notes.append(not_known(_ANY_BILLS, doubt))
    await _read_credits(company, vendor_id, found)
    return found


async def _read_everything(company: Company, vendor_id: str | None, found: Payables) -> None:
    """Reads all bills in one walk, for a platform that would ignore a filter anyway."""
    since = company.clock.now() - timedelta(days=_RECENT_DAYS)
    try:
        async for bill in _walk(company, vendor_id, None):
            is_recent = bill.updated_at is not None and bill.updated_at > since
            if bill.status in UNPAID or is_unclear(bill.status) or bill.trouble or is_recent:
                found.keep(bill)
            else:
                # It was unpaid earlier in the walk and has changed since.
                found.bills.pop(bill.id, None)
    except WalkTooLong:
        found.complete = False
        found.notes.append(_TOO_MANY_OF_VENDOR if vendor_id else _TOO_MANY)


async def _read_recent(company: Company, vendor_id: str | None, found: Payables) -> None:
    """Reads paid bills first: one that becomes unpaid before the next walk is then seen as unpaid."""
    chosen = equal("status", "paid") & above("updated_at", company.clock.today() - timedelta(days=_RECENT_DAYS))
    try:
        async for bill in _walk(company, vendor_id, chosen, pages_max=_RECENT_PAGES_MAX):
            found.keep(bill)
    except WalkTooLong:
        found.bills.clear()
        found.notes.append(_NO_RECENT)


async def _read_credits(company: Company, vendor_id: str | None, found: Payables) -> None:
    try:
        history = await open_credits(company, vendor_id)
        if history.unlisted is not None:
            found.notes.append(not_known(_ANY_CREDITS, history.unlisted))
        elif not history.whole:
            found.notes.append(_SOME_CREDITS)
        for credit in history.records:
            try:
                require_clear(credit, credit.status)
                remaining = ledger_money(credit.remaining_amount, credit.currency_code, "remaining credit")
            except LedgerDataError as error:
                found.credits_aside.add(credit, error)
                continue
            found.credits.append((credit.vendor_id or "", remaining))
    except ApError:
        found.credits.clear()
        found.notes.append(_NO_CREDITS)


def _walk(
    company: Company, vendor_id: str | None, chosen: Filter | None, *, pages_max: int = WALK_PAGES_MAX
) -> AsyncIterator[Bill]:
    """Oldest change first: a bill that changes during the walk appears again at its end."""
    if vendor_id is not None:
        of_vendor = equal("vendor_id", vendor_id)
        chosen = of_vendor if chosen is None else chosen & of_vendor
    return company.rutter.bills.walk(filter=chosen, pages_max=pages_max)


def _owed(bill: Bill) -> Owed:
    require_usable(bill)
    return Owed(
        id=bill.id,
        vendor_id=bill.vendor_id or "",
        number=bill.document_number or "",
        total=ledger_money(bill.total_amount, bill.currency_code, "total"),
        due=ledger_money(bill.amount_due, bill.currency_code, "amount due"),
        issue_date=bill.issue_date.date() if bill.issue_date else None,
        due_date=bill.due_date.date() if bill.due_date else None,
        unpaid=bill.status in UNPAID,
    )
