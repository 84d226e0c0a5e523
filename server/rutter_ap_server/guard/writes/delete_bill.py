"""Deleting a bill: the record is gone for good, so nothing that anybody paid, credited or closed is ever deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite, prepare
from rutter_ap_server.guard.writes.base import Facts, Links, Rule, Write, ability, refuse
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


def bill_gone(prepared: PreparedWrite, facts: DeleteFacts, policy: Policy) -> Finding | None:
    """What is not there cannot be deleted."""
    if facts.bill is None:
        return refuse("write.no_change", "the ledger shows this bill no longer")
    return None


def bill_moved(prepared: PreparedWrite, facts: DeleteFacts, policy: Policy) -> Finding | None:
    """A person agreed to lose this bill, not what somebody made of it since."""
    if facts.bill is None or [facts.bill.number, str(facts.bill.total)] == prepared.fields["was"]:
        return None
    return refuse("bill.moved", f"{bill_words(facts.bill)} has another number or total than when this was proposed")


def bill_settled(prepared: PreparedWrite, facts: DeleteFacts, policy: Policy) -> Finding | None:
    """A payment or credit must not be left without its bill."""
    bill = facts.bill
    if bill is None or (not facts.links and bill.due == bill.total and bill.status != "paid"):
        return None
    settled = bill.total - bill.due
    return refuse("bill.settled", f"{settled} of {bill_words(bill)} is paid or credited: that must be taken back first")


def bill_closed_period(prepared: PreparedWrite, facts: DeleteFacts, policy: Policy) -> Finding | None:
    """Nothing is taken out of a closed period."""
    closed, issued = policy.closing_date, facts.bill.issued if facts.bill else None
    if closed is None or issued is None or issued > closed:
        return None
    return refuse("bill.closed_period", f"the bill is dated {issued}, and the books are closed up to {closed}")


class DeleteBillWrite(Write):
    """`delete_bill`."""

    tool = "delete_bill"
    moves_money = False
    rules: tuple[Rule[DeleteFacts], ...] = (bill_gone, bill_moved, bill_settled, bill_closed_period)

    async def prepare(self, intent: DeleteBill, company: Company, links: Links) -> PreparedWrite:
        """Fixes the bill, and how it looks to whoever agrees to lose it."""
        bill = bill_fact(await company.rutter.bills.get(intent.bill_id))
        name = (await read_vendor(company, bill.vendor_id)).name if bill.vendor_id else "an unnamed vendor"
        issued = f", issued {bill.issued}" if bill.issued else ""
        return prepare(
            tool=self.tool,
            company_id=company.id,
            fields={"bill_id": bill.id, "was": [bill.number, str(bill.total)]},
            summary=f"Delete {bill_words(bill)} of {bill.total} from {name}{issued}",
            money=bill.total,
            # No vendor_id, and the vendor is no fact: blocking a vendor must not keep its made-up bill in the books.
            bill_id=bill.id,
        )

    async def gather(
        self, prepared: PreparedWrite, company: Company, policy: Policy | None = None
    ) -> Facts[DeleteFacts]:
        """The bill afresh, if it is still there."""
        raw = await _bill(company, prepared)
        bill = bill_fact(raw) if raw is not None else None
        links = tuple(sorted(link.id or "" for link in (*raw.linked_payments, *raw.linked_credit_memos))) if raw else ()
        return Facts(
            seen=DeleteFacts(bill, links),
            binding={"bill": bill.binding if bill else None, "links": list(links)},
            before={"bill": prepared.fields["bill_id"] if bill else None},
            now=company.clock.now(),
            ability=ability(company, "bills", "delete", "delete a bill", "a person can void it there"),
            texts=bill_texts(raw) if raw is not None else (),
        )

    async def send(self, prepared: PreparedWrite, company: Company, key: str, *, again: bool) -> WriteOutcome[Any]:
        """Deletes the bill; a deletion takes no key, and a second one finds nothing left (Rutter docs: Bills)."""
        outcome = await company.rutter.bills.delete(prepared.fields["bill_id"])
        if again and isinstance(outcome, Rejected):
            # Turned away now says nothing about the first time, and without a key Rutter cannot tell the two apart.
            return Unknown(outcome.job_id, "doubtful_retry")
        return outcome

    async def read_back(
        self, prepared: PreparedWrite, company: Company, sent: Any, before: dict[str, Any]
    ) -> Record | None:
        """Posted means: the ledger shows the bill no longer."""
        return await self.find(prepared, company, before)

    async def find(self, prepared: PreparedWrite, company: Company, before: dict[str, Any]) -> Record | None:
        """The bill was there before, and asked for by its id there is none."""
        if before["bill"] is None or await _bill(company, prepared) is not None:
            return None
        assert prepared.money is not None
        return Record(
            kind="bill",
            id=prepared.fields["bill_id"],
            document_number=prepared.fields["was"][0] or None,
            bill_id=prepared.fields["bill_id"],
            amount=MoneyShape.of(prepared.money),
            bill_status="deleted",
        )

    async def outcome_of_job(self, company: Company, job_id: str) -> WriteOutcome[Any]:
        """The ledger itself tells more than the job, which names no record."""
        return Unknown(job_id, "job_unreadable")

    def on_posted(self, tx: Tx, prepared: PreparedWrite, record: Record) -> None:
        """Nothing beyond the receipt."""


async def _bill(company: Company, prepared: PreparedWrite) -> Bill | None:
    try:
        return await company.rutter.bills.get(prepared.fields["bill_id"])
    except NotFoundUpstream:
        return None
