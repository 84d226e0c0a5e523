"""A clock that jumps: the store's time never goes back, never stands still, and frees nothing that was spent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from rutter_ap_server.clock import Clock, FixedClock
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_tools.money import Money
from support.postgres import Postgres
from support.store_rows import START, a_proposal, behind_its_back, put

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
USD_5 = Money.parse("5.00", "USD")


@pytest.fixture
def slow(store_url: str, store: Store) -> Iterator[tuple[Store, FixedClock]]:
    """A second replica of the same store, whose clock is ten minutes slow."""
    clock = FixedClock(START - 10 * MINUTE)
    other = Store(store_url, clock)
    yield other, clock
    other.close()


def note(store: Store, kind: str = "judged") -> None:
    store.write_now(lambda tx: tx.audit.append(kind, actor="guard"))


def now(store: Store) -> object:
    return store.read_now(lambda tx: tx.now)


def test_the_store_tells_the_time_of_the_clock(store: Store, clock: FixedClock) -> None:
    note(store)
    clock.instant = START + HOUR

    assert now(store) == START + HOUR


def test_a_clock_set_back_does_not_set_the_store_back(store: Store, clock: FixedClock) -> None:
    """And time goes on."""
    note(store)
    clock.instant = START - HOUR
    assert now(store) == START

    clock.instant += MINUTE
    note(store)
    clock.instant += MINUTE
    assert now(store) == START + 2 * MINUTE


def test_once_the_clock_has_caught_up_it_counts_again(store: Store, clock: FixedClock) -> None:
    note(store)
    clock.instant = START - HOUR
    assert now(store) == START
    clock.instant = START + MINUTE

    assert now(store) == START + MINUTE


def test_a_clock_that_jumps_about_never_runs_ahead_of_itself(store: Store, clock: FixedClock) -> None:
    """Time that ran ahead would empty the windows early."""
    for step in range(50):
        clock.instant = START + step * MINUTE
        note(store)
        clock.instant -= HOUR
        note(store)

    clock.instant = START + 50 * MINUTE
    assert now(store) == START + 50 * MINUTE


def test_the_chain_is_in_order_of_time_whatever_clocks_say(
    store: Store, clock: FixedClock, slow: tuple[Store, FixedClock]
) -> None:
    other, its_clock = slow
    for _ in range(3):
        note(store, "quick")
        note(other, "slow")
        clock.instant += MINUTE
        its_clock.instant += MINUTE

    entries = store.read_now(lambda tx: list(tx.audit.entries()))
    assert [e.kind for e in entries] == ["quick", "slow"] * 3
    assert [e.at for e in entries] == sorted(e.at for e in entries)
    assert store.read_now(lambda tx: tx.audit.verify()).holds


def test_the_newest_proposal_is_the_one_written_last(
    store: Store, clock: FixedClock, slow: tuple[Store, FixedClock]
) -> None:
    """Else a bill that was posted last would look declined, and be entered again."""

    def propose(tx: Tx, state: str) -> None:
        tx.proposals.add(a_proposal(id=state, state=state, created_at=tx.now, updated_at=tx.now))
        tx.audit.append("proposed", actor="assistant", proposal_id=state)

    store.write_now(lambda tx: propose(tx, "declined"))
    other, its_clock = slow
    other.read_now(lambda tx: tx.now)
    its_clock.instant += timedelta(milliseconds=1)
    other.write_now(lambda tx: propose(tx, "posted"))

    latest = store.read_now(lambda tx: tx.proposals.latest_with_digest("company-1", "d" * 64))
    assert latest is not None
    assert latest.state == "posted"


def test_a_question_that_ran_out_is_not_revived(store: Store, clock: FixedClock) -> None:
    proposal = put(store)
    question = store.write_now(lambda tx: tx.questions.ask(proposal.id, "f" * 64, 600, statement="s" * 64))
    clock.instant = START + 11 * MINUTE
    note(store)
    clock.instant = START

    assert not store.write_now(lambda tx: tx.questions.answer(question, proposal.id, "f" * 64, "accepted"))


def test_a_question_asked_before_the_clock_went_back_expires(store: Store, clock: FixedClock) -> None:
    proposal = put(store)
    question = store.write_now(lambda tx: tx.questions.ask(proposal.id, "f" * 64, 600, statement="s" * 64))
    note(store)
    clock.instant = START - HOUR
    now(store)
    clock.instant += 11 * MINUTE

    assert not store.write_now(lambda tx: tx.questions.answer(question, proposal.id, "f" * 64, "accepted"))


def test_a_lease_outlives_a_clock_set_back_by_its_own_length(store: Store, clock: FixedClock) -> None:
    proposal = put(store, state="released")
    store.write_now(lambda tx: tx.proposals.claim(proposal.id, "one", 120))
    note(store)
    clock.instant = START - 10 * HOUR
    assert not store.write_now(lambda tx: tx.proposals.take_over(proposal.id, "two", 120))

    clock.instant += 3 * MINUTE
    assert store.write_now(lambda tx: tx.proposals.take_over(proposal.id, "two", 120))


def test_a_clock_set_forward_moves_a_lease_to_one_new_owner(store: Store, clock: FixedClock) -> None:
    """The lease can be taken over, and its first owner then has none."""
    proposal = put(store, state="released")
    store.write_now(lambda tx: tx.proposals.claim(proposal.id, "one", 120))
    clock.instant = START + 1000 * HOUR

    assert store.write_now(lambda tx: tx.proposals.take_over(proposal.id, "two", 120))
    kept = store.read_now(lambda tx: tx.proposals.get(proposal.id))
    assert kept is not None
    assert (kept.state, kept.lease_owner) == ("dispatching", "two")
    assert not store.write_now(lambda tx: tx.proposals.claim(proposal.id, "three", 120))


@pytest.mark.parametrize("jump", [-400 * 24 * HOUR, -HOUR, -timedelta(microseconds=1), timedelta(), 23 * HOUR])
def test_no_jump_shorter_than_the_window_frees_what_was_spent(store: Store, clock: FixedClock, jump: timedelta) -> None:
    proposal = put(store)
    store.write_now(lambda tx: tx.spend.reserve(proposal.id, "company-1", "v1", USD_5))
    note(store)
    clock.instant = START + jump

    assert store.read_now(lambda tx: tx.spend.spent("company-1", "USD", 24)) == USD_5


def test_spending_recorded_by_a_fast_clock_counts_once_corrected(store: Store, clock: FixedClock) -> None:
    clock.instant = START + 1000 * HOUR
    proposal = put(store)
    store.write_now(lambda tx: tx.spend.reserve(proposal.id, "company-1", "v1", USD_5))
    note(store)
    clock.instant = START

    assert store.read_now(lambda tx: tx.spend.spent("company-1", "USD", 24)) == USD_5
    clock.instant = START + 23 * HOUR
    assert store.read_now(lambda tx: tx.spend.spent("company-1", "USD", 24)) == USD_5


def test_a_locked_approver_is_not_let_in_by_a_clock_set_back(store: Store, clock: FixedClock) -> None:
    ana_id = store.write_now(lambda tx: tx.approvers.add("Ana", "hash"))
    store.write_now(lambda tx: tx.approvers.passcode_failed(ana_id, lock_after=1, lock_seconds=900))
    note(store)
    clock.instant = START - HOUR

    (ana,) = store.read_now(lambda tx: tx.approvers.active())
    assert ana.locked_until is not None
    assert ana.locked_until > store.read_now(lambda tx: tx.now)


def test_an_unreadable_time_still_lets_the_chain_be_verified(store: Store, store_url: str) -> None:
    note(store)
    behind_its_back(store_url, "UPDATE audit SET at = 'yesterday'")

    found = store.read_now(lambda tx: tx.audit.verify())
    assert (found.broken_at, found.reason) == (1, "its content was changed")


class Off(Clock):
    """A machine's clock that is wrong."""

    def __init__(self, by: timedelta) -> None:
        super().__init__()
        self._by = by

    def now(self) -> datetime:
        """The wrong time."""
        return super().now() + self._by


@pytest.mark.parametrize("by", [3 * HOUR, -3 * HOUR], ids=["fast", "slow"])
def test_a_replicas_own_clock_does_not_count_on_postgres(by: timedelta, postgres: Postgres) -> None:
    with postgres.store_url() as url:
        right, wrong = Store(url, Clock()), Store(url, Off(by))
        try:
            for store in (wrong, right, wrong):
                note(store)
                seen = store.read_now(lambda tx: tx.now)
                assert abs(seen - datetime.now(UTC)) < MINUTE
        finally:
            right.close()
            wrong.close()
