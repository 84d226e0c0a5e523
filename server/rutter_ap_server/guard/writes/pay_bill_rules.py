"""The rules of a payment: pure functions of the prepared write, facts and policy, each with a stable code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Rule, Unchecked, approve, ask, refuse
from rutter_ap_server.guard.writes.bill_lines import Booked
from rutter_ap_server.guard.writes.parties import FUNDING_TYPES, PAYABLE, AccountFact, BillFact, VendorFact, bill_words
from rutter_ap_server.rutter.abilities import Doubt
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.money import Money


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """What the ledger shows about a payment's parties and history.

    `earlier_payments` are payments to the vendor; `other_bills` have this bill's number; `paid_on_bill` are payments
    already on it, with dates; `line_sums` are the possible totals of its lines, empty if unknown; `files` are its
    files, None if they could not be read; `booked` are the accounts its lines are booked to; `unusable` are credits of
    the vendor that cannot be used, in words, and `unread` says why bills with this number may be missing, if some may.
    `unlisted` and `credits_unlisted` say why the ledger may hold payments, and credits, that Rutter does not list; None
    if it lists all of them. `every_file_listed`: also the files that were added in the platform itself.
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
    files: tuple[FileOnBill, ...] | None
    today: date
    booked: Booked = ()
    unusable: tuple[str, ...] = ()
    unread: str = ""
    unlisted: Doubt | None = None
    credits_unlisted: Doubt | None = None
    every_file_listed: bool = True

    @property
    def file_names(self) -> tuple[str, ...] | None:
        """The names of its files, as people know them."""
        return None if self.files is None else tuple(one.name for one in self.files)


@dataclass(frozen=True, slots=True)
class OtherBill:
    """Another bill of the vendor with this bill's number, ignoring spelling."""

    id: str
    status: str
    total: Money | None


@dataclass(frozen=True, slots=True)
class FileOnBill:
    """A file on the bill: its Rutter id and its name."""

    id: str
    name: str


def money_of(prepared: PreparedWrite) -> Money:
    """What is paid: every payment has an amount."""
    assert prepared.money is not None
    return prepared.money


