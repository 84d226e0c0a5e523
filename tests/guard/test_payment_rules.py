"""Each rule of a payment at its edges; and facts to which no rule objects."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rutter_ap_server.guard.policy import Policy, parse_policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes import pay_bill_rules as rules
from rutter_ap_server.guard.writes.base import Unchecked
from rutter_ap_server.guard.writes.pay_bill_rules import FileOnBill, PaymentFacts
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.money import Money
from support.facts import a_bill, a_prepared_write, a_vendor, an_account, payment_facts, usd

Rule = Callable[[PreparedWrite, PaymentFacts, Policy], Finding | None]
eur = Money.parse("100.00", "EUR")
cent, zero = usd("0.01"), Money.zero("USD")
euro_account = an_account(currency="EUR")


def said(finding: Finding | Unchecked | None) -> str | None:
    return f"{finding.severity.word} {finding.code}" if isinstance(finding, Finding) else None


def test_no_rule_objects_to_an_ordinary_payment() -> None:
    assert [said(rule(a_prepared_write(), payment_facts(), Policy())) for rule in rules.RULES] == [None] * len(
        rules.RULES
    )


@pytest.mark.parametrize(
    ("rule", "prepared", "facts", "expected"),
    [
        (rules.amount_not_positive, a_prepared_write(cent), payment_facts(), None),
        (rules.amount_not_positive, a_prepared_write(zero), payment_facts(), "refuse amount.not_positive"),
        (rules.amount_not_positive, a_prepared_write(zero - cent), payment_facts(), "refuse amount.not_positive"),
        (rules.amount_over_balance, a_prepared_write(usd("100.00")), payment_facts(), None),
        (rules.amount_over_balance, a_prepared_write(usd("100.01")), payment_facts(), "refuse amount.over_balance"),
        (
            rules.amount_over_balance,
            a_prepared_write(usd("60.00")),
            payment_facts(bill=a_bill(due=usd("59.99"))),
            "refuse amount.over_balance",
        ),
        (
            rules.amount_over_balance,
            a_prepared_write(cent),
            payment_facts(bill=a_bill(due=zero)),
            "refuse amount.over_balance",
        ),
        (rules.amount_over_balance, a_prepared_write(usd("500")), payment_facts(bill=a_bill(due=eur)), None),
        (rules.amount_over_single_limit, a_prepared_write(usd("100000.00")), payment_facts(), None),
        (
            rules.amount_over_single_limit,
            a_prepared_write(usd("100000.01")),
            payment_facts(),
            "refuse amount.over_single_limit",
        ),
        (rules.amount_over_single_limit, a_prepared_write(Money.parse("100000", "JPY")), payment_facts(), None),
        (
            rules.amount_over_single_limit,
            a_prepared_write(Money.parse("100001", "JPY")),
            payment_facts(),
            "refuse amount.over_single_limit",
        ),
        (
            rules.amount_over_tier,
            a_prepared_write(Money.parse("25001", "JPY")),
            payment_facts(),
            "approve amount.two_approvers",
        ),
        (rules.amount_over_tier, a_prepared_write(usd("1000.00")), payment_facts(), None),
        (rules.amount_over_tier, a_prepared_write(usd("1000.01")), payment_facts(), "approve amount.approver"),
        (rules.amount_over_tier, a_prepared_write(usd("25000.00")), payment_facts(), "approve amount.approver"),
        (rules.amount_over_tier, a_prepared_write(usd("25000.01")), payment_facts(), "approve amount.two_approvers"),
        (rules.amount_over_tier, a_prepared_write(Money.parse("1", "JPY")), payment_facts(), "approve amount.no_tier"),
        (rules.bill_not_payable, a_prepared_write(), payment_facts(bill=a_bill(status="partially_paid")), None),
        *(
            (
                rules.bill_not_payable,
                a_prepared_write(),
                payment_facts(bill=a_bill(status=status)),
                "refuse bill.not_payable",
            )
            for status in ("paid", "void", "draft", "submitted", "pending_approval", "rejected", "unknown", "Open", "")
        ),
        (rules.currency_mismatch, a_prepared_write(eur), payment_facts(), "refuse currency.mismatch"),
        (rules.currency_mismatch, a_prepared_write(), payment_facts(bill=a_bill(due=eur)), "refuse currency.mismatch"),
        (rules.currency_mismatch, a_prepared_write(), payment_facts(account=euro_account), "refuse currency.mismatch"),
        (
            rules.currency_mismatch,
            a_prepared_write(),
            payment_facts(account=an_account(currency=None)),
            "approve currency.unknown",
        ),
        (
            rules.currency_mismatch,
            a_prepared_write(eur),
            payment_facts(bill=a_bill(due=eur), account=euro_account),
            None,
        ),
        (
            rules.account_not_a_funding_source,
            a_prepared_write(),
            payment_facts(account=an_account(type="credit_card")),
            None,
        ),
        *(
            (
                rules.account_not_a_funding_source,
                a_prepared_write(),
                payment_facts(account=an_account(type=kind)),
                "refuse account.not_a_funding_source",
            )
            for kind in ("expense", "accounts_payable", "unknown", "", "Bank")
        ),
        *(
            (
                rules.account_inactive,
                a_prepared_write(),
                payment_facts(account=an_account(status=status)),
                "refuse account.inactive",
            )
            for status in ("inactive", "archived", "unknown", "pending")
        ),
        (rules.vendor_mismatch, a_prepared_write(), payment_facts(vendor=None), "refuse vendor.mismatch"),
        (rules.vendor_mismatch, a_prepared_write(), payment_facts(vendor=a_vendor(id="v2")), "refuse vendor.mismatch"),
        (rules.vendor_mismatch, a_prepared_write(vendor_id=None), payment_facts(), "refuse vendor.mismatch"),
        (
            rules.vendor_archived,
            a_prepared_write(),
            payment_facts(vendor=a_vendor(status="archived")),
            "approve vendor.archived",
        ),
        (
            rules.vendor_archived,
            a_prepared_write(),
            payment_facts(vendor=a_vendor(status="unknown")),
            "approve vendor.archived",
        ),
        (rules.vendor_archived, a_prepared_write(), payment_facts(vendor=None), None),
        (
            rules.vendor_first_payment,
            a_prepared_write(),
            payment_facts(paid_before=False),
            "approve vendor.first_payment",
        ),
        (rules.vendor_first_payment, a_prepared_write(), payment_facts(vendor=None, paid_before=False), None),
        (rules.credit_available, a_prepared_write(), payment_facts(open_credits=cent), "ask credit.available"),
        (rules.credit_unusable, a_prepared_write(), payment_facts(unusable=("One.",)), "ask ledger.unusable"),
    ],
)
def test_a_rule_speaks_exactly_at_its_edge(
    rule: Rule, prepared: PreparedWrite, facts: PaymentFacts, expected: str | None
) -> None:
    assert rule in rules.RULES
    assert said(rule(prepared, facts, Policy())) == expected


def test_limits_of_one_currency_never_cover_another() -> None:
    policy = parse_policy(
        """
        [currencies.USD]
        approve_above = "1"
        two_approvers_above = "1"
        single_limit = "1"
        day_limit = "1"
        vendor_day_limit = "1"
        """
    )
    euros = a_prepared_write(Money.parse("50.00", "EUR"))

    assert said(rules.amount_over_single_limit(euros, payment_facts(), policy)) is None
    assert said(rules.amount_over_tier(euros, payment_facts(), policy)) == "approve amount.no_tier"
    assert (
        said(rules.amount_over_tier(a_prepared_write(usd("1.01")), payment_facts(), policy))
        == "approve amount.two_approvers"
    )


@pytest.mark.parametrize(
    ("rule", "facts", "words"),
    [
        (rules.amount_over_balance, payment_facts(), "1250.00 USD is more than the balance due of 100.00 USD"),
        (
            rules.bill_not_payable,
            payment_facts(bill=a_bill(status="paid")),
            "bill INV-1 is already paid; nothing is due",
        ),
        (
            rules.bill_not_payable,
            payment_facts(bill=a_bill(status="draft")),
            "bill INV-1 cannot be paid while its status is draft",
        ),
    ],
)
def test_a_sentence_says_what_it_is_about(rule: Rule, facts: PaymentFacts, words: str) -> None:
    finding = rule(a_prepared_write(usd("1250.00")), facts, Policy())

    assert finding is not None
    assert finding.message == words


def test_a_tier_of_a_currency_of_its_own_may_begin_at_nothing() -> None:
    policy = parse_policy('[currencies.USD]\napprove_above = "0"\n')

    assert said(rules.tier_of(cent, policy)) == "approve amount.approver"


def test_a_tier_for_every_other_currency_is_the_tier_of_each() -> None:
    table = 'two_approvers_above = "500"\nsingle_limit = "500"\nday_limit = "500"\nvendor_day_limit = "500"'
    policy = parse_policy(f'[currencies.default]\napprove_above = "100"\n{table}')

    assert said(rules.tier_of(Money.parse("100", "JPY"), policy)) is None
    assert said(rules.tier_of(Money.parse("101", "JPY"), policy)) == "approve amount.approver"


def test_files_that_could_not_be_read_have_no_names() -> None:
    files = (FileOnBill("f2", "b.pdf"), FileOnBill("f1", "a.pdf"))

    assert payment_facts(files=files).file_names == ("b.pdf", "a.pdf")
    assert payment_facts(files=()).file_names == ()
    assert payment_facts(files=None).file_names is None
