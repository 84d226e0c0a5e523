"""A question about bills: what Rutter is asked, and what every bill it answers with is checked against again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from rutter_ap_server.rutter.filters import Filter, above, equal
from rutter_ap_server.store.canonical import digest
from rutter_ap_tools.bills import ListBills
from rutter_ap_tools.errors import BadInput

if TYPE_CHECKING:
    from rutter_ap_server.rutter.models.bills import Bill

UNPAID = ("open", "partially_paid")


@dataclass(frozen=True, slots=True)
class Wanted:
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
    def of(cls, ask: ListBills, vendor_id: str | None, today: date) -> Wanted:
        """The question, read. Raises `BadInput` for a window that ends before it begins."""
        if ask.due_from and ask.due_to and ask.due_from > ask.due_to:
            raise BadInput("`due_from` is after `due_to`")
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
        """The order, in Rutter's words."""
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
        if self.due_from is not None and self.due_from > date.min:
            # Only "later than" is confirmed, so the day before is asked for and the rest is checked here.
            parts.append(above("due_date", date.fromordinal(self.due_from.toordinal() - 1)))
        combined: Filter | None = None
        for part in parts:
            combined = part if combined is None else combined & part
        return combined

    def matches(self, bill: Bill, status: str | None) -> bool:
        """Whether a bill of the stream of that status is asked for."""
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

    def order(self, bill: Bill) -> tuple[datetime, str]:
        """What the bills are sorted by."""
        moment: datetime | None = bill.due_date if self.key == "due_date" else bill.updated_at
        return (moment or datetime.min.replace(tzinfo=UTC), bill.id)

    @property
    def digest(self) -> str:
        """Names the question, so that a cursor is only ever used for the one it came from."""
        parts = (self.statuses, self.vendor_id, self.number, self.due_from, self.due_to, self.overdue, self.sort)
        return digest([str(part) for part in parts])[:16]
