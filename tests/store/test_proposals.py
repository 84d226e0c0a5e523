"""Proposals: what is frozen stays, one open proposal an intent, and a claim that only one process ever gets."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.store.engine import Store, StoreError, Tx
from rutter_ap_server.store.proposals import Approval, Proposal
from rutter_ap_server.store.states import OPEN_STATES, State
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.money import Money
from support.store_rows import START, a_proposal, put

CLOSED_STATES = ("posted", "failed", "refused", "declined", "expired", "superseded")

SHOWN: dict[str, Any] = {"covers": frozenset({"facts:1", "amount.approver"}), "statement": "s" * 64}


def stored(store: Store, proposal_id: str) -> Proposal:
    found = store.read_now(lambda tx: tx.proposals.get(proposal_id))
    assert found is not None
    return found


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"money": Money.parse("123456789012345.1234", "CLF")},
        {"money": Money.parse("5", "JPY"), "vendor_id": None, "vendor_name": None, "bill_id": None},
        {"money": None, "findings": (), "verdict": Severity.ALLOW, "approvals_needed": 0},
        {"record": {"kind": "bill", "id": "é"}, "summary": "‹quoted› \u202e '; DROP TABLE proposals; --"},
        {"state": "refused", "verdict": Severity.REFUSE, "created_at": START - timedelta(days=400)},
        {"sections": ({"title": "Checks"},), "requires": frozenset({"facts:f", "amount.approver"}), "reason": "due"},
        {
            "state": "declined",
            "closed_by": "Ana",
            "closed_reason": "not ours",
            "connection_id": "connection-1",
            "run_id": "r",
        },
    ],
)
def test_a_proposal_is_read_back_as_it_was_written(store: Store, changed: dict[str, object]) -> None:
    proposal = put(store, **changed)

    assert stored(store, proposal.id) == proposal


def test_there_is_none_under_an_id_nobody_gave(store: Store) -> None:
    assert store.read_now(lambda tx: tx.proposals.get("nobody")) is None


@pytest.mark.parametrize("first", OPEN_STATES)
@pytest.mark.parametrize("second", OPEN_STATES)
def test_the_database_refuses_a_second_open_proposal_per_intent(store: Store, first: str, second: str) -> None:
    put(store, digest="a" * 64, state=first)

    with pytest.raises(StoreError):
        put(store, digest="a" * 64, state=second)
    assert len(store.read_now(lambda tx: tx.proposals.in_states(OPEN_STATES))) == 1


@pytest.mark.parametrize("closed", CLOSED_STATES)
def test_a_closed_proposal_makes_room_for_another(store: Store, closed: str) -> None:
    put(store, digest="a" * 64, state=closed)
    second = put(store, digest="a" * 64)

    assert store.read_now(lambda tx: tx.proposals.open_with_digest("company-1", "a" * 64)) == second


def test_the_same_intent_in_another_company_is_another_intent(store: Store) -> None:
    put(store, digest="a" * 64)
    other = put(store, digest="a" * 64, company_id="company-2")

    assert store.read_now(lambda tx: tx.proposals.open_with_digest("company-2", "a" * 64)) == other


def test_a_closed_proposal_cannot_be_opened_beside_an_open_one(store: Store) -> None:
    old = put(store, digest="a" * 64, state="expired")
    put(store, digest="a" * 64)

    with pytest.raises(StoreError):
        store.write_now(lambda tx: tx.proposals.move(old.id, [State.EXPIRED], State.HELD))
    assert stored(store, old.id).state == "expired"


def test_one_intent_from_many_threads_at_once_is_written_once(store: Store) -> None:
    refused: list[StoreError] = []
    together = threading.Barrier(12)

    def propose() -> None:
        together.wait()
        try:
            put(store, digest="a" * 64)
        except StoreError as error:
            refused.append(error)

    _at_once(propose, 12)
    assert len(refused) == 11
    assert len(store.read_now(lambda tx: tx.proposals.in_states([State.HELD]))) == 1


def test_a_state_changes_only_from_the_states_expected(store: Store, clock: FixedClock) -> None:
    proposal = put(store)
    clock.instant = START + timedelta(seconds=5)

    assert store.write_now(lambda tx: tx.proposals.move(proposal.id, [State.HELD], State.DECLINED))
    assert not store.write_now(lambda tx: tx.proposals.move(proposal.id, [State.HELD, State.RELEASED], State.RELEASED))
    assert stored(store, proposal.id) == replace(proposal, state=State.DECLINED, updated_at=clock.instant)


def test_the_newest_proposal_of_an_intent_is_found_open_or_not(store: Store) -> None:
    put(store, digest="a" * 64, state="expired", created_at=START)
    newest = put(store, digest="a" * 64, state="declined", created_at=START + timedelta(minutes=1))
    put(store, digest="a" * 64, state="failed", created_at=START - timedelta(minutes=1))

    assert store.read_now(lambda tx: tx.proposals.latest_with_digest("company-1", "a" * 64)) == newest
    assert store.read_now(lambda tx: tx.proposals.latest_with_digest("company-2", "a" * 64)) is None


def test_proposals_are_found_by_bill_and_by_state_newest_first(store: Store) -> None:
    old = put(store, created_at=START)
    new = put(store, created_at=START + timedelta(hours=1), state="released")
    put(store, bill_id="b2", state="posted")
    put(store, company_id="company-2")

    found = store.read_now(lambda tx: tx.proposals.of_bill("company-1", "b1", [State.HELD, State.RELEASED]))
    assert {p.id for p in found} == {old.id, new.id}
    listed = store.read_now(lambda tx: tx.proposals.in_states([State.HELD, State.RELEASED], limit=2))
    assert listed[0].id == new.id
    assert len(listed) == 2


def test_a_proposal_is_found_by_a_literal_prefix_of_its_id(store: Store) -> None:
    proposal = put(store)

    assert store.read_now(lambda tx: tx.proposals.starting_with(proposal.id[:6])) == [proposal]
    assert store.read_now(lambda tx: tx.proposals.starting_with("%")) == []
    assert store.read_now(lambda tx: tx.proposals.starting_with("_" * 8)) == []


def test_a_released_proposal_is_claimed_once_with_a_lease(store: Store) -> None:
    proposal = put(store, state="released")

    assert store.write_now(lambda tx: tx.proposals.claim(proposal.id, "one", 120))
    assert not store.write_now(lambda tx: tx.proposals.claim(proposal.id, "two", 120))
    claimed = stored(store, proposal.id)
    assert (claimed.state, claimed.lease_owner, claimed.lease_until) == (
        "dispatching",
        "one",
        START + timedelta(seconds=120),
    )


@pytest.mark.parametrize("state", ["held", "dispatching", "unknown", *CLOSED_STATES])
def test_only_a_released_proposal_can_be_claimed(store: Store, state: str) -> None:
    proposal = put(store, state=state)

    assert not store.write_now(lambda tx: tx.proposals.claim(proposal.id, "one", 120))
    assert stored(store, proposal.id) == proposal


def test_of_many_threads_exactly_one_gets_a_claim(store: Store) -> None:
    proposal = put(store, state="released")
    won: list[int] = []
    together = threading.Barrier(12)
    names = iter(range(12))

    def claim() -> None:
        name = next(names)
        together.wait()
        if store.write_now(lambda tx: tx.proposals.claim(proposal.id, f"thread {name}", 120)):
            won.append(name)

    _at_once(claim, 12)
    assert [f"thread {name}" for name in won] == [stored(store, proposal.id).lease_owner]


_CLAIM_ALL = """
import sys
from rutter_ap_server.clock import Clock
from rutter_ap_server.store.engine import Store
url, owner, ids = sys.argv[1], sys.argv[2], sys.argv[3].split(",")
store = Store(url, Clock())
print("ready", flush=True)
sys.stdin.readline()
print(",".join(i for i in ids if store.write_now(lambda tx: tx.proposals.claim(i, owner, 120))))
store.close()
"""


def test_of_two_processes_exactly_one_gets_each_claim(store: Store, store_url: str) -> None:
    ids = [put(store, state="released").id for _ in range(25)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _CLAIM_ALL, store_url, owner, ",".join(ids)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": ":".join(sys.path)},
        )
        for owner in ("one", "two")
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    won = [[i for i in process.communicate(timeout=30)[0].strip().split(",") if i] for process in processes]

    assert sorted(won[0] + won[1]) == sorted(ids)
    assert {i: stored(store, i).lease_owner for i in ids} == dict.fromkeys(won[0], "one") | dict.fromkeys(won[1], "two")


def test_an_unknown_outcome_is_taken_over_after_its_lease(store: Store, clock: FixedClock) -> None:
    proposal = put(store, state="released")
    store.write_now(lambda tx: tx.proposals.claim(proposal.id, "one", 120))

    clock.instant = START + timedelta(seconds=120)
    assert not store.write_now(lambda tx: tx.proposals.take_over(proposal.id, "two", 120))
    clock.instant = START + timedelta(seconds=120, microseconds=1)
    assert store.write_now(lambda tx: tx.proposals.take_over(proposal.id, "two", 60))
    assert not store.write_now(lambda tx: tx.proposals.take_over(proposal.id, "three", 60))
    taken = stored(store, proposal.id)
    assert (taken.state, taken.lease_owner) == ("dispatching", "two")


@pytest.mark.parametrize("state", ["held", "released", *CLOSED_STATES])
def test_only_an_open_outcome_is_taken_over(store: Store, state: str) -> None:
    proposal = put(store, state=state)

    assert not store.write_now(lambda tx: tx.proposals.take_over(proposal.id, "two", 60))


def test_a_clock_set_back_ends_no_lease(store: Store, clock: FixedClock) -> None:
    proposal = put(store, state="released")
    store.write_now(lambda tx: tx.proposals.claim(proposal.id, "one", 120))

    clock.instant = START - timedelta(days=1)
    assert not store.write_now(lambda tx: tx.proposals.take_over(proposal.id, "two", 60))


def test_approvals_are_kept_in_order_and_voided_together(store: Store) -> None:
    proposal = put(store)
    store.write_now(lambda tx: tx.proposals.approve(proposal.id, "Ana", "desk", "f" * 64, approver_id="id-a", **SHOWN))
    store.write_now(lambda tx: tx.proposals.approve(proposal.id, "chat", "chat", "f" * 64, **SHOWN))

    assert store.read_now(lambda tx: tx.proposals.approvals(proposal.id)) == (
        Approval("Ana", "desk", "f" * 64, START, "id-a", **SHOWN),
        Approval("chat", "chat", "f" * 64, START, **SHOWN),
    )
    store.write_now(lambda tx: tx.proposals.void_approvals(proposal.id))
    assert store.read_now(lambda tx: tx.proposals.approvals(proposal.id)) == ()


def test_one_persons_approvals_are_voided_where_nothing_was_sent(store: Store) -> None:
    states = ("held", "released", "dispatching", "unknown", "posted")
    proposals = {state: put(store, state=state) for state in states}
    for one in proposals.values():
        store.write_now(partial(_approved_by, one.id, "id-a"))
        store.write_now(partial(_approved_by, one.id, "id-b"))

    store.write_now(lambda tx: tx.proposals.void_approvals_by("id-a"))

    left = {
        state: [a.approver_id for a in store.read_now(partial(_approvals_of, one.id))]
        for state, one in proposals.items()
    }
    both = ["id-a", "id-b"]
    expected = {"held": ["id-b"], "released": ["id-b"], "dispatching": both, "unknown": both, "posted": both}
    assert left == expected


def _approved_by(proposal_id: str, approver_id: str, tx: Tx) -> None:
    tx.proposals.approve(proposal_id, "Ana", "desk", "f" * 64, approver_id=approver_id, **SHOWN)


def _approvals_of(proposal_id: str, tx: Tx) -> tuple[Approval, ...]:
    return tx.proposals.approvals(proposal_id)


def test_what_an_approval_does_not_cover_voids_all_of_them(store: Store) -> None:
    proposal = put(store)
    store.write_now(lambda tx: tx.proposals.approve(proposal.id, "Ana", "desk", "f" * 64, **SHOWN))

    def judge(fingerprint: str, *codes: str) -> None:
        finding = Finding(code="amount.approver", severity=Severity.APPROVE, message="over")
        store.write_now(
            lambda tx: tx.proposals.update_judgement(
                proposal.id,
                findings=[finding],
                verdict=Severity.APPROVE,
                needed=2,
                fingerprint=fingerprint,
                policy="q" * 64,
                sections=[],
                requires={"facts:1", *codes},
            )
        )

    judge("f" * 64, "amount.approver")
    judge("f" * 64)
    assert len(store.read_now(lambda tx: tx.proposals.approvals(proposal.id))) == 1, "a finding that went voids nothing"
    judge("e" * 64, "vendor.changed")
    assert store.read_now(lambda tx: tx.proposals.approvals(proposal.id)) == ()
    void = store.read_now(lambda tx: tx.proposals.last_voided(proposal.id))
    assert void is not None
    assert (void.approver, void.statement) == ("Ana", "s" * 64)
    again = stored(store, proposal.id)
    assert (again.verdict, again.approvals_needed, again.fingerprint, again.policy_version) == (
        Severity.APPROVE,
        2,
        "e" * 64,
        "q" * 64,
    )


def test_an_approval_of_a_missing_proposal_is_not_written(store: Store) -> None:
    with pytest.raises(StoreError):
        store.write_now(lambda tx: tx.proposals.approve(str(uuid.uuid4()), "Ana", "desk", "f" * 64, **SHOWN))


def test_a_float_in_the_frozen_fields_is_refused(store: Store) -> None:
    with pytest.raises(TypeError, match="float"):
        store.write_now(lambda tx: tx.proposals.add(a_proposal(fields={"amount": 1.0})))


def _at_once(work: object, count: int) -> None:
    assert callable(work)
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
