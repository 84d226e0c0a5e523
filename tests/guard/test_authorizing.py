"""Who and what may still leave, each condition by itself: claims, people, and the last look before a request."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.guard.authorize import (
    claim,
    is_permanent,
    is_sufficient,
    may_still_leave,
    people_of,
    prepared_by,
    valid_approvals,
)
from rutter_ap_server.guard.judgement import Judgement
from rutter_ap_server.guard.lease import LEASE_SECONDS, Lease
from rutter_ap_server.guard.policy import Policy, parse_policy
from rutter_ap_server.guard.writes.base import finding
from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.errors import StoreError
from rutter_ap_server.store.proposals import Approval, Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.findings import Severity
from support.facts import ids_of
from support.store_rows import START, a_proposal, behind_its_back, put

AN_INSTANT = timedelta(microseconds=1)
WHOLE = frozenset({"facts:f", "policy.approve"})
BUILT_IN = Policy()
ASKED: dict[str, Any] = {"verdict": Severity.APPROVE, "approvals_needed": 1, "requires": WHOLE}


def approver(store: Store, name: str) -> str:
    return store.write_now(lambda tx: tx.approvers.add(name, f"hash of {name}"))


def release(store: Store, proposal: Proposal, name: str, covers: frozenset[str] = WHOLE, **more: Any) -> str:
    """That person, or the chat, releases it; the person's id."""
    by = None if name == "chat" else more.get("by") or approver(store, name)
    channel = "chat" if name == "chat" else "terminal"
    store.write_now(
        lambda tx: tx.proposals.approve(
            proposal.id, name, channel, proposal.fingerprint, covers=covers, statement="s", approver_id=by
        )
    )
    return by or ""


def counting(store: Store, proposal: Proposal, policy: Policy = BUILT_IN) -> list[str]:
    return store.read_now(lambda tx: [one.approver for one in valid_approvals(tx, proposal, policy)])


@pytest.mark.parametrize("state", list(State))
def test_only_what_is_released_is_claimed(store: Store, state: State) -> None:
    proposal = put(store, state=state, fields=ids_of("b1", "v1"))
    got = store.write_now(lambda tx: claim(tx, Lease(proposal.id, "own/1")))
    current = store.read_now(lambda tx: tx.proposals.get(proposal.id))

    assert got == (state == State.RELEASED, False)
    assert current is not None
    assert current.state == ("dispatching" if state == State.RELEASED else state)
    assert store.write_now(lambda tx: claim(tx, Lease("no such proposal", "own/1"))) == (False, False)


@pytest.mark.parametrize(("left", "state"), [(AN_INSTANT, "dispatching"), (timedelta(0), "expired")])
def test_what_expired_is_not_claimed(store: Store, clock: FixedClock, left: timedelta, state: str) -> None:
    proposal = put(store, state="released", fields=ids_of("b1", "v1"))
    clock.instant = proposal.expires_at - left
    got = store.write_now(lambda tx: claim(tx, Lease(proposal.id, "own/1")))
    current = store.read_now(lambda tx: tx.proposals.get(proposal.id))

    assert current is not None
    assert (got, current.state) == ((state == "dispatching", False), state)


def test_what_has_to_wait_stays_released(store: Store) -> None:
    put(store, state="dispatching", fields=ids_of("b1", "v1"))
    proposal = put(store, state="released", fields=ids_of("b1", "v1"))

    assert store.write_now(lambda tx: claim(tx, Lease(proposal.id, "own/1"))) == (False, True)
    current = store.read_now(lambda tx: tx.proposals.get(proposal.id))
    assert current is not None
    assert current.state == "released"


def test_what_was_edited_by_hand_is_not_claimed(store: Store, tmp_path: Path) -> None:
    proposal = put(store, state="released", fields=ids_of("b1", "v1"))
    behind_its_back(f"sqlite:///{tmp_path / 'ap.db'}", "UPDATE proposals SET amount = '1.00'")

    with pytest.raises(StoreError) as tampered:
        store.write_now(lambda tx: claim(tx, Lease(proposal.id, "own/1")))
    assert tampered.value.error_code == "store.tampered"


def leaves(store: Store, lease: Lease, policy: Policy = BUILT_IN, under: str = "") -> bool:
    return store.read_now(lambda tx: may_still_leave(tx, policy, lease, under or policy.version))


