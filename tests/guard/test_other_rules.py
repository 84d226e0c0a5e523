"""Each rule of the writes that move no money, at its edges."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes import (
    apply_credit,
    attach_file,
    create_bill,
    create_bill_rules,
    link_account,
)
from rutter_ap_server.guard.writes.apply_credit import CreditFacts
from rutter_ap_server.guard.writes.attach_file import AttachmentFacts
from rutter_ap_server.guard.writes.base import Unchecked
from rutter_ap_server.guard.writes.create_bill_rules import BillFacts
from rutter_ap_server.guard.writes.link_account import LinkFacts
from rutter_ap_server.store.documents import Document
from rutter_ap_tools.bills import NewBillLine
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.money import Money
from support.facts import a_bill, a_prepared_write, a_vendor, an_account, usd

Rule = Callable[[PreparedWrite, Any, Policy], Finding | None]
eur = Money.parse("100.00", "EUR")
zero = Money.zero("USD")


def said(finding: Finding | Unchecked | None) -> str | None:
    return f"{finding.severity.word} {finding.code}" if isinstance(finding, Finding) else None


def entry(money: Money | None = None, **fields: str) -> PreparedWrite:
    named = {"document_number": "INV-7", "issue_date": "2026-03-01", "currency": "USD"} | fields
    return a_prepared_write(money, tool="create_bill", fields=named)


def entry_facts(*earlier: Document, **changed: Any) -> BillFacts:
    made: dict[str, Any] = {"vendor": a_vendor(), "accounts": (an_account(type="expense"),), "earlier": earlier}
    made["payable_account"] = None
    return BillFacts(**made | changed)


def earlier(number: str = "INV-6", total: Money | None = None, issued: str = "2025-01-01") -> Document:
    return Document("bill", "b0", "v1", number, date.fromisoformat(issued), total or usd("55.00"))


def again(number: str, total: str = "100.00", day: str = "2026-02-01") -> Document:
    return earlier(number, usd(total), day)


HELD_DUPLICATE = "approve bill.duplicate"


def credit_facts(**changed: Any) -> CreditFacts:
    made: dict[str, Any] = {
        "credit_vendor_id": "v1",
        "credit_status": "open",
        "remaining": usd("100.00"),
        "bill": a_bill(),
        "credit_words": "credit CM-1",
        "credit_issued": date(2026, 2, 1),
    }
    return CreditFacts(**made | changed)


def link(role: str, account_type: str | None = None) -> PreparedWrite:
    fields: dict[str, Any] = {"role": role}
    if account_type:
        fields["create"] = {"name": "New", "account_type": account_type}
    return a_prepared_write(tool="link_account", fields=fields)


@pytest.mark.parametrize(
    ("rule", "prepared", "facts", "expected"),
    [
        (create_bill_rules.bill_duplicate, entry(), entry_facts(earlier()), None),
        (create_bill_rules.bill_duplicate, entry(), entry_facts(again("INV-7")), "refuse bill.duplicate"),
        (create_bill_rules.bill_duplicate, entry(), entry_facts(earlier(), again("inv 7")), "refuse bill.duplicate"),
        (create_bill_rules.bill_duplicate, entry(), entry_facts(again("ＩＮＶ／７\u200b")), "refuse bill.duplicate"),
        (create_bill_rules.bill_duplicate, entry(), entry_facts(again("ІNV-007")), "refuse bill.duplicate"),
        (create_bill_rules.bill_duplicate, entry(), entry_facts(again("INV-7", day="2025-12-31")), HELD_DUPLICATE),
        (create_bill_rules.bill_duplicate, entry(), entry_facts(again("INV-7", "100.01")), HELD_DUPLICATE),
        (
            create_bill_rules.bill_duplicate,
            entry(),
            entry_facts(again("INV-7", "100.01"), again("INV-7")),
            "refuse bill.duplicate",
        ),
        (create_bill_rules.bill_duplicate, entry(document_number="1-12"), entry_facts(again("11-2")), None),
        (
            create_bill_rules.bill_duplicate,
            entry(document_number="1-12"),
            entry_facts(again("1/012")),
            "refuse bill.duplicate",
        ),
        (create_bill_rules.bill_duplicate, entry(document_number="N/A"), entry_facts(again("n.a.")), None),
        (create_bill_rules.bill_duplicate, entry(document_number="000"), entry_facts(again("0")), None),
        (create_bill_rules.bill_duplicate, entry(), entry_facts(earlier("INV-70")), None),
        (create_bill_rules.bill_duplicate, entry(document_number=""), entry_facts(earlier("")), None),
        (create_bill_rules.bill_duplicate, entry(document_number="---"), entry_facts(earlier("/")), None),
        (
            create_bill_rules.bill_similar,
            entry(),
            entry_facts(earlier(total=usd("100.00"), issued="2026-02-15")),
            "approve bill.similar",
        ),
        (
            create_bill_rules.bill_similar,
            entry(),
            entry_facts(earlier(total=usd("100.00"), issued="2026-03-15")),
            "approve bill.similar",
        ),
        (create_bill_rules.bill_similar, entry(), entry_facts(earlier(total=usd("100.00"), issued="2026-02-14")), None),
        (create_bill_rules.bill_similar, entry(), entry_facts(earlier(total=usd("100.01"), issued="2026-03-01")), None),
        (create_bill_rules.bill_similar, entry(), entry_facts(earlier(total=eur, issued="2026-03-01")), None),
        (create_bill_rules.account_not_payable, entry(), entry_facts(), None),
        (
            create_bill_rules.account_not_payable,
            entry(),
            entry_facts(payable_account=an_account(type="accounts_payable")),
            None,
        ),
        (
            create_bill_rules.account_not_payable,
            entry(),
            entry_facts(payable_account=an_account(type="bank")),
            "refuse account.wrong_type",
        ),
        (
            create_bill_rules.account_not_payable,
            entry(),
            entry_facts(payable_account=an_account(type="accounts_payable", status="archived")),
            "refuse account.inactive",
        ),
        (apply_credit.amount_not_positive, a_prepared_write(usd("0.01")), credit_facts(), None),
        (apply_credit.amount_not_positive, a_prepared_write(zero), credit_facts(), "refuse amount.not_positive"),
        (apply_credit.currency_mismatch, a_prepared_write(), credit_facts(), None),
        (apply_credit.currency_mismatch, a_prepared_write(), credit_facts(remaining=eur), "refuse currency.mismatch"),
        (
            apply_credit.currency_mismatch,
            a_prepared_write(),
            credit_facts(bill=a_bill(due=eur)),
            "refuse currency.mismatch",
        ),
        (apply_credit.currency_mismatch, a_prepared_write(eur), credit_facts(), "refuse currency.mismatch"),
        (apply_credit.credit_other_vendor, a_prepared_write(), credit_facts(), None),
        (
            apply_credit.credit_other_vendor,
            a_prepared_write(),
            credit_facts(credit_vendor_id="v2"),
            "refuse credit.other_vendor",
        ),
        (
            apply_credit.credit_other_vendor,
            a_prepared_write(),
            credit_facts(credit_vendor_id=None, bill=a_bill(vendor_id=None)),
            "refuse credit.other_vendor",
        ),
        (apply_credit.credit_over_remaining, a_prepared_write(usd("100.00")), credit_facts(), None),
        (
            apply_credit.credit_over_remaining,
            a_prepared_write(usd("100.01")),
            credit_facts(),
            "refuse credit.over_remaining",
        ),
        (apply_credit.credit_over_balance, a_prepared_write(), credit_facts(), None),
        (
            apply_credit.credit_over_balance,
            a_prepared_write(usd("100.01")),
            credit_facts(),
            "refuse credit.over_balance",
        ),
        (apply_credit.credit_not_open, a_prepared_write(), credit_facts(credit_status="partially_paid"), None),
        (
            apply_credit.credit_not_open,
            a_prepared_write(),
            credit_facts(credit_status="paid"),
            "refuse credit.not_open",
        ),
        (
            apply_credit.credit_not_open,
            a_prepared_write(),
            credit_facts(credit_status="draft"),
            "refuse credit.not_open",
        ),
        (apply_credit.bill_not_payable, a_prepared_write(), credit_facts(), None),
        (
            apply_credit.bill_not_payable,
            a_prepared_write(),
            credit_facts(bill=a_bill(status="void")),
            "refuse bill.not_payable",
        ),
        (attach_file.bill_void, a_prepared_write(), AttachmentFacts(a_bill(), (), "", ""), None),
        (attach_file.bill_void, a_prepared_write(), AttachmentFacts(a_bill(status="paid"), (), "", ""), None),
        (
            attach_file.bill_void,
            a_prepared_write(),
            AttachmentFacts(a_bill(status="void"), (), "", ""),
            "refuse bill.void",
        ),
        (link_account.account_wrong_type, link("funding"), LinkFacts(an_account(), ()), None),
        (link_account.account_wrong_type, link("funding"), LinkFacts(an_account(type="credit_card"), ()), None),
        (
            link_account.account_wrong_type,
            link("funding"),
            LinkFacts(an_account(type="expense"), ()),
            "refuse account.not_a_funding_source",
        ),
        (
            link_account.account_wrong_type,
            link("funding"),
            LinkFacts(an_account(type="unknown"), ()),
            "approve account.type_unknown",
        ),
        (link_account.account_wrong_type, link("expense"), LinkFacts(an_account(), ()), "refuse account.wrong_type"),
        (link_account.account_wrong_type, link("expense", "cost_of_goods_sold"), LinkFacts(None, ()), None),
        (
            link_account.account_wrong_type,
            link("accounts_payable", "bank"),
            LinkFacts(None, ()),
            "refuse account.wrong_type",
        ),
        (link_account.account_inactive, link("funding"), LinkFacts(an_account(), ()), None),
        (link_account.account_inactive, link("funding", "bank"), LinkFacts(None, ()), None),
        (
            link_account.account_inactive,
            link("funding"),
            LinkFacts(an_account(status="inactive"), ()),
            "refuse account.inactive",
        ),
        (link_account.account_exists, link("funding", "bank"), LinkFacts(None, ()), None),
        (link_account.account_exists, link("funding", "bank"), LinkFacts(None, ("a9",)), "refuse account.exists"),
        (link_account.account_exists, link("funding"), LinkFacts(an_account(), ()), None),
    ],
)
def test_a_rule_speaks_exactly_at_its_edge(
    rule: Rule, prepared: PreparedWrite, facts: Any, expected: str | None
) -> None:
    assert said(rule(prepared, facts, Policy())) == expected


@pytest.mark.parametrize(
    ("quantity", "unit_amount", "amount", "fits"),
    [
        ("3", "26.67", "80.01", True),
        ("3", "26.67", "80.00", False),
        ("3", "0.335", "1.00", True),
        ("3", "0.335", "1.01", True),
        ("3", "0.335", "1.02", False),
        ("0.5", "0.01", "0.01", True),
        ("999999999999999", "999999999999999.99", "1.00", False),
        ("0.000000000000000001", "100000000000000", "0.00", True),
    ],
)
def test_quantity_times_price_is_the_lines_amount_when_rounded(
    quantity: str, unit_amount: str, amount: str, fits: bool
) -> None:
    line = NewBillLine(amount=amount, quantity=quantity, unit_amount=unit_amount)

    if fits:
        create_bill._check_product(line, usd(amount))
    else:
        with pytest.raises(BadInput) as refused:
            create_bill._check_product(line, usd(amount))
        assert refused.value.error_code == "bill.lines_do_not_add_up"
