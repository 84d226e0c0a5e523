"""A lease is its owner's alone, for its time by either clock, and while the outcome is open."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.guard import lease as leases
from rutter_ap_server.guard.authorize import release_lease, return_to_queue
from rutter_ap_server.guard.lease import LEASE_SECONDS, Lease, elapsed_seconds
from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import SENDING_STATES, State
from support.store_rows import START, put

AN_INSTANT = timedelta(microseconds=1)
WHOLE = timedelta(seconds=LEASE_SECONDS)


@pytest.fixture
def elapsed(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The other clock, that nobody can set: what is in the list is what it shows."""
    shown = [1000.0]
    monkeypatch.setattr(leases, "elapsed_seconds", lambda: shown[0])
    return shown


def claimed(store: Store, owner: str = "own/1") -> Lease:
    lease = Lease(put(store, state="released").id, owner)
    assert store.write_now(lease.claim)
    return lease


def holds(store: Store, lease: Lease) -> bool:
    return store.read_now(lease.holds)


def now(store: Store, lease: Lease) -> Proposal:
    found = store.read_now(lambda tx: tx.proposals.get(lease.proposal_id))
    assert found is not None
    return found


def test_it_lasts_two_minutes_by_the_wall_clock(store: Store, clock: FixedClock, elapsed: list[float]) -> None:
    assert LEASE_SECONDS == 120
    lease = claimed(store)
    # One renewal that fails does not lose it.
    assert 0 < lease.renewed_every_seconds <= LEASE_SECONDS / 2
    clock.instant = START + WHOLE - AN_INSTANT
    assert holds(store, lease)
    clock.instant = START + WHOLE
    assert not holds(store, lease)
    assert not store.write_now(lease.renew)


def test_it_lasts_two_minutes_by_the_other_clock(store: Store, elapsed: list[float]) -> None:
    lease = claimed(store)
    elapsed[0] += LEASE_SECONDS - 0.001
    assert holds(store, lease)
    # Claiming in vain gives it no time.
    assert not store.write_now(lease.claim)
    elapsed[0] += 0.001
    assert not holds(store, lease)
    assert not store.write_now(lease.renew)


def test_renewing_starts_both_clocks_again(store: Store, clock: FixedClock, elapsed: list[float]) -> None:
    lease = claimed(store)
    clock.instant += timedelta(seconds=100)
    elapsed[0] += 100
    assert store.write_now(lease.renew)
    assert now(store, lease).lease_until == clock.now() + WHOLE
    elapsed[0] += LEASE_SECONDS - 0.001
    clock.instant += WHOLE - AN_INSTANT
    assert holds(store, lease)
    elapsed[0] += 0.001
    assert not holds(store, lease)


@pytest.mark.parametrize("state", list(State))
def test_it_is_held_only_while_the_outcome_is_open(store: Store, state: State) -> None:
    lease = claimed(store)
    store.write_now(lambda tx: tx.proposals.move(lease.proposal_id, [State.DISPATCHING], state))

    assert holds(store, lease) == (state in SENDING_STATES)


def test_it_is_nobody_elses(store: Store) -> None:
    lease = claimed(store)
    other = Lease(lease.proposal_id, "own/2")
    assert not holds(store, other)
    assert not store.write_now(other.claim)
    assert not store.write_now(other.take_over)
    assert not store.write_now(other.renew)
    # Not even of one who calls itself the same, without having claimed it.
    assert not holds(store, Lease(lease.proposal_id, lease.owner))
    assert not holds(store, Lease("no such proposal", lease.owner))
    assert (holds(store, lease), now(store, lease).lease_owner) == (True, "own/1")


def test_what_ran_out_or_whose_owner_is_gone_is_taken_over(store: Store, clock: FixedClock) -> None:
    first = claimed(store)
    second = Lease(first.proposal_id, "own/2")
    assert not store.write_now(lambda tx: second.take_over(tx, "somebody else"))
    assert store.write_now(lambda tx: second.take_over(tx, "own/1"))
    assert (holds(store, first), holds(store, second)) == (False, True)

    clock.instant += WHOLE + AN_INSTANT
    third = Lease(first.proposal_id, "own/3")
    assert store.write_now(third.take_over)
    assert (holds(store, second), holds(store, third)) == (False, True)


def test_the_other_clock_is_one_that_runs_on() -> None:
    first = elapsed_seconds()
    assert first > 0
    assert elapsed_seconds() >= first


def test_the_other_clock_runs_on_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(time, "CLOCK_BOOTTIME", 7, raising=False)
        patched.setattr(time, "clock_gettime", {7: 500.0}.__getitem__)
        patched.setattr(time, "monotonic", lambda: 400.0)
        with_sleep = elapsed_seconds()
        # Where no clock does, the one that nobody can set is all there is.
        patched.delattr(time, "CLOCK_BOOTTIME")
        without = elapsed_seconds()
    assert (with_sleep, without) == (500.0, 400.0)


def test_an_unclaimed_lease_never_holds(store: Store) -> None:
    lease = claimed(store)
    assert (now(store, lease).lease_owner, now(store, lease).lease_until) == ("own/1", START + WHOLE)
    assert not holds(store, Lease(lease.proposal_id, "own/1"))


def test_a_lease_without_an_end_is_none(store: Store) -> None:
    lease = claimed(store)
    endless = {"lease_until": None}
    store.write_now(lambda tx: tx.proposals.move(lease.proposal_id, [State.DISPATCHING], State.DISPATCHING, **endless))
    assert (now(store, lease).lease_owner, holds(store, lease)) == ("own/1", False)


def test_only_the_holder_puts_it_back(store: Store) -> None:
    lease = claimed(store)
    other = Lease(lease.proposal_id, "own/2")
    store.write_now(lambda tx: return_to_queue(tx, other))
    assert now(store, lease).state == "dispatching"
    store.write_now(lambda tx: return_to_queue(tx, lease))
    assert now(store, lease).state == "released"


@pytest.mark.parametrize("state", [State.DISPATCHING, State.UNKNOWN])
def test_ending_a_check_frees_only_ones_own_lease(store: Store, state: State) -> None:
    lease = claimed(store)
    store.write_now(lambda tx: tx.proposals.move(lease.proposal_id, [State.DISPATCHING], state))
    store.write_now(lambda tx: release_lease(tx, Lease(lease.proposal_id, "own/2")))
    store.write_now(lambda tx: release_lease(tx, Lease("no such proposal", "own/2")))
    kept = now(store, lease)
    assert (kept.state, kept.lease_owner, kept.lease_until) == (state, "own/1", START + WHOLE)

    store.write_now(lambda tx: release_lease(tx, lease))
    freed = now(store, lease)
    assert (freed.state, freed.lease_owner, freed.lease_until) == ("unknown", None, None)


def test_a_settled_outcome_stays_as_it_is(store: Store) -> None:
    lease = claimed(store)
    store.write_now(lambda tx: tx.proposals.move(lease.proposal_id, [State.DISPATCHING], State.POSTED))
    store.write_now(lambda tx: release_lease(tx, lease))

    assert now(store, lease).state == "posted"