def sending(store: Store, **changed: Any) -> tuple[Proposal, Lease]:
    proposal = put(store, state="released", fields=ids_of("b1", "v1"), **changed)
    lease = Lease(proposal.id, "own/1")
    assert store.write_now(lease.claim)
    return proposal, lease


def test_each_thing_that_keeps_a_request_back(store: Store, clock: FixedClock) -> None:
    _, lease = sending(store, verdict=Severity.ALLOW, approvals_needed=0)
    assert leaves(store, lease)
    assert not leaves(store, lease, under="another version")
    assert not leaves(store, Lease(lease.proposal_id, "own/2"))
    assert not leaves(store, Lease("no such proposal", "own/1"))
    store.write_now(lambda tx: tx.controls.freeze("Ana"))
    assert not leaves(store, lease)
    store.write_now(lambda tx: tx.controls.unfreeze())
    assert leaves(store, lease)
    clock.instant += timedelta(seconds=LEASE_SECONDS)
    assert not leaves(store, lease)


@pytest.mark.parametrize(
    ("asked", "given", "enough"),
    [
        ({"verdict": Severity.ALLOW, "approvals_needed": 0}, [], True),
        # A line of a run that nothing speaks against is released by the people of the run.
        ({"verdict": Severity.ALLOW, "approvals_needed": 1}, [], False),
        ({"verdict": Severity.ASK, "approvals_needed": 1}, [], False),
        ({"verdict": Severity.ASK, "approvals_needed": 1}, [("chat", WHOLE)], True),
        ({"verdict": Severity.APPROVE, "approvals_needed": 1}, [("Ana", WHOLE)], True),
        ({"verdict": Severity.APPROVE, "approvals_needed": 1}, [("Ana", WHOLE | {"more"})], True),
        ({"verdict": Severity.APPROVE, "approvals_needed": 1}, [("Ana", frozenset({"facts:f"}))], False),
        ({"verdict": Severity.APPROVE, "approvals_needed": 2}, [("Ana", WHOLE)], False),
        ({"verdict": Severity.APPROVE, "approvals_needed": 2}, [("Ana", WHOLE), ("Bo", WHOLE)], True),
    ],
)
def test_a_request_leaves_with_its_people_only(
    store: Store, asked: dict[str, Any], given: list[tuple[str, frozenset[str]]], enough: bool
) -> None:
    proposal, lease = sending(store, requires=WHOLE, **asked)
    for name, covers in given:
        release(store, proposal, name, covers)

    assert leaves(store, lease) is enough


def test_who_was_removed_does_not_count(store: Store) -> None:
    proposal, lease = sending(store, **ASKED)
    ana = release(store, proposal, "Ana")
    assert (counting(store, proposal), leaves(store, lease)) == (["Ana"], True)
    store.write_now(lambda tx: tx.approvers.remove(ana))

    assert (counting(store, proposal), leaves(store, lease)) == ([], False)


def test_an_answer_in_the_chat_needs_no_approver(store: Store) -> None:
    proposal = put(store, **ASKED)
    release(store, proposal, "chat")
    approver(store, "Ana")
    policy = parse_policy('[approvers.Bo]\ntools = ["pay_bill"]\n')

    assert counting(store, proposal) == ["chat"]
    assert counting(store, proposal, policy) == ["chat"]


@pytest.mark.parametrize(
    ("preparer", "approver", "same"),
    [
        ("Dana", "dana", True),
        ("assistant (Dana)", "Dana", True),
        ("assistant (ＤＡＮＡ)", "Dana", True),
        ("assistant (Dàna\u3000 Reyes)", "dana reyes", True),
        ("assistant (Claude)", "Dana", False),
        ("assistant", "assistant", True),
        ("assistant", "Dana", False),
        ("Dana Smith", "Dana", False),
    ],
)
def test_a_preparer_is_recognised_by_name(preparer: str, approver: str, same: bool) -> None:
    assert prepared_by(preparer, approver) is same


