"""Applying a credit memo to a bill of the same vendor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from rutter_ap_server.companies.company import Office
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import Frozen, freeze
from rutter_ap_server.guard.untrusted import amount_argument
from rutter_ap_server.guard.writes.base import Facts, Kind, Links, Rule, ability, refuse
from rutter_ap_server.guard.writes.parties import PAYABLE, BillFact, bill_fact, bill_texts, bill_words, midnight
from rutter_ap_server.reads.amounts import ledger_money
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.models.credits import BillCreditApplicationCreate, BillCreditMemo
from rutter_ap_server.rutter.models.payments import AllocationDraft
from rutter_ap_server.rutter.outcomes import Unknown, WriteOutcome
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.credits import ApplyCredit
from rutter_ap_tools.errors import AssistantError
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.money import Money
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import MoneyShape, Record


@dataclass(frozen=True, slots=True)
class CreditFacts:
    """What the ledger shows about a credit and the bill it is for."""

    credit_vendor_id: str | None
    credit_status: str
    remaining: Money
    bill: BillFact


def _money(frozen: Frozen) -> Money:
    assert frozen.money is not None
    return frozen.money


def amount_not_positive(frozen: Frozen, facts: CreditFacts, policy: Policy) -> Finding | None:
    """More than nothing is applied."""
    if _money(frozen).amount <= 0:
        return refuse("amount.not_positive", "there is nothing to apply")
    return None


def currency_mismatch(frozen: Frozen, facts: CreditFacts, policy: Policy) -> Finding | None:
    """Credit and bill are in one currency."""
    if not facts.remaining.currency == facts.bill.due.currency == _money(frozen).currency:
        return refuse(
            "currency.mismatch",
            f"the credit is in {facts.remaining.currency} but the bill is in {facts.bill.due.currency}",
        )
    return None


def credit_other_vendor(frozen: Frozen, facts: CreditFacts, policy: Policy) -> Finding | None:
    """A credit pays only its own vendor's bills."""
    if facts.credit_vendor_id is None or facts.credit_vendor_id != facts.bill.vendor_id:
        return refuse("credit.other_vendor", "the credit and the bill belong to different vendors")
    return None


def credit_over_remaining(frozen: Frozen, facts: CreditFacts, policy: Policy) -> Finding | None:
    """Never more than is left of the credit."""
    if facts.remaining.currency == _money(frozen).currency and _money(frozen) > facts.remaining:
        return refuse("credit.over_remaining", f"only {facts.remaining} is left of the credit")
    return None


def credit_over_balance(frozen: Frozen, facts: CreditFacts, policy: Policy) -> Finding | None:
    """Never more than is due on the bill."""
    if facts.bill.due.currency == _money(frozen).currency and _money(frozen) > facts.bill.due:
        return refuse("credit.over_balance", f"only {facts.bill.due} is due on the bill")
    return None


def credit_not_open(frozen: Frozen, facts: CreditFacts, policy: Policy) -> Finding | None:
    """Only an open credit can be applied."""
    if facts.credit_status not in PAYABLE:
        return refuse("credit.not_open", f"the credit cannot be applied while it is {clean(facts.credit_status, 30)}")
    return None


def bill_not_payable(frozen: Frozen, facts: CreditFacts, policy: Policy) -> Finding | None:
    """Only an open or partly paid bill takes a credit."""
    if facts.bill.status not in PAYABLE:
        return refuse("bill.not_payable", f"{bill_words(facts.bill)} takes no credit while it is {facts.bill.status}")
    return None


def bill_closed_period(frozen: Frozen, facts: CreditFacts, policy: Policy) -> Finding | None:
    """Nothing is booked into a closed period."""
    day, closed = date.fromisoformat(frozen.fields["date"]), policy.closing_date
    if closed is None or day > closed:
        return None
    return refuse("bill.closed_period", f"the application is dated {day}, and the books are closed up to {closed}")


