"""Listing proposals, in every kind of store: the right ones, newest first, and none lost or repeated between pages."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rutter_ap_server.clock import FixedClock, stamp
from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import OPEN_STATES, State
from support.store_rows import START, put

STATES = tuple(State)


def ids(store: Store, *states: State, company: str = "company-1", bill: str = "") -> list[str]:
    found = store.read_now(lambda tx: tx.proposals.listed(company, states, bill_id=bill, limit=100))
    return [proposal.id for proposal in found]


def page_of(store: Store, after: tuple[str, str] | None, size: int) -> list[Proposal]:
    """The held proposals that come after one."""
    return store.read_now(lambda tx: tx.proposals.listed("company-1", [State.HELD], after=after, limit=size))


def test_each_state_company_and_bill_lists_its_own(store: Store) -> None:
    made = {state: put(store, state=state).id for state in STATES}
    other = put(store, company_id="company-2", state="held").id
    elsewhere = put(store, bill_id="b2", state="posted").id

    for state in STATES:
        expected = {made[state], elsewhere} if state == "posted" else {made[state]}
        assert set(ids(store, state)) == expected
    assert set(ids(store, *STATES)) == {*made.values(), elsewhere}
    assert ids(store, State.HELD, company="company-2") == [other]
    assert ids(store, State.POSTED, bill="b2") == [elsewhere]
    assert ids(store, bill="b2") == []


def test_held_past_its_time_is_expired_even_if_not_recorded(store: Store, clock: FixedClock) -> None:
    late, written = put(store, state="held").id, put(store, state="expired").id
    sent = put(store, state="unknown").id
    clock.instant = START + timedelta(hours=72)

    assert set(ids(store, *OPEN_STATES)) == {sent}
    assert set(ids(store, State.EXPIRED)) == {late, written}
    assert set(ids(store, State.HELD, State.EXPIRED)) == {late, written}


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_pages_follow_each_other_though_made_at_one_moment(store: Store, size: int) -> None:
    made = [put(store, created_at=START + timedelta(seconds=number // 3)).id for number in range(8)]
    found: list[str] = []
    after = None
    while True:
        page = page_of(store, after, size)
        found += [proposal.id for proposal in page]
        if len(page) < size:
            break
        after = (stamp(page[-1].created_at), page[-1].id)

    assert found == ids(store, State.HELD)
    assert sorted(found) == sorted(made)
    assert set(found[:2]) == set(made[6:])
