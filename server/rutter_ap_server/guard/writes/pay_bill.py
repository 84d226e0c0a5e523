"""`pay_bill`: records a payment of a bill, the write this project exists to make safe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.prepared import PreparedWrite, prepare
from rutter_ap_server.guard.untrusted import account_argument, amount_argument
from rutter_ap_server.guard.writes.base import (
    Dated,
    Dates,
    Facts,
    Gathered,
    LinkedAccount,
    Need,
    Repeats,
    Touched,
    Used,
    Write,
    contents_of,
)
from rutter_ap_server.guard.writes.bill_lines import booked_names, booked_to, booked_words, bound_lines
from rutter_ap_server.guard.writes.compared import Compared
from rutter_ap_server.guard.writes.create_bill import earlier_bill
from rutter_ap_server.guard.writes.parties import (
    BillFact,
    bill_contents,
    bill_fact,
    bill_texts,
    bill_words,
    ledger_bill,
    midnight,
    read_account,
    read_bill,
    read_payee,
    read_vendor,
)
from rutter_ap_server.guard.writes.pay_bill_facts import (
    VendorPast,
    bills_of_number,
    files_on,
    line_sums,
    other_bill,
    paid_on,
    read_ahead,
    vendor_past,
)
from rutter_ap_server.guard.writes.pay_bill_outcome import (
    new_payments,
    payment_of_balance,
    payment_record,
    unread_payment,
)
from rutter_ap_server.guard.writes.pay_bill_rules import RULES, PaymentFacts
from rutter_ap_server.guard.writes.pay_bill_signals import SIGNALS, usual_payment
from rutter_ap_server.guard.writes.sums import ExpectedSums
from rutter_ap_server.guard.writes.sums_rules import amount_words
from rutter_ap_server.guard.writes.wording import (
    NO_BANK_TRANSFER,
    Description,
    Fields,
    Row,
    account_words,
    bill_row,
    day_words,
    documents_words,
    exact,
    pairs,
    payee_words,
    plain,
    unless_unlisted,
)
from rutter_ap_server.reads.doubts import payment_if_readable
from rutter_ap_server.rutter.abilities import abilities_of
from rutter_ap_server.rutter.models.payments import AllocationDraft, BillPaymentCreate
from rutter_ap_server.rutter.outcomes import WriteOutcome
from rutter_ap_tools.errors import AssistantError
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.money import Money, require_active
from rutter_ap_tools.payments import PayBill
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import Record

_DATED = "the payment is dated"


@dataclass(frozen=True, slots=True)
class Payee:
    """Who is paid, and for which bill."""

    bill_id: str
    bill_words: str
    vendor_id: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Funding:
    """The account to pay from, the date (YYYY-MM-DD) and the note."""

    account_id: str
    account_name: str
    date: str
    memo: str


def prepared_payment(
    company_id: str, payee: Payee, money: Money, funding: Funding, *, date_given: bool, connection_id: str
) -> PreparedWrite:
    """Prepares one payment of one bill; on its own or in a payment run, it is the same write."""
    require_active(money.currency)
    return prepare(
        tool="pay_bill",
        company_id=company_id,
        connection_id=connection_id,
        fields={
            "bill_id": payee.bill_id,
            "vendor_id": payee.vendor_id,
            "amount": money.text,
            "currency": money.currency,
            "account_id": funding.account_id,
            "date": funding.date,
            "memo": funding.memo,
        },
        summary=f"Pay {money} to {payee.name} for {payee.bill_words} from {funding.account_name}, dated {funding.date}",
        defaulted=() if date_given else ("date",),
        money=money,
        vendor_id=payee.vendor_id,
        vendor_name=payee.name,
        bill_id=payee.bill_id,
    )


async def funding_account(named: str, company: Company, linked_account: LinkedAccount) -> str:
    """The id of the account to pay from: the named one, or else the linked one."""
    if named:
        return (await company.directory.account(named)).id
    linked = await linked_account("funding")
    if linked is None:
        raise AssistantError(
            "no funding account is linked for this company",
            code="account.not_linked",
            next_step="Ask the person which account pays, then use link_account (role funding) or pass account.",
        )
    return linked


async def _account_ahead(named: str, company: Company, linked_account: LinkedAccount) -> None:
    await read_account(company, await funding_account(named, company, linked_account))


def _known(facts: Facts[PaymentFacts]) -> tuple[Row, ...]:
    """What helps to judge a payment: what the vendor was paid, when it changed, and the documents of the bill."""
    seen, owed = facts.seen, facts.seen.open_credits
    changed = seen.vendor.updated_at if seen.vendor else None
    others = "; ".join(f"{one.id} {amount_words(one.total)}, {clean(one.status, 30)}" for one in seen.other_bills)
    paid = "; ".join(f"{money} on {day or 'an unknown date'}" for money, day in seen.paid_on_bill)
    return (
        ("Usual payment", usual_payment(seen.earlier_payments, seen.bill.due.currency, seen.unlisted)),
        ("Vendor last changed", f"{changed:%Y-%m-%d}" if changed else "not shown by this ledger"),
        ("Open credits of the vendor", unless_unlisted(seen.credits_unlisted, str(owed), owed.amount)),
        ("Lines of the bill", booked_words(seen.booked, seen.bill.total.currency, facts.names)),
        ("Documents on the bill", documents_words(seen.file_names, every_file_listed=seen.every_file_listed)),
        ("Bills with the same number", others or (f"not known: {seen.unread}" if seen.unread else "none")),
        ("Paid on this bill before", unless_unlisted(seen.unlisted, paid or "nothing", paid)),
    )


def _follows(prepared: PreparedWrite, bill: BillFact) -> tuple[Row, ...]:
    money = prepared.money
    if money is None or money.currency != bill.due.currency:
        return (NO_BANK_TRANSFER,)
    after = bill.due - money if money <= bill.due else Money.zero(bill.due.currency)
    return (("Balance of the bill", f"{bill.due} due now, {after} afterwards"), NO_BANK_TRANSFER)


class PayBillWrite(Write[PaymentFacts]):
    """`pay_bill`."""

    tool = "pay_bill"
    default_severity = Severity.ASK
    counts_against_limits = True
    repeats = Repeats.SAME_BILL
    needs = (Need("bill_payments", "create", "record a payment", "a person can record it there", "record_payment"),)
    rules = (*RULES, *SIGNALS)

    def touches(self, prepared: PreparedWrite) -> frozenset[Touched]:
        """The bill."""
        return frozenset({Touched("bill", prepared.fields["bill_id"])})

    def dates(self, prepared: PreparedWrite, seen: PaymentFacts) -> Dates:
        """A payment is posted on its own date; a bill dated in the future is not due yet, or its date is wrong."""
        day, bill = date.fromisoformat(prepared.fields["date"]), bill_words(seen.bill)
        return Dates(
            posted=(Dated(_DATED, day),),
            documents=(Dated(f"{bill} is dated", seen.bill.issued),) if seen.bill.issued else (),
            entered=(),
            used=(Used(_DATED, day, "payment.before_bill", ((bill, seen.bill.issued),)),),
        )

    def needed(self, prepared: PreparedWrite) -> tuple[Need, ...]:
        """Recording a payment."""
        return self.needs

    async def prepare(self, request: PayBill, company: Company, linked_account: LinkedAccount) -> PreparedWrite:
        """Fixes the bill, payee, amount, currency, funding account and date."""
        await company.ahead(
            partial(ledger_bill, company, request.bill_id),
            partial(_account_ahead, request.account, company, linked_account),
            partial(company.directory.cached_list, "vendor"),
        )
        bill = await read_bill(company, request.bill_id)
        account_id = await funding_account(request.account, company, linked_account)
        account = await read_account(company, account_id)
        # What it will be judged by is read with the vendor, so that nobody waits for that afterwards.
        await read_ahead(company, bill.id, bill.vendor_id, account_id)
        vendor = await read_vendor(company, bill.vendor_id) if bill.vendor_id else None
        money = Money.parse(request.amount, bill.due.currency) if request.amount else bill.due
        return prepared_payment(
            company.ledger_id,
            Payee(bill.id, bill_words(bill), bill.vendor_id, vendor.name if vendor else "an unnamed vendor"),
            money,
            Funding(account_id, account.name, request.date or company.clock.today().isoformat(), request.memo),
            date_given=bool(request.date),
            connection_id=company.id,
        )

    async def read_ahead(self, prepared: PreparedWrite, company: Company) -> None:
        """The bill, its files, the account, and the vendor with its documents, as far as they are known beforehand."""
        await read_ahead(company, prepared.fields["bill_id"], prepared.vendor_id, prepared.fields["account_id"])

    async def gather(self, prepared: PreparedWrite, company: Company) -> Gathered[PaymentFacts]:
        """Reads the bill, vendor and account, the vendor's earlier payments and credits, and the bill's details."""
        assert prepared.money is not None
        raw = await ledger_bill(company, prepared.fields["bill_id"])
        bill = bill_fact(raw)
        account = await read_account(company, prepared.fields["account_id"])
        vendor = await read_payee(company, bill.vendor_id) if bill.vendor_id else None
        past = VendorPast(Money.zero(bill.due.currency))
        if vendor:
            past = await vendor_past(company, vendor.id, bill.due.currency)
        others, unread = await bills_of_number(company, bill, (vendor.id, *vendor.twins) if vendor else ())
        other_bills = tuple(other_bill(one) for one in others)
        shown = earlier_bill(raw)
        # Not only if the policy asks for a document: a release is bound to the files that people could open.
        files, booked = await files_on(company, bill.id), booked_to(raw)
        chosen = () if prepared.money == bill.due else (amount_argument(prepared.money),)
        return Gathered(
            seen=PaymentFacts(
                bill=bill,
                vendor=vendor,
                account=account,
                open_credits=past.open_credits,
                paid_before=past.paid_before,
                earlier_payments=past.earlier_payments,
                other_bills=other_bills,
                paid_on_bill=paid_on(raw),
                line_sums=line_sums(raw, bill.total),
                files=files,
                today=company.clock.today(),
                booked=booked,
                unread=unread,
                unusable=past.unusable,
                unlisted=past.unlisted,
                credits_unlisted=past.credits.unlisted,
                every_file_listed=abilities_of(company.platform).lists_every_file,
            ),
            binding={
                "bill": bill.binding,
                "vendor": vendor.binding if vendor else None,
                "account": account.binding,
                "amount": str(prepared.money),
                "other_bills": [[one.id, str(one.total)] for one in other_bills],
                "lines": bound_lines(raw),
                "files": None if files is None else sorted([one.id, one.name] for one in files),
            },
            before={
                "payments": sorted(link.id or "" for link in raw.linked_payments),
                "due": bill.due.text,
                "total": bill.total.text,
            },
            vendor=vendor,
            texts=(*bill_texts(raw), *((("the vendor's name", vendor.name),) if vendor else ())),
            arguments=(*chosen, account_argument(account.name)),
            names=await booked_names(company, booked),
            remembers=(shown,),
            compared=Compared(
                shown,
                ExpectedSums(shown.net, None, bill.total, ""),
                bill.total,
                tuple(earlier_bill(one) for one in others),
                # Bills of one amount were looked at when they were entered; without a number nothing else tells.
                by_amount=not shown.number_key,
            ),
            contents={
                Touched("bill", bill.id): bill_contents(raw),
                **contents_of("credits_of_vendor", (vendor.id,) if vendor else (), past.credits),
            },
        )

    def describe(self, prepared: PreparedWrite, facts: Facts[PaymentFacts]) -> Description:
        """Payee, bill, amount, account, date and memo; what is known of the vendor, and the balance afterwards."""
        seen, said = facts.seen, Fields(prepared.fields)
        rows = [
            ("Payee", payee_words(seen.vendor, said.take("vendor_id"), prepared.vendor_name)),
            ("Amount", f"{plain(said.take('amount'))} {plain(said.take('currency'))}"),
            ("Payment date", day_words(said.take("date"))),
            ("Bill", bill_row(seen.bill, said.take("bill_id"))),
            ("From account", account_words(seen.account, said.take("account_id"))),
            ("Memo", exact(said.take("memo"))),
            *said.rest(),
        ]
        return Description(
            fields=(pairs("Payment to record", rows),), known=_known(facts), follows=_follows(prepared, seen.bill)
        )

    async def draft(self, prepared: PreparedWrite, company: Company) -> BillPaymentCreate:
        """The payment as Rutter takes it (Rutter docs: Bill Payments)."""
        fields = prepared.fields
        return BillPaymentCreate(
            account_id=fields["account_id"],
            vendor_id=fields["vendor_id"],
            currency_code=fields["currency"],
            transaction_date=midnight(fields["date"]),
            linked_bills=(AllocationDraft(id=fields["bill_id"], allocated_amount=Decimal(fields["amount"])),),
            **({"memo": fields["memo"]} if fields["memo"] else {}),
        )

    async def send(
        self, prepared: PreparedWrite, draft: BillPaymentCreate, company: Company, key: str, *, again: bool
    ) -> WriteOutcome[Any]:
        """Creates the bill payment."""
        return await company.rutter.bill_payments.create(draft, idempotency_key=key, again=again)

    async def read_back(
        self, prepared: PreparedWrite, company: Company, sent: Any, before: dict[str, Any]
    ) -> tuple[Record, ...]:
        """Posted means that the bill links the payment Rutter named, with exactly this amount."""
        await company.ahead(
            partial(ledger_bill, company, prepared.fields["bill_id"]), partial(payment_if_readable, company, sent.id)
        )
        bill = await ledger_bill(company, prepared.fields["bill_id"])
        found = await new_payments(bill, prepared, company, before)
        ours = [one for one in found if one.id == sent.id]
        by_balance = await payment_of_balance(sent.id, bill, prepared, company, before) if not found else None
        if by_balance is not None:
            return (by_balance,)
        return (*ours, *(one for one in found if one.id != sent.id)) if ours else ()

    async def find(self, prepared: PreparedWrite, company: Company, before: dict[str, Any]) -> tuple[Record, ...]:
        """Every new payment of exactly this amount on the bill, to this vendor from this account on this date."""
        bill = await ledger_bill(company, prepared.fields["bill_id"])
        return await new_payments(bill, prepared, company, before)

    async def named(
        self, prepared: PreparedWrite, company: Company, record_id: str, before: dict[str, Any]
    ) -> Record | None:
        """A payment that settles something of the bill, and did not exist before, whatever its amount and account."""
        bill = await ledger_bill(company, prepared.fields["bill_id"])
        if record_id in before["payments"]:
            return None
        if not any(link.id == record_id for link in bill.linked_payments):
            return await payment_of_balance(record_id, bill, prepared, company, before)
        payment = await payment_if_readable(company, record_id)
        if payment is None:
            return unread_payment(record_id, bill, prepared)
        return payment_record(payment, bill, prepared)

    def leaves(self, prepared: PreparedWrite, record_id: str) -> Mapping[Touched, str]:
        """The payment, on its bill."""
        return {Touched("bill", prepared.fields["bill_id"]): record_id}

    async def outcome_of_job(self, company: Company, job_id: str) -> WriteOutcome[Any]:
        """The outcome of Rutter's job."""
        return await company.rutter.bill_payments.outcome(job_id)
