"""`void_payment`: makes a paid bill payable again, so it is recognised exactly and never allowed without approval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.directory import account_name
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
    approve,
    refuse,
)
from rutter_ap_server.guard.writes.create_bill import earlier_bill
from rutter_ap_server.guard.writes.parties import (
    NAME_CHARACTERS_MAX,
    BillFact,
    bill_contents,
    bill_fact,
    bill_texts,
    bill_words,
    has_let_go,
    links_of,
    read_vendor,
)
from rutter_ap_server.guard.writes.wording import (
    Description,
    Fields,
    bill_row,
    columns,
    day_words,
    named,
    pairs,
    plain,
)
from rutter_ap_server.reads.amounts import ledger_money, require_usable
from rutter_ap_server.reads.doubts import payment_if_readable, refused
from rutter_ap_server.rutter.errors import NotFoundUpstream
from rutter_ap_server.rutter.models.payments import BillPayment
from rutter_ap_server.rutter.outcomes import WriteOutcome
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.money import Money
from rutter_ap_tools.payments import VoidPayment
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import MoneyShape, Record

VOID, GONE = "void", "gone"


@dataclass(frozen=True, slots=True)
class VoidFacts:
    """What the ledger shows about a payment and its bills.

    `status` is the ledger's own, "gone" for a payment that no longer exists, and "active" if it has none.
    `settles_more` is what else voiding would undo besides the bills, in words; empty if nothing.
    """

    status: str
    paid_on: date | None
    allocations: tuple[tuple[str, Money], ...]
    bills: tuple[BillFact, ...]
    settles_more: tuple[str, ...]


def payment_void(prepared: PreparedWrite, facts: VoidFacts, policy: Policy) -> Finding | None:
    """A payment that is void or no longer exists cannot be voided."""
    if facts.status == VOID:
        return refuse("payment.void", "this payment is already void")
    if facts.status == GONE:
        return refuse("payment.void", "the ledger no longer shows this payment")
    return None


def payment_moved(prepared: PreparedWrite, facts: VoidFacts, policy: Policy) -> Finding | None:
    """Voiding must undo exactly what the person was shown, bill by bill."""
    if facts.status in (VOID, GONE):
        return None
    now = [[bill_id, money.text] for bill_id, money in facts.allocations]
    if now == prepared.fields["allocations"]:
        return None
    return refuse("payment.moved", "the bills or amounts this payment settles have changed since this was proposed")


def payment_settles_more(prepared: PreparedWrite, facts: VoidFacts, policy: Policy) -> Finding | None:
    """A payment may also have used credits or journal entries, which voiding releases too."""
    if not facts.settles_more:
        return None
    return approve("payment.settles_more", f"voiding it also undoes the use of {' and '.join(facts.settles_more)}")


class VoidPaymentWrite(Write[VoidFacts]):
    """`void_payment`.

    Although its risk is "moves money", it neither reserves nor frees any of the rolling limits: money that left the
    bank does not come back because the ledger entry is voided, and if a void freed its amount, pay, void, pay would
    defeat every limit. The voided payment stays counted, and paying the bill again is a repeat that needs a named
    approver.
    """

    tool = "void_payment"
    # It makes a paid bill payable again: an answer in the chat, which some clients give on their own, must not do that.
    default_severity = Severity.APPROVE
    counts_against_limits = False
    repeats = Repeats.SAME_REQUEST
    needs = (Need("bill_payments", "void", "void a payment", "a person can void it there", "void_payment"),)
    rules: tuple[Rule[VoidFacts], ...] = (payment_void, payment_moved, payment_settles_more)

    def touches(self, prepared: PreparedWrite) -> frozenset[Touched]:
        """The payment, and every bill it settles."""
        bills = {Touched("bill", bill_id) for bill_id in prepared.fields["bill_ids"]}
        return frozenset({Touched("payment", prepared.fields["payment_id"]), *bills})

    def dates(self, prepared: PreparedWrite, seen: VoidFacts) -> Dates:
        """Voiding removes what was posted on the payment's date, which may well be the wrong one."""
        posted = (Dated("the payment is dated", seen.paid_on),) if seen.paid_on is not None else ()
        return Dates(posted=posted, documents=(), entered=(), used=())

    def needed(self, prepared: PreparedWrite) -> tuple[Need, ...]:
        """Voiding a payment."""
        return self.needs

    async def prepare(self, request: VoidPayment, company: Company, linked_account: LinkedAccount) -> PreparedWrite:
        """Fixes the payment, its amount, and the amount it settles on each bill."""
        payment = await payment_if_readable(company, request.payment_id)
        if payment is None:
            raise refused(company, "bill_payments")
        require_usable(payment)
        allocations = _allocations(payment)
        money = _total(payment, allocations)
        bills = [bill_fact(await company.rutter.bills.get(bill_id)) for bill_id, _ in allocations]
        vendor_id = payment.vendor_id or next((bill.vendor_id for bill in bills if bill.vendor_id), None)
        payee = (await read_vendor(company, vendor_id)).name if vendor_id else "an unnamed vendor"
        for_bills = f" for {' and '.join(bill_words(bill) for bill in bills)}" if bills else ""
        made = f", made {payment.transaction_date.date()}" if payment.transaction_date else ""
        return prepare(
            tool=self.tool,
            company_id=company.ledger_id,
            connection_id=company.id,
            fields={
                "payment_id": payment.id,
                "bill_ids": [bill.id for bill in bills],
                "allocations": [[bill_id, amount.text] for bill_id, amount in allocations],
                "currency": money.currency,
                "payee_id": vendor_id or "",
            },
            summary=f"Void the payment of {money} to {payee}{for_bills}{made}{await _from(payment, company)}",
            money=money,
            # No vendor_id, and the vendor is not a fact: the policy blocks paying a vendor, and this pays nothing.
            # Blocking it after a fraud must not prevent voiding its payment.
            bill_id=bills[0].id if bills else None,
        )

    async def gather(self, prepared: PreparedWrite, company: Company) -> Gathered[VoidFacts]:
        """Reads the payment and its bills."""
        raw = [await company.rutter.bills.get(bill_id) for bill_id in prepared.fields["bill_ids"]]
        bills = tuple(bill_fact(bill) for bill in raw)
        payment = await _payment(company, prepared)
        seen = VoidFacts(
            status=GONE if payment is None else payment.status or "active",
            paid_on=payment.transaction_date.date() if payment is not None and payment.transaction_date else None,
            allocations=_allocations(payment) if payment is not None else (),
            bills=bills,
            settles_more=_more(payment) if payment is not None else (),
        )
        memo = (("the memo of the payment", payment.memo),) if payment is not None and payment.memo else ()
        return Gathered(
            seen=seen,
            binding={
                "payment": [prepared.fields["payment_id"], seen.status, str(seen.paid_on), *seen.settles_more],
                "allocations": [[bill_id, str(money)] for bill_id, money in seen.allocations],
                "bills": [bill.binding for bill in bills],
            },
            before={"bills": [links_of(bill) for bill in raw]},
            contents={Touched("bill", bill.id): bill_contents(bill) for bill in raw},
            # Blocking a vendor after a fraud must not prevent voiding its payment.
            vendor=None,
            texts=(*(text for bill in raw for text in bill_texts(bill)), *memo),
            arguments=(),
            names={},
            remembers=tuple(earlier_bill(bill) for bill in raw),
        )

    def describe(self, prepared: PreparedWrite, facts: Facts[VoidFacts]) -> Description:
        """The payment, and what it settles on each bill."""
        seen, said = facts.seen, Fields(prepared.fields)
        currency, of_id = said.take("currency"), {bill.id: bill for bill in seen.bills}
        shares = said.take("allocations") or []
        bills = "; ".join(bill_row(of_id.get(bill_id), bill_id) for bill_id in said.take("bill_ids") or ())
        rows = [
            ("Payment", named(None, said.take("payment_id"))),
            ("Amount", str(prepared.money) if prepared.money else "not shown"),
            ("Payee", named(None, said.take("payee_id"))),
            ("Payment date", day_words(seen.paid_on) if seen.paid_on else "not shown by this ledger"),
            ("Currency", plain(currency)),
            ("Bills", bills or "none"),
            ("Also undone", "; ".join(seen.settles_more) or "nothing else"),
            *said.rest(),
        ]
        settles = [(named(None, bill_id), f"{plain(amount)} {plain(currency)}") for bill_id, amount in shares]
        table = columns("What it settles", ("bill", "amount"), settles)
        due = [(bill_words(bill), f"{bill.due} due now") for bill in seen.bills]
        return Description(
            fields=(pairs("Payment to void", rows), table),
            follows=(
                *due,
                ("Bills afterwards", "The amounts above are due again and can be paid again."),
                ("Money", "A void returns no money: what has left the bank stays paid out."),
            ),
        )

    async def draft(self, prepared: PreparedWrite, company: Company) -> str:
        """Only the payment's id is sent."""
        payment_id: str = prepared.fields["payment_id"]
        return payment_id

    async def send(
        self, prepared: PreparedWrite, draft: str, company: Company, key: str, *, again: bool
    ) -> WriteOutcome[Any]:
        """Sets the payment's status to void (Rutter docs: Bill Payments)."""
        return await company.rutter.bill_payments.void(draft, idempotency_key=key, again=again)

    def takes_back(self, prepared: PreparedWrite) -> TakenBack:
        """The payment, on each of its bills."""
        fields = prepared.fields
        return frozenset((Touched("bill", bill_id), fields["payment_id"]) for bill_id in fields["bill_ids"])

    async def find(self, prepared: PreparedWrite, company: Company, before: dict[str, Any]) -> tuple[Record, ...]:
        """The payment is void or gone, and the balance due on each of its bills grew by exactly its share."""
        payment = await _payment(company, prepared)
        if payment is not None and payment.status != VOID:
            return ()
        bills = [await company.rutter.bills.get(bill_id) for bill_id in prepared.fields["bill_ids"]]
        payment_id = prepared.fields["payment_id"]
        if not all(has_let_go(bill, was, payment_id) for bill, was in zip(bills, before["bills"], strict=True)):
            return ()
        assert prepared.money is not None
        first = bills[0] if bills else None
        due = ledger_money(first.amount_due, first.currency_code, "balance due") if first else None
        voided = Record(
            kind="bill_payment",
            id=payment_id,
            bill_id=first.id if first else None,
            amount=MoneyShape.of(prepared.money),
            bill_due=MoneyShape.of(due) if due else None,
            bill_status=first.status if first else None,
        )
        return (voided,)

    async def outcome_of_job(self, company: Company, job_id: str) -> WriteOutcome[Any]:
        """The outcome of Rutter's job."""
        return await company.rutter.bill_payments.outcome(job_id)


