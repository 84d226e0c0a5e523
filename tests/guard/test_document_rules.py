"""The rules that a bill and a credit share when they are entered, each at its edges and for both."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.writes import document_rules
from rutter_ap_server.guard.writes.base import Rule
from rutter_ap_server.guard.writes.create_bill_rules import BillFacts
from rutter_ap_server.guard.writes.create_credit import CreditEntryFacts
from rutter_ap_server.guard.writes.document_rules import DocumentFacts
from rutter_ap_server.guard.writes.registry import write_named
from rutter_ap_tools.findings import Finding
from support.facts import a_prepared_write, a_vendor, an_account, usd

FACTS: dict[str, Any] = {
    "create_bill": partial(BillFacts, earlier=(), payable_account=None),
    "create_credit": partial(CreditEntryFacts, earlier=()),
}
FIELDS = {"document_number": "D-7", "issue_date": "2026-03-01", "currency": "USD"}
EXPENSE = an_account(type="expense")


@pytest.mark.parametrize("tool", FACTS)
@pytest.mark.parametrize(
    ("rule", "amount", "changed", "expected"),
    [
        (document_rules.amount_not_positive, "0.01", {}, None),
        (document_rules.amount_not_positive, "0.00", {}, "refuse amount.not_positive"),
        (document_rules.currency_mismatch, "100.00", {}, None),
        (document_rules.currency_mismatch, "100.00", {"vendor": a_vendor(currencies=())}, None),
        (document_rules.currency_mismatch, "100.00", {"vendor": a_vendor(currencies=("EUR", "USD"))}, None),
        (
            document_rules.currency_mismatch,
            "100.00",
            {"vendor": a_vendor(currencies=("EUR",))},
            "refuse currency.mismatch",
        ),
        (document_rules.vendor_archived, "100.00", {}, None),
        (
            document_rules.vendor_archived,
            "100.00",
            {"vendor": a_vendor(status="archived")},
            "approve vendor.archived",
        ),
        (document_rules.account_not_for_expenses, "100.00", {"accounts": ()}, None),
        (document_rules.account_not_for_expenses, "100.00", {"accounts": (EXPENSE,)}, None),
        *(
            (
                document_rules.account_not_for_expenses,
                "100.00",
                {"accounts": (EXPENSE, an_account(type=kind))},
                "refuse account.wrong_type",
            )
            for kind in ("bank", "credit_card", "accounts_payable", "equity", "income")
        ),
        (
            document_rules.account_not_for_expenses,
            "100.00",
            {"accounts": (an_account(type="expense", status="inactive"),)},
            "refuse account.inactive",
        ),
    ],
)
def test_a_rule_of_documents_speaks_exactly_at_its_edge(
    tool: str, rule: Rule[DocumentFacts], amount: str, changed: dict[str, Any], expected: str | None
) -> None:
    assert rule in write_named(tool).rules
    facts = FACTS[tool](**{"vendor": a_vendor(), "accounts": (EXPENSE,)} | changed)
    found = rule(a_prepared_write(usd(amount), tool=tool, fields=FIELDS), facts, Policy())
    said = f"{found.severity.word} {found.code}" if isinstance(found, Finding) else None
    assert said == expected
