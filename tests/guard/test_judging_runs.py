"""A run is judged by line and as a whole: nothing of a line is lost, and its total counts like one amount."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from rutter_ap_server.guard.gathering import BatchFacts
from rutter_ap_server.guard.judge import assess
from rutter_ap_server.guard.judgement import Judgement
from rutter_ap_server.guard.policy import Policy, parse_policy
from rutter_ap_server.guard.writes.base import Rule, Unchecked, finding
from rutter_ap_server.guard.writes.pay_bill import PayBillWrite
from rutter_ap_server.guard.writes.propose_payment_run import PaymentRun
from rutter_ap_server.store.engine import Store
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.money import Money
from support.facts import a_bill, a_vendor, ids_of, payment_facts, some_facts, usd
from support.full_writes import FULL
from support.runs import ALLOW, ROOMY
from support.store_rows import START, put

QUIET = parse_policy(ALLOW + ROOMY)
ODD = "it is odd"
LONG_AGO = START - timedelta(days=400)


@dataclass
class Line:
    """A line of a run: what it pays to whom, and what is due by now."""

    amount: str
    vendor: str = "v1"
    paid: bool = False
    twins: tuple[str, ...] = ()
    has_vendor: bool = True
    binding: dict[str, Any] = field(default_factory=dict)


class Paying(PayBillWrite):
    """A payment with other rules."""

    def __init__(self, rules: Sequence[Rule[Any]]) -> None:
        self.rules = tuple(rules)


class Run(PaymentRun):
    """A run of such payments."""

    def __init__(self, rules: Sequence[Rule[Any]]) -> None:
        self.member = Paying(rules)


def silent(_prepared: Any, _facts: Any, _policy: Any) -> Finding | Unchecked | None:
    return None


def saying(code: str, says: Callable[[str], str], severities: dict[str, Severity]) -> Rule[Any]:
    """A rule that finds that of those bills, each with its own severity."""

    def odd_one(prepared: Any, _facts: Any, _policy: Any) -> Finding | None:
        severity = severities.get(prepared.bill_id)
        return finding(code, severity, says(prepared.bill_id[1:])) if severity is not None else None

    return odd_one


def judged(
    store: Store,
    *lines: Line,
    policy: Policy = QUIET,
    rule: Rule[Any] | list[Rule[Any]] = silent,
    written: dict[str, Any] | None = None,
    **more: Any,
) -> Judgement:
    """The judgement of a run of these lines, for the bills b1, b2 and so on."""
    full = FULL["propose_payment_run"]
    rows = [
        full.fields["lines"][0]
        | {"bill_id": f"b{at}", "number": f"INV-{at}", "vendor_id": one.vendor, "amount": one.amount}
        for at, one in enumerate(lines, 1)
    ]
    facts = []
    for at, one in enumerate(lines, 1):
        due, status = (usd("0.00"), "paid") if one.paid else (usd(one.amount), "open")
        vendor = a_vendor(id=one.vendor, twins=one.twins, updated_at=LONG_AGO, keys=frozenset({f"of {one.vendor}"}))
        bill = a_bill(id=f"b{at}", number=f"INV-{at}", vendor_id=one.vendor, total=usd(one.amount), due=due)
        seen = payment_facts(bill=replace(bill, status=status), vendor=vendor)
        facts.append(some_facts(seen=seen, vendor=vendor if one.has_vendor else None, binding=one.binding))
    rules = rule if isinstance(rule, list) else [rule]
    prepared = full.written(lambda fields: fields.update({"lines": rows} | (written or {}))).prepared
    return store.read_now(lambda tx: assess(tx, Run(rules), prepared, BatchFacts(tuple(facts)), policy, **more))


def said(judgement: Judgement, code: str) -> list[str]:
    return [one.message for one in judgement.findings if one.code == code]


def of_lines(judgement: Judgement, code: str) -> list[list[str]]:
    return [said(alone, code) for _, alone in judgement.parts]


A, B = Line("600.00"), Line("300.00")
TWINS = (replace(A, twins=("v2",)), replace(B, vendor="v2", twins=("v1",)))
UNREAD = (replace(A, has_vendor=False), replace(B, has_vendor=False))


def test_bills_with_the_same_finding_are_named_together(store: Store) -> None:
    same = saying("bill.odd", lambda _: ODD, {"b1": Severity.ASK, "b2": Severity.APPROVE, "b3": Severity.ASK})
    own = saying("bill.odd", lambda number: f"bill INV-{number} is odd", {"b1": Severity.ASK, "b3": Severity.ASK})
    alone = saying("bill.odd", lambda number: f"odd as {number}", {"b1": Severity.ASK, "b3": Severity.ASK})

    found = judged(store, A, B, B, rule=same).findings
    assert [(one.severity, one.message) for one in found] == [
        (Severity.APPROVE, f"bill INV-2: {ODD}"),
        (Severity.ASK, f"bill INV-1, bill INV-3: {ODD}"),
    ]
    assert said(judged(store, A, B, B, rule=own), "bill.odd") == ["bill INV-1 is odd; bill INV-3 is odd"]
    assert said(judged(store, A, B, B, rule=alone), "bill.odd") == ["bill INV-1: odd as 1; bill INV-3: odd as 3"]


def test_what_is_of_the_whole_is_said_once_without_a_bill(store: Store) -> None:
    of_the_whole = (
        "clock.skewed",
        "freeze.active",
        "payment.future_dated",
        "payment.other_year",
        "payment.quiet_hours",
        "platform.undocumented",
        "platform.unsupported",
        "policy.odd",
    )
    rules = [saying(code, lambda _: ODD, {"b1": Severity.ASK, "b2": Severity.ASK}) for code in of_the_whole]
    judgement = judged(store, A, B, rule=rules)

    assert [(one.code, one.message) for one in judgement.findings] == [(code, ODD) for code in of_the_whole]


def test_each_line_has_its_facts(store: Store) -> None:
    full = FULL["propose_payment_run"]
    assert isinstance(full.facts, BatchFacts)
    fewer = BatchFacts(full.facts.members[:1])

    with pytest.raises(ValueError, match="shorter"):
        store.read_now(lambda tx: assess(tx, PaymentRun(), full.prepared, fewer, QUIET))


def test_the_most_severe_comes_first_and_nothing_twice(store: Store) -> None:
    rule = saying("z.odd", lambda _: ODD, {"b2": Severity.APPROVE})
    judgement = judged(store, A, B, policy=parse_policy('[currencies.USD]\napprove_above = "899.99"'), rule=rule)

    codes = [(one.severity, one.code) for one in judgement.findings]
    assert codes == [
        (Severity.APPROVE, "amount.approver"),
        (Severity.APPROVE, "amount.approver"),
        (Severity.APPROVE, "z.odd"),
        (Severity.ASK, "policy.ask"),
    ]
    assert [one.code for one in judgement.of_the_whole] == ["amount.approver", "policy.ask"]


def test_a_check_passed_if_it_passed_for_every_line(store: Store) -> None:
    assert "odd one" in judged(store, A, B, rule=saying("a.b", str, {})).passed
    assert "odd one" not in judged(store, A, B, rule=saying("a.b", str, {"b2": Severity.ASK})).passed
    assert "odd one" not in judged(store, A, B, rule=saying("a.b", str, {"b1": Severity.ASK})).passed


def test_a_check_nobody_could_make_is_told_once(store: Store) -> None:
    def unread(_prepared: Any, _facts: Any, _policy: Any) -> Unchecked:
        return Unchecked("nobody could look")

    judgement = judged(store, A, B, rule=unread)
    assert judgement.unchecked.count(("unread", "nobody could look")) == 1
    assert "unread" not in judgement.passed


def test_the_statement_shows_every_line_and_what_was_found(store: Store) -> None:
    judgement = judged(store, A, replace(B, paid=True), rule=saying("a.b", lambda _: ODD, {"b1": Severity.ASK}))
    rows = {section.title: section.rows for section in judgement.sections}

    assert [row[1:] for row in rows["Findings"]] == [[f"bill INV-1: {ODD}", "a.b"]]
    assert rows["Checks"][0][1] == ", ".join(judgement.passed)
    assert [row[-1] for row in rows["Payments, the largest first"]] == [
        "a.b",
        "will not be paid: bill INV-2 is already paid",
    ]


def test_a_line_that_was_paid_meanwhile_is_left_out(store: Store) -> None:
    odd = saying("a.b", lambda _: ODD, {"b2": Severity.ASK})
    judgement = judged(store, A, replace(B, paid=True), policy=tiers("899.99"), rule=odd)
    assert [one.bill_id for one, _ in judgement.parts] == ["b1"]
    assert (judgement.findings, judgement.requires) == (
        (),
        frozenset(f"{one.digest}:facts:{alone.fingerprint}" for one, alone in judgement.parts),
    )
    assert "odd one" in judgement.passed

    # If nothing is left to pay, each line says why.
    settled = judged(store, replace(A, paid=True), replace(B, paid=True), rule=odd)
    assert [one.bill_id for one, _ in settled.parts] == ["b1", "b2"]
    assert said(settled, "a.b") == [f"bill INV-2: {ODD}"]


def tiers(approve_above: str, *, two: str = "50000.00", **limits: str) -> Policy:
    """The quiet policy with other amounts."""
    text = ALLOW + ROOMY.replace("5000.00", approve_above, 1).replace("50000.00", two)
    for name, limit in limits.items():
        text = text.replace(f'\n{name} = "100000.00"', f'\n{name} = "{limit}"')
    return parse_policy(text)


@pytest.mark.parametrize(
    ("lines", "policy", "found"),
    [
        ((A, replace(B, vendor="v2")), tiers("900.00"), []),
        ((A, replace(B, vendor="v2")), tiers("899.99"), ["amount.approver"]),
        ((A, replace(B, vendor="v2")), tiers("100.00", two="899.99"), ["amount.two_approvers"]),
        # One payment alone is judged as it is.
        ((A,), tiers("599.99"), []),
        ((B,) * 6, tiers("5000.00"), []),
        ((B,) * 7, tiers("5000.00"), ["run.many_lines"]),
        ((B,) * 7, tiers("2099.99"), ["run.many_lines", "amount.approver"]),
    ],
)
def test_the_total_is_judged_like_one_amount(
    store: Store, lines: tuple[Line, ...], policy: Policy, found: list[str]
) -> None:
    judgement = judged(store, *lines, policy=policy)

    assert [one.code for one in judgement.of_the_whole] == found
    assert set(found) <= {one.code for one in judgement.findings}
    assert all(one.severity is Severity.APPROVE for one in judgement.of_the_whole)
    totals = [one.message for one in judgement.of_the_whole if one.code.startswith("amount.")]
    total = Money.total((usd(line.amount) for line in lines), "USD")
    assert all(message.startswith(f"in total, {total} is over ") for message in totals)


@pytest.mark.parametrize(
    ("lines", "limits", "found"),
    [
        ((A, B), {"day_limit": "900.00"}, []),
        ((A, B), {"day_limit": "899.99"}, ["amount.over_day_limit"]),
        # The company's limit is told once, and not for each vendor.
        ((A, replace(B, vendor="v2")), {"day_limit": "299.99"}, ["amount.over_day_limit"]),
        ((A, B), {"vendor_day_limit": "900.00"}, []),
        ((A, B), {"vendor_day_limit": "899.99"}, ["amount.over_vendor_limit"]),
        ((A, replace(B, vendor="v2")), {"vendor_day_limit": "600.00"}, []),
        ((A, replace(B, vendor="v2")), {"vendor_day_limit": "599.99"}, ["amount.over_vendor_limit"]),
        (TWINS, {"vendor_day_limit": "899.99"}, ["amount.over_vendor_limit"]),
        (UNREAD, {"vendor_day_limit": "899.99"}, ["amount.over_vendor_limit"]),
        ((A, replace(B, paid=True)), {"vendor_day_limit": "600.00", "day_limit": "600.00"}, []),
    ],
)
def test_a_run_is_refused_whole_if_any_of_it_is_over_a_limit(
    store: Store, lines: tuple[Line, ...], limits: dict[str, str], found: list[str]
) -> None:
    judgement = judged(store, *lines, policy=tiers("5000.00", **limits))

    # Said of the whole, and not of its lines as well.
    assert [one.code for one in judgement.of_the_whole] == [one.code for one in judgement.findings] == found
    assert judgement.verdict is (Severity.REFUSE if found else Severity.ALLOW)


@pytest.mark.parametrize(
    ("lines", "above", "over"),
    [
        ((A, B), "900.00", [False, False]),
        ((A, B), "899.99", [True, True]),
        ((A, replace(B, vendor="v2")), "600.00", [False, False]),
        (TWINS, "899.99", [True, True]),
        ((A, replace(B, paid=True)), "600.00", [False]),
    ],
)
def test_what_a_run_pays_to_one_vendor_is_judged_together(
    store: Store, lines: tuple[Line, ...], above: str, over: list[bool]
) -> None:
    judgement = judged(store, *lines, policy=tiers(above))

    assert [bool(found) for found in of_lines(judgement, "amount.approver")] == over


def test_a_run_is_not_in_its_own_way(store: Store) -> None:
    held = put(store, tool="propose_payment_run", bill_id=None, fields={"lines": [{"bill_id": "b1"}]})

    assert [bool(found) for found in of_lines(judged(store, A, B), "bill.overlap")] == [True, False]
    assert of_lines(judged(store, A, B, except_id=held.id), "bill.overlap") == [[], []]


def test_what_is_on_its_way_refuses_a_run_unless_it_is_left_out(store: Store) -> None:
    put(store, state="dispatching", fields=ids_of("b1", "v1"))

    assert judged(store, A, B).verdict is Severity.REFUSE
    assert said(judged(store, A, B, in_flight_states=()), "bill.in_flight") == []


def test_a_run_is_bound_to_its_fields_and_to_each_line(store: Store) -> None:
    before = judged(store, A, B)
    others = [
        judged(store, A, B, written={"memo": "another"}),
        judged(store, A, B, written={"left_out_count": 2}),
        judged(store, A, replace(B, binding={"due": "another"})),
        judged(store, replace(A, binding={"due": "another"}), B),
        judged(store, A, replace(B, paid=True)),
    ]

    assert judged(store, A, B).fingerprint == before.fingerprint
    assert len({before.fingerprint, *(one.fingerprint for one in others)}) == 6
    assert before.policy_version == QUIET.version
