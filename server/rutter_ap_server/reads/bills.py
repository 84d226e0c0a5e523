"""The `list_bills` tool: filters, sorts, pages and totals bills, whichever filters the platform supports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from rutter_ap_server.at_once import both
from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.directory import NameResolver
from rutter_ap_server.reads.amounts import (
    LedgerDataError,
    SetAside,
    is_unclear,
    ledger_money,
    require_clear,
    require_usable,
    rounding_words,
)
from rutter_ap_server.reads.doubts import doubt_about, not_known
from rutter_ap_server.reads.history import all_or_latest
from rutter_ap_server.reads.paging import NOT_ALL_SEEN, PAGE_SIZE, PAGES_MAX, Stream, pack, resume
from rutter_ap_server.rutter.filters import Filter, above, equal
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.paging import PAGE_OBJECTS_MAX, Page
from rutter_ap_server.rutter.platforms import ignores_filters
from rutter_ap_server.store.canonical import digest
from rutter_ap_tools.bills import BillList, BillRow, BillTotal, ListBills
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.money import Money
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import MoneyShape, Named

# A list is answered in two round trips to Rutter. What these do not reach is not totalled.
_ROUNDS_WITH_TOTALS = 2
_TOO_MANY = (
    "No totals: too many bills match. Narrow the filters to get totals; summarize_payables adds up all that is unpaid."
)
_INCOMPLETE = "The totals do not include {} that cannot be used."


async def list_bills(company: Company, query: ListBills) -> BillList:
    """The `list_bills` tool: a page of matching bills in the requested order; the first page also has totals."""
    vendor_id = (await company.directory.vendor_to_read(query.vendor)).id if query.vendor else None
    wanted = BillQuery.of(query, vendor_id, company.clock.today())
    names = NameResolver(company.directory)
    # The names of vendors are read beside the first page, not after it.
    stream, _ = await both(
        lambda: open_stream(company, wanted, query.cursor), lambda: names.named("vendor", query.vendor)
    )
    aside, notes = SetAside("Bill"), [stream.note] if stream.note else []
    rows = await _rows(names, stream, query.limit, wanted, aside, notes)
    cursor = None if stream.ended else stream.cursor
    whole = _Whole(None)
    if stream.stuck and len(rows) < query.limit:
        notes.append(NOT_ALL_SEEN)
    if not query.cursor:
        whole = await _whole_of(stream, rows, wanted, aside)
        notes += [whole.note] if whole.note else []
    if not rows and (doubt := await doubt_about(company, "bills")) is not None:
        notes.append(not_known("whether there are bills that match", doubt))
    notes = [*aside.notes, *notes]
    return BillList(
        company=company.named,
        environment=company.environment,
        bills=rows,
        today=wanted.today,
        totals=whole.totals,
        notes=notes,
        next_cursor=cursor if whole.goes_on else None,
    )


async def _rows(
    names: NameResolver, stream: BillStream, limit: int, wanted: BillQuery, aside: SetAside, notes: list[str]
) -> list[BillRow]:
    """The rows of a page; bills that cannot be used are set aside, and what was rounded is noted."""
    rows: list[BillRow] = []
    while len(rows) < limit:
        bill = await stream.next()
        if bill is None:
            break
        try:
            wanted.require_clear(bill)
            row = bill_row(bill, await names.named("vendor", bill.vendor_id or ""), wanted.today)
        except LedgerDataError as error:
            aside.add(bill, error)
            continue
        rows.append(row)
        notes += rounding_notes(bill, row)
    return rows


def rounding_notes(bill: Bill, row: BillRow) -> list[str]:
    """What was rounded of a bill in the ledger."""
    said = rounding_words(
        (("total", bill.total_amount, row.total.money), ("amount due", bill.amount_due, row.due.money))
    )
    return [f"Bill {bill.id}: {said}."] if said else []


@dataclass(frozen=True, slots=True)
class _Whole:
    """All matching bills: their totals, or a note on why there are none, and whether more follow this page."""

    totals: list[BillTotal] | None
    note: str = ""
    goes_on: bool = True


async def _whole_of(stream: BillStream, rows: list[BillRow], wanted: BillQuery, aside: SetAside) -> _Whole:
    """Totals the page and every match after it, continuing from where the page ended."""
    if stream.stuck:
        return _Whole(None, _TOO_MANY)
    # A bill that changes in the meantime may appear twice; the later copy counts.
    amounts = {row.id: (row.total.money, row.due.money) for row in rows}
    goes_on = False
    stream.read_for_totals()
    while (bill := await stream.next()) is not None:
        goes_on = True
        try:
            wanted.require_clear(bill)
            amounts[bill.id] = total_and_due(bill)
        except LedgerDataError as error:
            amounts.pop(bill.id, None)
            aside.add(bill, error)
    if stream.stuck:
        return _Whole(None, _TOO_MANY)
    note = _INCOMPLETE.format("1 bill" if len(aside) == 1 else f"{len(aside)} bills") if len(aside) else ""
    return _Whole(sums_of(amounts.values()), note, goes_on=goes_on)


UNPAID = ("open", "partially_paid")


@dataclass(frozen=True, slots=True)
class BillQuery:
    """The filters of a call. Every bill is checked against them again, because some platforms ignore filters."""

    statuses: tuple[str | None, ...]
    vendor_id: str | None
    number: str
    due_from: date | None
    due_to: date | None
    overdue: bool
    today: date
    key: str
    latest_first: bool

    @classmethod
    def of(cls, query: ListBills, vendor_id: str | None, today: date) -> BillQuery:
        """The filters from a call's arguments. Raises `BadInput` when `due_from` is after `due_to`."""
        if query.due_from and query.due_to and query.due_from > query.due_to:
            raise BadInput("`due_from` is after `due_to`")
        statuses: tuple[str | None, ...] = (
            UNPAID if query.status == "unpaid" else (None,) if query.status == "any" else (query.status,)
        )
        return cls(
            statuses=statuses,
            vendor_id=vendor_id,
            number=query.document_number,
            due_from=date.fromisoformat(query.due_from) if query.due_from else None,
            due_to=date.fromisoformat(query.due_to) if query.due_to else None,
            overdue=query.overdue,
            today=today,
            key=query.sort.lstrip("-"),
            latest_first=query.sort.startswith("-"),
        )

    @property
    def sort(self) -> str:
        """The sort order in Rutter's syntax."""
        return f"{self.key} {'DESC' if self.latest_first else 'ASC'}"

    def upstream(self, status: str | None) -> Filter | None:
        """The part Rutter can filter by: `=` and `>` joined by AND (Rutter docs: Filtering Objects)."""
        parts = []
        if status is not None:
            parts.append(equal("status", status))
        if self.vendor_id is not None:
            parts.append(equal("vendor_id", self.vendor_id))
        if self.number:
            parts.append(equal("document_number", self.number))
        if self.due_from is not None and self.due_from > date.min:
            # Only "later than" is confirmed to work, so the filter starts a day early and `matches` checks the rest.
            parts.append(above("due_date", date.fromordinal(self.due_from.toordinal() - 1)))
        combined: Filter | None = None
        for part in parts:
            combined = part if combined is None else combined & part
        return combined

    def matches(self, bill: Bill, status: str | None) -> bool:
        """Whether a bill from the stream of that status matches the query."""
        due = bill.due_date.date() if bill.due_date else None
        if bill.trouble or self.is_unclear(bill):
            return self._may_match(bill, status)
        return (
            (bill.status == status if status is not None else self.statuses == (None,) or bill.status in self.statuses)
            and (self.vendor_id is None or bill.vendor_id == self.vendor_id)
            and (not self.number or bill.document_number == self.number)
            and (self.due_from is None or (due is not None and due >= self.due_from))
            and (self.due_to is None or (due is not None and due <= self.due_to))
            and (not self.overdue or (due is not None and due < self.today and bill.status in UNPAID))
        )

    def is_unclear(self, bill: Bill) -> bool:
        """Whether the bill may be one of those with these statuses, because its own says nothing."""
        return self.statuses != (None,) and bill.status not in self.statuses and is_unclear(bill.status)

    def require_clear(self, bill: Bill) -> None:
        """Raises `LedgerDataError` for a bill that cannot be used, or of which nobody knows whether it is wanted."""
        require_usable(bill)
        if self.is_unclear(bill):
            require_clear(bill, bill.status)

    def _may_match(self, bill: Bill, status: str | None) -> bool:
        """Whether a bill that cannot be read in full may match, by what can be read: it is set aside and named then."""
        wanted = (status,) if status is not None else self.statuses
        return (
            (wanted == (None,) or bill.status in wanted or is_unclear(bill.status))
            and (self.vendor_id is None or bill.vendor_id in (None, self.vendor_id))
            and (not self.number or bill.document_number in (None, self.number))
        )

    def is_past(self, bill: Bill) -> bool:
        """Whether no bill after this one can match, given the sort order."""
        if self.key != "due_date" or self.latest_first or bill.due_date is None:
            return False
        due = bill.due_date.date()
        return (self.overdue and due >= self.today) or (self.due_to is not None and due > self.due_to)

    def order(self, bill: Bill) -> tuple[datetime, str]:
        """The sort key of a bill."""
        moment: datetime | None = bill.due_date if self.key == "due_date" else bill.updated_at
        return (moment or datetime.min.replace(tzinfo=UTC), bill.id)

    @property
    def digest(self) -> str:
        """Identifies the query, so that a cursor is accepted only by the query it came from."""
        parts = (self.statuses, self.vendor_id, self.number, self.due_from, self.due_to, self.overdue, self.sort)
        return digest([str(part) for part in parts])[:16]