async def _payment(company: Company, prepared: PreparedWrite) -> BillPayment | None:
    try:
        payment = await company.rutter.bill_payments.get(prepared.fields["payment_id"])
    except NotFoundUpstream:
        return None
    require_usable(payment)
    return payment


async def _from(payment: BillPayment, company: Company) -> str:
    """The account it was made from; only for display, so a payment can be voided without it."""
    if payment.account_id is None:
        return ""
    try:
        account = await company.rutter.accounts.get(payment.account_id)
        return f" from {clean(account_name(account), NAME_CHARACTERS_MAX)}"
    except ApError:
        return ""


def _allocations(payment: BillPayment) -> tuple[tuple[str, Money], ...]:
    """The amount it settles on each bill, ordered by bill id."""
    of_bill: dict[str, Decimal] = {}
    for link in payment.linked_bills:
        if link.id is not None:
            of_bill[link.id] = of_bill.get(link.id, Decimal(0)) + link.allocated_amount
    return tuple(
        (bill_id, ledger_money(amount, payment.currency_code, "allocated amount"))
        for bill_id, amount in sorted(of_bill.items())
    )


def _total(payment: BillPayment, allocations: tuple[tuple[str, Money], ...]) -> Money:
    if payment.total_amount is not None:
        return ledger_money(payment.total_amount, payment.currency_code, "payment total")
    return Money.total((money for _, money in allocations), payment.currency_code)


def _more(payment: BillPayment) -> tuple[str, ...]:
    """What else a payment is linked to besides its bills (Rutter docs: Bill Payments, QuickBooks Online)."""
    found = []
    credit = sum((link.allocated_amount for link in payment.linked_credit_memos), Decimal(0))
    if credit:
        found.append(f"{ledger_money(credit, payment.currency_code, 'credit used')} of credit")
    if payment.additional_fields is not None and payment.additional_fields.linked_journal_entries:
        found.append("journal entries")
    return tuple(found)
