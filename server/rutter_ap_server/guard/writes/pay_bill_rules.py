"""The rules of a payment: pure functions of the prepared write, facts and policy, each with a stable code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Rule, approve, ask, refuse
from rutter_ap_server.guard.writes.parties import FUNDING_TYPES, PAYABLE, AccountFact, BillFact, VendorFact, bill_words
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.money import Money


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """What the ledger shows about a payment's parties, and what came before.

    `earlier_payments` are what the vendor was paid; `other_bills` those with this bill's number; `paid_on_bill` what
    was paid on it already, and when; `line_sums` what its lines may add up to, empty where they do not say; `attached`
    how many files it has, None where that could not be read or nobody asked.
    """

    bill: BillFact
    vendor: VendorFact | None
    account: AccountFact
    open_credits: Money
    paid_before: bool
    earlier_payments: tuple[Money, ...]
    other_bills: tuple[OtherBill, ...]
    paid_on_bill: tuple[tuple[Money, date | None], ...]
    line_sums: tuple[Money, ...]
    attached: int | None
    today: date


@dataclass(frozen=True, slots=True)
class OtherBill:
    """Another bill of the vendor that has this bill's number, however it is spelled."""

    id: str
    status: str
    total: Money


def _money(prepared: PreparedWrite) -> Money:
    assert prepared.money is not None
    return prepared.money


def amount_not_positive(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """A payment is of more than nothing."""
    if _money(prepared).amount <= 0:
        return refuse("amount.not_positive", f"there is nothing to pay: the amount is {_money(prepared)}")
    return None


def amount_over_balance(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """Never more than is due."""
    if facts.bill.due.currency == _money(prepared).currency and _money(prepared) > facts.bill.due:
        return refuse("amount.over_balance", f"{_money(prepared)} is more than the {facts.bill.due} still due")
    return None


def amount_over_single_limit(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """The most one payment may be."""
    limit = policy.limit(_money(prepared).currency, "single_limit")
    if limit is not None and _money(prepared) > limit:
        return refuse("amount.over_single_limit", f"{_money(prepared)} is over the limit of {limit} for one payment")
    return None


def amount_over_tier(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """Above its tier a payment needs one named approver, or two."""
    money = _money(prepared)
    limit = policy.limit(money.currency, "approve_above")
    if limit is None:
        return approve(
            "amount.no_tier", f"the policy sets no tier for {money.currency}, so a named approver must release"
        )
    two = policy.limit(money.currency, "two_approvers_above")
    if two is not None and money > two:
        return approve("amount.two_approvers", f"{money} is over {two}: two different approvers must release it")
    if money > limit:
        return approve("amount.approver", f"{money} is over {limit}: a named approver must release it")
    return None


def bill_not_payable(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """Only an open or partly paid bill can be paid."""
    if facts.bill.status in PAYABLE:
        return None
    if facts.bill.status == "paid":
        return refuse("bill.not_payable", f"{bill_words(facts.bill)} is already paid; nothing is due")
    return refuse("bill.not_payable", f"{bill_words(facts.bill)} cannot be paid while it is {facts.bill.status}")


def currency_mismatch(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """Bill, payment and funding account are in one currency; an unknown one is not assumed to match."""
    currency = _money(prepared).currency
    if facts.bill.due.currency != currency:
        return refuse("currency.mismatch", f"the bill is in {facts.bill.due.currency}, the payment in {currency}")
    if facts.account.currency is None:
        return approve("currency.unknown", "the ledger does not say in which currency the funding account is")
    if facts.account.currency != currency:
        return refuse(
            "currency.mismatch", f"the bill is in {currency} but the funding account is in {facts.account.currency}"
        )
    return None


def account_not_a_funding_source(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """Bills are paid from a bank or credit card account."""
    if facts.account.type not in FUNDING_TYPES:
        return refuse("account.not_a_funding_source", "the account is neither a bank nor a credit card account")
    return None


def account_inactive(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """The funding account is in use."""
    if facts.account.status != "active":
        return refuse("account.inactive", f"the funding account is {facts.account.status}")
    return None


def vendor_mismatch(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """The payee is the bill's own vendor, and is known."""
    if facts.vendor is None:
        return refuse("vendor.mismatch", "the bill names no vendor, so there is nobody to pay")
    if facts.vendor.id != prepared.vendor_id:
        return refuse("vendor.mismatch", "the bill now belongs to another vendor than when this was proposed")
    return None


def vendor_archived(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """Paying a vendor somebody archived needs a second look."""
    if facts.vendor is not None and facts.vendor.status != "active":
        return approve("vendor.archived", f"the vendor is {facts.vendor.status} in the ledger")
    return None


def vendor_first_payment(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """A vendor the ledger shows no payment to is new."""
    if facts.vendor is not None and not facts.paid_before:
        return approve("vendor.first_payment", "the ledger shows no earlier payment to this vendor")
    return None


def credit_available(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """Open credits are used before money is."""
    if facts.open_credits.amount > 0:
        return ask("credit.available", f"this vendor has open credits of {facts.open_credits}: apply them first")
    return None


RULES: tuple[Rule[PaymentFacts], ...] = (
    amount_not_positive,
    amount_over_balance,
    amount_over_single_limit,
    amount_over_tier,
    bill_not_payable,
    currency_mismatch,
    account_not_a_funding_source,
    account_inactive,
    vendor_mismatch,
    vendor_archived,
    vendor_first_payment,
    credit_available,
)
