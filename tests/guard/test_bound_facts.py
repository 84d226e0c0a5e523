"""A release is bound to each fact by itself: whichever of them alone is another, it is another release."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.guard.gathering import gather_facts
from rutter_ap_server.guard.judge import fingerprint_of
from rutter_ap_server.guard.judgement import Judgement
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Facts, finding
from rutter_ap_server.guard.writes.pay_bill import PayBillWrite
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.money import Money
from support.bench import Bench, a_bench
from support.facts import a_bill, a_prepared_write, a_vendor, an_account

# What a release is not bound to: it is part of another field, or says how a fact was read.
OF_NOTHING_ELSE = {
    "BillFact": {"entered", "rounded"},
    "VendorFact": {"currencies", "parts", "shows_bank_account", "updated_at", "bank_account_end"}
    | {"keys", "twins", "all_compared", "unlisted"},
    "AccountFact": set[str](),
}


def another(value: Any) -> Any:
    """A value of the same kind that is another one."""
    if isinstance(value, Money):
        return value + value
    return date(2031, 1, 1) if isinstance(value, date) else f"another {value}"


@pytest.mark.parametrize("fact", [a_bill(), a_vendor(), an_account()], ids=lambda fact: type(fact).__name__)
def test_each_field_of_a_party_is_bound(fact: Any) -> None:
    bound = {one.name for one in fields(fact)} - OF_NOTHING_ELSE[type(fact).__name__]
    unbound = {name for name in bound if replace(fact, **{name: another(getattr(fact, name))}).binding == fact.binding}
    assert len(bound) >= 4
    assert unbound == set()


async def payment_on(bench: Bench) -> tuple[PreparedWrite, Facts[Any]]:
    bench.policy('[tools]\npay_bill = "approve"\n')
    held = await bench.pay("NW-2291", "100.00")
    prepared = PreparedWrite.of(await bench.proposal(held.proposal_id))
    facts = await gather_facts(PayBillWrite(), prepared, bench.company)
    assert isinstance(facts, Facts)
    return prepared, facts


async def test_a_payment_is_bound_to_all_its_parties(home: Path) -> None:
    async with a_bench(home) as bench:
        prepared, facts = await payment_on(bench)
        seen = facts.seen

        assert facts.binding["bill"] == seen.bill.binding
        assert facts.binding["vendor"] == seen.vendor.binding
        assert facts.binding["account"] == seen.account.binding
        assert facts.binding["amount"] == "100.00 USD"
        assert {"other_bills", "lines", "files"} <= set(facts.binding)
        assert prepared.fields["account_id"] == seen.account.id


async def test_whatever_a_payment_is_bound_to_makes_another(home: Path) -> None:
    async with a_bench(home) as bench:
        prepared, facts = await payment_on(bench)
        words = PayBillWrite().describe(prepared, facts)
        before = fingerprint_of(prepared, facts, words)
        others = {
            name: fingerprint_of(prepared, replace(facts, binding=facts.binding | {name: "another"}), words)
            for name in facts.binding
        }
        others["texts"] = fingerprint_of(prepared, replace(facts, texts=(("memo", "another"),)), words)
        memo = replace(prepared, fields=prepared.fields | {"memo": "another"})
        others["tool"] = fingerprint_of(replace(prepared, tool="another"), facts, words)
        others["fields"] = fingerprint_of(memo, facts, words)
        others["words"] = fingerprint_of(prepared, facts, PayBillWrite().describe(memo, facts))

        assert len(others) >= 10
        assert len({before, *others.values()}) == len(others) + 1


def judged(fingerprint: str, *codes: str) -> Judgement:
    found = tuple(finding(code, Severity.ASK, "words") for code in codes)
    return Judgement(found, "policy", fingerprint)


@pytest.mark.parametrize("place", range(3))
def test_a_run_is_bound_to_every_line_of_it(place: int) -> None:
    members = [a_prepared_write(bill_id=f"b{number}", fields={"bill_id": f"b{number}"}) for number in range(3)]
    run = Judgement((), "policy", "run", parts=tuple((one, judged(one.digest)) for one in members))
    for changed in (judged("another"), judged(members[place].digest, "bill.duplicate")):
        parts = [(one, changed if at == place else judged(one.digest)) for at, one in enumerate(members)]

        assert not replace(run, parts=tuple(parts)).requires <= run.requires
    fewer = tuple(part for at, part in enumerate(run.parts) if at != place)
    assert replace(run, parts=fewer).requires < run.requires


def test_a_run_is_bound_to_what_is_found_of_the_whole() -> None:
    run = Judgement((), "policy", "run", parts=((a_prepared_write(), judged("one")),))
    more = replace(run, of_the_whole=(finding("amount.approver", Severity.APPROVE, "words"),))
    less = replace(run, of_the_whole=(finding("amount.approver", Severity.ALLOW, "words"),))

    assert more.requires - run.requires == {"amount.approver"}
    assert less.requires == run.requires


def test_the_day_it_was_entered_is_only_told() -> None:
    assert a_bill(entered=datetime(2026, 1, 1, tzinfo=UTC)).binding == a_bill().binding