def bill_row(bill: Bill, vendor: Named, today: date) -> BillRow:
    """A bill as a row of a list. Raises `LedgerDataError` for amounts that cannot be used."""
    total, due = total_and_due(bill)
    due_date = bill.due_date.date() if bill.due_date else None
    late = (today - due_date).days if due_date and bill.status in UNPAID else 0
    return BillRow(
        id=bill.id,
        document_number=clean(bill.document_number, 60) or None,
        vendor=vendor,
        status=clean(bill.status, 30),
        issue_date=bill.issue_date.date() if bill.issue_date else None,
        due_date=due_date,
        total=MoneyShape.of(total),
        due=MoneyShape.of(due),
        days_overdue=max(0, late),
    )


def total_and_due(bill: Bill) -> tuple[Money, Money]:
    """A bill's exact total and amount due. Raises `LedgerDataError`."""
    require_usable(bill)
    return (
        ledger_money(bill.total_amount, bill.currency_code, "total"),
        ledger_money(bill.amount_due, bill.currency_code, "amount due"),
    )


def sums_of(amounts: Iterable[tuple[Money, Money]]) -> list[BillTotal]:
    """Totals per currency, ordered by currency code."""
    sums: dict[str, tuple[int, Money, Money]] = {}
    for total, due in amounts:
        zero = Money.zero(total.currency)
        count, all_total, all_due = sums.get(total.currency, (0, zero, zero))
        sums[total.currency] = (count + 1, all_total + total, all_due + due)
    return [
        BillTotal(bills=count, total=MoneyShape.of(total), due=MoneyShape.of(due))
        for _, (count, total, due) in sorted(sums.items())
    ]


