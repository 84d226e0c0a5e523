"""Signals that a person should check an otherwise valid payment: repeats, unusual amounts, missing documents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from statistics import median

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Rule, Unchecked, approve
from rutter_ap_server.guard.writes.parties import bill_words
from rutter_ap_server.guard.writes.pay_bill_rules import PaymentFacts, money_of, unknown_payments
from rutter_ap_server.guard.writes.sums_rules import amount_words
from rutter_ap_server.rutter.abilities import Doubt
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.money import Money, exponent_of
from rutter_ap_tools.numbers import number_key
from rutter_ap_tools.text import clean

_TIERS = (
    ("approve_above", "above which an approver is required"),
    ("two_approvers_above", "above which two approvers are required"),
    ("single_limit", "allowed for a single payment"),
)


def amount_just_under_limit(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """An amount just below a limit may have been chosen to avoid it."""
    if _is_trusted(prepared, facts, policy):
        return None
    money, percent = money_of(prepared), policy.rules.just_under_percent
    for name, words in _TIERS:
        limit = policy.limit(money.currency, name)
        if money > limit:
            continue
        floor = Fraction(limit.amount) * Fraction(100 - percent, 100)
        # Of no percent, and of a limit of nothing, this is the limit itself, which is not passed here.
        if Fraction(money.amount) > floor:
            return approve("amount.just_under_limit", f"{money} is less than {percent}% below the {limit} {words}")
    return None


def amount_unusual_for_vendor(
    prepared: PreparedWrite, facts: PaymentFacts, policy: Policy
) -> Finding | Unchecked | None:
    """A payment far above the vendor's usual amount needs a check."""
    money, rules = money_of(prepared), policy.rules
    if _is_trusted(prepared, facts, policy):
        return Unchecked("the policy trusts this vendor's amounts")
    earlier = [Fraction(paid.amount) for paid in facts.earlier_payments if paid.currency == money.currency]
    if len(earlier) < rules.unusual_after:
        if facts.unlisted is not None:
            return Unchecked(unknown_payments(facts.unlisted))
        return Unchecked(f"only {len(earlier)} earlier payments in {money.currency}")
    usual = median(earlier)
    if Fraction(money.amount) <= usual * rules.factor:
        return None
    return approve(
        "amount.unusual_for_vendor",
        f"{money} is more than {rules.unusual_factor} times this vendor's usual payment (the median of "
        f"{len(earlier)} earlier payments is {_rounded(usual, money.currency)})",
    )


def bill_duplicate(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | Unchecked | None:
    """A bill that is in the ledger twice may be paid twice."""
    if not number_key(facts.bill.number):
        return Unchecked("the bill has no number")
    if not facts.other_bills:
        return approve("bill.duplicate", facts.unread) if facts.unread else None
    other = facts.other_bills[0]
    return approve(
        "bill.duplicate",
        f"{bill_words(facts.bill)} has the same number as another bill from this vendor: {other.id} "
        f"{amount_words(other.total)}, status {clean(other.status, 30)}",
    )


def payment_repeat(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | Unchecked | None:
    """The same amount on the same bill within the window may be one payment made twice, whoever entered it."""
    window = timedelta(days=policy.proposals.repeat_days)
    for money, day in facts.paid_on_bill:
        recent = day is None or facts.today - day <= window
        if money == prepared.money and recent:
            when = f"on {day}" if day else "on an unknown date"
            return approve("payment.repeat", f"the ledger already shows a payment of {money} on this bill {when}")
    return None if facts.unlisted is None else Unchecked(unknown_payments(facts.unlisted))


def bill_lines_do_not_add_up(
    prepared: PreparedWrite, facts: PaymentFacts, policy: Policy
) -> Finding | Unchecked | None:
    """A total that cannot be derived from the lines was tampered with or entered wrongly."""
    if not facts.line_sums:
        return Unchecked("the ledger does not show an amount on every line")
    if facts.bill.total in facts.line_sums:
        return None
    return approve(
        "bill.lines_do_not_add_up",
        f"the lines of {bill_words(facts.bill)} add up to {facts.line_sums[0]}, but its total is {facts.bill.total}",
    )


def bill_no_document(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """Above an amount set by the operator, a payment requires an attached document."""
    money = money_of(prepared)
    above = policy.document_required_above(money.currency)
    if facts.files or above is None or money <= above:
        return None
    lack = "has no document" if facts.every_file_listed else "has no document that was uploaded through Rutter"
    if facts.files is None:
        lack = "may have no document (its files could not be read)"
    return approve(
        "bill.no_document", f"{bill_words(facts.bill)} {lack}; a payment over {above} requires an attached document"
    )


def usual_payment(earlier: Sequence[Money], currency: str, unlisted: Doubt | None = None) -> str:
    """What a vendor is usually paid, in words: the median of its payments in that currency."""
    amounts = [Fraction(paid.amount) for paid in earlier if paid.currency == currency]
    if not amounts:
        return f"no earlier payment in {currency}" if unlisted is None else f"not known: {unlisted.words}"
    count = "1 earlier payment" if len(amounts) == 1 else f"{len(amounts)} earlier payments"
    rest = "" if unlisted is None else f"; there may be others: {unlisted.words}"
    return f"{_rounded(median(amounts), currency)}, the median of {count}{rest}"


def _is_trusted(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> bool:
    return policy.vendors.is_trusted(prepared.vendor_id, facts.vendor.name if facts.vendor else None)


def _rounded(amount: Fraction, currency: str) -> Money:
    """Rounds for display: the median of an even number of payments may have too many decimals."""
    digits = exponent_of(currency)
    return Money.of(f"{round(amount * 10**digits)}e-{digits}", currency)


SIGNALS: tuple[Rule[PaymentFacts], ...] = (
    amount_just_under_limit,
    amount_unusual_for_vendor,
    bill_duplicate,
    payment_repeat,
    bill_lines_do_not_add_up,
    bill_no_document,
)
