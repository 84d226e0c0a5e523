"""`delete_bill`: deletion is permanent, so a bill that was paid, credited or closed is never deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite, prepare
from rutter_ap_server.guard.writes.base import (
    Dated,
    Dates,
    Facts,
    Gathered,
    LinkedAccount,
    Need,
    Repeats,
    Rule,
    TakenBack,
    Touched,
    Write,
    refuse,
)
from rutter_ap_server.guard.writes.bill_lines import Booked, booked_names, booked_to, booked_words, bound_lines
from rutter_ap_server.guard.writes.create_bill import earlier_bill
from rutter_ap_server.guard.writes.parties import (
    BillFact,
    bill_contents,
    bill_fact,
    bill_texts,
    bill_words,
    read_vendor,
)
from rutter_ap_server.guard.writes.pay_bill_rules import payments_unknown
from rutter_ap_server.guard.writes.wording import (
    Description,
    Fields,
    bill_row,
    exact,
    pairs,
)
from rutter_ap_server.reads.doubts import doubt_about
from rutter_ap_server.rutter.abilities import Doubt
from rutter_ap_server.rutter.errors import NotFoundUpstream
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.outcomes import Rejected, Unknown, WriteOutcome
from rutter_ap_tools.bills import DeleteBill
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.wire import MoneyShape, Record


@dataclass(frozen=True, slots=True)
class DeleteFacts:
    """The bill as the ledger shows it, None if it no longer exists; `links` are the payments and credits on it.

    `booked` are the accounts its lines are booked to; `unlisted` says why it may have payments that are not listed.
    """

    bill: BillFact | None
    links: tuple[str, ...]
    booked: Booked = ()
    unlisted: Doubt | None = None


def bill_gone(prepared: PreparedWrite, facts: DeleteFacts, policy: Policy) -> Finding | None:
    """A bill that no longer exists cannot be deleted."""
    if facts.bill is None:
        return refuse("write.no_change", "the ledger no longer shows this bill")
    return None


def bill_moved(prepared: PreparedWrite, facts: DeleteFacts, policy: Policy) -> Finding | None:
    """A person agreed to delete this bill, not a changed version of it."""
    if facts.bill is None or [facts.bill.number, str(facts.bill.total)] == prepared.fields["was"]:
        return None
    return refuse("bill.moved", f"the number or total of {bill_words(facts.bill)} has changed since this was proposed")


def bill_settled(prepared: PreparedWrite, facts: DeleteFacts, policy: Policy) -> Finding | None:
    """A payment or credit must not be left without a bill."""
    bill = facts.bill
    if bill is None or (not facts.links and bill.due == bill.total and bill.status != "paid"):
        return None
    settled = bill.total - bill.due
    return refuse("bill.settled", f"{settled} of {bill_words(bill)} has been paid or credited; undo that first")


def bill_payments_unknown(prepared: PreparedWrite, facts: DeleteFacts, policy: Policy) -> Finding | None:
    """Where payments cannot be seen, one may be left without a bill."""
    return payments_unknown(facts.bill, facts.unlisted) if facts.bill is not None else None


class DeleteBillWrite(Write[DeleteFacts]):
    """`delete_bill`."""

    tool = "delete_bill"
    # Deletion is permanent, and removes the proof that something was owed.
    default_severity = Severity.APPROVE
    counts_against_limits = False
    repeats = Repeats.SAME_REQUEST
    needs = (Need("bills", "delete", "delete a bill", "a person can void it there", "delete_bill"),)
    rules: tuple[Rule[DeleteFacts], ...] = (bill_gone, bill_moved, bill_settled, bill_payments_unknown)

    def touches(self, prepared: PreparedWrite) -> frozenset[Touched]:
        """The bill, and its files."""
        bill_id = prepared.fields["bill_id"]
        return frozenset({Touched("bill", bill_id), Touched("files_of_bill", bill_id)})

    def dates(self, prepared: PreparedWrite, seen: DeleteFacts) -> Dates:
        """Its entries disappear from the date it was posted on, which may well be the wrong one."""
        issued = seen.bill.issued if seen.bill else None
        posted = (Dated("the bill is dated", issued),) if issued is not None else ()
        return Dates(posted=posted, documents=(), entered=(), used=())

    def needed(self, prepared: PreparedWrite) -> tuple[Need, ...]:
        """Deleting a bill."""
        return self.needs

    async def prepare(self, request: DeleteBill, company: Company, linked_account: LinkedAccount) -> PreparedWrite:
        """Fixes the bill, and its number and total as the approver sees them."""
        bill = bill_fact(await company.rutter.bills.get(request.bill_id))
        name = (await read_vendor(company, bill.vendor_id)).name if bill.vendor_id else "an unnamed vendor"
        issued = f", issued {bill.issued}" if bill.issued else ""
        return prepare(
            tool=self.tool,
            company_id=company.ledger_id,
            connection_id=company.id,
            fields={"bill_id": bill.id, "was": [bill.number, str(bill.total)]},
            summary=f"Delete {bill_words(bill)} for {bill.total} from {name}{issued}",
            money=bill.total,
            # No vendor_id, and the vendor is not a fact: blocking a vendor must not prevent deleting its fake bill.
            bill_id=bill.id,
        )

    async def gather(self, prepared: PreparedWrite, company: Company) -> Gathered[DeleteFacts]:
        """Reads the bill, if it still exists."""
        raw = await _bill(company, prepared)
        bill = bill_fact(raw) if raw is not None else None
        links = tuple(sorted(link.id or "" for link in (*raw.linked_payments, *raw.linked_credit_memos))) if raw else ()
        booked = booked_to(raw) if raw is not None else ()
        return Gathered(
            seen=DeleteFacts(bill, links, booked, await doubt_about(company, "bill_payments")),
            binding={
                "bill": bill.binding if bill else None,
                "links": list(links),
                "lines": bound_lines(raw) if raw is not None else None,
            },
            before={"bill": prepared.fields["bill_id"] if bill else None},
            contents={} if raw is None else {Touched("bill", raw.id): bill_contents(raw)},
            # Blocking a vendor must not prevent deleting its fake bill.
            vendor=None,
            texts=bill_texts(raw) if raw is not None else (),
            arguments=(),
            names=await booked_names(company, booked),
            remembers=(earlier_bill(raw),) if raw is not None else (),
        )

    def describe(self, prepared: PreparedWrite, facts: Facts[DeleteFacts]) -> Description:
        """The bill as it was proposed and as it is."""
        seen, said = facts.seen, Fields(prepared.fields)
        number, total = (said.take("was") or ["", ""])[:2]
        rows = [
            ("Bill", bill_row(seen.bill, said.take("bill_id"))),
            ("Number", exact(number)),
            ("Total", exact(total)),
            *said.rest(),
        ]
        links = "; ".join(seen.links) or ("none" if seen.unlisted is None else f"not known: {seen.unlisted.words}")
        return Description(
            fields=(pairs("Bill to delete", rows),),
            known=(
                ("Payments and credits on it", links),
                *(
                    (("Lines of the bill", booked_words(seen.booked, seen.bill.total.currency, facts.names)),)
                    if seen.bill
                    else ()
                ),
            ),
            follows=(("Deletion", "It is permanent: the bill and its lines leave the ledger and cannot be restored."),),
        )

    async def draft(self, prepared: PreparedWrite, company: Company) -> str:
        """Only the bill's id is sent."""
        bill_id: str = prepared.fields["bill_id"]
        return bill_id

    async def send(
        self, prepared: PreparedWrite, draft: str, company: Company, key: str, *, again: bool
    ) -> WriteOutcome[Any]:
        """Deletes the bill; a deletion takes no key, and a second one finds nothing (Rutter docs: Bills)."""
        outcome = await company.rutter.bills.delete(draft)
        if again and isinstance(outcome, Rejected):
            # A rejection now says nothing about the first attempt; without a key Rutter cannot tell the two apart.
            return Unknown(outcome.job_id, "doubtful_retry")
        return outcome

    async def outcome_of_job(self, company: Company, job_id: str) -> WriteOutcome[Any]:
        """The outcome of Rutter's job."""
        return await company.rutter.bills.outcome(job_id)

    def takes_back(self, prepared: PreparedWrite) -> TakenBack:
        """The bill, wherever it was."""
        return frozenset({(None, prepared.fields["bill_id"])})

    async def find(self, prepared: PreparedWrite, company: Company, before: dict[str, Any]) -> tuple[Record, ...]:
        """The bill existed before, and now no bill has its id."""
        if before["bill"] is None or await _bill(company, prepared) is not None:
            return ()
        assert prepared.money is not None
        deleted = Record(
            kind="bill",
            id=prepared.fields["bill_id"],
            document_number=prepared.fields["was"][0] or None,
            bill_id=prepared.fields["bill_id"],
            amount=MoneyShape.of(prepared.money),
            bill_status="deleted",
        )
        return (deleted,)


async def _bill(company: Company, prepared: PreparedWrite) -> Bill | None:
    try:
        return await company.rutter.bills.get(prepared.fields["bill_id"])
    except NotFoundUpstream:
        return None