class BillStream:
    """One stream per requested status, merged in order. `stuck` when the limit of rounds was reached before the end.

    In a round each stream that needs one reads a page, all at once.
    """

    def __init__(self, wanted: BillQuery, streams: list[Stream[Bill]], size: _PageSize, note: str = "") -> None:
        self.note = note
        self._wanted = wanted
        self._streams = streams
        self._size = size
        self._rounds_left = PAGES_MAX

    @property
    def ended(self) -> bool:
        """Whether every stream is exhausted."""
        return all(stream.ended for stream in self._streams)

    @property
    def stuck(self) -> bool:
        """Whether more pages are needed than may be read."""
        return not self._rounds_left and any(stream.waits for stream in self._streams)

    @property
    def cursor(self) -> str:
        """Where the next page starts."""
        return pack(self._wanted.digest, self._streams)

    def read_for_totals(self) -> None:
        """From now on reads only as many rounds as a list is answered in, of the largest pages there are."""
        rounds = PAGES_MAX - self._rounds_left
        self._rounds_left = max(0, _ROUNDS_WITH_TOTALS - rounds)
        self._size.objects = PAGE_OBJECTS_MAX

    async def fill(self) -> None:
        """Reads until the next bill of each stream is known."""
        while self._rounds_left and (waiting := [stream for stream in self._streams if stream.waits]):
            self._rounds_left -= 1
            if len(waiting) == 1:
                await waiting[0].fill()
            else:
                await both(waiting[0].fill, waiting[1].fill)

    async def next(self) -> Bill | None:
        """The next matching bill; None at the end and when stuck."""
        while True:
            await self.fill()
            ready = [stream for stream in self._streams if stream.head is not None]
            if self.stuck or not ready:
                return None
            stream = self._first(ready)
            bill = stream.head
            assert bill is not None
            stream.advance()
            if self._wanted.is_past(bill):
                stream.end()
            elif self._wanted.matches(bill, stream.label):
                return bill

    def _first(self, ready: list[Stream[Bill]]) -> Stream[Bill]:
        heads = [(self._wanted.order(stream.head), at) for at, stream in enumerate(ready) if stream.head is not None]
        return ready[(max if self._wanted.latest_first else min)(heads)[1]]


async def open_stream(company: Company, wanted: BillQuery, cursor: str) -> BillStream:
    """The stream for a query, from the start or from a cursor, its first page read.

    Raises `BadInput` for another query's cursor.
    """
    size = _PageSize()
    if ignores_filters(company.platform):
        stream = _stream(company, wanted, None, size)
        resume(cursor, wanted.digest, [stream])
        note = await _hold_sorted(company, wanted, stream)
        return BillStream(wanted, [stream], size, note)
    streams = [_stream(company, wanted, status, size) for status in wanted.statuses]
    resume(cursor, wanted.digest, streams)
    opened = BillStream(wanted, streams, size)
    await opened.fill()
    return opened


async def _hold_sorted(company: Company, wanted: BillQuery, stream: Stream[Bill]) -> str:
    """Reads everything, then filters and sorts it here, for a platform that does neither; a note if it is not all."""
    found, note = await all_or_latest(company, company.rutter.bills)
    fitting = [bill for bill in found if wanted.matches(bill, None)]
    stream.hold(sorted(fitting, key=wanted.order, reverse=wanted.latest_first))
    return note


@dataclass(slots=True)
class _PageSize:
    """How many bills a page holds."""

    objects: int = PAGE_SIZE


def _stream(company: Company, wanted: BillQuery, status: str | None, size: _PageSize) -> Stream[Bill]:
    async def fetch(cursor: str | None) -> Page[Bill]:
        return await company.rutter.bills.list(
            filter=wanted.upstream(status), sort=wanted.sort, cursor=cursor, limit=size.objects
        )

    return Stream(fetch, label=status)
