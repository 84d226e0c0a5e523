"""Deleting a bill: the record is gone for good, so nothing that anybody paid, credited or closed is ever deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rutter_ap_server.companies.company import Office
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import Frozen, freeze
from rutter_ap_server.guard.writes.base import Facts, Kind, Links, Rule, ability, refuse
from rutter_ap_server.guard.writes.parties import BillFact, bill_fact, bill_texts, bill_words, read_vendor
from rutter_ap_server.rutter.errors import NotFoundUpstream
from rutter_ap_server.rutter.outcomes import Rejected, Unknown, WriteOutcome
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.bills import DeleteBill
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.wire import MoneyShape, Record

if TYPE_CHECKING:
    from rutter_ap_server.rutter.models.bills import Bill


@dataclass(frozen=True, slots=True)
class DeleteFacts:
    """The bill as the ledger shows it, None when it is gone; `links` are the payments and credits on it."""

    bill: BillFact | None
    links: tuple[str, ...] = ()


def bill_gone(frozen: Frozen, facts: DeleteFacts, policy: Policy) -> Finding | None:
    """What is not there cannot be deleted."""
    if facts.bill is None:
        return refuse("write.no_change", "the ledger shows this bill no longer")
    return None


def bill_moved(frozen: Frozen, facts: DeleteFacts, policy: Policy) -> Finding | None:
    """A person agreed to lose this bill, not what somebody made of it since."""
    if facts.bill is None or [facts.bill.number, str(facts.bill.total)] == frozen.fields["was"]:
        return None
    return refuse("bill.moved", f"{bill_words(facts.bill)} has another number or total than when this was proposed")


def bill_settled(frozen: Frozen, facts: DeleteFacts, policy: Policy) -> Finding | None:
    """A payment or credit must not be left without its bill."""
    bill = facts.bill
    if bill is None or (not facts.links and bill.due == bill.total and bill.status != "paid"):
        return None
    settled = bill.total - bill.due
    return refuse("bill.settled", f"{settled} of {bill_words(bill)} is paid or credited: that must be taken back first")


def bill_closed_period(frozen: Frozen, facts: DeleteFacts, policy: Policy) -> Finding | None:
    """Nothing is taken out of a closed period."""
    closed, issued = policy.closing_date, facts.bill.issued if facts.bill else None
    if closed is None or issued is None or issued > closed:
        return None
    return refuse("bill.closed_period", f"the bill is dated {issued}, and the books are closed up to {closed}")


class BillDeleteKind(Kind):
    """`delete_bill`."""

    tool = "delete_bill"
    moves_money = False
    rules: tuple[Rule[DeleteFacts], ...] = (bill_gone, bill_moved, bill_settled, bill_closed_period)

    async def freeze(self, intent: DeleteBill, office: Office, links: Links) -> Frozen:
        """Fixes the bill, and how it looks to whoever agrees to lose it."""
        bill = bill_fact(await office.ledger.bills.get(intent.bill_id))
        name = (await read_vendor(office, bill.vendor_id)).name if bill.vendor_id else "an unnamed vendor"
        issued = f", issued {bill.issued}" if bill.issued else ""
        return freeze(
            tool=self.tool,
            company_id=office.company.id,
            fields={"bill_id": bill.id, "was": [bill.number, str(bill.total)]},
            summary=f"Delete {bill_words(bill)} of {bill.total} from {name}{issued}",
            money=bill.total,
            # No vendor_id, and the vendor is no fact: blocking a vendor must not keep its made-up bill in the books.
            bill_id=bill.id,
        )

    async def gather(self, frozen: Frozen, office: Office, policy: Policy | None = None) -> Facts[DeleteFacts]:
        """The bill afresh, if it is still there."""
        raw = await _bill(office, frozen)
        bill = bill_fact(raw) if raw is not None else None
        links = tuple(sorted(link.id or "" for link in (*raw.linked_payments, *raw.linked_credit_memos))) if raw else ()
        return Facts(
            seen=DeleteFacts(bill, links),
            binding={"bill": bill.binding if bill else None, "links": list(links)},
            before={"bill": frozen.fields["bill_id"] if bill else None},
            now=office.clock.now(),
            ability=ability(office, "bills", "delete", "delete a bill", "a person can void it there"),
            texts=bill_texts(raw) if raw is not None else (),
        )

    async def send(self, frozen: Frozen, office: Office, key: str, *, again: bool) -> WriteOutcome[Any]:
        """Deletes the bill; a deletion takes no key, and a second one finds nothing left (Rutter docs: Bills)."""
        outcome = await office.ledger.bills.delete(frozen.fields["bill_id"])
        if again and isinstance(outcome, Rejected):
            # Turned away now says nothing about the first time, and without a key Rutter cannot tell the two apart.
            return Unknown(outcome.job_id, "doubtful_retry")
        return outcome

    async def read_back(self, frozen: Frozen, office: Office, sent: Any, before: dict[str, Any]) -> Record | None:
        """Posted means: the ledger shows the bill no longer."""
        return await self.find(frozen, office, before)

    async def find(self, frozen: Frozen, office: Office, before: dict[str, Any]) -> Record | None:
        """The bill was there before, and asked for by its id there is none."""
        if before["bill"] is None or await _bill(office, frozen) is not None:
            return None
        assert frozen.money is not None
        return Record(
            kind="bill",
            id=frozen.fields["bill_id"],
            document_number=frozen.fields["was"][0] or None,
            bill_id=frozen.fields["bill_id"],
            amount=MoneyShape.of(frozen.money),
            bill_status="deleted",
        )

    async def outcome_of_job(self, office: Office, job_id: str) -> WriteOutcome[Any]:
        """The ledger itself tells more than the job, which names no record."""
        return Unknown(job_id, "job_unreadable")

    def on_posted(self, tx: Tx, frozen: Frozen, record: Record) -> None:
        """Nothing beyond the receipt."""


async def _bill(office: Office, frozen: Frozen) -> Bill | None:
    try:
        return await office.ledger.bills.get(frozen.fields["bill_id"])
    except NotFoundUpstream:
        return None
