"""The `summarize_payables` tool: what is owed in total, how overdue it is and what cash it needs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

from rutter_ap_server.at_once import both
from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.directory import NameResolver
from rutter_ap_server.reads.aging import Owed, Pair, Tally
from rutter_ap_server.reads.amounts import LedgerDataError, is_unclear, ledger_money, require_clear
from rutter_ap_server.reads.bills import UNPAID
from rutter_ap_server.reads.doubts import doubt_about, not_known
from rutter_ap_server.reads.history import open_credits
from rutter_ap_server.reads.mirror import RECENT_PAGES_MAX, BillMirror, NoCopy, recent_since
from rutter_ap_server.reads.owed import Payables, judged
from rutter_ap_server.reads.paging import WALK_PAGES_MAX
from rutter_ap_server.rutter.errors import WalkTooLong
from rutter_ap_server.rutter.filters import Filter, above, equal
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.platforms import ignores_filters
from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.errors import StoreError
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

# What is read without a copy of our own in the store: four pages of each status are as quick as keeping one current.
_FEW_PAGES = 4


async def summarize_payables(company: Company, query: SummarizePayables, store: Store | None = None) -> PayablesSummary:
    """The `summarize_payables` tool. Raises `NotFound` or `Ambiguous` for the vendor, `BadInput` for a late date.

    With a store, what is owed in a large ledger comes from the copy that is kept there.
    """
    as_of = date.fromisoformat(query.as_of) if query.as_of else company.clock.today()
    if as_of.toordinal() + query.days > date.max.toordinal():
        raise BadInput("`as_of` is too far in the future")
    vendor_id = (await company.directory.vendor_to_read(query.vendor)).id if query.vendor else None
    found = await _read(company, store, as_of, vendor_id)
    names = NameResolver(company.directory)
    notes = found.all_notes
    if as_of != company.clock.today():
        notes.append("Only the aging is as of that date; the amounts are those due today.")
    currencies = sorted(found.tallies.keys() | {left.currency for _, left in found.credits})
    summed = [await _currency(code, found, query, names, notes) for code in currencies]
    pairs = found.pairs
    if pairs.count > len(pairs.kept):
        more = pairs.count - len(pairs.kept)
        notes.append(f"{more} more possible duplicates are not shown; filter by vendor to see them.")
    return PayablesSummary(
        company=company.named,
        environment=company.environment,
        as_of=as_of,
        days=query.days,
        complete=found.complete,
        currencies=summed,
        possible_duplicates=[await _alike(pair, names) for pair in pairs.kept],
        notes=notes,
    )


async def summarize_from_store(store: Store, company: Company, query: SummarizePayables) -> PayablesSummary:
    """`summarize_payables`, as the backend asks for it."""
    return await summarize_payables(company, query, store)


async def _currency(
    code: str, found: Payables, query: SummarizePayables, names: NameResolver, notes: list[str]
) -> CurrencyPayables:
    tally = found.tallies.get(code) or Tally(code, found.as_of)
    credits_left: dict[str, Money] = {}
    for vendor_id, remaining in found.credits:
        if remaining.currency == code:
            credits_left[vendor_id] = credits_left.get(vendor_id, Money.zero(code)) + remaining
    vendors = tally.by_vendor()
    rest = vendors[query.limit :]
    if rest:
        owed = Money.total((row.due for row in rest), code)
        notes.append(f"{code}: {len(rest)} more vendors, owed {owed} in total, are not shown.")
    if tally.undated:
        notes.append(f"{code}: bills without a due date, not included in the cash needed: {tally.undated}.")
    return CurrencyPayables(
        currency=code,
        bills=tally.bills,
        due=MoneyShape.of(tally.due),
        overdue=MoneyShape.of(tally.overdue),
        open_credits=MoneyShape.of(Money.total(credits_left.values(), code)) if credits_left else None,
        aging=[
            AgingBucket(bucket=bucket.name, bills=bucket.bills, due=MoneyShape.of(bucket.due))
            for bucket in tally.aging()
        ],
        cash_needed=[
            CashNeed(by=point.by, due=MoneyShape.of(point.due), cumulative=MoneyShape.of(point.cumulative))
            for point in tally.cash_needed(query.days)
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


_TOO_MANY = "There are more unpaid bills than can be read; filter by vendor."
_TOO_MANY_OF_VENDOR = "This vendor has more unpaid bills than can be read; list_bills with due_to shows them in parts."
_NO_RECENT = "There are too many paid bills to compare with; possible duplicates cover unpaid bills only."
_SOME_CREDITS = "There are more credits than can be read; open credits are those among the 10,000 entered last."
_NO_CREDITS = "Open credits could not be read."
_ANY_CREDITS = "whether there are open credits"
_ANY_BILLS = "whether there are unpaid bills"
_UNTOLD = "Rutter does not say which bills of this company are deleted: one deleted since then may still be counted."


async def _read(company: Company, store: Store | None, as_of: date, vendor_id: str | None) -> Payables:
    """Every unpaid bill, recently changed paid bills and open credits, of one vendor or all."""

    async def credits_left() -> Payables:
        found = Payables(as_of)
        await _read_credits(company, vendor_id, found)
        return found

    found, beside = await both(lambda: _read_bills(company, store, as_of, vendor_id), credits_left)
    if not found.bills and (doubt := await doubt_about(company, "bills")) is not None:
        found.complete = False
        found.notes.append(not_known(_ANY_BILLS, doubt))
    found.credits, found.credits_aside = beside.credits, beside.credits_aside
    found.notes += beside.notes
    return found


async def _read_bills(company: Company, store: Store | None, as_of: date, vendor_id: str | None) -> Payables:
    """From the copy in the store where the ledger is too large to be read as a whole each time."""
    mirror = _mirror(company, store)
    if mirror is None:
        return await _read_now(company, as_of, vendor_id)
    try:
        if vendor_id is not None and not await mirror.exists(whole=True):
            # Of one vendor there is seldom much, and what there is was asked for now.
            return await _read_now(company, as_of, vendor_id)
        if not await mirror.exists() and (few := await _read_few(company, as_of)) is not None:
            return few
        return await _read_copy(company, mirror, as_of, vendor_id)
    except (StoreError, NoCopy):
        return await _read_now(company, as_of, vendor_id)


def _mirror(company: Company, store: Store | None) -> BillMirror | None:
    try:
        return BillMirror(store, company) if store is not None else None
    except StoreError:
        # Which ledger it is cannot be told now, and so not which copy.
        return None


async def _read_copy(company: Company, mirror: BillMirror, as_of: date, vendor_id: str | None) -> Payables:
    """What is owed by the copy, and how current that is."""
    fresh = await mirror.bring_up_to_date()
    found = await mirror.payables(as_of, vendor_id, compare_paid=fresh.paid_whole)
    if not fresh.whole:
        found.complete = False
        found.notes.append(f"{fresh.bills} unpaid bills were read so far, and there are more; call again to go on.")
        return found
    if not fresh.paid_whole:
        found.notes.append(_NO_RECENT)
    found.notes.append(
        f"Summed from the copy kept here: with every change up to {_moment(fresh.as_of)}; each unpaid bill was last "
        f"read at or after {_moment(fresh.read_at or fresh.as_of)}."
    )
    if not fresh.told:
        found.notes.append(_UNTOLD)
    return found


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


class _Read:
    """The bills of a walk by id; if one appears twice, the later copy counts."""

    def __init__(self, as_of: date) -> None:
        self._found = Payables(as_of)
        self._bills: dict[str, tuple[Owed, str]] = {}

    def keep(self, bill: Bill) -> None:
        """Keeps a bill that counts."""
        self._bills.pop(bill.id, None)
        said = judged(bill)
        if said is None:
            return
        if said.owed is None:
            self._found.set_aside(bill, LedgerDataError(said.trouble))
        else:
            self._bills[bill.id] = (said.owed, said.rounded)

    def drop(self, bill: Bill) -> None:
        """Forgets a bill that counts no longer."""
        self._bills.pop(bill.id, None)

    def clear(self, note: str) -> None:
        """Forgets what was read so far, and says why."""
        self._bills.clear()
        self._found.notes.append(note)

    def end(self, note: str = "") -> Payables:
        """All that was read; a `note` says why it is not all there is."""
        found = self._found
        if note:
            found.complete = False
            found.notes.append(note)
        found.add_every(owed for owed, _ in self._bills.values())
        for owed, rounded in self._bills.values():
            if rounded:
                found.note_rounding(owed.id, rounded)
        return found


async def _read_now(company: Company, as_of: date, vendor_id: str | None) -> Payables:
    """Every bill from Rutter; of more than can be read, the first ones, and a note."""
    read = _Read(as_of)
    try:
        await _walk_all(company, vendor_id, read, WALK_PAGES_MAX)
    except WalkTooLong:
        return read.end(_TOO_MANY_OF_VENDOR if vendor_id else _TOO_MANY)
    return read.end()


async def _read_few(company: Company, as_of: date) -> Payables | None:
    """Every bill from Rutter; None where that takes more than a few pages."""
    read = _Read(as_of)
    try:
        await _walk_all(company, None, read, _FEW_PAGES)
    except WalkTooLong:
        return None
    return read.end()


async def _walk_all(company: Company, vendor_id: str | None, read: _Read, pages_max: int) -> None:
    if ignores_filters(company.platform):
        await _read_everything(company, vendor_id, read, pages_max)
        return
    await _read_recent(company, vendor_id, read, pages_max)
    # Of one whose status Rutter does not know, it must be said that something may be owed.
    for status in (*UNPAID, "unknown"):
        async for bill in _walk(company, vendor_id, equal("status", status), pages_max):
            read.keep(bill)


async def _read_everything(company: Company, vendor_id: str | None, read: _Read, pages_max: int) -> None:
    """Reads all bills in one walk, for a platform that would ignore a filter anyway."""
    since = recent_since(company.clock.today())
    async for bill in _walk(company, vendor_id, None, pages_max):
        is_recent = bill.updated_at is not None and bill.updated_at > since
        if bill.status in UNPAID or is_unclear(bill.status) or bill.trouble or is_recent:
            read.keep(bill)
        else:
            # It was unpaid earlier in the walk and has changed since.
            read.drop(bill)


async def _read_recent(company: Company, vendor_id: str | None, read: _Read, pages_max: int) -> None:
    """Reads paid bills first: one that becomes unpaid before the next walk is then seen as unpaid."""
    chosen = equal("status", "paid") & above("updated_at", recent_since(company.clock.today()))
    try:
        async for bill in _walk(company, vendor_id, chosen, min(pages_max, RECENT_PAGES_MAX)):
            read.keep(bill)
    except WalkTooLong:
        if pages_max < RECENT_PAGES_MAX:
            raise
        read.clear(_NO_RECENT)


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


def _walk(company: Company, vendor_id: str | None, chosen: Filter | None, pages_max: int) -> AsyncIterator[Bill]:
    """Oldest change first: a bill that changes during the walk appears again at its end."""
    if vendor_id is not None:
        of_vendor = equal("vendor_id", vendor_id)
        chosen = of_vendor if chosen is None else chosen & of_vendor
    return company.rutter.bills.walk(filter=chosen, pages_max=pages_max)
