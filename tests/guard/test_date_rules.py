"""The rules about dates at their edges: what is mistyped waits for an approver, and says why."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rutter_ap_server.guard import date_rules as rules
from rutter_ap_server.guard.policy import Policy, parse_policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.shared_rules import SHARED_RULES
from rutter_ap_server.guard.store_facts import StoreFacts
from rutter_ap_server.guard.writes.apply_credit import CreditFacts
from rutter_ap_server.guard.writes.base import Facts, Unchecked, Write
from rutter_ap_server.guard.writes.registry import write_named
from rutter_ap_server.guard.writes.update_bill_rules import ChangeFacts
from rutter_ap_server.store.states import State
from rutter_ap_tools.findings import Finding
from support.facts import NOW, a_bill, a_prepared_write, payment_facts, some_facts, stored, usd
from support.store_rows import a_proposal

PAY, APPLY, UPDATE, LINK = (write_named(tool) for tool in ("pay_bill", "apply_credit", "update_bill", "link_account"))
TODAY, ISSUED = NOW.date(), date(2026, 2, 1)


def spoken(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], policy: Policy, own: StoreFacts | None = None
) -> list[Finding]:
    """What the date rules find; one that could not be made finds nothing."""
    results = [rule(write, prepared, facts, own or stored(), policy) for rule in rules.DATE_RULES]
    return [one for result in results if isinstance(result, list) for one in result]


def paid(day: date, issued: date | None = ISSUED, policy: str = "", today: date = TODAY) -> list[Finding]:
    """What the date rules find in a payment."""
    prepared = a_prepared_write(fields={"bill_id": "b1", "date": day.isoformat()})
    facts = some_facts(seen=payment_facts(bill=a_bill(issued=issued)), today=today)
    return spoken(PAY, prepared, facts, parse_policy(policy))


def applied(day: date, credit_issued: date | None, bill_issued: date | None) -> list[Finding]:
    """What the date rules find in the application of a credit."""
    prepared = a_prepared_write(tool="apply_credit", fields={"bill_id": "b1", "date": day.isoformat()})
    bill = a_bill(issued=bill_issued)
    seen = CreditFacts("v1", "open", usd("100.00"), bill, "credit CM-7", credit_issued)
    facts = some_facts(seen=seen)
    return spoken(APPLY, prepared, facts, Policy())


def found(findings: list[Finding]) -> dict[str, str]:
    return {one.code: one.message for one in findings}


def changed(paying: tuple[str, ...] = (), **changes: Any) -> list[Finding]:
    """What the date rules find in a change of a bill, with such payments of it; `bill` is the bill as it is."""
    bill = a_bill(**{"issued": ISSUED} | changes.pop("bill", {}))
    facts = some_facts(seen=ChangeFacts(bill, is_shown=False, accounts=(), others=(), now={}))
    own = stored(payments_of_bill=tuple(a_proposal(id=f"{state} one", state=State(state)) for state in paying))
    return spoken(UPDATE, a_prepared_write(tool="update_bill", fields={"changes": changes}), facts, Policy(), own)


def test_a_payment_is_not_made_before_its_bill() -> None:
    assert found(paid(ISSUED)) == {}
    assert found(paid(ISSUED - timedelta(days=1))) == {
        "payment.before_bill": "the payment is dated 2026-01-31, before bill INV-1 was issued on 2026-02-01"
    }


def test_a_bill_without_an_issue_date_proves_nothing() -> None:
    assert found(paid(TODAY, issued=None)) == {
        "payment.before_bill": (
            "the payment is dated 2026-03-02, and the ledger does not show when bill INV-1 was issued"
        )
    }


def test_a_payment_of_2019_and_one_of_2031_say_what_is_wrong() -> None:
    assert set(found(paid(date(2019, 3, 2)))) == {"payment.before_bill", "payment.other_year"}
    assert found(paid(date(2031, 3, 2))) == {
        "payment.future_dated": "the payment is dated 2031-03-02, which is in the future (today is 2026-03-02)",
        "payment.other_year": "the payment is dated 2031-03-02, not in this year (today is 2026-03-02)",
    }


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, 366))
def test_the_dates_of_a_payment_are_judged_at_any_day(day: date, today: date, near: int) -> None:
    said = set(found(paid(day, policy=f"[rules]\nfuture_days = {near}", today=today))) - {"bill.future_dated"}

    assert ("payment.before_bill" in said) is (day < ISSUED)
    assert ("payment.future_dated" in said) is (day > today + timedelta(days=near))
    assert ("payment.other_year" in said) is (day.year != today.year)
    assert said <= {"payment.before_bill", "payment.future_dated", "payment.other_year"}


def test_a_credit_is_used_after_both_it_and_the_bill_were_issued() -> None:
    day = date(2026, 2, 10)
    before, after = day - timedelta(days=1), day + timedelta(days=1)
    assert applied(day, day, day) == applied(day, before, before) == []
    for credit, bill, words in (
        (after, before, "before credit CM-7 was issued on 2026-02-11"),
        (before, after, "before bill INV-1 was issued on 2026-02-11"),
        (None, before, "and the ledger does not show when credit CM-7 was issued"),
    ):
        [one] = applied(day, credit, bill)
        assert (one.code, one.severity.word) == ("credit.not_yet_issued", "approve")
        assert one.message.endswith(words)
    assert len(applied(day, after, after)) == 2


def test_the_books_are_closed_through_the_closing_date() -> None:
    def found_in(day: date, policy: str) -> list[Finding] | Unchecked:
        prepared = a_prepared_write(fields={"bill_id": "b1", "date": day.isoformat()})
        return rules.closed_period(PAY, prepared, some_facts(), stored(), parse_policy(policy))

    closed = "closing_date = 2026-02-28"
    refused = found_in(date(2026, 2, 28), closed)
    assert isinstance(refused, list)
    assert [f"{one.severity.word} {one.code}: {one.message}" for one in refused] == [
        "refuse bill.closed_period: the payment is dated 2026-02-28, but the books are closed through 2026-02-28"
    ]
    assert found_in(date(2026, 3, 1), closed) == []
    unsaid = Unchecked("neither the policy nor the ledger names a closing date")
    assert found_in(date(2019, 3, 1), "") == unsaid
    assert rules.closed_period(LINK, a_prepared_write(), some_facts(), stored(), Policy()) == []


@pytest.mark.parametrize(
    ("issued", "is_future"), [(date(2026, 3, 3), False), (date(2026, 3, 4), True), (date(2026, 3, 2), False)]
)
def test_a_document_of_after_tomorrow_is_in_the_future(issued: date, is_future: bool) -> None:
    words = f"bill INV-1 is dated {issued}, which is in the future"

    assert found(paid(date(2026, 3, 3), issued)).get("bill.future_dated") == (words if is_future else None)


def test_a_new_date_is_within_a_year_of_today() -> None:
    assert changed(due_date="2027-03-03") == changed(due_date="2025-03-01") == []
    for day, where in (("2027-03-04", "after"), ("2025-02-28", "before")):
        [one] = changed(due_date=day)
        assert (one.code, one.severity.word) == ("bill.distant_date", "approve")
        assert one.message == f"the bill would be due {day}, more than a year {where} today (2026-03-02)"


@pytest.mark.parametrize(
    ("changes", "paying", "expected"),
    [
        ({"memo": "m"}, (), None),
        ({"issue_date": "2026-02-01"}, ("posted",), None),
        ({"issue_date": "2026-02-02", "bill": {"status": "draft"}}, ("posted",), None),
        ({"issue_date": "2026-02-02", "bill": {"status": "rejected"}}, (), None),
        ({"issue_date": "2026-02-02"}, (), "ask the issue date would change from 2026-02-01 to 2026-02-02"),
        (
            {"issue_date": "2026-02-02", "bill": {"issued": None}},
            (),
            "ask the issue date would change from no date to 2026-02-02",
        ),
        (
            {"issue_date": "2025-12-31"},
            (),
            "approve the issue date would change from 2026-02-01 to 2025-12-31, in another year",
        ),
        (
            {"issue_date": "2026-02-02", "bill": {"due": usd("99.99")}},
            ("posted",),
            "approve the issue date would change from 2026-02-01 to 2026-02-02, "
            "and 0.01 USD is already paid or credited",
        ),
        (
            {"issue_date": "2026-02-02"},
            ("held", "posted"),
            "approve the issue date would change from 2026-02-01 to 2026-02-02, "
            "and a payment of this bill is held (proposal held one)",
        ),
    ],
)
def test_an_issue_date_is_moved_by_a_person_who_knows_why(
    changes: dict[str, Any], paying: tuple[str, ...], expected: str | None
) -> None:
    said = [f"{one.severity.word} {one.message}" for one in changed(paying, **changes)]

    assert said == ([expected] if expected else [])
    assert {one.code for one in changed(paying, **changes)} <= {"bill.issue_date_moved"}


def test_only_a_change_moves_an_issue_date() -> None:
    assert rules.issue_date_moved(PAY, a_prepared_write(), some_facts(), stored(), Policy()) == []


def test_every_write_is_judged_by_the_rules_about_dates() -> None:
    assert rules.closed_period in rules.DATE_RULES
    assert set(rules.DATE_RULES) <= set(SHARED_RULES)
