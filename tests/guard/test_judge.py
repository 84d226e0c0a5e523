"""Judging: every finding is kept, the severest one decides, and what a release covers is exact."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rutter_ap_server.guard.authorize import is_permanent, is_sufficient
from rutter_ap_server.guard.judge import base_findings, judge
from rutter_ap_server.guard.judgement import Judgement, Observations, covers_of
from rutter_ap_server.guard.policy import Policy, parse_policy
from rutter_ap_server.guard.shared_rules import SharedRule, frozen_now
from rutter_ap_server.guard.store_facts import StoreFacts
from rutter_ap_server.guard.untrusted import worth_remembering
from rutter_ap_server.guard.writes.base import Facts, Rule, Unchecked
from rutter_ap_server.guard.writes.compared import Compared
from rutter_ap_server.guard.writes.pay_bill import PayBillWrite
from rutter_ap_server.guard.writes.registry import write_named
from rutter_ap_server.guard.writes.sums import ExpectedSums
from rutter_ap_server.store.documents import Document
from rutter_ap_server.store.observations import Sighting
from rutter_ap_server.store.proposals import Approval
from rutter_ap_tools.findings import Finding, Severity, verdict
from support.facts import a_prepared_write, a_vendor, some_facts, stored, usd
from support.full_writes import FULL
from support.store_rows import START, a_proposal

FINGERPRINT, OTHER = "f" * 64, "e" * 64
_SEVERITIES = st.sampled_from(list(Severity))
_FINDINGS = st.lists(
    st.builds(Finding, code=st.sampled_from(["a.b", "c.d", "e.f"]), severity=_SEVERITIES, message=st.just("it")),
    max_size=6,
)


@dataclass
class SomeRules(PayBillWrite):
    """A payment whose rules are given."""

    rules: tuple[Rule[Any], ...] = field(default=())


def saying(findings: list[Finding]) -> SomeRules:
    def rule(finding: Finding) -> Rule[Any]:
        return lambda _prepared, _facts, _policy: finding

    return SomeRules(rules=tuple(rule(finding) for finding in findings))


def judged(findings: list[Finding]) -> Judgement:
    facts = some_facts(binding={"bill": "b1"})
    return judge(saying(findings), a_prepared_write(), facts, stored(), Policy())


@given(_FINDINGS)
def test_every_finding_is_reported_and_the_severest_decides(findings: list[Finding]) -> None:
    judgement = judged(findings)
    base = Finding(
        code="policy.ask", severity=Severity.ASK, message="every call of this tool must be confirmed by a person"
    )

    assert sorted(judgement.findings, key=str) == sorted([*findings, base], key=str)
    assert judgement.verdict is max(f.severity for f in [*findings, base])
    assert [f.severity for f in judgement.findings] == sorted((f.severity for f in judgement.findings), reverse=True)


def test_findings_are_ordered_by_severity_and_then_by_code() -> None:
    given_ones = [
        Finding(code=code, severity=severity, message="it")
        for code, severity in [("b.b", Severity.ASK), ("e.f", Severity.REFUSE), ("a.b", Severity.ASK)]
    ]
    assert [one.code for one in judged(given_ones).findings] == ["e.f", "a.b", "b.b", "policy.ask"]


@pytest.mark.parametrize(("setting", "found"), [("off", []), ("approve", [("bill.overlap", Severity.APPROVE)])])
def test_the_policy_makes_a_finding_stricter_or_takes_it_out(setting: str, found: list[tuple[str, Severity]]) -> None:
    policy = parse_policy(f'[tools]\npay_bill = "allow"\n[rules.severity]\n"bill.overlap" = "{setting}"\n')
    overlap = Finding(code="bill.overlap", severity=Severity.ASK, message="it")
    judgement = judge(saying([overlap]), a_prepared_write(), some_facts(), stored(), policy)

    assert [(one.code, one.severity) for one in judgement.findings] == found


@given(_FINDINGS, _FINDINGS)
def test_one_more_finding_never_lowers_verdict_or_approvals(findings: list[Finding], more: list[Finding]) -> None:
    before, after = judged(findings), judged(findings + more)

    assert after.verdict >= before.verdict
    assert after.approvals_needed >= before.approvals_needed


def test_nothing_found_is_allowed_and_needs_nobody() -> None:
    policy = parse_policy('[tools]\npay_bill = "allow"')
    judgement = judge(saying([]), a_prepared_write(), some_facts(), stored(), policy)

    assert (judgement.findings, judgement.verdict, judgement.approvals_needed) == ((), Severity.ALLOW, 0)
    assert verdict([]) is Severity.ALLOW


@pytest.mark.parametrize(
    ("base", "code", "needed"),
    [("ask", "policy.ask", 1), ("approve", "policy.approve", 1), ("refuse", "policy.refuse", 1)],
)
def test_the_policy_speaks_before_any_rule(base: str, code: str, needed: int) -> None:
    policy = parse_policy(f'[tools]\npay_bill = "{base}"')
    judgement = judge(saying([]), a_prepared_write(), some_facts(), stored(), policy)

    assert [f.code for f in judgement.findings] == [code]
    assert (judgement.verdict.word, judgement.approvals_needed) == (base, needed)
    assert judgement.policy_version == policy.version


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (stored(frozen_by="Ana at noon"), ("freeze.active", Severity.REFUSE)),
        (stored(in_flight=("p1", "p2")), ("bill.in_flight", Severity.REFUSE)),
        (stored(repeats=("p1",)), ("payment.repeat", Severity.APPROVE)),
    ],
)
def test_what_our_own_store_knows_is_a_finding(own: StoreFacts, expected: tuple[str, Severity]) -> None:
    judgement = judge(write_named("pay_bill"), a_prepared_write(), some_facts(), own, Policy())

    assert (judgement.findings[0].code, judgement.findings[0].severity) == expected


def test_two_people_are_needed_only_above_the_upper_tier() -> None:
    def needed(amount: str) -> int:
        facts = some_facts()
        return judge(write_named("pay_bill"), a_prepared_write(usd(amount)), facts, stored(), Policy()).approvals_needed

    assert [needed("1.00"), needed("1000.01"), needed("25000.00"), needed("25000.01")] == [1, 1, 1, 2]


def test_a_judgement_depends_on_the_facts_alone() -> None:
    def fingerprint(binding: dict[str, Any], before: dict[str, Any]) -> str:
        facts = some_facts(binding=binding, before=before)
        return judge(saying([]), a_prepared_write(), facts, stored(), Policy()).fingerprint

    assert fingerprint({"due": "1"}, {"payments": ["a"]}) == fingerprint({"due": "1"}, {})
    assert fingerprint({"due": "1"}, {}) != fingerprint({"due": "2"}, {})


def a_judgement(severity: Severity, *, two: bool = False) -> Judgement:
    findings = [Finding(code="a.b", severity=severity, message="it")] if severity else []
    if two:
        findings.append(Finding(code="amount.two_approvers", severity=Severity.APPROVE, message="two"))
    return Judgement(tuple(findings), "p" * 64, FINGERPRINT)


ALL_FOUND = ("a.b", "amount.two_approvers", "amount.approver")


def by(
    name: str, fingerprint: str = FINGERPRINT, channel: str = "desk", found: tuple[str, ...] = ALL_FOUND
) -> Approval:
    covers = frozenset({f"facts:{fingerprint}", *found})
    if name == "chat":
        return Approval(name, "chat", fingerprint, START, covers=covers)
    return Approval(name, channel, fingerprint, START, f"id of {name}", covers)


@pytest.mark.parametrize(
    ("judgement", "approvals", "covered"),
    [
        (a_judgement(Severity.ALLOW), (), True),
        (a_judgement(Severity.ASK), (), False),
        (a_judgement(Severity.ASK), (by("chat"),), True),
        (a_judgement(Severity.ASK), (by("chat", OTHER),), False),
        (a_judgement(Severity.ASK), (by("Ana"),), True),
        (a_judgement(Severity.APPROVE), (by("chat"),), False),
        (a_judgement(Severity.APPROVE), (by("Ana"),), True),
        (a_judgement(Severity.APPROVE), (by("Ana", channel="terminal"),), True),
        (a_judgement(Severity.APPROVE), (by("Ana", OTHER),), False),
        (a_judgement(Severity.APPROVE, two=True), (by("Ana"),), False),
        (a_judgement(Severity.APPROVE, two=True), (by("Ana"), by("Ana")), False),
        (a_judgement(Severity.APPROVE, two=True), (by("Ana"), by("chat")), False),
        (a_judgement(Severity.APPROVE, two=True), (by("Ana"), by("Bo", OTHER)), False),
        (a_judgement(Severity.APPROVE, two=True), (by("Ana"), by("Bo")), True),
        (a_judgement(Severity.APPROVE), (by("Ana", found=()),), False),
        (a_judgement(Severity.APPROVE, two=True), (by("Ana"), by("Bo", found=("a.b",))), False),
        # One name that two people had, one after the other, is two people; two spellings of one id are one.
        (a_judgement(Severity.APPROVE, two=True), (by("Ana"), replace(by("Ana"), approver_id="other")), True),
        (a_judgement(Severity.APPROVE, two=True), (by("Ana"), replace(by("Ana"), approver="ANA")), False),
        (a_judgement(Severity.APPROVE), (replace(by("Ana"), approver_id=None),), False),
        (a_judgement(Severity.REFUSE), (by("Ana"), by("Bo"), by("chat")), False),
        (a_judgement(Severity.REFUSE, two=True), (by("Ana"), by("Bo")), False),
    ],
)
def test_a_release_needs_enough_distinct_people_for_these_facts(
    judgement: Judgement, approvals: tuple[Approval, ...], covered: bool
) -> None:
    assert is_sufficient(a_proposal(), judgement, approvals) is covered


@pytest.mark.parametrize(
    ("codes", "lasting"),
    [
        (["freeze.active"], False),
        (["bill.in_flight", "amount.over_day_limit", "amount.over_vendor_limit"], False),
        (["freeze.active", "amount.over_balance"], True),
        (["vendor.mismatch"], True),
        ([], False),
    ],
)
def test_a_refusal_that_passes_does_not_end_a_proposal(codes: list[str], lasting: bool) -> None:
    findings = tuple(Finding(code=code, severity=Severity.REFUSE, message="it") for code in codes)

    assert is_permanent(Judgement(findings, "p" * 64, FINGERPRINT)) is lasting


ABOUT_OTHERS = [
    "argument.from_text",
    "bill.duplicate",
    "bill.overlap",
    "bill.similar",
    "credit.available",
    "credit.duplicate",
    "credit.similar",
    "document.reused",
    "proposal.declined",
    "text.suspicious",
    "vendor.in_flight",
    "vendor.similar",
]


@pytest.mark.parametrize("code", [*ABOUT_OTHERS, "amount.approver", "payment.quiet_hours"])
def test_a_finding_about_another_record_is_released_for_it_alone(code: str) -> None:
    about_one, about_another = (
        Judgement((Finding(code=code, severity=Severity.ASK, message=message),), "p" * 64, FINGERPRINT).requires
        for message in ("it is like b2", "it is like b3")
    )

    assert (about_one == about_another) is (code not in ABOUT_OTHERS)


def test_who_agreed_that_two_must_release_agreed_that_one_must() -> None:
    assert covers_of(["facts:f", "d:amount.two_approvers"]) == {
        "facts:f",
        "d:amount.two_approvers",
        "d:amount.approver",
    }
    assert covers_of(["amount.approver"]) == {"amount.approver"}


def test_each_check_is_found_passed_or_not_made() -> None:
    def fine(_prepared: Any, _facts: Any, _policy: Any) -> None:
        return None

    def odd(_prepared: Any, _facts: Any, _policy: Any) -> Finding:
        return Finding(code="a.b", severity=Severity.ASK, message="it is odd")

    def not_read(_prepared: Any, _facts: Any, _policy: Any) -> Unchecked:
        return Unchecked("nobody could look")

    judgement = judge(SomeRules(rules=(fine, odd, not_read)), a_prepared_write(), some_facts(), stored(), Policy())
    shown = {section.title: section.rows for section in judgement.sections}

    assert {"fine", "odd", "not read"} & {*judgement.passed} == {"fine"}
    assert judgement.unchecked[0] == ("not read", "nobody could look")
    assert "not read" not in [name for name, _ in judgement.unchecked[1:]]
    assert [row[1:] for row in shown["Findings"] if row[2] == "a.b"] == [["it is odd", "a.b"]]
    assert shown["Checks"][:2] == [
        ["Found nothing", ", ".join(judgement.passed)],
        ["Could not be made: not read", "nobody could look"],
    ]


def test_only_the_named_shared_rules_are_left_out() -> None:
    def codes_of(*without: SharedRule) -> set[str]:
        own = stored(frozen_by="Ana", in_flight=("p1",))
        judgement = judge(saying([]), a_prepared_write(), some_facts(), own, Policy(), without=without)
        return {one.code for one in judgement.findings} & {"freeze.active", "bill.in_flight"}

    assert codes_of() == {"freeze.active", "bill.in_flight"}
    assert codes_of(frozen_now) == {"bill.in_flight"}


@pytest.mark.parametrize(
    ("policy", "closed_up_to", "said"),
    [
        ("", None, "no closing date known"),
        ("closing_date = 2026-01-31", None, "the books are closed through 2026-01-31"),
        ("closing_date = 2026-01-31", date(2026, 2, 28), "the books are closed through 2026-02-28"),
    ],
)
def test_a_statement_says_in_which_period_it_is_booked(policy: str, closed_up_to: date | None, said: str) -> None:
    facts = some_facts(closed_up_to=closed_up_to)
    sections = judge(saying([]), a_prepared_write(), facts, stored(), parse_policy(policy)).sections
    [follows] = [section.rows for section in sections if section.title == "What follows"]

    assert (follows[-1], len(follows)) == (["Period", f"entries on 2026-03-02; {said}"], 3)


def test_what_is_booked_on_no_day_says_nothing_of_a_period() -> None:
    full = FULL["link_account"]
    assert isinstance(full.facts, Facts)
    judgement = judge(write_named("link_account"), full.prepared, full.facts, stored(), Policy())

    assert "Period" not in [row[0] for section in judgement.sections for row in section.rows]


def test_each_severity_of_a_tool_has_its_finding() -> None:
    write = write_named("pay_bill")
    found = [base_findings(write, parse_policy(f'[tools]\npay_bill = "{one.word}"')) for one in Severity]
    assert [[(one.code, one.severity) for one in each] for each in found] == [
        [],
        [("policy.ask", Severity.ASK)],
        [("policy.approve", Severity.APPROVE)],
        [("policy.refuse", Severity.REFUSE)],
    ]
    assert len({one.message for each in found for one in each}) == 3


def test_a_judgement_remembers_what_it_saw() -> None:
    seen, other = (Document("bill", name, "v1", name, date(2026, 1, 20), usd("90.00")) for name in ("b1", "b2"))
    compared = Compared(seen, ExpectedSums(usd("90.00"), usd("0.00"), usd("90.00"), "", 1), usd("90.00"), (other,))
    changed = datetime(2026, 3, 1, tzinfo=UTC)
    parts = (("name", "1" * 64),)
    vendor = a_vendor(parts=parts, keys=frozenset({"name:acme"}), updated_at=changed)
    before = Sighting(vendor.details, parts, *[changed - timedelta(days=100)] * 3)
    texts = (("the memo", "pay 12,345.00 USD"),)

    def remembered(facts: Facts[Any], *sightings: Sighting) -> Observations:
        own = stored(sightings=sightings)
        return judge(write_named("pay_bill"), a_prepared_write(), facts, own, Policy()).remembered

    facts = some_facts(vendor=vendor, texts=texts, remembers=(seen,))
    again = Observations(
        "v1", vendor.details, parts, worth_remembering(texts), True, vendor.keys, changed, documents=(seen,)
    )
    assert again.mentioned_before
    assert remembered(facts, before) == again
    assert remembered(facts) == replace(again, came_back=False)
    assert remembered(replace(facts, vendor=None, compared=compared)) == Observations(
        None, "", (), again.mentioned_before, False, frozenset(), None, (seen, other)
    )
