"""The rules that only weigh: repeats, odd amounts, missing papers, wrong dates, each at its edge."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from rutter_ap_server.guard.policy import Policy, parse_policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes import attach_file
from rutter_ap_server.guard.writes import pay_bill_signals as rules
from rutter_ap_server.guard.writes.attach_file import AttachmentFacts
from rutter_ap_server.guard.writes.base import Unchecked
from rutter_ap_server.guard.writes.pay_bill_facts import line_sums
from rutter_ap_server.guard.writes.pay_bill_rules import FileOnBill, OtherBill
from rutter_ap_server.rutter.models.bills import Bill, BillLine
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.money import Money
from support.facts import a_bill, a_prepared_write, payment_facts, usd

Rule = Callable[[PreparedWrite, Any, Policy], Finding | Unchecked | None]
DAY = date(2026, 3, 2)
EUR = Money.parse("100.00", "EUR")
PAPER = '[rules.document_required_above]\nUSD = "100.00"'
TRUSTED_BY_NAME = '[vendors]\ntrusted = ["ACME"]'
TRUSTED = '[vendors]\ntrusted = ["v1"]'


def said(finding: Finding | Unchecked | None) -> str | None:
    return f"{finding.severity.word} {finding.code}" if isinstance(finding, Finding) else None


def paid(*amounts: str) -> Any:
    return payment_facts(earlier_payments=tuple(usd(amount) for amount in amounts))


def attached(*pages: str) -> AttachmentFacts:
    return AttachmentFacts(a_bill(number="INV-7", total=usd("1234.50")), pages, "", "")


def test_no_signal_speaks_of_an_ordinary_payment() -> None:
    facts = payment_facts(
        earlier_payments=(usd("90.00"),) * 5,
        bill=a_bill(issued=DAY),
        line_sums=(usd("100.00"),),
        today=DAY,
    )

    assert [said(rule(a_prepared_write(), facts, Policy())) for rule in rules.SIGNALS] == [None] * len(rules.SIGNALS)


@pytest.mark.parametrize(
    ("rule", "prepared", "facts", "policy", "expected"),
    [
        (rules.amount_just_under_limit, a_prepared_write(usd("970.00")), payment_facts(), "", None),
        (rules.amount_just_under_limit, a_prepared_write(usd("970.01")), payment_facts(), "", "approve"),
        (rules.amount_just_under_limit, a_prepared_write(usd("1000.00")), payment_facts(), "", "approve"),
        (rules.amount_just_under_limit, a_prepared_write(usd("1000.01")), payment_facts(), "", None),
        (rules.amount_just_under_limit, a_prepared_write(usd("24999.99")), payment_facts(), "", "approve"),
        (rules.amount_just_under_limit, a_prepared_write(usd("99999.99")), payment_facts(), "", "approve"),
        (
            rules.amount_just_under_limit,
            a_prepared_write(usd("999.99")),
            payment_facts(),
            "[rules]\njust_under_percent = 0",
            None,
        ),
        (rules.amount_just_under_limit, a_prepared_write(usd("999.99")), payment_facts(), TRUSTED, None),
        (rules.amount_just_under_limit, a_prepared_write(usd("999.99")), payment_facts(), TRUSTED_BY_NAME, None),
        (
            rules.amount_just_under_limit,
            a_prepared_write(usd("999.99")),
            payment_facts(vendor=None),
            TRUSTED_BY_NAME,
            "approve",
        ),
        (rules.amount_just_under_limit, a_prepared_write(Money.parse("999", "JPY")), payment_facts(), "", None),
        (rules.amount_unusual_for_vendor, a_prepared_write(usd("300.00")), paid("100.00", "90.00", "110.00"), "", None),
        (
            rules.amount_unusual_for_vendor,
            a_prepared_write(usd("300.01")),
            paid("100.00", "90.00", "110.00"),
            "",
            "approve",
        ),
        (rules.amount_unusual_for_vendor, a_prepared_write(usd("300.01")), paid("100.00", "90.00"), "", None),
        (
            rules.amount_unusual_for_vendor,
            a_prepared_write(usd("300.01")),
            paid("100.00", "90.00", "110.00"),
            TRUSTED,
            None,
        ),
        (
            rules.amount_unusual_for_vendor,
            a_prepared_write(usd("15.05")),
            paid("0.01", "5.00", "5.03", "90.00"),
            "",
            "approve",
        ),
        (
            rules.amount_unusual_for_vendor,
            a_prepared_write(usd("15.04")),
            paid("0.01", "5.00", "5.03", "90.00"),
            "",
            None,
        ),
        (
            rules.amount_unusual_for_vendor,
            a_prepared_write(usd("250.01")),
            paid("100.00"),
            '[rules]\nunusual_factor = "2.5"\nunusual_after = 1',
            "approve",
        ),
        (
            rules.amount_unusual_for_vendor,
            a_prepared_write(usd("999.00")),
            payment_facts(earlier_payments=(Money.parse("1.00", "EUR"),) * 9),
            "",
            None,
        ),
        (rules.bill_duplicate, a_prepared_write(), payment_facts(), "", None),
        (rules.bill_duplicate, a_prepared_write(), payment_facts(unread="some may be missing"), "", "approve"),
        (
            rules.bill_duplicate,
            a_prepared_write(),
            payment_facts(other_bills=(OtherBill("b9", "paid", usd("100.00")),)),
            "",
            "approve",
        ),
        (
            rules.payment_repeat,
            a_prepared_write(),
            payment_facts(paid_on_bill=((usd("99.99"), DAY),), today=DAY),
            "",
            None,
        ),
        (rules.payment_repeat, a_prepared_write(), payment_facts(paid_on_bill=((EUR, DAY),), today=DAY), "", None),
        (
            rules.payment_repeat,
            a_prepared_write(),
            payment_facts(paid_on_bill=((usd("100.00"), date(2026, 1, 31)),), today=DAY),
            "",
            "approve",
        ),
        (
            rules.payment_repeat,
            a_prepared_write(),
            payment_facts(paid_on_bill=((usd("100.00"), date(2026, 1, 30)),), today=DAY),
            "",
            None,
        ),
        (rules.payment_repeat, a_prepared_write(), payment_facts(paid_on_bill=((usd("100.00"), None),)), "", "approve"),
        (rules.bill_lines_do_not_add_up, a_prepared_write(), payment_facts(line_sums=()), "", None),
        (rules.bill_lines_do_not_add_up, a_prepared_write(), payment_facts(line_sums=(usd("99.99"),)), "", "approve"),
        (
            rules.bill_lines_do_not_add_up,
            a_prepared_write(),
            payment_facts(line_sums=(usd("90.00"), usd("100.00"))),
            "",
            None,
        ),
        (rules.bill_no_document, a_prepared_write(usd("100.01")), payment_facts(files=()), "", None),
        (rules.bill_no_document, a_prepared_write(usd("100.00")), payment_facts(files=()), PAPER, None),
        (rules.bill_no_document, a_prepared_write(usd("100.01")), payment_facts(files=()), PAPER, "approve"),
        (rules.bill_no_document, a_prepared_write(usd("100.01")), payment_facts(files=None), PAPER, "approve"),
        (
            rules.bill_no_document,
            a_prepared_write(usd("100.01")),
            payment_facts(files=(FileOnBill("f1", "invoice.pdf"),)),
            PAPER,
            None,
        ),
        (rules.bill_no_document, a_prepared_write(EUR), payment_facts(files=()), PAPER, None),
        (attach_file.document_mismatch, a_prepared_write(), attached(), "", None),
        (attach_file.document_mismatch, a_prepared_write(), attached(" \n"), "", None),
        (attach_file.document_mismatch, a_prepared_write(), attached("Invoice inv 7", "Total 1,234.50 USD"), "", None),
        (attach_file.document_mismatch, a_prepared_write(), attached("Rechnung INV-7: 1.234,50"), "", None),
        (attach_file.document_mismatch, a_prepared_write(), attached("Invoice INV-8, total 1,234.50"), "", "approve"),
        (attach_file.document_mismatch, a_prepared_write(), attached("Invoice INV-7, total 1,234.05"), "", "approve"),
    ],
)
def test_a_rule_speaks_exactly_at_its_edge(
    rule: Rule, prepared: PreparedWrite, facts: Any, policy: str, expected: str | None
) -> None:
    found = said(rule(prepared, facts, parse_policy(policy)))

    assert rule in (*rules.SIGNALS, attach_file.document_mismatch)
    wanted = "document.mismatch" if rule is attach_file.document_mismatch else None
    wanted = wanted or rule.__name__.replace("_", ".", 1)
    assert found == (f"{expected} {wanted}" if expected else None)


@pytest.mark.parametrize(
    ("rule", "facts", "words"),
    [
        (
            rules.amount_unusual_for_vendor,
            paid("100.00", "90.00", "111.01"),
            "950.00 USD is more than 3 times this vendor's usual payment "
            "(the median of 3 earlier payments is 100.00 USD)",
        ),
        (
            rules.bill_duplicate,
            payment_facts(other_bills=(OtherBill("b8", "paid", usd("5.00")), OtherBill("b9", "open", None))),
            "bill INV-1 has the same number as another bill from this vendor: b8 for 5.00 USD, status paid",
        ),
        (rules.bill_duplicate, payment_facts(unread="some may be missing"), "some may be missing"),
        (
            rules.payment_repeat,
            payment_facts(paid_on_bill=((usd("950.00"), DAY),), today=DAY),
            "the ledger already shows a payment of 950.00 USD on this bill on 2026-03-02",
        ),
        (
            rules.payment_repeat,
            payment_facts(paid_on_bill=((usd("950.00"), None),)),
            "the ledger already shows a payment of 950.00 USD on this bill on an unknown date",
        ),
        (
            rules.bill_no_document,
            payment_facts(files=()),
            "bill INV-1 has no document; a payment over 100.00 USD requires an attached document",
        ),
        (
            rules.bill_no_document,
            payment_facts(files=None),
            "bill INV-1 may have no document (its files could not be read); "
            "a payment over 100.00 USD requires an attached document",
        ),
    ],
)
def test_a_signal_is_one_sentence_with_its_figures(rule: Rule, facts: Any, words: str) -> None:
    finding = rule(a_prepared_write(usd("950.00")), facts, parse_policy(PAPER))

    assert isinstance(finding, Finding)
    assert finding.message == words


@pytest.mark.parametrize(
    ("rule", "facts", "policy", "why"),
    [
        (rules.amount_unusual_for_vendor, paid("1", "1", "1"), TRUSTED, "the policy trusts this vendor's amounts"),
        (rules.amount_unusual_for_vendor, paid("1", "1"), "", "only 2 earlier payments in USD"),
        (rules.bill_duplicate, payment_facts(bill=a_bill(number=" - ")), "", "the bill has no number"),
        (rules.bill_lines_do_not_add_up, payment_facts(), "", "the ledger does not show an amount on every line"),
    ],
)
def test_what_a_signal_cannot_judge_is_said(rule: Rule, facts: Any, policy: str, why: str) -> None:
    assert rule(a_prepared_write(), facts, parse_policy(policy)) == Unchecked(why)


def test_the_usual_payment_is_the_median_of_its_currency() -> None:
    yen, dollars = Money.parse("900", "JPY"), [usd("10.00"), usd("10.05"), usd("99.00")]

    assert rules.usual_payment(dollars[:2], "USD") == "10.02 USD, the median of 2 earlier payments"
    assert rules.usual_payment([*dollars, yen], "USD") == "10.05 USD, the median of 3 earlier payments"
    assert rules.usual_payment([*dollars, yen], "JPY") == "900 JPY, the median of 1 earlier payment"
    assert rules.usual_payment(dollars, "EUR") == "no earlier payment in EUR"


def a_ledger_bill(total: str, *lines: tuple[str, str], **more: Any) -> Bill:
    built = tuple(BillLine(total_amount=usd(amount).amount, tax_amount=usd(tax).amount) for amount, tax in lines)
    whole = usd(total).amount
    return Bill(
        id="b1", amount_due=whole, currency_code="USD", status="open", total_amount=whole, line_items=built, **more
    )


@pytest.mark.parametrize(
    ("bill", "adds_up"),
    [
        (a_ledger_bill("100.00", ("60.00", "0.00"), ("40.00", "0.00")), True),
        (a_ledger_bill("105.00", ("60.00", "3.00"), ("40.00", "2.00")), True),
        (a_ledger_bill("105.00", ("100.00", "0.00"), tax_amount=usd("5.00").amount), True),
        (a_ledger_bill("90.00", ("100.00", "0.00"), total_discount=usd("10.00").amount), True),
        (a_ledger_bill("100.01", ("100.00", "0.00")), True),
        (a_ledger_bill("100.02", ("100.00", "0.00")), False),
        (a_ledger_bill("1000.00", ("60.00", "0.00"), ("40.00", "0.00")), False),
    ],
)
def test_lines_add_up_with_or_without_their_tax_and_discount(bill: Bill, adds_up: bool) -> None:
    total = Money.of(bill.total_amount or 0, "USD")

    assert (total in line_sums(bill, total)) is adds_up


def test_a_bill_without_lines_or_amounts_is_not_doubted() -> None:
    unsaid = Bill(
        id="b1",
        amount_due=usd("1.00").amount,
        currency_code="USD",
        status="open",
        total_amount=usd("1.00").amount,
        line_items=(BillLine(),),
    )

    assert line_sums(unsaid, usd("1.00")) == line_sums(a_ledger_bill("1.00"), usd("1.00")) == ()
