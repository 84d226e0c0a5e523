"""What is owed as a whole, as an assistant asks for it."""

from __future__ import annotations

from datetime import date

from rutter_ap_server.lookup import payables
from rutter_ap_server.lookup.naming import Names
from rutter_ap_server.lookup.office import Office
from rutter_ap_server.lookup.payables import Owed, Pair
from rutter_ap_server.lookup.payables_reading import Payables, read_payables
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.money import Money
from rutter_ap_tools.summaries import (
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


async def summarize_payables(office: Office, ask: SummarizePayables) -> PayablesSummary:
    """Answers `summarize_payables`. Raises `NotFound` or `Ambiguous` for the vendor, `BadInput` for a day too late."""
    as_of = date.fromisoformat(ask.as_of) if ask.as_of else office.clock.today()
    if as_of.toordinal() + ask.days > date.max.toordinal():
        raise BadInput("`as_of` is too late")
    vendor_id = (await office.directory.vendor_to_read(ask.vendor)).id if ask.vendor else None
    read = await read_payables(office, vendor_id)
    names = Names(office.directory)
    notes = list(read.notes)
    if as_of != office.clock.today():
        notes.append("Only the aging is by that day: the amounts are what is due now.")
    currencies = sorted({bill.due.currency for bill in read.unpaid} | {left.currency for _, left in read.credits})
    summed = [await _currency(code, read, as_of, ask, names, notes) for code in currencies]
    pairs = payables.possible_duplicates(read.bills.values())
    if len(pairs) > _PAIRS_MAX:
        notes.append(f"{len(pairs) - _PAIRS_MAX} more possible duplicates are not shown; name a vendor.")
    return PayablesSummary(
        company=office.company.named,
        environment=office.company.environment,
        as_of=as_of,
        days=ask.days,
        complete=read.complete,
        currencies=summed,
        possible_duplicates=[await _alike(pair, names) for pair in pairs[:_PAIRS_MAX]],
        notes=notes,
    )


async def _currency(
    code: str, read: Payables, as_of: date, ask: SummarizePayables, names: Names, notes: list[str]
) -> CurrencyPayables:
    bills = [bill for bill in read.unpaid if bill.due.currency == code]
    credits_left: dict[str, Money] = {}
    for vendor_id, remaining in read.credits:
        if remaining.currency == code:
            credits_left[vendor_id] = credits_left.get(vendor_id, Money.zero(code)) + remaining
    vendors = payables.by_vendor(bills, as_of, code)
    rest = vendors[ask.limit :]
    if rest:
        owed = Money.total((row.due for row in rest), code)
        notes.append(f"{code}: {len(rest)} more vendors, who are owed {owed}, are not shown.")
    undated = sum(1 for bill in bills if bill.due_date is None)
    if undated:
        notes.append(f"{code}: without a due date, and so not in the cash needed: {undated}.")
    return CurrencyPayables(
        currency=code,
        bills=len(bills),
        due=MoneyShape.of(payables.sum_due(bills, code)),
        overdue=MoneyShape.of(payables.sum_due((b for b in bills if payables.is_overdue(b, as_of)), code)),
        open_credits=MoneyShape.of(Money.total(credits_left.values(), code)) if credits_left else None,
        aging=[
            AgingBucket(bucket=bucket.name, bills=bucket.bills, due=MoneyShape.of(bucket.due))
            for bucket in payables.aging(bills, as_of, code)
        ],
        cash_needed=[
            CashNeed(by=point.by, due=MoneyShape.of(point.due), cumulative=MoneyShape.of(point.cumulative))
            for point in payables.cash_needed(bills, as_of, ask.days, code)
        ],
        vendors=[
            VendorOwing(
                vendor=await names.named("vendor", row.vendor_id),
                bills=row.bills,
                due=MoneyShape.of(row.due),
                overdue=MoneyShape.of(row.overdue),
                open_credits=MoneyShape.of(credits_left[row.vendor_id]) if row.vendor_id in credits_left else None,
            )
            for row in vendors[: ask.limit]
        ],
    )


async def _alike(pair: Pair, names: Names) -> PossibleDuplicate:
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
