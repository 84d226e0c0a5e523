"""Values reach the rows and come back exactly: lists of any length, None, odd texts, and many threads at once."""

from __future__ import annotations

import random
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rutter_ap_server.store.engine import Store, StoreError, Tx
from rutter_ap_server.store.states import State
from support.store_rows import put, seen_from_outside


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(State), max_size=40))
def test_a_list_of_states_finds_exactly_those_in_it(store: Store, states: list[State]) -> None:
    for state in State:
        put(store, bill_id="b-lists", state=state)

    found = store.read_now(lambda tx: tx.proposals.of_bill("company-1", "b-lists", states))
    assert {proposal.state for proposal in found} == set(states)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 1000])
def test_a_move_takes_from_states_in_lists_of_any_length(store: Store, count: int) -> None:
    proposal = put(store, state="held")
    names = [State.EXPIRED] * count

    assert not store.write_now(lambda tx: tx.proposals.move(proposal.id, names, State.DECLINED))
    assert store.write_now(lambda tx: tx.proposals.move(proposal.id, [*names, State.HELD], State.DECLINED)) is True
    # The same lengths again, with other values.
    assert not store.write_now(lambda tx: tx.proposals.move(proposal.id, [*names, State.HELD], State.POSTED))
    assert store.write_now(lambda tx: tx.proposals.move(proposal.id, [*names, State.DECLINED], State.POSTED)) is True


def test_none_is_null_and_comes_back_as_none(store: Store, store_url: str) -> None:
    proposal = put(store, money=None, vendor_id=None, vendor_name=None, bill_id=None, state="released")
    store.write_now(lambda tx: tx.proposals.claim(proposal.id, "one", 120))
    moved = {"lease_owner": None, "lease_until": None, "record": None}
    assert store.write_now(lambda tx: tx.proposals.move(proposal.id, [State.DISPATCHING], State.RELEASED, **moved))

    query = f"SELECT amount, vendor_id, bill_id, lease_owner, lease_until FROM proposals WHERE id = '{proposal.id}'"
    assert seen_from_outside(store_url, query) == [(None,) * 5]
    found = store.read_now(lambda tx: tx.proposals.get(proposal.id))
    assert found is not None
    assert (found.money, found.lease_until, found.run_id) == (None, None, None)


def test_a_move_changes_only_the_columns_it_names(store: Store) -> None:
    proposal = put(store, state="released")
    store.write_now(lambda tx: tx.proposals.claim(proposal.id, "the owner", 120))
    store.write_now(lambda tx: tx.proposals.move(proposal.id, [State.DISPATCHING], State.POSTED, record='{"id":"p1"}'))

    found = store.read_now(lambda tx: tx.proposals.get(proposal.id))
    assert found is not None
    assert (found.state, found.record, found.lease_owner) == ("posted", {"id": "p1"}, "the owner")


def test_texts_that_look_like_parameters_are_kept_as_given(store: Store) -> None:
    for text in ("%s %(id_)s :id_ ? %%", "'; DROP TABLE proposals; --", "naïve — 株\u00a0\U0001f9fe"):
        proposal = put(store, summary=text, vendor_id=text[:60])
        found = store.read_now(lambda tx, of=proposal.id: tx.proposals.get(of))  # type: ignore[misc]
        assert found is not None
        assert (found.summary, found.vendor_id) == (text, text[:60])


def test_a_failed_statement_undoes_the_whole_transaction(store: Store) -> None:
    first = put(store)

    def work(tx: Tx) -> None:
        tx.proposals.move(first.id, [State.HELD], State.DECLINED)
        tx.proposals.add(first)

    with pytest.raises(StoreError):
        store.write_now(work)
    found = store.read_now(lambda tx: tx.proposals.get(first.id))
    assert found is not None
    assert found.state == "held"


def test_threads_at_once_each_get_their_own_rows(store: Store) -> None:
    of_bill = {f"b{n}": {put(store, bill_id=f"b{n}", state=list(State)[n % 7]).id for _ in range(2)} for n in range(12)}
    wrong: list[str] = []

    def look(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(40):
            bill = chance.choice(list(of_bill))
            padding = ["x"] * chance.randrange(20)
            found = store.read_now(
                lambda tx, of=bill, more=padding: tx.proposals.of_bill("company-1", of, [*list(State), *more])  # type: ignore[misc]
            )
            if {p.id for p in found} != of_bill[bill] or {p.bill_id for p in found} != {bill}:
                wrong.append(bill)

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
