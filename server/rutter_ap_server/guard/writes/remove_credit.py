"""`remove_credit`: takes a credit off a bill, so that the amount is due again and the credit can be used elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
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
from rutter_ap_server.guard.writes.parties import (
    NAME_CHARACTERS_MAX,
    BillFact,
    bill_contents,
    bill_fact,
    bill_texts,
    bill_words,
    has_let_go,
    links_of,
)
from rutter_ap_server.guard.writes.wording import (
    Description,
    Fields,
    bill_row,
    day_words,
    named,
    names_in,
    pairs,
    plain,
)
from rutter_ap_server.reads.amounts import ledger_money
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.models.credits import BillCreditUnapplicationCreate
from rutter_ap_server.rutter.outcomes import WriteOutcome
from rutter_ap_tools.credits import RemoveCredit
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.money import Money
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import MoneyShape, Record


@dataclass(frozen=True, slots=True)
class RemovalFacts:
    """What the bill shows about the credit: the amount applied, and on which dates."""

    bill: BillFact
    applied: Money
    days: tuple[date, ...]


def credit_not_applied(prepared: PreparedWrite, facts: RemovalFacts, policy: Policy) -> Finding | None:
    """Only a credit that is applied to the bill can be removed from it."""
    if facts.applied.amount <= 0:
        return refuse("credit.not_applied", f"this credit is not applied to {bill_words(facts.bill)}")
    return None


def credit_moved(prepared: PreparedWrite, facts: RemovalFacts, policy: Policy) -> Finding | None:
    """Rutter removes the whole amount, so it must be the amount the person was shown."""
    if facts.applied.amount <= 0 or facts.applied == prepared.money:
        return None
    return refuse("credit.moved", f"{facts.applied} of the credit is now applied, not {prepared.money}")


class RemoveCreditWrite(Write[RemovalFacts]):
    """`remove_credit`."""

    tool = "remove_credit"
    # It makes more payable again, and undoes an earlier decision.
    default_severity = Severity.ASK
    counts_against_limits = False
    repeats = Repeats.SAME_REQUEST
    needs = (
        Need(
            "bill_credit_memos",
            "unapply",
            "take a credit off a bill",
            "a person can take it off there",
            "remove_credit",
        ),
    )
    rules: tuple[Rule[RemovalFacts], ...] = (credit_not_applied, credit_moved)

    def touches(self, prepared: PreparedWrite) -> frozenset[Touched]:
        """The bill and the credit, since the balance of both changes."""
        fields = prepared.fields
        return frozenset({Touched("bill", fields["bill_id"]), Touched("credit", fields["credit_id"])})

    def dates(self, prepared: PreparedWrite, seen: RemovalFacts) -> Dates:
        """Removing it undoes what was posted on the dates it was applied."""
        posted = tuple(Dated("it was applied on", day) for day in sorted(seen.days))
        return Dates(posted=posted, documents=(), entered=(), used=())

    def needed(self, prepared: PreparedWrite) -> tuple[Need, ...]:
        """Taking a credit off."""
        return self.needs

    async def prepare(self, request: RemoveCredit, company: Company, linked_account: LinkedAccount) -> PreparedWrite:
        """Fixes the credit, the bill and the amount to remove."""
        credit = await company.rutter.bill_credit_memos.get(request.credit_id)
        raw = await company.rutter.bills.get(request.bill_id)
        money, bill = _applied(raw, credit.id), bill_fact(raw)
        number = clean(credit.document_number, NAME_CHARACTERS_MAX) or credit.id
        return prepare(
            tool=self.tool,
            company_id=company.ledger_id,
            connection_id=company.id,
            fields={
                "credit_id": credit.id,
                "bill_id": bill.id,
                "vendor_id": credit.vendor_id or "",
                "amount": money.text,
                "currency": money.currency,
            },
            summary=f"Remove {money} of credit {number} from {bill_words(bill)}",
            money=money,
            vendor_id=credit.vendor_id,
            bill_id=bill.id,
        )

    async def gather(self, prepared: PreparedWrite, company: Company) -> Gathered[RemovalFacts]:
        """Reads the bill and the credit."""
        raw = await company.rutter.bills.get(prepared.fields["bill_id"])
        credit = await company.rutter.bill_credit_memos.get(prepared.fields["credit_id"])
        bill, applied = bill_fact(raw), _applied(raw, credit.id)
        days = [link.allocated_date for link in raw.linked_credit_memos if link.id == credit.id]
        return Gathered(
            seen=RemovalFacts(bill, applied, tuple(day.date() for day in days if day)),
            binding={
                "bill": bill.binding,
                "credit": [credit.id, credit.vendor_id, credit.status],
                "applied": str(applied),
            },
            before={"bill": links_of(raw)},
            contents={Touched("bill", raw.id): bill_contents(raw)},
            vendor=None,
            texts=bill_texts(raw),
            arguments=(),
            names={credit.id: clean(credit.document_number, NAME_CHARACTERS_MAX)},
        )

    def describe(self, prepared: PreparedWrite, facts: Facts[RemovalFacts]) -> Description:
        """The credit, the bill and the amount that is due again."""
        seen, said = facts.seen, Fields(prepared.fields)
        days = ", ".join(day_words(day) for day in sorted(seen.days)) or "not shown by this ledger"
        rows = [
            ("Credit", names_in(facts.names, said.take("credit_id"))),
            ("Bill", bill_row(seen.bill, said.take("bill_id"))),
            ("Vendor", named(None, said.take("vendor_id"))),
            ("Amount", f"{plain(said.take('amount'))} {plain(said.take('currency'))}"),
            ("Applied on", days),
            *said.rest(),
        ]
        after = f"{seen.bill.due} due now, {seen.bill.due + seen.applied} afterwards"
        return Description(fields=(pairs("Credit to take off", rows),), follows=(("Balance of the bill", after),))

    async def draft(self, prepared: PreparedWrite, company: Company) -> BillCreditUnapplicationCreate:
        """Credit and bill as Rutter takes them (Rutter docs: Bill Credit Applications)."""
        fields = prepared.fields
        return BillCreditUnapplicationCreate(bill_credit_memo_id=fields["credit_id"], bill_id=fields["bill_id"])

    async def send(
        self, prepared: PreparedWrite, draft: BillCreditUnapplicationCreate, company: Company, key: str, *, again: bool
    ) -> WriteOutcome[Any]:
        """Removes the credit from the bill, in full."""
        return await company.rutter.bill_credit_applications.unapply(draft, idempotency_key=key, again=again)

    async def outcome_of_job(self, company: Company, job_id: str) -> WriteOutcome[Any]:
        """The outcome of Rutter's job."""
        return await company.rutter.bill_credit_applications.outcome(job_id)

    def takes_back(self, prepared: PreparedWrite) -> TakenBack:
        """The credit on the bill, and the bill on the credit."""
        bill_id, credit_id = prepared.fields["bill_id"], prepared.fields["credit_id"]
        return frozenset({(Touched("bill", bill_id), credit_id), (Touched("credit", credit_id), bill_id)})

    async def find(self, prepared: PreparedWrite, company: Company, before: dict[str, Any]) -> tuple[Record, ...]:
        """The credit is gone from the bill, and the balance due grew by exactly its amount."""
        bill = await company.rutter.bills.get(prepared.fields["bill_id"])
        if not has_let_go(bill, before["bill"], prepared.fields["credit_id"]):
            return ()
        assert prepared.money is not None
        due = ledger_money(bill.amount_due, bill.currency_code, "balance due")
        removed = Record(
            kind="bill_credit_application",
            id=prepared.fields["credit_id"],
            bill_id=bill.id,
            amount=MoneyShape.of(prepared.money),
            bill_due=MoneyShape.of(due),
            bill_status=bill.status,
        )
        return (removed,)


def _applied(bill: Bill, credit_id: str) -> Money:
    amounts = (link.allocated_amount for link in bill.linked_credit_memos if link.id == credit_id)
    return ledger_money(sum(amounts, Decimal(0)), bill.currency_code, "credit on the bill")