def amount_not_positive(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """A payment must be above zero."""
    if money_of(prepared).amount <= 0:
        return refuse("amount.not_positive", f"there is nothing to pay: the amount is {money_of(prepared)}")
    return None


def amount_over_balance(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """A payment must not exceed the balance due."""
    if facts.bill.due.currency == money_of(prepared).currency and money_of(prepared) > facts.bill.due:
        return refuse("amount.over_balance", f"{money_of(prepared)} is more than the balance due of {facts.bill.due}")
    return None


def amount_over_single_limit(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """A payment must not exceed the limit for a single payment."""
    limit = policy.limit(money_of(prepared).currency, "single_limit")
    if money_of(prepared) > limit:
        return refuse(
            "amount.over_single_limit", f"{money_of(prepared)} exceeds the limit of {limit} for a single payment"
        )
    return None


def amount_over_tier(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """Above a tier a payment needs one named approver, or two."""
    return tier_of(money_of(prepared), policy)


def tier_of(money: Money, policy: Policy) -> Finding | None:
    """What the tier of an amount requires, if anything."""
    limit, two = (policy.limit(money.currency, name) for name in ("approve_above", "two_approvers_above"))
    if money > two:
        return approve("amount.two_approvers", f"{money} is over {two}, so two different approvers must release it")
    if not limit.amount and money.currency not in policy.currencies:
        return approve(
            "amount.no_tier", f"the policy has no tiers for {money.currency}, so a named approver must release it"
        )
    if money > limit:
        return approve("amount.approver", f"{money} is over {limit}, so a named approver must release it")
    return None


def bill_not_payable(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """Only an open or partly paid bill can be paid."""
    if facts.bill.status in PAYABLE:
        return None
    if facts.bill.status == "paid":
        return refuse("bill.not_payable", f"{bill_words(facts.bill)} is already paid; nothing is due")
    return refuse(
        "bill.not_payable", f"{bill_words(facts.bill)} cannot be paid while its status is {facts.bill.status}"
    )


def currency_mismatch(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """Bill, payment and funding account must have the same currency; an unknown one is not assumed to match."""
    currency = money_of(prepared).currency
    if facts.bill.due.currency != currency:
        return refuse(
            "currency.mismatch", f"the bill is in {facts.bill.due.currency}, but the payment is in {currency}"
        )
    if facts.account.currency is None:
        return approve("currency.unknown", "the ledger does not show the currency of the funding account")
    if facts.account.currency != currency:
        return refuse(
            "currency.mismatch", f"the bill is in {currency} but the funding account is in {facts.account.currency}"
        )
    return None


def account_not_a_funding_source(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """Bills must be paid from a bank or credit card account."""
    if facts.account.type not in FUNDING_TYPES:
        return refuse("account.not_a_funding_source", "the account is neither a bank nor a credit card account")
    return None


def account_inactive(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """The funding account must be active."""
    if facts.account.status != "active":
        return refuse("account.inactive", f"the funding account is {facts.account.status}")
    return None


def vendor_mismatch(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """The payee must be the bill's own vendor."""
    if facts.vendor is None:
        return refuse("vendor.mismatch", "the bill has no vendor, so there is nobody to pay")
    if facts.vendor.id != prepared.vendor_id:
        return refuse("vendor.mismatch", "the bill's vendor has changed since this was proposed")
    return None


def vendor_archived(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """Paying an archived vendor needs a second look."""
    if facts.vendor is not None and facts.vendor.status != "active":
        return approve("vendor.archived", f"the vendor is {facts.vendor.status} in the ledger")
    return None


def vendor_first_payment(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | Unchecked | None:
    """The first payment to a vendor needs an approver."""
    if facts.vendor is None or facts.paid_before:
        return None
    if facts.unlisted is not None:
        return Unchecked(unknown_payments(facts.unlisted))
    return approve("vendor.first_payment", "the ledger shows no earlier payment to this vendor")


def vendor_history_unknown(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """Where earlier payments cannot be seen, this may be the first, an unusual or a second one: an approver must know.

    Every rule that compares with earlier payments could pass only because nothing is listed.
    """
    if facts.unlisted is None:
        return None
    listed = ", and Rutter lists none but those recorded here" if facts.unlisted.may_end else ""
    words = "whether this vendor or this bill was paid before, and how much is usual, is not known"
    words = f"{words}: {facts.unlisted.words}{listed}. {facts.unlisted.next_step}".rstrip(".")
    return approve("vendor.history_unknown", words)


def payments_unknown(bill: BillFact, unlisted: Doubt | None) -> Finding | None:
    """What a rule that must not touch a paid bill finds where its payments may not be listed."""
    if unlisted is None:
        return None
    words = f"whether {bill_words(bill)} was paid, in part at least, is not known: {doubt_words(unlisted)}"
    return approve("bill.payments_unknown", words)


def unknown_payments(doubt: Doubt) -> str:
    """What a rule about earlier payments says where they may not be listed."""
    return f"earlier payments are not known: {doubt.words}"


def doubt_words(doubt: Doubt) -> str:
    """A doubt with who can end it, as the end of a finding."""
    return f"{doubt.words}. {doubt.next_step}".rstrip(".")


def credit_available(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """Open credits should be used before paying."""
    if facts.open_credits.amount > 0:
        return ask("credit.available", f"this vendor has {facts.open_credits} in open credits; apply them first")
    return None


def credit_unusable(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """A credit whose rest is not known may cover the bill: what is owed to the vendor is not known."""
    if facts.unusable:
        return ask("ledger.unusable", f"the vendor's open credits may be more: {' '.join(facts.unusable)}".rstrip("."))
    return None


def credit_unknown(prepared: PreparedWrite, facts: PaymentFacts, policy: Policy) -> Finding | None:
    """Credits that cannot be seen may be open, and should be used before paying."""
    if facts.vendor is None or facts.credits_unlisted is None:
        return None
    words = "whether this vendor has open credits is not known"
    return ask("credit.unknown", f"{words}: {doubt_words(facts.credits_unlisted)}")


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
    vendor_history_unknown,
    credit_available,
    credit_unusable,
    credit_unknown,
)
