"""Backtesting: the verdict that each past payment in the ledger would have had under a policy. Nothing is written.

A payment is judged as of its date, on what had been paid until then. What the ledger keeps no history of is not judged
and reported as such: the hour of a payment, a vendor's details, when credits applied, and the closing date.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.date_rules import closed_period
from rutter_ap_server.guard.judge import judge
from rutter_ap_server.guard.policy import WINDOWS, Policy
from rutter_ap_server.guard.prepared import PreparedWrite, prepare
from rutter_ap_server.guard.released_sums import FOR_THIS_BILL
from rutter_ap_server.guard.shared_rules import quiet_hours, vendor_changed, vendor_unverified
from rutter_ap_server.guard.store_facts import StoreFacts
from rutter_ap_server.guard.writes.base import Ability, Facts, ability_of
from rutter_ap_server.guard.writes.create_bill import earlier_bill
from rutter_ap_server.guard.writes.parties import (
    AccountFact,
    BillFact,
    account_fact,
    bill_fact,
    bill_texts,
    vendor_fact,
)
from rutter_ap_server.guard.writes.pay_bill_facts import files_on, line_sums, paid_amount
from rutter_ap_server.guard.writes.pay_bill_rules import FileOnBill, OtherBill, PaymentFacts
from rutter_ap_server.guard.writes.registry import write_named
from rutter_ap_server.reads.amounts import LedgerDataError, ledger_money
from rutter_ap_server.reads.doubts import doubt_about, not_known, refused
from rutter_ap_server.rutter.abilities import Doubt, Support
from rutter_ap_server.rutter.errors import NotSupportedHere
from rutter_ap_server.rutter.models.accounts import Account
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.models.payments import BillPayment
from rutter_ap_server.rutter.models.vendors import Vendor
from rutter_ap_tools.findings import Finding, Severity, verdict
from rutter_ap_tools.money import Money
from rutter_ap_tools.numbers import number_key
from rutter_ap_tools.wire import MoneyShape

NOT_JUDGED = ("quiet hours", "vendor changes", "open credits", "the closing date", "approvals")
_NOT_ASKED = (closed_period, quiet_hours, vendor_changed, vendor_unverified)
PAY_BILL = write_named("pay_bill")
_PAGES_MAX = 200
_HOURS_A_DAY = 24


@dataclass(frozen=True, slots=True)
class PastPayment:
    """One payment in the ledger, and what this policy would have found."""

    id: str
    on: date
    vendor_id: str | None
    vendor_name: str | None
    money: Money
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Severity:
        """The severity of the most severe finding."""
        return verdict(self.findings)

    def as_json(self) -> dict[str, Any]:
        """The same, for scripts; the shape is stable."""
        return {
            "id": self.id,
            "date": self.on.isoformat(),
            "vendor": {"id": self.vendor_id, "name": self.vendor_name},
            "amount": MoneyShape.of(self.money).model_dump(),
            "verdict": self.verdict.word,
            "findings": [found.model_dump(mode="json") for found in self.findings],
        }


@dataclass(frozen=True, slots=True)
class Backtest:
    """Every payment since a date, oldest first. `left_out` are those whose figures or bills could not be used.

    `not_known` says why there may be others that are not listed, None if there are none.
    """

    since: date
    payments: tuple[PastPayment, ...]
    left_out: tuple[str, ...]
    not_known: str | None = None

    @property
    def totals(self) -> dict[str, int]:
        """The number of payments per verdict, including zeros."""
        counted = Counter(payment.verdict for payment in self.payments)
        return {severity.word: counted[severity] for severity in Severity}


@dataclass(slots=True)
class _Past:
    """What had been paid before the payment being judged."""

    by_vendor: dict[str, list[tuple[date, Money]]] = field(default_factory=lambda: defaultdict(list))
    by_bill: dict[str, list[tuple[Money, date | None]]] = field(default_factory=lambda: defaultdict(list))

    def spent(self, money: Money, on: date, hours: int, vendor_id: str | None) -> Money:
        """The sum of a window that ends on that date, in whole days, because the ledger records no times."""
        first = on - timedelta(days=hours // _HOURS_A_DAY - 1)
        lists = [self.by_vendor[vendor_id]] if vendor_id is not None else list(self.by_vendor.values())
        within = (paid for one in lists for day, paid in one if day >= first and paid.currency == money.currency)
        return Money.total(within, money.currency)

    def released(self, prepared: PreparedWrite, on: date, policy: Policy) -> tuple[tuple[str, Money], ...]:
        """The sums its tier is judged with, in whole days, because the ledger records no times."""
        assert prepared.money is not None
        currency = prepared.money.currency
        on_bill = (paid for paid, _ in self.by_bill[prepared.bill_id or ""] if paid.currency == currency)
        sums = [(FOR_THIS_BILL, Money.total(on_bill, currency))]
        hours = policy.rules.tier_vendor_hours
        if hours and prepared.vendor_id is not None:
            spent = self.spent(prepared.money, on, max(hours, _HOURS_A_DAY), prepared.vendor_id)
            sums.append((f"to this vendor in {hours} hours", spent))
        return tuple(sums)

    def add(self, vendor_id: str, on: date, shares: Iterable[tuple[str, Money]]) -> None:
        """Adds a payment to the history."""
        for bill_id, share in shares:
            self.by_vendor[vendor_id].append((on, share))
            self.by_bill[bill_id].append((share, on))


@dataclass(frozen=True, slots=True)
class _Books:
    """The ledger as it is now."""

    company: Company
    policy: Policy
    bills: dict[str, Bill]
    vendors: dict[str, Vendor]
    accounts: dict[str, Account]
    unlisted: Doubt | None


async def backtest(company: Company, policy: Policy, days: int) -> Backtest:
    """Judges the ledger's payments of the last `days`, each based on what came before it.

    Raises `PersonError` or `NotSupportedHere` where Rutter does not offer the list of payments.
    """
    since = company.clock.today() - timedelta(days=days)
    try:
        listed = {p.id: p async for p in company.rutter.bill_payments.walk(pages_max=_PAGES_MAX)}
    except NotSupportedHere:
        raise refused(company, "bill_payments") from None
    unlisted = await doubt_about(company, "bill_payments", listed.values())
    payments = {p.id: p for p in listed.values() if p.status != "void"}
    bills = {b.id: b async for b in company.rutter.bills.walk(pages_max=_PAGES_MAX)}
    vendors, accounts = await company.directory.vendors(), await company.directory.accounts()
    books = _Books(company, policy, bills, vendors, accounts, unlisted)
    past, judged, left_out = _Past(), [], []
    for payment in sorted(payments.values(), key=_order):
        on = payment.transaction_date.date() if payment.transaction_date else None
        total = paid_amount(payment)
        shares = _shares(payment, books)
        vendor = books.vendors.get(payment.vendor_id or "")
        if on is None or total is None or shares is None or (vendor is not None and vendor.trouble):
            left_out.append(payment.id)
            continue
        if on >= since:
            findings = await _judged(payment, total, shares, on, books, past)
            name = vendor_fact(vendor).name if vendor else None
            judged.append(PastPayment(payment.id, on, payment.vendor_id, name, total, findings))
        past.add(payment.vendor_id or "", on, [(bill.id, share) for bill, share in shares])
    said = None if unlisted is None else not_known("whether there are other payments", unlisted)
    return Backtest(since, tuple(judged), tuple(left_out), said)


def _order(payment: BillPayment) -> tuple[str, str, str]:
    on = payment.transaction_date.date().isoformat() if payment.transaction_date else ""
    return on, payment.created_at.isoformat() if payment.created_at else "", payment.id


def _shares(payment: BillPayment, books: _Books) -> list[tuple[BillFact, Money]] | None:
    """The bills it paid and the share of each; None if that is unknown."""
    shares = []
    for link in payment.linked_bills:
        bill = books.bills.get(link.id or "")
        if bill is None or bill.currency_code != payment.currency_code:
            return None
        try:
            shares.append((bill_fact(bill), ledger_money(link.allocated_amount, bill.currency_code, "share")))
        except LedgerDataError:
            return None
    return shares or None


async def _judged(
    payment: BillPayment, total: Money, shares: list[tuple[BillFact, Money]], on: date, books: _Books, past: _Past
) -> tuple[Finding, ...]:
    """The findings for every bill it paid; each code is reported once."""
    found: dict[str, Finding] = {}
    for bill, share in shares:
        for finding in await _of_share(payment, bill, share, on, books, past):
            if finding.code not in found or finding.severity > found[finding.code].severity:
                found[finding.code] = finding
    return tuple(sorted(found.values(), key=lambda f: (-f.severity, f.code)))


async def _of_share(
    payment: BillPayment, bill: BillFact, share: Money, on: date, books: _Books, past: _Past
) -> tuple[Finding, ...]:
    raw, vendor_id = books.bills[bill.id], payment.vendor_id or bill.vendor_id
    vendor = books.vendors.get(vendor_id or "")
    prepared = prepare(
        tool="pay_bill",
        company_id=books.company.ledger_id,
        connection_id=books.company.id,
        fields={"bill_id": bill.id, "date": on.isoformat()},
        summary="",
        money=share,
        vendor_id=vendor_id,
        vendor_name=vendor_fact(vendor).name if vendor else None,
        bill_id=bill.id,
    )
    earlier = [paid for _, paid in past.by_vendor[vendor_id or ""]]
    seen = PaymentFacts(
        bill=_as_of(bill, share, past),
        vendor=vendor_fact(vendor) if vendor else None,
        account=_account(books, payment, share),
        open_credits=Money.zero(share.currency),
        paid_before=bool(earlier),
        earlier_payments=tuple(earlier),
        other_bills=_others(books, raw),
        paid_on_bill=tuple(past.by_bill[bill.id]),
        line_sums=line_sums(raw, bill.total),
        files=await _files(books, bill, share),
        today=on,
        unlisted=books.unlisted,
    )
    facts = Facts(
        seen=seen,
        binding={},
        before={},
        vendor=None,
        texts=bill_texts(raw),
        arguments=(),
        now=datetime.combine(on, time(12), UTC),
        today=on,
        names={},
        ability=_ability(books),
        closed_up_to=None,
    )
    broken = []
    company = books.policy.of(prepared.company_id, prepared.connection_id)
    for window in WINDOWS:
        limit = company.limit(share.currency, window.limit)
        spent = past.spent(share, on, window.hours, (vendor_id or "") if window.per_vendor else None)
        if spent + share > limit:
            broken.append((window.code, f"{share} would have exceeded the limit of {limit} for {window.words}"))
    stored = StoreFacts(
        frozen_by=None,
        other_policies=(),
        in_flight=(),
        repeats=(),
        sightings=(),
        documents=(),
        mentioned_before=(),
        over_limits=tuple(broken),
        declined=(),
        overlapping=(),
        payments_of_bill=(),
        in_doubt=(),
        released=past.released(prepared, on, books.policy),
        booking=None,
    )
    return judge(PAY_BILL, prepared, facts, stored, books.policy, without=_NOT_ASKED).findings


def _ability(books: _Books) -> Ability | None:
    able = ability_of(books.company.platform, PAY_BILL.needs)
    is_met = able is not None and able.support is Support.CONDITION and books.unlisted is None
    return replace(able, support=Support.YES) if able is not None and is_met else able


async def _files(books: _Books, bill: BillFact, share: Money) -> tuple[FileOnBill, ...] | None:
    """The files on a bill, read only where the policy requires one: there may be thousands of payments."""
    above = books.policy.of(books.company.ledger_id, books.company.id).document_required_above(share.currency)
    return await files_on(books.company, bill.id) if above is not None and share > above else None


def _as_of(bill: BillFact, share: Money, past: _Past) -> BillFact:
    """The bill as it was before this payment: open, with at least the paid amount due."""
    paid = Money.total((money for money, _ in past.by_bill[bill.id]), bill.total.currency)
    due = bill.total - paid if bill.total > paid else Money.zero(bill.total.currency)
    status = "partially_paid" if paid.amount > 0 else "open"
    return BillFact(bill.id, bill.number, status, bill.vendor_id, bill.total, max(due, share), bill.issued, bill.due_on)


def _account(books: _Books, payment: BillPayment, share: Money) -> AccountFact:
    account = books.accounts.get(payment.account_id or "")
    if account is not None and not account.trouble:
        return account_fact(account)
    # The policy does not depend on the account: if it is missing or unknown, a suitable one is assumed.
    return AccountFact(payment.account_id or "", "", "bank", "active", share.currency)


def _others(books: _Books, bill: Bill) -> tuple[OtherBill, ...]:
    number = number_key(bill.document_number)
    alike = [
        other
        for other in books.bills.values()
        if number
        and other.id != bill.id
        and other.vendor_id == bill.vendor_id
        and other.status not in ("void", "rejected")
        and number_key(other.document_number) == number
    ]
    return tuple(OtherBill(o.id, o.status, earlier_bill(o).total) for o in sorted(alike, key=lambda one: one.id))
