"""Statements run by the driver itself answer what SQLAlchemy would: for lists of any length, None, and many threads."""

from __future__ import annotations

import random
import threading
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from rutter_ap_server.clock import FixedClock, stamp
from rutter_ap_server.store import statements as say
from rutter_ap_server.store.driver import run
from rutter_ap_server.store.engine import Store, StoreError, Tx
from rutter_ap_server.store.schema import proposals
from rutter_ap_tools.money import Money
from support.store_rows import START, put, seen_from_outside

STATES = ("held", "released", "dispatching", "unknown", "posted", "failed", "refused")


def connection_of(tx: Tx) -> Connection:
    return tx.proposals._connection


def both_ways(tx: Tx, statement: Any, values: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """The rows as the driver gives them, and as SQLAlchemy does."""
    connection = connection_of(tx)
    ours = sorted(tuple(row) for row in run(connection, statement, values))
    return ours, sorted(tuple(row) for row in connection.execute(statement, values))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([*STATES, "", "%", "%%s", "it's", "株"]), max_size=40))
def test_lists_of_any_length_find_what_sqlalchemy_finds(store: Store, states: list[str]) -> None:
    for state in STATES:
        put(store, bill_id="b-lists", state=state)
    values = {"company_": "company-1", "bill_": "b-lists", "states_": states}

    ours, theirs = store.read_now(lambda tx: both_ways(tx, say.OF_BILL, values))
    assert ours == theirs
    assert {row[8] for row in ours} == set(states) & set(STATES)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 1000])
def test_a_list_moves_exactly_what_it_names_at_every_length(store: Store, count: int) -> None:
    proposal = put(store, state="held")
    names = [f"no state {n}" for n in range(count)]

    assert not store.write_now(lambda tx: tx.proposals.move(proposal.id, names, "declined"))
    assert store.write_now(lambda tx: tx.proposals.move(proposal.id, [*names, "held"], "declined")) is True
    # The same lengths again are the same texts, and none remembers the values of the time before.
    assert not store.write_now(lambda tx: tx.proposals.move(proposal.id, [*names, "held"], "posted"))
    assert store.write_now(lambda tx: tx.proposals.move(proposal.id, [*names, "declined"], "posted")) is True


def test_none_is_null_and_comes_back_as_none(store: Store, store_url: str) -> None:
    proposal = put(store, money=None, vendor_id=None, vendor_name=None, bill_id=None, state="released")
    store.write_now(lambda tx: tx.proposals.claim(proposal.id, "one", 120))
    moved = {"lease_owner": None, "lease_until": None, "record": None}
    assert store.write_now(lambda tx: tx.proposals.move(proposal.id, ["dispatching"], "released", **moved))

    query = f"SELECT amount, vendor_id, bill_id, lease_owner, lease_until FROM proposals WHERE id = '{proposal.id}'"
    assert seen_from_outside(store_url, query) == [(None,) * 5]
    found = store.read_now(lambda tx: tx.proposals.get(proposal.id))
    assert found is not None
    assert (found.money, found.lease_until, found.run_id) == (None, None, None)
    # Nothing equals NULL: a company that is None has no proposals, rather than all those without one.
    assert store.read_now(lambda tx: both_ways(tx, say.OF_RUN, {"run_": None})) == ([], [])


def test_moves_that_set_different_columns_keep_them_apart(store: Store) -> None:
    proposal = put(store, state="released")
    store.write_now(lambda tx: tx.proposals.claim(proposal.id, "the owner", 120))
    store.write_now(lambda tx: tx.proposals.move(proposal.id, ["dispatching"], "posted", record='{"id":"p1"}'))

    found = store.read_now(lambda tx: tx.proposals.get(proposal.id))
    assert found is not None
    assert (found.state, found.record, found.lease_owner) == ("posted", {"id": "p1"}, "the owner")


def test_texts_that_look_like_parameters_are_kept_as_they_are(store: Store) -> None:
    for text in ("%s %(id_)s :id_ ? %%", "'; DROP TABLE proposals; --", "naïve — 株\u00a0\U0001f9fe"):
        proposal = put(store, summary=text, vendor_id=text[:60])
        found = store.read_now(lambda tx, of=proposal.id: tx.proposals.get(of))  # type: ignore[misc]
        assert found is not None
        assert (found.summary, found.vendor_id) == (text, text[:60])


def test_what_a_statement_breaks_is_kept_by_nobody(store: Store) -> None:
    first = put(store)

    def work(tx: Tx) -> None:
        tx.proposals.move(first.id, ["held"], "declined")
        tx.proposals.add(first)

    with pytest.raises(StoreError):
        store.write_now(work)
    found = store.read_now(lambda tx: tx.proposals.get(first.id))
    assert found is not None
    assert found.state == "held"


