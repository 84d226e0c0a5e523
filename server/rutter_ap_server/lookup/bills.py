"""Bills as an assistant asks for them: one question, one page, whatever filters the platform has."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from rutter_ap_server.lookup.amounts import LedgerDataError, ledger_money
from rutter_ap_server.lookup.directory import account_name, vendor_name
from rutter_ap_server.lookup.office import Office
from rutter_ap_server.rutter.abilities import ignores_filters
from rutter_ap_server.rutter.filters import Filter, above, equal
from rutter_ap_server.store.canonical import digest
from rutter_ap_tools.bills import (
    Allocation,
    AttachmentRow,
    BillDetail,
    BillLine,
    BillList,
    BillRow,
    GetBill,
    ListBills,
)
from rutter_ap_tools.errors import ApError, BadInput
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import MoneyShape, Named

if TYPE_CHECKING:
    from rutter_ap_server.rutter.models.base import Allocation as Link
    from rutter_ap_server.rutter.models.bills import Bill

UNPAID = ("open", "partially_paid")
_PAGES_MAX = 20
_PAGE_SIZE = 200
_WALK_PAGES_MAX = 40


@dataclass(slots=True)
class _Stream:
    """One upstream list being read in order: Rutter's filters know no "or", so each status has its own.

    `at` is the cursor of the page in hand, `skip` how many of its bills are used up: together they say where to go on.
    """

    status: str | None
    at: str | None = None
    skip: int = 0
    ended: bool = False
    page: tuple[Bill, ...] | None = None
    following: str | None = None

    @property
    def head(self) -> Bill | None:
        """The next bill, if the page in hand has one."""
        return self.page[self.skip] if self.page is not None and self.skip < len(self.page) else None

    async def fill(self, office: Office, wanted: _Wanted) -> None:
        """Reads the page at `at`."""
        read = await office.ledger.bills.list(
            filter=wanted.upstream(self.status), sort=wanted.sort, cursor=self.at, limit=_PAGE_SIZE
        )
        self.page, self.following = read.items, read.next_cursor
        self._turn()

    def advance(self) -> None:
        """Uses up the next bill."""
        self.skip += 1
        self._turn()

    def _turn(self) -> None:
        if self.head is None:
            self.page, self.skip, self.at, self.ended = None, 0, self.following, self.following is None


class BillLists:
    """Answers `list_bills` and `get_bill` for one company."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def page(self, ask: ListBills) -> BillList:
        """One page: the streams of each wanted status, merged in the asked order, until the page is full."""
        office = self._office
        vendor_id = (await office.directory.vendor(ask.vendor)).id if ask.vendor else None
        wanted = _Wanted.of(ask, vendor_id, office.clock.today())
        if ignores_filters(office.company.platform):
            (resumed,) = _resume(ask.cursor, wanted, (None,))
            streams = [await self._sorted_here(resumed.skip, wanted)]
        else:
            streams = _resume(ask.cursor, wanted, wanted.statuses)
        names = await office.directory.vendors()
        rows: list[BillRow] = []
        notes: list[str] = []
        budget = _PAGES_MAX
        while len(rows) < ask.limit:
            for stream in streams:
                while stream.head is None and not stream.ended and budget:
                    await stream.fill(office, wanted)
                    budget -= 1
            if any(stream.head is None and not stream.ended for stream in streams):
                notes.append("Not everything was looked through yet: call again with the cursor to go on.")
                break
            next_one = wanted.first(streams)
            if next_one is None:
                break
            bill = next_one.head
            assert bill is not None
            next_one.advance()
            if wanted.is_past(bill):
                next_one.ended, next_one.page = True, None
            elif wanted.matches(bill, next_one.status):
                try:
                    rows.append(bill_row(bill, names, wanted.today))
                except LedgerDataError:
                    notes.append(f"Bill {bill.id} is left out: its amounts do not fit its currency.")
        return BillList(
            company=office.company.named,
            environment=office.company.environment,
            bills=rows,
            today=wanted.today,
            notes=notes,
            next_cursor=None if all(stream.ended for stream in streams) else _pack(wanted, streams),
        )

    async def _sorted_here(self, used: int, wanted: _Wanted) -> _Stream:
        """One stream of everything that fits, for a platform that ignores filters and sorting: both are done here."""
        found = {bill.id: bill async for bill in self._office.ledger.bills.walk(pages_max=_WALK_PAGES_MAX)}
        fitting = [bill for bill in found.values() if wanted.matches(bill, None)]
        fitting.sort(key=wanted.order, reverse=wanted.latest_first)
        return _Stream(None, skip=used, page=tuple(fitting), ended=used >= len(fitting))

    async def one(self, ask: GetBill) -> BillDetail:
        """One bill in full, with names."""
        office = self._office
        bill = await office.ledger.bills.get(ask.bill_id)
        row = bill_row(bill, await office.directory.vendors(), office.clock.today())
        accounts = await office.directory.accounts()
        lines = []
        for line in bill.line_items:
            account = accounts.get(line.account_id or "")
            amount = None
            if line.total_amount is not None:
                amount = MoneyShape.of(ledger_money(line.total_amount, bill.currency_code, "amount of a line"))
            named = None
            if line.account_id:
                named = Named(id=line.account_id, name=clean(account_name(account)) if account else None)
            lines.append(BillLine(amount=amount, account=named, description=clean(line.description, 200) or None))
        return BillDetail(
            company=office.company.named,
            environment=office.company.environment,
            bill=row,
            memo=clean(bill.memo, 500) or None,
            lines=lines,
            payments=[_allocation(link, bill) for link in bill.linked_payments],
            credits=[_allocation(link, bill) for link in bill.linked_credit_memos],
            attachments=await self._attachments(bill.id),
            next_step=_next_step(row),
        )

    async def _attachments(self, bill_id: str) -> list[AttachmentRow]:
        try:
            attached = await self._office.ledger.attachments.list(bill_id)
        except ApError:
            # Not every platform keeps files; the bill is worth showing without them.
            return []
        return [AttachmentRow(id=a.id, file_name=clean(a.file_name, 120)) for a in attached]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked for, checked against every bill again, since some platforms ignore filters."""

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
    def of(cls, ask: ListBills, vendor_id: str | None, today: date) -> _Wanted:
        statuses: tuple[str | None, ...] = (
            UNPAID if ask.status == "unpaid" else (None,) if ask.status == "any" else (ask.status,)
        )
        return cls(
            statuses=statuses,
            vendor_id=vendor_id,
            number=ask.document_number,
            due_from=date.fromisoformat(ask.due_from) if ask.due_from else None,
            due_to=date.fromisoformat(ask.due_to) if ask.due_to else None,
            overdue=ask.overdue,
            today=today,
            key=ask.sort.lstrip("-"),
            latest_first=ask.sort.startswith("-"),
        )

    @property
    def sort(self) -> str:
        return f"{self.key} {'DESC' if self.latest_first else 'ASC'}"

    def upstream(self, status: str | None) -> Filter | None:
        """The part Rutter can answer: `=` and `>` joined by AND (Rutter docs: Filtering Objects)."""
        parts = []
        if status is not None:
            parts.append(equal("status", status))
        if self.vendor_id is not None:
            parts.append(equal("vendor_id", self.vendor_id))
        if self.number:
            parts.append(equal("document_number", self.number))
        if self.due_from is not None:
            # Only "later than" is confirmed, so the day before is asked for and the rest is checked here.
            parts.append(above("due_date", date.fromordinal(self.due_from.toordinal() - 1)))
        combined: Filter | None = None
        for part in parts:
            combined = part if combined is None else combined & part
        return combined

    def matches(self, bill: Bill, status: str | None) -> bool:
        due = bill.due_date.date() if bill.due_date else None
        return (
            (bill.status == status if status is not None else self.statuses == (None,) or bill.status in self.statuses)
            and (self.vendor_id is None or bill.vendor_id == self.vendor_id)
            and (not self.number or bill.document_number == self.number)
            and (self.due_from is None or (due is not None and due >= self.due_from))
            and (self.due_to is None or (due is not None and due <= self.due_to))
            and (not self.overdue or (due is not None and due < self.today and bill.status in UNPAID))
        )

    def is_past(self, bill: Bill) -> bool:
        """Whether, in the order asked for, nothing after this bill can match."""
        if self.key != "due_date" or self.latest_first or bill.due_date is None:
            return False
        due = bill.due_date.date()
        return (self.overdue and due >= self.today) or (self.due_to is not None and due > self.due_to)

    def first(self, streams: list[_Stream]) -> _Stream | None:
        """The stream whose next bill comes first."""
        ready = [(self.order(stream.head), number) for number, stream in enumerate(streams) if stream.head is not None]
        if not ready:
            return None
        return streams[(max if self.latest_first else min)(ready)[1]]

    def order(self, bill: Bill) -> tuple[datetime, str]:
        moment: datetime | None = bill.due_date if self.key == "due_date" else bill.updated_at
        return (moment or datetime.min.replace(tzinfo=UTC), bill.id)

    @property
    def digest(self) -> str:
        """Names the question, so that a cursor is only ever used for the one it came from."""
        parts = (self.statuses, self.vendor_id, self.number, self.due_from, self.due_to, self.overdue, self.sort)
        return digest([str(part) for part in parts])[:16]


def bill_row(bill: Bill, vendors: dict[str, Any], today: date) -> BillRow:
    """A bill in a list. Raises `LedgerDataError` for amounts that cannot be used."""
    vendor = vendors.get(bill.vendor_id or "")
    due_date = bill.due_date.date() if bill.due_date else None
    late = (today - due_date).days if due_date and bill.status in UNPAID else 0
    return BillRow(
        id=bill.id,
        document_number=clean(bill.document_number, 60) or None,
        vendor=Named(id=bill.vendor_id or "", name=clean(vendor_name(vendor), 80) if vendor else None),
        status=clean(bill.status, 30),
        issue_date=bill.issue_date.date() if bill.issue_date else None,
        due_date=due_date,
        total=MoneyShape.of(ledger_money(bill.total_amount, bill.currency_code, "total")),
        due=MoneyShape.of(ledger_money(bill.amount_due, bill.currency_code, "amount due")),
        days_overdue=max(0, late),
    )


def _allocation(link: Link, bill: Bill) -> Allocation:
    return Allocation(
        id=link.id or "",
        date=link.allocated_date.date() if link.allocated_date else None,
        amount=MoneyShape.of(ledger_money(link.allocated_amount, bill.currency_code, "allocated amount")),
    )


def _next_step(row: BillRow) -> str:
    if row.status in UNPAID:
        return "It can be paid with pay_bill; look for open credits with find_records kind=credit first."
    return f"It cannot be paid while it is {row.status}."


def _pack(wanted: _Wanted, streams: list[_Stream]) -> str:
    value = [wanted.digest, [[s.at, s.skip, s.ended] for s in streams]]
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


def _resume(cursor: str, wanted: _Wanted, statuses: tuple[str | None, ...]) -> list[_Stream]:
    streams = [_Stream(status) for status in statuses]
    if not cursor:
        return streams
    positions = _unpack(cursor, wanted)
    if positions is None or len(positions) != len(streams):
        raise BadInput("`cursor` does not belong to this question; leave it out to start again")
    for stream, (at, skip, ended) in zip(streams, positions, strict=True):
        stream.at, stream.skip, stream.ended = at, skip, ended
    return streams


def _unpack(cursor: str, wanted: _Wanted) -> list[tuple[str | None, int, bool]] | None:
    try:
        named, positions = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        read = [(at, skip, ended) for at, skip, ended in positions]
    except (ValueError, TypeError):
        return None
    fits = all(
        isinstance(at, str | None) and type(skip) is int and skip >= 0 and isinstance(ended, bool)
        for at, skip, ended in read
    )
    return read if fits and named == wanted.digest else None