@pytest.mark.parametrize(("may", "counts"), [("true", ["Ana", "Bo"]), ("false", ["Bo"])])
def test_who_prepared_it_counts_only_if_the_policy_says_so(store: Store, may: str, counts: list[str]) -> None:
    proposal = put(store, preparer="assistant (Ana)", **ASKED)
    release(store, proposal, "Ana")
    release(store, proposal, "Bo")

    assert counting(store, proposal, parse_policy(f"preparer_may_approve = {may}\n")) == counts


@pytest.mark.parametrize(
    ("policy", "counts"),
    [
        ("", ["Ana"]),
        ('[approvers.Ana]\ntools = ["pay_bill"]\n', ["Ana"]),
        ('[approvers.Ana]\ntools = ["propose_payment_run"]\n', ["Ana"]),
        ('[approvers.Ana]\ntools = ["create_bill"]\n', []),
        ("[approvers.Bo]\n", []),
    ],
)
def test_a_line_is_released_as_itself_or_as_part_of_its_run(store: Store, policy: str, counts: list[str]) -> None:
    run = put(store, tool="propose_payment_run", money=None, bill_id=None)
    line = put(store, run_id=run.id, money=None, **ASKED)
    alone = put(store, money=None, **ASKED)
    ana = release(store, line, "Ana")
    release(store, alone, "Ana", by=ana)

    assert counting(store, line, parse_policy(policy)) == counts
    of_its_own = [] if "propose_payment_run" in policy else counts
    assert counting(store, alone, parse_policy(policy)) == of_its_own


def given_by(name: str, covers: frozenset[str] = WHOLE) -> Approval:
    of = None if name == "chat" else f"id of {name}"
    return Approval(name, "chat" if name == "chat" else "terminal", "f", START, of, covers)


def found(*codes: str, severity: Severity = Severity.APPROVE) -> Judgement:
    return Judgement(tuple(finding(code, severity, "it") for code in codes), "policy", "f")


def test_a_line_needs_the_people_of_its_run() -> None:
    ana, bo = given_by("Ana"), given_by("Bo")
    judgement = found("policy.approve")
    alone = a_proposal(approvals_needed=2)
    line = replace(alone, run_id="the run")

    assert is_sufficient(alone, judgement, (ana,))
    assert not is_sufficient(line, judgement, (ana,))
    assert is_sufficient(line, judgement, (ana, bo))
    assert not is_sufficient(line, judgement, (ana, given_by("Bo", frozenset({"facts:f"}))))


def test_an_answer_in_the_chat_counts_for_what_is_only_asked() -> None:
    chat = given_by("chat", frozenset({"facts:f", "policy.ask"}))
    assert is_sufficient(a_proposal(), found("policy.ask", severity=Severity.ASK), (chat,))
    assert not is_sufficient(a_proposal(), found("policy.ask", severity=Severity.APPROVE), (chat,))
    assert not is_sufficient(a_proposal(), found("policy.ask", severity=Severity.REFUSE), (chat, given_by("Ana")))
    # There it counts as one person.
    line = a_proposal(approvals_needed=2, run_id="the run")
    judgement = found("policy.ask", severity=Severity.ASK)
    assert is_sufficient(line, judgement, (chat, given_by("Ana", chat.covers)))


def test_people_are_counted_by_their_ids() -> None:
    ana, nameless = given_by("Ana"), replace(given_by("Bo"), approver_id=None)
    claimed = replace(given_by("chat"), approver_id="id of Cy")

    assert people_of([ana, replace(ana, approver="ANA"), nameless, claimed, given_by("chat")]) == {"id of Ana"}


PASSING = {
    "bill.in_flight",
    "clock.skewed",
    "freeze.active",
    "ledger.behind",
    "policy.differs",
    "amount.over_day_limit",
    "amount.over_week_limit",
    "amount.over_month_limit",
    "amount.over_vendor_limit",
}


@pytest.mark.parametrize("code", sorted(PASSING))
def test_each_refusal_that_passes_is_waited_for(code: str) -> None:
    assert not is_permanent(found(code, severity=Severity.REFUSE))
    both = found(code, severity=Severity.REFUSE)
    assert is_permanent(replace(both, findings=(*both.findings, finding("vendor.blocked", Severity.REFUSE, "it"))))
    assert not is_permanent(replace(both, findings=(*both.findings, finding("vendor.new", Severity.APPROVE, "it"))))
