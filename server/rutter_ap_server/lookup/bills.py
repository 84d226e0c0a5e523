"""Bills as an assistant asks for them: one question, one page, whatever filters the platform has."""

from __future__ import annotations

from dataclasses import dataclass

from rutter_ap_server.lookup.amounts import LedgerDataError
from rutter_ap_server.lookup.bill_detail import bill_detail
from rutter_ap_server.lookup.bill_question import Wanted
from rutter_ap_server.lookup.bill_shapes import bill_row, sums_of, total_and_due
from rutter_ap_server.lookup.bill_stream import BillStream, open_stream
from rutter_ap_server.lookup.naming import Names
from rutter_ap_server.lookup.office import Office
from rutter_ap_server.lookup.streams import NOT_ALL_SEEN
from rutter_ap_tools.bills import BillDetail, BillList, BillRow, BillTotal, GetBill, ListBills

_TOTAL_PAGES_MAX = 15
_TOO_MANY = "No totals: too many bills to total; narrow the question."
_NOT_EXACT = "No totals: the amounts of at least one bill do not fit its currency."


class BillLists:
    """Answers `list_bills` and `get_bill` for one company."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def page(self, ask: ListBills) -> BillList:
        """One page: the bills that fit, in the asked order, until the page is full; the first one with totals."""
        office = self._office
        vendor_id = (await office.directory.vendor_to_read(ask.vendor)).id if ask.vendor else None
        wanted = Wanted.of(ask, vendor_id, office.clock.today())
        stream = await open_stream(office, wanted, ask.cursor)
        rows, unusable = await self._rows(stream, ask.limit, wanted)
        notes = [f"Bill {bill_id} is left out: its amounts do not fit its currency." for bill_id in unusable]
        cursor = None if stream.ended else stream.cursor
        whole = _Whole(None)
        if stream.stuck and len(rows) < ask.limit:
            notes.append(NOT_ALL_SEEN)
        if not ask.cursor:
            whole = _Whole(None, note=_NOT_EXACT) if unusable else await _whole_of(stream, rows)
            notes += [whole.note] if whole.note else []
        return BillList(
            company=office.company.named,
            environment=office.company.environment,
            bills=rows,
            today=wanted.today,
            totals=whole.totals,
            notes=notes,
            next_cursor=cursor if whole.goes_on else None,
        )

    async def one(self, ask: GetBill) -> BillDetail:
        """One bill in full, with names."""
        return await bill_detail(self._office, ask.bill_id)

    async def _rows(self, stream: BillStream, limit: int, wanted: Wanted) -> tuple[list[BillRow], list[str]]:
        """The rows of a page, and the ids of bills whose amounts cannot be used."""
        names = Names(self._office.directory)
        rows: list[BillRow] = []
        unusable: list[str] = []
        while len(rows) < limit:
            bill = await stream.next()
            if bill is None:
                break
            try:
                rows.append(bill_row(bill, await names.named("vendor", bill.vendor_id or ""), wanted.today))
            except LedgerDataError:
                unusable.append(bill.id)
        return rows, unusable


@dataclass(frozen=True, slots=True)
class _Whole:
    """What is known of the whole match: its sums, or why there are none, and whether it goes on after the page."""

    totals: list[BillTotal] | None
    note: str = ""
    goes_on: bool = True


async def _whole_of(stream: BillStream, rows: list[BillRow]) -> _Whole:
    """Sums the page and what follows it, read on from where the page ended."""
    if stream.stuck:
        return _Whole(None, _TOO_MANY)
    # A bill that changes meanwhile may come twice; the later one counts.
    amounts = {row.id: (row.total.money, row.due.money) for row in rows}
    goes_on = False
    stream.pages_left = _TOTAL_PAGES_MAX
    while (bill := await stream.next()) is not None:
        goes_on = True
        try:
            amounts[bill.id] = total_and_due(bill)
        except LedgerDataError:
            return _Whole(None, _NOT_EXACT)
    return _Whole(None, _TOO_MANY) if stream.stuck else _Whole(sums_of(amounts.values()), goes_on=goes_on)
