"""A document a write is about, as the rules against duplicates compare it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from rutter_ap_server.guard.writes.sums import ExpectedSums, is_same_amount
from rutter_ap_server.store.documents import Document
from rutter_ap_tools.money import Money

# One judgement remembers no more: the next one about another time remembers those of that time.
REMEMBERED_MAX = 200


@dataclass(frozen=True, slots=True)
class Compared:
    """The document, what it comes to, and the others of its vendor and of the vendor's twins.

    `others` are those that the ledger shows now. `doubt` says in words why not all were read, empty if they were, and
    `sure` whether those that may be this one were. `by_amount` is False where only the number says that two are one.
    """

    document: Document
    sums: ExpectedSums
    total: Money | None
    others: tuple[Document, ...]
    doubt: str = ""
    sure: bool = True
    by_amount: bool = True

    def is_same_number(self, other: Document) -> bool:
        """Whether both have one number."""
        return self.document.number_key == other.number_key != ""

    def is_same_amount(self, other: Document) -> bool:
        """Whether both come to one amount."""
        return is_same_amount(self.sums, self.total, other.total, other.net)

    def is_same_year(self, other: Document) -> bool:
        """Whether both may have been issued in one year."""
        ours = self.document.issued
        return ours is None or other.issued is None or ours.year == other.issued.year

    def is_near(self, other: Document, near: timedelta) -> bool:
        """Whether both may have been issued within that time."""
        ours = self.document.issued
        return ours is None or other.issued is None or abs(ours - other.issued) <= near

    @property
    def to_remember(self) -> tuple[Document, ...]:
        """The others as they are known later, whatever becomes of them; of very many, those nearest to its date."""
        usable = (one for one in self.others if not one.trouble)
        return tuple(sorted(usable, key=self._days_apart)[:REMEMBERED_MAX])

    def _days_apart(self, other: Document) -> int:
        ours = self.document.issued
        return 0 if ours is None or other.issued is None else abs((ours - other.issued).days)

    def is_shown(self, seen: Document) -> bool:
        """Whether the ledger still shows what makes that document, as it was seen, the same as this one.

        Its own rules then judged it. The amounts are not compared as such: what was released and what was booked of one
        document may differ by tax.
        """
        now = next((one for one in self.others if one.id == seen.id), None)
        if now is None or (now.number_key, now.issued) != (seen.number_key, seen.issued):
            return False
        return self.is_same_amount(now) or not self.is_same_amount(seen)
