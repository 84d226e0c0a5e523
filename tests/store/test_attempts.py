"""Attempts: what was sent, what became of it, and whose outcome a record of the ledger is."""

from __future__ import annotations

from datetime import timedelta

from rutter_ap_server.clock import FixedClock, stamp
from rutter_ap_server.store.engine import Store, Tx
from support.store_rows import START, put, seen_from_outside


def sent(store: Store, outcome: str = "", upstream_id: str | None = None, **of: str) -> str:
    """A proposal that was sent, and what became of it."""
    proposal = put(store, **of)
    store.write_now(lambda tx: tx.attempts.add(proposal.id, proposal.id, {}))
    if outcome:
        settle(store, proposal.id, outcome, upstream_id)
    return proposal.id


def settle(store: Store, proposal_id: str, outcome: str, upstream_id: str | None = None) -> None:
    of = {"upstream_id": upstream_id, "job_id": None, "reason": None}
    store.write_now(lambda tx: tx.attempts.settle(proposal_id, outcome, **of))


def outcome_of(store: Store, proposal_id: str) -> str | None:
    found = store.read_now(lambda tx: tx.attempts.last(proposal_id))
    assert found is not None
    return found.outcome


def test_an_attempt_is_journalled_first_and_keeps_a_learnt_id(store: Store, clock: FixedClock) -> None:
    proposal = put(store)
    assert store.read_now(lambda tx: tx.attempts.last(proposal.id)) is None
    store.write_now(lambda tx: tx.attempts.add(proposal.id, "key-1", {"payments": ["a"], "due": "1.00"}))
    clock.instant = START + timedelta(seconds=1)
    store.write_now(
        lambda tx: tx.attempts.settle(proposal.id, "unknown", upstream_id=None, job_id="job-1", reason="timeout")
    )
    unknown = store.read_now(lambda tx: tx.attempts.last(proposal.id))
    assert unknown is not None
    assert (unknown.outcome, unknown.reason) == ("unknown", "timeout")
    store.write_now(lambda tx: tx.attempts.settle(proposal.id, "posted", upstream_id="pay-1", job_id=None, reason=None))

    attempt = store.read_now(lambda tx: tx.attempts.last(proposal.id))
    assert attempt is not None
    assert (attempt.idempotency_key, attempt.before, attempt.at) == ("key-1", {"payments": ["a"], "due": "1.00"}, START)
    assert (attempt.outcome, attempt.upstream_id, attempt.job_id, attempt.reason) == ("posted", "pay-1", "job-1", None)


def test_what_may_be_booked_is_doubted_until_it_is_believed(store: Store) -> None:
    first = sent(store, "doubted", state="failed", bill_id="b1")
    second = sent(store, "doubted", state="failed", bill_id="b2")
    third = sent(store, "doubted", state="failed", bill_id="b1", company_id="company-2")
    sent(store, "doubted", state="posted", bill_id="b1")
    sent(store, "failed", state="failed", bill_id="b1")
    unsent = put(store, state="failed", bill_id="b1")

    def doubted(company: str = "", bill: str = "") -> list[str]:
        return store.read_now(lambda tx: tx.attempts.doubted(company_id=company, bill_id=bill))

    assert doubted() == [first, second, third]
    assert (doubted("company-1", "b1"), doubted("company-1", "b2"), doubted("company-1", "b3")) == (
        [first],
        [second],
        [],
    )

    def believe(tx: Tx) -> None:
        tx.attempts.believe(first)
        tx.attempts.believe(unsent.id)

    store.write_now(believe)
    assert (doubted(), outcome_of(store, first)) == ([second, third], "failed")


def test_a_record_belongs_to_whom_it_was_named_for(store: Store) -> None:
    first, second = sent(store, "posted", "r1"), sent(store, "unknown", "r2")

    def claimed(*records: str, by: str = "") -> set[str]:
        return store.read_now(lambda tx: tx.attempts.claimed(records, except_id=by))

    assert (claimed("r1", "r2", "r3"), claimed("r1"), claimed()) == ({"r1", "r2"}, {"r1"}, set())
    assert (claimed("r1", "r2", by=first), claimed("r1", "r2", by=second)) == ({"r2"}, {"r1"})


def test_a_lost_write_may_have_written_any_record(store: Store) -> None:
    sent(store, "posted", "r1")
    put(store)
    lost = sent(store, "unknown")
    store.write_now(lambda tx: tx.attempts.add(lost, "again", {}))
    sent(store, "failed", company_id="company-2")

    def wrote(*records: str, of: str = "company-1") -> int:
        return store.read_now(lambda tx: tx.attempts.may_have_written(of, records))

    assert (wrote("r1", "r2"), wrote("r2"), wrote("r2", of="company-3")) == (2, 1, 0)


def test_only_its_own_newest_attempt_is_settled(store: Store, store_url: str, clock: FixedClock) -> None:
    other, ours = sent(store), sent(store)
    store.write_now(lambda tx: tx.attempts.add(ours, "again", {}))
    clock.instant = START + timedelta(seconds=1)
    settle(store, ours, "unknown", "r1")
    # What was learnt of it earlier is kept.
    settle(store, ours, "failed")

    rows = seen_from_outside(
        store_url, "SELECT proposal_id, outcome, upstream_id, settled_at FROM attempts ORDER BY id"
    )
    assert rows == [(other, None, None, None), (ours, None, None, None), (ours, "failed", "r1", stamp(clock.instant))]


def test_settling_where_nothing_was_sent_changes_nothing(store: Store) -> None:
    proposal = put(store)
    store.write_now(lambda tx: tx.attempts.settle(proposal.id, "posted", upstream_id="x", job_id=None, reason=None))

    assert store.read_now(lambda tx: tx.attempts.last(proposal.id)) is None