def test_many_threads_at_once_each_get_their_own_answers(store: Store) -> None:
    of_bill = {f"b{n}": {put(store, bill_id=f"b{n}", state=STATES[n % 7]).id for _ in range(2)} for n in range(12)}
    wrong: list[str] = []

    def look(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(40):
            bill = chance.choice(list(of_bill))
            padding = ["x"] * chance.randrange(20)
            found = store.read_now(
                lambda tx, of=bill, more=padding: tx.proposals.of_bill("company-1", of, [*STATES, *more])  # type: ignore[misc]
            )
            if {p.id for p in found} != of_bill[bill] or {p.bill_id for p in found} != {bill}:
                wrong.append(bill)

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_every_statement_is_worded_as_sqlalchemy_words_it(store: Store) -> None:
    values = {
        "POSTED_WITH_DIGEST": {"company_": "company-1", "digest_": "d", "since_": "2026"},
        "OF_VENDOR": {"company_": "company-1", "vendor_": "v1", "states_": ["held", "posted"]},
        "LATEST_WITH_DIGEST": {"company_": "company-1", "digest_": "d"},
        "OPEN_WITH_DIGEST": {"company_": "company-1", "digest_": "d"},
        "PROPOSAL": {"id_": "p"},
        "COUNTED": {"company_": "company-1", "currency_": "USD", "since_": "2026"},
    }
    put(store, digest="d", state="posted")
    for name, given_ones in values.items():
        ours, theirs = store.read_now(lambda tx, n=name, v=given_ones: both_ways(tx, getattr(say, n), v))  # type: ignore[misc]
        assert ours == theirs
    assert store.read_now(lambda tx: len(connection_of(tx).execute(select(proposals)).fetchall())) == 1


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int, str, int, str | None]]:
    """Payments: minutes since the last, vendor, cents, and what became of each."""
    one = st.tuples(
        # Clocks are set back, too; the store's time is not.
        st.integers(-60 * 50, 60 * 30),
        st.sampled_from(["v1", "v2"]),
        st.integers(1, 10**9),
        st.sampled_from([None, "post", "void", "void later"]),
    )
    return draw(st.lists(one, max_size=14))


def row_by_row(rows: list[tuple[Any, ...]], now: datetime, hours: int, vendor: str | None) -> Decimal:
    """The sum as anybody would write it down: each reservation of the window that no void takes back."""
    since = stamp(now - timedelta(hours=hours))
    voided = {proposal_id for proposal_id, kind, *_ in rows if kind == "void"}
    return sum(
        (
            Decimal(amount)
            for proposal_id, kind, of, amount, at in rows
            if kind == "reserve" and proposal_id not in voided and at >= since and vendor in (None, of)
        ),
        Decimal(0),
    )


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories(), st.lists(st.integers(1, 24 * 40), min_size=1, max_size=4))
def test_windows_read_once_come_to_what_each_row_by_itself_does(
    store: Store, clock: FixedClock, store_url: str, history: list[tuple[int, str, int, str | None]], hours: list[int]
) -> None:
    clock.instant = max(clock.instant, START) + timedelta(days=400)
    company = f"company of {clock.instant:%Y%m%d%H%M%S%f}"
    later: list[str] = []
    for minutes, vendor, cents, outcome in history:
        clock.instant += timedelta(minutes=minutes)
        money, proposal_id = Money.of(Decimal(cents).scaleb(-2), "USD"), put(store).id

        def reserve(tx: Tx, of: str = proposal_id, who: str = vendor, much: Money = money) -> None:
            tx.spend.reserve(of, company, who, much)
            tx.audit.append("attempt", actor="guard", proposal_id=of)

        store.write_now(reserve)
        if outcome in ("post", "void"):
            store.write_now(lambda tx, of=proposal_id, kind=outcome: tx.spend.settle(of, kind))  # type: ignore[misc]
        elif outcome is not None:
            later.append(proposal_id)
    clock.instant += timedelta(minutes=7)
    for proposal_id in later:
        store.write_now(lambda tx, of=proposal_id: tx.spend.settle(of, "void"))  # type: ignore[misc]

    query = f"SELECT proposal_id, kind, vendor_id, amount, at FROM spend WHERE company_id = '{company}'"
    rows = seen_from_outside(store_url, query)
    counted = store.read_now(lambda tx: tx.spend.counted(company, "USD", max(hours)))
    for window in hours:
        for of in (None, "v1", "v2", "v3"):
            assert counted.within(window, of).amount == row_by_row(rows, counted.now, window, of)
