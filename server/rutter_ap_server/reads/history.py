"""A vendor's records in the ledger; of more than can be read, those that matter are asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any, Generic, TypeVar

from rutter_ap_server.companies.company import Company
from rutter_ap_server.reads.doubts import doubt_about
from rutter_ap_server.reads.paging import WALK_PAGES_MAX
from rutter_ap_server.rutter.abilities import Doubt, Support, abilities_of, not_offered
from rutter_ap_server.rutter.errors import BadRequest, NotSupportedHere, WalkTooLong
from rutter_ap_server.rutter.filters import TEXT_CHARACTERS_MAX, Filter, above, ascending, contains, equal
from rutter_ap_server.rutter.models.base import Record
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.models.credits import BillCreditMemo
from rutter_ap_server.rutter.models.payments import BillPayment
from rutter_ap_server.rutter.platforms import ignores_filters
from rutter_ap_server.rutter.resources import Reads
from rutter_ap_tools.numbers import digits_of, number_key

R = TypeVar("R", bound=Record)
# 10,000 records; beyond that only those that matter are asked for.
HISTORY_PAGES_MAX = 20
OPEN = ("open", "partially_paid")
# Wider than the days within which any policy should call two documents alike.
NEAR_DAYS = 92
# Longer than bills are given to be paid.
_DUE_WITHIN = timedelta(days=120)
_LATEST_DAYS = (730, 365, 90, 30, 7)
# Pages come one after the other, and single requests several at once.
PAYMENTS_A_PAGE = 12


@dataclass(frozen=True, slots=True)
class History(Generic[R]):
    """Records of a vendor and its twins. `whole` if they are all of them.

    If they are not, `sure` says whether at least all of those were read that have the number, or that may have been
    issued about the day; of payments and open credits, those entered last. `unlisted` says why Rutter may not list what
    the ledger has of them, None if it lists everything.
    """

    records: list[R]
    whole: bool = True
    sure: bool = True
    unlisted: Doubt | None = None

    @property
    def doubt(self) -> str:
        """What was not read, in words; empty if everything was."""
        if self.unlisted is not None:
            return self.unlisted.words
        return "" if self.whole else "the ledger has more documents of this vendor than can be read"


async def bills_to_compare(
    company: Company, vendor_ids: Iterable[str], numbers: Iterable[str | None] = (), day: date | None = None
) -> History[Bill]:
    """The bills of these vendors, or at least those with one of these numbers and those of about that day."""
    return await _to_compare(company, company.rutter.bills, vendor_ids, numbers, day)


async def credits_to_compare(
    company: Company, vendor_ids: Iterable[str], numbers: Iterable[str | None] = (), day: date | None = None
) -> History[BillCreditMemo]:
    """The credits of these vendors, or at least those with one of these numbers and those of about that day."""
    return await _to_compare(company, company.rutter.bill_credit_memos, vendor_ids, numbers, day)


async def payments_to(company: Company, vendor_id: str) -> History[BillPayment]:
    """The payments to a vendor, or those recorded last."""
    return await _latest(company, company.rutter.bill_payments, vendor_id)


async def credits_of(company: Company, vendor_id: str | None = None) -> History[BillCreditMemo]:
    """Credit memos of one vendor or all; of too many, those entered last."""
    return await _latest(company, company.rutter.bill_credit_memos, vendor_id)


async def open_credits(company: Company, vendor_id: str | None = None) -> History[BillCreditMemo]:
    """Those with an amount remaining."""
    found = await credits_of(company, vendor_id)
    return replace(found, records=[credit for credit in found.records if may_be_open(credit)])


def may_be_open(credit: BillCreditMemo) -> bool:
    """Whether something may remain on a credit: also where the ledger does not say how much, or not its status."""
    if credit.status not in (*OPEN, "unknown"):
        return False
    return credit.remaining_amount is None or credit.remaining_amount > 0


async def _as_listed(company: Company, many: str, read: Callable[[], Awaitable[History[R]]]) -> History[R]:
    """What was read, and why it may not be all that the ledger has; also where Rutter does not offer the list."""
    found: History[R] = History([])
    offered = True
    if abilities_of(company.platform).support(many, "read") is not Support.NO:
        try:
            found = await read()
        except NotSupportedHere:
            offered = False
    unlisted = await doubt_about(company, many, found.records)
    if unlisted is None and not offered:
        unlisted = not_offered(many)
    return found if unlisted is None else replace(found, whole=False, sure=False, unlisted=unlisted)


async def _latest(company: Company, collection: Reads[R], vendor_id: str | None) -> History[R]:
    many = collection.endpoint.many
    return await _as_listed(company, many, lambda: _entered_last(company, collection, vendor_id))


async def _entered_last(company: Company, collection: Reads[R], vendor_id: str | None) -> History[R]:
    every = await _every(company, collection, vendor_id)
    if every is not None:
        return History(every)
    chosen = equal("vendor_id", vendor_id) if vendor_id else None
    found: dict[str, R] = {}
    with suppress(WalkTooLong):
        await _read(collection.walk(filter=chosen, sort="created_at DESC", pages_max=HISTORY_PAGES_MAX), found)
    return History(list(found.values()), whole=False, sure=False)


async def all_or_latest(company: Company, collection: Reads[R]) -> tuple[list[R], str]:
    """Every record of a kind on a platform that filters nothing; of too many, those changed last, and a note saying so.

    Raises `WalkTooLong` if even those are too many.
    """
    found: dict[str, R] = {}
    for days in (None, *_LATEST_DAYS):
        since = company.clock.now() - timedelta(days=days) if days else None
        found.clear()
        with suppress(WalkTooLong):
            await _read(collection.walk(pages_max=WALK_PAGES_MAX, updated_at_min=since), found)
            note = (
                f"There are more than can be read: only those changed since {since:%Y-%m-%d} are shown."
                if since
                else ""
            )
            return list(found.values()), note
    raise WalkTooLong(
        "there are more records than can be read", next_step="A person can look in the accounting platform."
    )


async def _to_compare(
    company: Company, collection: Reads[R], vendor_ids: Iterable[str], numbers: Iterable[str | None], day: date | None
) -> History[R]:
    real = [one for one in numbers if one and number_key(one)]

    async def read() -> History[R]:
        each = [await _of_vendor(company, collection, one, real, day) for one in vendor_ids]
        found = {record.id: record for one in each for record in one.records}
        return History(list(found.values()), all(one.whole for one in each), all(one.sure for one in each))

    return await _as_listed(company, collection.endpoint.many, read)


async def _of_vendor(
    company: Company, collection: Reads[R], vendor_id: str, numbers: list[str], day: date | None
) -> History[R]:
    every = await _every(company, collection, vendor_id)
    if every is not None:
        return History(every)
    found: dict[str, R] = {}
    narrower = _narrowest if ignores_filters(company.platform) else _narrower
    sure = await narrower(collection, equal("vendor_id", vendor_id), numbers, day, found)
    return History(list(found.values()), whole=False, sure=sure)


async def _every(company: Company, collection: Reads[R], vendor_id: str | None) -> list[R] | None:
    """Every record of a vendor, or of all of them; None if there are more than can be read."""
    found = await _listed(company, collection, vendor_id)
    if found is None or collection.endpoint.many != "bills":
        return found
    shown = {one.id: one for one in company.lately("bills") if vendor_id in (None, one.vendor_id)}
    return list({**{one.id: one for one in found}, **shown}.values()) if shown else found


async def _listed(company: Company, collection: Reads[R], vendor_id: str | None) -> list[R] | None:
    many = collection.endpoint.many

    async def read() -> list[R] | None:
        known, large = company.directory.large, (many, vendor_id or "")
        if large in known:
            return None
        found: dict[str, R] = {}
        try:
            # A record that changes during the walk may appear twice; the later copy counts.
            chosen = equal("vendor_id", vendor_id) if vendor_id else None
            await _read(collection.walk(filter=chosen, pages_max=HISTORY_PAGES_MAX), found)
        except WalkTooLong:
            # Not asked in vain again: it would take as long every time.
            known.add(large)
            return None
        return list(found.values())

    whole: dict[str | None, list[R]] | None = company.known(("whole list", many))
    if whole is not None and vendor_id is not None:
        return whole.get(vendor_id, [])
    return await company.once(("every", many, vendor_id), read)


async def read_whole_lists(company: Company, payments: int) -> None:
    """Reads the bills, payments and credits of all vendors into the company's reading, where that is cheaper.

    `payments` is how many are to be made: about as many requests would be needed for their vendors one by one.
    """
    pages_max = max(2, payments // PAYMENTS_A_PAGE)

    async def of_all(collection: Reads[R]) -> dict[str | None, list[R]] | None:
        many = collection.endpoint.many
        if abilities_of(company.platform).support(many, "read") is Support.NO:
            return None
        # Not asked in vain again.
        if company.directory.pages_more_than.get(many, 0) >= pages_max:
            return None
        found: dict[str, R] = {}
        try:
            await _read(collection.walk(pages_max=pages_max), found)
        except WalkTooLong:
            company.directory.pages_more_than[many] = pages_max
            return None
        if many == "bills":
            for record in found.values():
                company.know("bills", record)
        by_vendor: dict[str | None, list[R]] = {}
        for record in found.values():
            by_vendor.setdefault(getattr(record, "vendor_id", None), []).append(record)
        return by_vendor

    def whole(collection: Reads[R]) -> Callable[[], Awaitable[dict[str | None, list[R]] | None]]:
        return partial(company.once, ("whole list", collection.endpoint.many), partial(of_all, collection))

    ledger = company.rutter
    await company.ahead(whole(ledger.bills), whole(ledger.bill_payments), whole(ledger.bill_credit_memos))


async def _read(walk: AsyncIterator[R], found: dict[str, R]) -> None:
    async for record in walk:
        found[record.id] = record


async def _narrower(
    collection: Reads[R], of_vendor: Filter, numbers: list[str], day: date | None, found: dict[str, R]
) -> bool:
    """Asks by number in any spelling, by date and for what is unpaid; False if not all that matters was read."""
    sure = all([await _with_number(collection, of_vendor, one, found) for one in numbers])
    since = _before(day)
    if day is None or since is None:
        return sure
    fields = collection.endpoint.fields or frozenset()
    for status in OPEN if "status" in fields else ():
        await _walked(collection, found, filter=of_vendor & equal("status", status))
    # Either is enough: a bill is due after it was issued, and entered after that, give or take some days.
    due = "due_date" in fields and await _walked(
        collection,
        found,
        filter=of_vendor & above("due_date", since),
        sort=ascending("due_date"),
        due_to=day + _DUE_WITHIN,
    )
    created = await _walked(collection, found, filter=of_vendor & above("created_at", since))
    return sure and (due or created)


async def _narrowest(
    collection: Reads[R], of_vendor: Filter, numbers: list[str], day: date | None, found: dict[str, R]
) -> bool:
    """Asks a platform that ignores filters: only the older parameters narrow anything (Rutter docs: Filtering)."""
    queries: list[dict[str, Any]] = [{"match": {"document_number": number}} for number in numbers]
    since = _before(day)
    if since is not None:
        queries.append({"updated_at_min": datetime.combine(since, time(), tzinfo=UTC)})
    return all([await _walked(collection, found, filter=of_vendor, **one) for one in queries])


def _before(day: date | None) -> date | None:
    return day - timedelta(days=NEAR_DAYS) if day is not None and day.toordinal() > NEAR_DAYS else None


async def _with_number(collection: Reads[R], of_vendor: Filter, number: str, found: dict[str, R]) -> bool:
    """Asks for that number, however it is spelled; False if there are too many to tell."""
    if len(number) > TEXT_CHARACTERS_MAX:
        return False
    digits = digits_of(number)
    if digits and await _walked(collection, found, filter=of_vendor & contains("document_number", digits)):
        return True
    spellings = sorted({number, number.upper(), number.lower(), number.strip()})
    spelled = [await _walked(collection, found, filter=of_vendor & equal("document_number", one)) for one in spellings]
    return not digits and all(spelled)


async def _walked(collection: Reads[R], found: dict[str, R], *, due_to: date | None = None, **query: Any) -> bool:
    """Adds what a query finds, but nothing due later than `due_to`; False if it is more than can be read."""
    try:
        async for record in collection.walk(pages_max=HISTORY_PAGES_MAX, **query):
            due = getattr(record, "due_date", None)
            if due_to is not None and due is not None and due.date() > due_to:
                return True
            found[record.id] = record
    except (WalkTooLong, BadRequest):
        return False
    return True