class CreditKind(Kind):
    """`apply_credit`."""

    tool = "apply_credit"
    moves_money = False
    rules: tuple[Rule[CreditFacts], ...] = (
        amount_not_positive,
        currency_mismatch,
        credit_other_vendor,
        credit_over_remaining,
        credit_over_balance,
        credit_not_open,
        bill_not_payable,
        bill_closed_period,
    )

    async def freeze(self, intent: ApplyCredit, office: Office, links: Links) -> Frozen:
        """Fixes credit, bill, amount and date."""
        credit, bill = await self._read(office, intent.credit_id, intent.bill_id)
        remaining, due = _remaining(credit, bill), bill_fact(bill).due
        if intent.amount:
            money = Money.parse(intent.amount, due.currency)
        elif remaining.currency != due.currency:
            raise AssistantError(
                f"the credit is in {remaining.currency} but the bill is in {due.currency}",
                code="currency.mismatch",
                next_step="Choose a bill in the credit's currency. Nothing was written.",
            )
        else:
            money = min(remaining, due)
        number = clean(credit.document_number, 60) or credit.id
        return freeze(
            tool=self.tool,
            company_id=office.company.id,
            fields={
                "credit_id": credit.id,
                "bill_id": bill.id,
                "vendor_id": credit.vendor_id or "",
                "amount": money.text,
                "currency": money.currency,
                "date": intent.date or office.clock.today().isoformat(),
            },
            summary=f"Apply {money} of credit {number} to {bill_words(bill_fact(bill))}",
            defaulted=() if intent.date else ("date",),
            money=money,
            vendor_id=credit.vendor_id,
            bill_id=bill.id,
        )

    async def gather(self, frozen: Frozen, office: Office, policy: Policy | None = None) -> Facts[CreditFacts]:
        """Credit and bill afresh."""
        credit, raw = await self._read(office, frozen.fields["credit_id"], frozen.fields["bill_id"])
        bill = bill_fact(raw)
        seen = CreditFacts(credit.vendor_id, credit.status, _remaining(credit, raw), bill)
        usual = (seen.remaining, bill.due)
        return Facts(
            seen=seen,
            binding={
                "bill": bill.binding,
                "credit": [credit.id, credit.vendor_id, credit.status, str(seen.remaining)],
                "amount": str(frozen.money),
            },
            before={"applied": f"{_applied(raw, credit.id):f}"},
            now=office.clock.now(),
            ability=ability(
                office, "bill_credit_memos", "apply", "apply a credit to a bill", "a person can apply it there"
            ),
            texts=bill_texts(raw),
            arguments=() if frozen.money in usual else (amount_argument(_money(frozen)),),
        )

    async def send(self, frozen: Frozen, office: Office, key: str, *, again: bool) -> WriteOutcome[Any]:
        """Applies the credit (Rutter docs: Bill Credit Applications)."""
        fields = frozen.fields
        draft = BillCreditApplicationCreate(
            bill_credit_memo_id=fields["credit_id"],
            vendor_id=fields["vendor_id"],
            currency_code=fields["currency"],
            transaction_date=midnight(fields["date"]),
            linked_bills=(AllocationDraft(id=fields["bill_id"], allocated_amount=Decimal(fields["amount"])),),
        )
        return await office.ledger.bill_credit_applications.apply(draft, idempotency_key=key, again=again)

    async def read_back(self, frozen: Frozen, office: Office, sent: Any, before: dict[str, Any]) -> Record | None:
        """Posted means: the bill shows this much more of this credit than it did before."""
        return await self.find(frozen, office, before)

    async def find(self, frozen: Frozen, office: Office, before: dict[str, Any]) -> Record | None:
        """The bill's applications of this credit grew by exactly the amount."""
        bill = await office.ledger.bills.get(frozen.fields["bill_id"])
        applied = _applied(bill, frozen.fields["credit_id"])
        if applied - Decimal(before["applied"]) != _money(frozen).amount:
            return None
        due = ledger_money(bill.amount_due, bill.currency_code, "amount due on the bill")
        return Record(
            kind="bill_credit_application",
            id=frozen.fields["credit_id"],
            bill_id=bill.id,
            amount=MoneyShape.of(_money(frozen)),
            bill_due=MoneyShape.of(due),
            bill_status=bill.status,
        )

    async def outcome_of_job(self, office: Office, job_id: str) -> WriteOutcome[Any]:
        """The ledger itself tells more than the job, which names no record."""
        return Unknown(job_id, "job_unreadable")

    def on_posted(self, tx: Tx, frozen: Frozen, record: Record) -> None:
        """Nothing beyond the receipt."""

    async def _read(self, office: Office, credit_id: str, bill_id: str) -> tuple[BillCreditMemo, Bill]:
        return await office.ledger.bill_credit_memos.get(credit_id), await office.ledger.bills.get(bill_id)


def _remaining(credit: BillCreditMemo, bill: Bill) -> Money:
    # Some platforms do not say a credit's currency; the bill's is taken only where the ledger is silent, and the
    # platform itself refuses an application across currencies.
    return ledger_money(credit.remaining_amount, credit.currency_code or bill.currency_code, "remainder of the credit")


def _applied(bill: Bill, credit_id: str) -> Decimal:
    return sum((link.allocated_amount for link in bill.linked_credit_memos if link.id == credit_id), Decimal(0))
