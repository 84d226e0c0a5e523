"""Which proposals a question finds, which a change reaches, and what a row that was edited by hand still shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.findings import Finding, Severity
from support.store_rows import START, behind_its_back, put, seen_from_outside

AN_INSTANT = timedelta(microseconds=1)
AN_SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
DIGEST = "a" * 64


def found(store: Store, look: Callable[[Tx], list[Proposal]]) -> list[str]:
    return [one.id for one in store.read_now(look)]


def stored(store: Store, proposal: Proposal) -> Proposal:
    read = store.read_now(lambda tx: tx.proposals.get(proposal.id))
    assert read is not None
    return read


def give(store: Store, proposal_id: str, name: str) -> None:
    """That person releases it."""
    store.write_now(
        lambda tx: tx.proposals.approve(
            proposal_id, name, "desk", "f", covers=(), statement="", approver_id=f"id of {name}"
        )
    )


def claim(store: Store, proposal_id: str) -> None:
    """The process called one takes it for a minute."""
    assert store.write_now(lambda tx: tx.proposals.claim(proposal_id, "one", 60))


def test_a_repeat_is_sought_among_the_same_posted_since(store: Store) -> None:
    same: dict[str, Any] = {"digest": DIGEST, "state": "posted", "updated_at": START}
    ours = put(store, **same)
    put(store, **same | {"updated_at": START - AN_INSTANT})
    put(store, **same | {"company_id": "company-2"})
    put(store, **same | {"digest": "b" * 64})
    put(store, **same | {"state": "failed"})

    assert found(store, lambda tx: tx.proposals.posted_with_digest("company-1", DIGEST, START)) == [ours.id]


def test_proposals_are_found_by_vendor_company_and_run(store: Store) -> None:
    run = put(store, tool="propose_payment_run", vendor_id=None)
    ours = put(store, vendor_id="v9", run_id=run.id)
    put(store, vendor_id="v9", state="posted", company_id="company-2")
    posted = put(store, vendor_id="v9", state="posted")

    held = [State.HELD]
    assert found(store, lambda tx: tx.proposals.of_vendor("company-1", "v9", held)) == [ours.id]
    assert found(store, lambda tx: tx.proposals.of_vendor("company-1", "v1", [State.POSTED])) == []
    assert set(found(store, lambda tx: tx.proposals.of_company("company-1", held))) == {run.id, ours.id}
    assert found(store, lambda tx: tx.proposals.of_company("company-1", [State.POSTED])) == [posted.id]
    assert found(store, lambda tx: tx.proposals.of_run(run.id)) == [ours.id]


def test_what_changed_since_comes_newest_first_and_by_tool(store: Store) -> None:
    edge = put(store, state="posted", updated_at=START)
    later = put(store, state="posted", updated_at=START + HOUR, tool="void_payment")
    put(store, state="posted", updated_at=START - AN_INSTANT)
    put(store, state="failed", updated_at=START + HOUR)
    put(store, state="posted", updated_at=START + HOUR, company_id="company-2")
    states = [State.POSTED]

    def since(*tools: str) -> list[str]:
        return found(store, lambda tx: tx.proposals.changed_since("company-1", states, START, tools))

    assert since() == [later.id, edge.id]
    assert since("pay_bill") == [edge.id]
    assert since("pay_bill", "void_payment") == [later.id, edge.id]


def test_of_many_ids_with_one_beginning_five_are_found(store: Store) -> None:
    for number in range(6):
        put(store, id=f"abcd{number}")

    assert len(found(store, lambda tx: tx.proposals.starting_with("abcd"))) == 5
    assert found(store, lambda tx: tx.proposals.starting_with("abcd3")) == ["abcd3"]


def test_the_newest_in_a_state_come_first_up_to_two_hundred(store: Store) -> None:
    def add(tx: Tx) -> None:
        for number in range(201):
            tx.proposals.add(replace(like, id=f"p{number}", digest=f"{number:064}", created_at=START + number * HOUR))

    like = put(store, state="posted")
    store.write_now(add)
    listed = found(store, lambda tx: tx.proposals.in_states([State.HELD, State.POSTED]))

    assert (len(listed), listed[0], listed[-1]) == (200, "p200", "p1")
    assert found(store, lambda tx: tx.proposals.in_states([State.HELD])) == []


def test_what_was_written_unasked_comes_before_what_was_not(store: Store) -> None:
    def add(**changed: Any) -> str:
        return put(store, **{"state": "posted", "approvals_needed": 0, "updated_at": START} | changed).id

    refused = add(state="refused", updated_at=START + 2 * HOUR)
    failed = add(state="failed", updated_at=START + HOUR)
    posted, newer = add(), add(updated_at=START + AN_INSTANT)
    asked, voided = add(), add()
    for one in (asked, voided):
        give(store, one, "Ana")
    store.write_now(lambda tx: tx.proposals.void_approvals(voided))
    run_asked, run_unasked = add(state="held", approvals_needed=1), add(state="held", approvals_needed=0)
    of_asked, _ = add(run_id=run_asked), add(run_id=run_unasked)
    add(state="held")

    everything = found(store, lambda tx: tx.proposals.unasked_since(None))
    assert everything[0] == newer
    assert set(everything[1:-2]) == {posted, voided, of_asked}
    assert everything[-2:] == [refused, failed]
    assert found(store, lambda tx: tx.proposals.unasked_since(START)) == [newer, refused, failed]


def test_a_change_by_a_lease_needs_that_lease(store: Store, clock: FixedClock) -> None:
    proposal = put(store, state="released")
    claim(store, proposal.id)
    clock.instant += HOUR

    def to_unknown(owner: str) -> bool:
        sending = [State.DISPATCHING]
        return store.write_now(lambda tx: tx.proposals.move(proposal.id, sending, State.UNKNOWN, held_by=owner))

    assert not to_unknown("two")
    assert stored(store, proposal).state == "dispatching"
    assert to_unknown("one")
    assert (stored(store, proposal).state, stored(store, proposal).updated_at) == ("unknown", clock.instant)


@pytest.mark.parametrize(("state", "renewed"), [("dispatching", True), ("unknown", True), ("held", False)])
def test_only_its_owner_renews_a_lease(store: Store, clock: FixedClock, state: str, renewed: bool) -> None:
    proposal, other = put(store, state="released"), put(store, state="released")
    for one in (proposal, other):
        claim(store, one.id)
    store.write_now(lambda tx: tx.proposals.move(proposal.id, [State.DISPATCHING], state))
    clock.instant += timedelta(seconds=30)

    assert not store.write_now(lambda tx: tx.proposals.renew(proposal.id, "two", 90))
    assert store.write_now(lambda tx: tx.proposals.renew(proposal.id, "one", 90)) is renewed
    until = START + timedelta(seconds=120 if renewed else 60)
    assert stored(store, proposal).lease_until == until
    assert stored(store, other).lease_until == START + timedelta(seconds=60)


def test_a_lease_is_taken_from_a_process_that_is_gone(store: Store, clock: FixedClock) -> None:
    proposal = put(store, state="released")
    claim(store, proposal.id)

    def take(owner: str, gone: str | None = None) -> bool:
        return store.write_now(lambda tx: tx.proposals.take_over(proposal.id, owner, 90, gone))

    assert not take("two", gone="another")
    assert take("two", gone="one")
    assert (stored(store, proposal).lease_owner, stored(store, proposal).lease_until) == ("two", START + 90 * AN_SECOND)
    assert not take("three")
    store.write_now(lambda tx: tx.proposals.drop_lease(proposal.id))
    assert (stored(store, proposal).lease_owner, stored(store, proposal).lease_until) == (None, None)
    assert take("three")


def test_a_newer_judgement_is_stored_whole(store: Store, clock: FixedClock) -> None:
    proposal, other = put(store), put(store)
    clock.instant += HOUR
    newer = replace(
        proposal,
        findings=(Finding(code="vendor.new", severity=Severity.APPROVE, message="new"),),
        verdict=Severity.APPROVE,
        approvals_needed=2,
        fingerprint="e" * 64,
        policy_version="q" * 64,
        sections=({"title": "Checks", "rows": []},),
        requires=frozenset({"facts:e", "vendor.new"}),
        updated_at=clock.instant,
    )
    store.write_now(
        lambda tx: tx.proposals.update_judgement(
            proposal.id,
            findings=newer.findings,
            verdict=newer.verdict,
            needed=2,
            fingerprint=newer.fingerprint,
            policy=newer.policy_version,
            sections=newer.sections,
            requires=newer.requires,
        )
    )

    assert stored(store, proposal) == newer
    assert stored(store, other) == other


def test_a_statement_is_kept_once_and_each_in_its_turn(store: Store, clock: FixedClock) -> None:
    proposal, other = put(store), put(store)

    def keep(digest: str, body: str, of: Proposal = proposal) -> None:
        store.write_now(lambda tx: tx.proposals.keep_statement(of.id, digest, body))

    keep("c", "first")
    keep("c", "other words", other)
    clock.instant += HOUR
    keep("b", "second")
    keep("a", "third")
    keep("c", "again")

    kept = store.read_now(lambda tx: tx.proposals.statements(proposal.id))
    assert list(kept.items()) == [("c", "first"), ("a", "third"), ("b", "second")]
    assert store.read_now(lambda tx: tx.proposals.statements(other.id)) == {"c": "other words"}


def test_the_last_release_that_was_voided_is_the_newest(store: Store) -> None:
    proposal, other = put(store), put(store)

    def last(of: Proposal = proposal) -> str | None:
        voided = store.read_now(lambda tx: tx.proposals.last_voided(of.id))
        return voided.approver if voided is not None else None

    give(store, proposal.id, "Ana")
    give(store, proposal.id, "Bo")
    assert last() is None
    store.write_now(lambda tx: tx.proposals.void_approvals(proposal.id))
    give(store, proposal.id, "Cy")
    give(store, other.id, "Dee")
    store.write_now(lambda tx: tx.proposals.void_approvals(other.id))
    assert (last(), last(other)) == ("Bo", "Dee")


def test_a_release_that_was_void_already_keeps_its_time(store: Store, store_url: str, clock: FixedClock) -> None:
    proposal = put(store)
    for name in ("Ana", "Bo"):
        give(store, proposal.id, name)
    store.write_now(lambda tx: tx.proposals.void_approvals_by("id of Ana"))
    first = voided_at(store_url)
    clock.instant += HOUR
    store.write_now(lambda tx: tx.proposals.void_approvals_by("id of Ana"))
    store.write_now(lambda tx: tx.proposals.void_approvals(proposal.id))

    again = voided_at(store_url)
    assert (first["Ana"], first["Bo"]) == (again["Ana"], None)
    assert again["Bo"] is not None
    assert again["Bo"] > again["Ana"]


def voided_at(url: str) -> dict[str, Any]:
    return {row[0]: row[1] for row in seen_from_outside(url, "SELECT approver, voided_at FROM approvals")}


@pytest.mark.parametrize(
    ("edited", "damage"),
    [
        ("fields = 'no JSON'", "fields"),
        ("verdict = 'whatever'", "row"),
        ("findings = '[{}]'", "row"),
        ("amount = 'much'", "amount"),
        ("record = 'no JSON'", "row"),
        ("created_at = 'once'", "created_at"),
        ("updated_at = 'once'", "row"),
        ("expires_at = 'once'", "expires_at"),
        ("lease_until = 'once'", "row"),
        ("requires = 'no JSON'", "row"),
        ("requires = '5'", "row"),
        ("state = 'whatever'", "row"),
    ],
)
def test_a_row_that_cannot_be_read_is_shown_as_damaged(store: Store, store_url: str, edited: str, damage: str) -> None:
    whole = {"record": {"id": "1"}, "requires": frozenset({"facts:f"}), "reason": "because"}
    proposal, other = put(store, **whole), put(store, bill_id="b2")
    behind_its_back(store_url, f"UPDATE proposals SET {edited} WHERE id = '{proposal.id}'")

    damaged, never = stored(store, proposal), datetime.min.replace(tzinfo=UTC)
    assert damaged.summary.startswith("DAMAGED: ")
    assert damaged == replace(
        proposal,
        fields={},
        verdict=Severity.REFUSE,
        findings=(),
        money=None,
        record=None,
        created_at=never,
        updated_at=never,
        expires_at=never,
        requires=frozenset(),
        reason="",
        state=State.UNKNOWN if edited.startswith("state") else State.HELD,
        summary=damaged.summary,
        damaged=(damage,),
    )
    assert stored(store, other) == other


def test_what_nobody_wrote_yet_is_empty_in_the_store(store: Store, store_url: str) -> None:
    put(store)
    assert seen_from_outside(store_url, "SELECT record, lease_owner FROM proposals") == [(None, None)]


def test_a_row_that_can_be_read_but_was_edited_says_so(store: Store, store_url: str) -> None:
    proposal = put(store, reason="because")
    edited = "amount = '1.00', reason = NULL"
    behind_its_back(store_url, f"UPDATE proposals SET {edited} WHERE id = '{proposal.id}'")

    damaged = stored(store, proposal)
    assert set(damaged.damaged) == {"amount", "reason"}
    assert (damaged.money and damaged.money.text, damaged.reason) == ("1.00", "")


def test_what_an_earlier_program_left_out_is_empty(store: Store, store_url: str) -> None:
    proposal = put(store, reason="because", requires=frozenset({"facts:f"}), sections=({"title": "Checks"},))
    give(store, proposal.id, "Ana")
    columns = ("statement", "requires", "closed_by", "closed_reason", "connection_id")
    behind_its_back(store_url, f"UPDATE proposals SET {', '.join(f'{one} = NULL' for one in columns)}")

    behind_its_back(store_url, "UPDATE approvals SET covers = NULL, statement = NULL")

    assert stored(store, proposal) == replace(proposal, requires=frozenset(), sections=(), connection_id="company-1")
    [given] = store.read_now(lambda tx: tx.proposals.approvals(proposal.id))
    assert (given.approver, given.covers, given.statement) == ("Ana", frozenset(), "")
