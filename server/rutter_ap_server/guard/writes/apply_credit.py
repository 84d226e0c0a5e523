"""`apply_credit`: applies a credit memo to a bill of the same vendor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite, prepare
from rutter_ap_server.guard.untrusted import amount_argument
from rutter_ap_server.guard.writes.base import (
    Dated,
    Dates,
    Facts,
    Gathered,
    LinkedAccount,
    Need,
    Repeats,
    Rule,
    Touched,
    Used,
    Write,
    refuse,
)
from rutter_ap_server.guard.writes.create_bill import earlier_bill
from rutter_ap_server.guard.writes.parties import (
    NAME_CHARACTERS_MAX,
    PAYABLE,
    BillFact,
    Contents,
    bill_contents,
    bill_fact,
    bill_texts,
    bill_words,
    midnight,
)
from rutter_ap_server.guard.writes.wording import (
    Description,
    Fields,
    Row,
    bill_row,
    day_words,
    named,
    names_in,
    pairs,
    plain,
)
from rutter_ap_server.reads.amounts import is_amount, ledger_money, require_usable
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.models.credits import BillCreditApplicationCreate, BillCreditMemo
from rutter_ap_server.rutter.models.payments import AllocationDraft
from rutter_ap_server.rutter.outcomes import WriteOutcome
from rutter_ap_tools.credits import ApplyCredit
from rutter_ap_tools.errors import AssistantError
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.money import Money
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import MoneyShape, Record

_DATED = "the application is dated"


@dataclass(frozen=True, slots=True)
class CreditFacts:
    """What the ledger shows about a credit and the bill to apply it to."""

    credit_vendor_id: str | None
    credit_status: str
    remaining: Money
    bill: BillFact
    credit_words: str
    credit_issued: date | None


def _money(prepared: PreparedWrite) -> Money:
    assert prepared.money is not None
    return prepared.money


def amount_not_positive(prepared: PreparedWrite, facts: CreditFacts, policy: Policy) -> Finding | None:
    """The amount to apply must be above zero."""
    if _money(prepared).amount <= 0:
        return refuse("amount.not_positive", "there is nothing to apply")
    return None


def currency_mismatch(prepared: PreparedWrite, facts: CreditFacts, policy: Policy) -> Finding | None:
    """Credit and bill must have the same currency."""
    if not facts.remaining.currency == facts.bill.due.currency == _money(prepared).currency:
        return refuse(
            "currency.mismatch",
            f"the credit is in {facts.remaining.currency} but the bill is in {facts.bill.due.currency}",
        )
    return None


def credit_other_vendor(prepared: PreparedWrite, facts: CreditFacts, policy: Policy) -> Finding | None:
    """A credit can only be applied to bills of its own vendor."""
    if facts.credit_vendor_id is None or facts.credit_vendor_id != facts.bill.vendor_id:
        return refuse("credit.other_vendor", "the credit and the bill belong to different vendors")
    return None


def credit_over_remaining(prepared: PreparedWrite, facts: CreditFacts, policy: Policy) -> Finding | None:
    """The amount must not exceed what remains on the credit."""
    if facts.remaining.currency == _money(prepared).currency and _money(prepared) > facts.remaining:
        return refuse("credit.over_remaining", f"only {facts.remaining} remains on the credit")
    return None


def credit_over_balance(prepared: PreparedWrite, facts: CreditFacts, policy: Policy) -> Finding | None:
    """The amount must not exceed the balance due on the bill."""
    if facts.bill.due.currency == _money(prepared).currency and _money(prepared) > facts.bill.due:
        return refuse("credit.over_balance", f"only {facts.bill.due} is due on the bill")
    return None


def credit_not_open(prepared: PreparedWrite, facts: CreditFacts, policy: Policy) -> Finding | None:
    """Only an open credit can be applied."""
    if facts.credit_status not in PAYABLE:
        return refuse(
            "credit.not_open", f"the credit cannot be applied while its status is {clean(facts.credit_status, 30)}"
        )
    return None


def bill_not_payable(prepared: PreparedWrite, facts: CreditFacts, policy: Policy) -> Finding | None:
    """A credit can only be applied to an open or partly paid bill."""
    if facts.bill.status not in PAYABLE:
        words = f"no credit can be applied to {bill_words(facts.bill)} while its status is {facts.bill.status}"
        return refuse("bill.not_payable", words)
    return None


def _follows(prepared: PreparedWrite, seen: CreditFacts) -> tuple[Row, ...]:
    """The balances now and afterwards, where they can be compared."""
    said = []
    for name, now in (("Balance of the bill", seen.bill.due), ("Rest of the credit", seen.remaining)):
        fits = now.currency == _money(prepared).currency and _money(prepared) <= now
        said.append((name, f"{now} now, {now - _money(prepared)} afterwards" if fits else f"{now} now"))
    return tuple(said)


class ApplyCreditWrite(Write[CreditFacts]):
    """`apply_credit`."""

    tool = "apply_credit"
    default_severity = Severity.ALLOW
    counts_against_limits = False
    repeats = Repeats.SAME_REQUEST
    needs = (
        Need("bill_credit_memos", "apply", "apply a credit to a bill", "a person can apply it there", "apply_credit"),
    )
    rules: tuple[Rule[CreditFacts], ...] = (
        amount_not_positive,
        currency_mismatch,
        credit_other_vendor,
        credit_over_remaining,
        credit_over_balance,
        credit_not_open,
        bill_not_payable,
    )

    def touches(self, prepared: PreparedWrite) -> frozenset[Touched]:
        """The bill and the credit, since the balance of both changes."""
        fields = prepared.fields
        return frozenset({Touched("bill", fields["bill_id"]), Touched("credit", fields["credit_id"])})

    def dates(self, prepared: PreparedWrite, seen: CreditFacts) -> Dates:
        """An application is posted on its own date, when both the credit and the bill must exist."""
        day = date.fromisoformat(prepared.fields["date"])
        settled = ((seen.credit_words, seen.credit_issued), (bill_words(seen.bill), seen.bill.issued))
        return Dates(
            posted=(Dated(_DATED, day),),
            documents=(),
            entered=(),
            used=(Used(_DATED, day, "credit.not_yet_issued", settled),),
        )

    def needed(self, prepared: PreparedWrite) -> tuple[Need, ...]:
        """Applying a credit."""
        return self.needs

    async def prepare(self, request: ApplyCredit, company: Company, linked_account: LinkedAccount) -> PreparedWrite:
        """Fixes the credit, bill, amount and date."""
        credit, bill = await self._read(company, request.credit_id, request.bill_id)
        remaining, due = _remaining(credit, bill), bill_fact(bill).due
        if request.amount:
            money = Money.parse(request.amount, due.currency)
        elif remaining.currency != due.currency:
            raise AssistantError(
                f"the credit is in {remaining.currency} but the bill is in {due.currency}",
                code="currency.mismatch",
                next_step="Choose a bill in the credit's currency. Nothing was written.",
            )
        else:
            money = min(remaining, due)
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
                "date": request.date or company.clock.today().isoformat(),
            },
            summary=f"Apply {money} of {_credit_words(credit)} to {bill_words(bill_fact(bill))}",
            defaulted=() if request.date else ("date",),
            money=money,
            vendor_id=credit.vendor_id,
            bill_id=bill.id,
        )

    async def gather(self, prepared: PreparedWrite, company: Company) -> Gathered[CreditFacts]:
        """Reads the credit and the bill."""
        credit, raw = await self._read(company, prepared.fields["credit_id"], prepared.fields["bill_id"])
        bill = bill_fact(raw)
        issued = credit.issue_date.date() if credit.issue_date else None
        seen = CreditFacts(
            credit.vendor_id, credit.status, _remaining(credit, raw), bill, _credit_words(credit), issued
        )
        usual = (seen.remaining, bill.due)
        return Gathered(
            seen=seen,
            binding={
                "bill": bill.binding,
                "credit": [credit.id, credit.vendor_id, credit.status, str(seen.remaining), str(issued)],
                "amount": str(prepared.money),
            },
            before={"applied": f"{_applied(raw, credit.id):f}"},
            contents={
                Touched("bill", bill.id): bill_contents(raw),
                Touched("credit", credit.id): Contents(frozenset(one.id for one in credit.linked_bills if one.id)),
            },
            vendor=None,
            texts=bill_texts(raw),
            arguments=() if prepared.money in usual else (amount_argument(_money(prepared)),),
            names={credit.id: clean(credit.document_number, NAME_CHARACTERS_MAX)},
            remembers=(earlier_bill(raw),),
        )

    def describe(self, prepared: PreparedWrite, facts: Facts[CreditFacts]) -> Description:
        """The credit, the bill, the amount and the date, and what remains of both."""
        seen, said = facts.seen, Fields(prepared.fields)
        rows = [
            ("Credit", names_in(facts.names, said.take("credit_id"))),
            ("Bill", bill_row(seen.bill, said.take("bill_id"))),
            ("Vendor", named(None, said.take("vendor_id"))),
            ("Amount", f"{plain(said.take('amount'))} {plain(said.take('currency'))}"),
            ("Date", day_words(said.take("date"))),
            *said.rest(),
        ]
        return Description(fields=(pairs("Credit to apply", rows),), follows=_follows(prepared, seen))

    async def draft(self, prepared: PreparedWrite, company: Company) -> BillCreditApplicationCreate:
        """The application as Rutter takes it (Rutter docs: Bill Credit Applications)."""
        fields = prepared.fields
        return BillCreditApplicationCreate(
            bill_credit_memo_id=fields["credit_id"],
            vendor_id=fields["vendor_id"],
            currency_code=fields["currency"],
            transaction_date=midnight(fields["date"]),
            linked_bills=(AllocationDraft(id=fields["bill_id"], allocated_amount=Decimal(fields["amount"])),),
        )

    async def send(
        self, prepared: PreparedWrite, draft: BillCreditApplicationCreate, company: Company, key: str, *, again: bool
    ) -> WriteOutcome[Any]:
        """Applies the credit."""
        return await company.rutter.bill_credit_applications.apply(draft, idempotency_key=key, again=again)

    async def outcome_of_job(self, company: Company, job_id: str) -> WriteOutcome[Any]:
        """The outcome of Rutter's job."""
        return await company.rutter.bill_credit_applications.outcome(job_id)

    def leaves(self, prepared: PreparedWrite, record_id: str) -> Mapping[Touched, str]:
        """The credit on the bill, and the bill on the credit."""
        bill_id, credit_id = prepared.fields["bill_id"], prepared.fields["credit_id"]
        return {Touched("bill", bill_id): credit_id, Touched("credit", credit_id): bill_id}

    async def find(self, prepared: PreparedWrite, company: Company, before: dict[str, Any]) -> tuple[Record, ...]:
        """The amount of this credit applied to the bill grew by exactly this amount."""
        bill = await company.rutter.bills.get(prepared.fields["bill_id"])
        applied = _applied(bill, prepared.fields["credit_id"])
        if not is_amount(applied - Decimal(before["applied"]), _money(prepared)):
            return ()
        due = ledger_money(bill.amount_due, bill.currency_code, "balance due")
        applied_now = Record(
            kind="bill_credit_application",
            id=prepared.fields["credit_id"],
            bill_id=bill.id,
            amount=MoneyShape.of(_money(prepared)),
            bill_due=MoneyShape.of(due),
            bill_status=bill.status,
        )
        return (applied_now,)

    async def _read(self, company: Company, credit_id: str, bill_id: str) -> tuple[BillCreditMemo, Bill]:
        return await company.rutter.bill_credit_memos.get(credit_id), await company.rutter.bills.get(bill_id)


def _credit_words(credit: BillCreditMemo) -> str:
    return f"credit {clean(credit.document_number, NAME_CHARACTERS_MAX) or credit.id}"


def _remaining(credit: BillCreditMemo, bill: Bill) -> Money:
    require_usable(credit)
    # Some platforms do not show a credit's currency. Only then the bill's is assumed; the platform itself rejects an
    # application across currencies.
    return ledger_money(credit.remaining_amount, credit.currency_code or bill.currency_code, "remaining credit")


def _applied(bill: Bill, credit_id: str) -> Decimal:
    return sum((link.allocated_amount for link in bill.linked_credit_memos if link.id == credit_id), Decimal(0))
