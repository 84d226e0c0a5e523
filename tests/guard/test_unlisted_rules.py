"""The rules that read earlier payments and credits, where those may be there and are not listed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rutter_ap_server.guard.policy import Policy, parse_policy
from rutter_ap_server.guard.writes import pay_bill_rules, pay_bill_signals
from rutter_ap_server.guard.writes.base import Rule, Unchecked
from rutter_ap_server.guard.writes.pay_bill_rules import PaymentFacts
from rutter_ap_server.rutter.abilities import abilities_of
from rutter_ap_tools.findings import Finding
from support.facts import a_bill, a_prepared_write, payment_facts, usd
from support.unlisted import EXTENSION

DOUBT = abilities_of("DYNAMICS365").doubt("bill_payments")
CREDITS = abilities_of("DYNAMICS365").doubt("bill_credit_memos")


@pytest.mark.parametrize(
    ("rule", "known"),
    [
        (pay_bill_rules.vendor_first_payment, "approve"),
        (pay_bill_signals.amount_unusual_for_vendor, "unchecked"),
        (pay_bill_signals.payment_repeat, "passed"),
    ],
)
def test_no_rule_of_earlier_payments_passes_unseen(rule: Rule[PaymentFacts], known: str) -> None:
    facts = payment_facts(paid_before=False)

    def said(found: Finding | Unchecked | None) -> str:
        return found.severity.word if isinstance(found, Finding) else "unchecked" if found else "passed"

    assert said(rule(a_prepared_write(), facts, Policy())) == known
    unseen = rule(a_prepared_write(), payment_facts(paid_before=False, unlisted=DOUBT), Policy())
    assert isinstance(unseen, Unchecked)
    assert EXTENSION in unseen.why


def test_what_is_listed_counts_also_where_more_may_be_there() -> None:
    paid = payment_facts(
        unlisted=DOUBT,
        paid_on_bill=((usd("100.00"), payment_facts().today),),
        earlier_payments=(usd("1.00"),) * 9,
    )

    repeat = pay_bill_signals.payment_repeat(a_prepared_write(), paid, Policy())
    unusual = pay_bill_signals.amount_unusual_for_vendor(a_prepared_write(), paid, Policy())
    history = pay_bill_rules.vendor_history_unknown(a_prepared_write(), paid, Policy())
    assert [one.code for one in (repeat, unusual, history) if isinstance(one, Finding)] == [
        "payment.repeat",
        "amount.unusual_for_vendor",
        "vendor.history_unknown",
    ]
    words = pay_bill_signals.usual_payment(paid.earlier_payments, "USD", DOUBT)
    assert words.startswith("1.00 USD, the median of 9 earlier payments; there may be others")


def test_credits_that_cannot_be_seen_are_asked_about() -> None:
    found = pay_bill_rules.credit_unknown(a_prepared_write(), payment_facts(credits_unlisted=CREDITS), Policy())
    assert found is not None
    assert (found.code, found.severity.word) == ("credit.unknown", "ask")
    assert pay_bill_rules.credit_unknown(a_prepared_write(), payment_facts(), Policy()) is None


def test_what_holds_says_who_can_find_out() -> None:
    assert DOUBT is not None
    history = pay_bill_rules.vendor_history_unknown(a_prepared_write(), payment_facts(unlisted=DOUBT), Policy())
    for_good = replace(DOUBT, may_end=False)
    ever = pay_bill_rules.vendor_history_unknown(a_prepared_write(), payment_facts(unlisted=for_good), Policy())
    bill = pay_bill_rules.payments_unknown(a_bill(), DOUBT)

    assert history is not None
    assert ever is not None
    assert bill is not None
    known = "whether this vendor or this bill was paid before, and how much is usual, is not known: "
    step = DOUBT.next_step.rstrip(".")
    assert history.message == f"{known}{DOUBT.words}, and Rutter lists none but those recorded here. {step}"
    assert ever.message == f"{known}{DOUBT.words}. {step}"
    assert bill.message == f"whether bill INV-1 was paid, in part at least, is not known: {DOUBT.words}. {step}"
    assert [one.severity.word for one in (history, ever, bill)] == ["approve"] * 3
    assert pay_bill_rules.payments_unknown(a_bill(), None) is None


def test_without_documents_it_says_which_are_listed() -> None:
    policy = parse_policy('[rules.document_required_above]\nUSD = "1.00"\n')
    bare = payment_facts(files=(), every_file_listed=False)

    found = pay_bill_signals.bill_no_document(a_prepared_write(), bare, policy)
    assert found is not None
    assert "has no document that was uploaded through Rutter; " in found.message
