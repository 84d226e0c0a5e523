"""The spend ledger: rows are only added, what is not voided counts, and no limit is passed by a cent."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import datetime, timedelta
from decimal import Decimal, Inexact
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rutter_ap_server.clock import FixedClock, stamp
from rutter_ap_server.store.engine import Store, StoreError, Tx
from rutter_ap_server.store.errors import Tampered
from rutter_ap_server.store.states import State
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.money import Money
from support.concurrent_payments import reserve_within_limit
from support.store_rows import START, behind_its_back, put, seen_from_outside


def usd(text: str) -> Money:
    return Money.parse(text, "USD")


def reserve(store: Store, amount: str, *, vendor: str = "v1", company: str = "company-1", currency: str = "USD") -> str:
    proposal = put(store, state=State.DISPATCHING)
    money = Money.of(amount, currency)
    store.write_now(lambda tx: tx.spend.reserve(proposal.id, company, vendor, money))
    return proposal.id


def spent(store: Store, hours: int = 24, vendor: str | None = None, currency: str = "USD") -> str:
    return store.read_now(
        lambda tx: tx.spend.spent("company-1", currency, hours, frozenset({vendor}) if vendor else None)
    ).text


def test_nothing_is_spent_at_first(store: Store) -> None:
    assert (spent(store), spent(store, currency="JPY"), spent(store, currency="KWD")) == ("0.00", "0", "0.000")


def test_a_reservation_counts_at_once_and_posting_adds_nothing(store: Store) -> None:
    first = reserve(store, "100.10")
    reserve(store, "0.01")
    assert spent(store) == "100.11"

    store.write_now(lambda tx: tx.spend.settle(first, "post"))
    assert spent(store) == "100.11"


def test_what_is_voided_counts_no_more(store: Store) -> None:
    first = reserve(store, "100.10")
    reserve(store, "0.01")
    store.write_now(lambda tx: tx.spend.settle(first, "void"))

    store.write_now(lambda tx: tx.spend.settle(first, "void"))

    assert spent(store) == "0.01"
    assert store.read_now(lambda tx: tx.spend.is_reserved(first))


def test_companies_vendors_and_currencies_are_counted_apart(store: Store) -> None:
    reserve(store, "1.00")
    reserve(store, "2.00", vendor="v2")
    reserve(store, "4.00", company="company-2")
    reserve(store, "8.00", currency="EUR")
    reserve(store, "16", currency="JPY")

    assert [spent(store), spent(store, vendor="v1"), spent(store, vendor="v2"), spent(store, vendor="v3")] == [
        "3.00",
        "1.00",
        "2.00",
        "0.00",
    ]
    assert (spent(store, currency="EUR"), spent(store, currency="JPY")) == ("8.00", "16")


def test_a_proposal_is_reserved_once_and_settled_once(store: Store) -> None:
    proposal_id = reserve(store, "5.00")

    with pytest.raises(StoreError):
        store.write_now(lambda tx: tx.spend.reserve(proposal_id, "company-1", "v1", usd("5.00")))
    store.write_now(lambda tx: tx.spend.settle(proposal_id, "post"))
    store.write_now(lambda tx: tx.spend.settle(proposal_id, "void"))
    store.write_now(lambda tx: tx.spend.settle(proposal_id, "post"))
    assert spent(store) == "5.00"


def test_settling_what_was_never_reserved_changes_nothing(store: Store) -> None:
    reserve(store, "0.00")
    proposal = put(store)
    store.write_now(lambda tx: tx.spend.settle(proposal.id, "post"))
    store.write_now(lambda tx: tx.spend.settle(proposal.id, "void"))

    assert spent(store) == "0.00"
    assert not store.read_now(lambda tx: tx.spend.is_reserved(proposal.id))


def test_an_amount_leaves_a_rolling_window_to_the_microsecond(store: Store, clock: FixedClock) -> None:
    paid = reserve(store, "5.00")
    store.write_now(lambda tx: tx.spend.settle(paid, "post"))

    clock.instant = START + timedelta(hours=24)
    assert spent(store) == "5.00"
    clock.instant = START + timedelta(hours=24, microseconds=1)
    assert (spent(store), spent(store, hours=25)) == ("0.00", "5.00")


def test_what_is_open_counts_however_old_it_is(store: Store, clock: FixedClock) -> None:
    reserve(store, "5.00")

    clock.instant = START + timedelta(days=90)
    assert (spent(store), spent(store, hours=1, vendor="v1"), spent(store, vendor="v2")) == ("5.00", "5.00", "0.00")


def test_a_payment_counts_from_when_it_was_known_to_be_booked(store: Store, clock: FixedClock) -> None:
    paid = reserve(store, "5.00")
    clock.instant = START + timedelta(hours=20)
    store.write_now(lambda tx: tx.spend.settle(paid, "post"))

    clock.instant = START + timedelta(hours=43)
    assert spent(store) == "5.00"
    clock.instant = START + timedelta(hours=45)
    assert spent(store) == "0.00"


def test_what_was_voided_and_is_booked_after_all_counts_again(store: Store, clock: FixedClock) -> None:
    paid = reserve(store, "5.00")
    store.write_now(lambda tx: tx.spend.settle(paid, "void"))
    clock.instant = START + timedelta(hours=2)
    store.write_now(lambda tx: tx.spend.settle(paid, "post"))

    assert (spent(store, hours=1), spent(store)) == ("5.00", "5.00")


def test_a_payment_being_judged_again_does_not_count_itself(store: Store) -> None:
    own, other = reserve(store, "5.00"), reserve(store, "2.00")

    assert store.read_now(lambda tx: tx.spend.spent("company-1", "USD", 24, except_id=own)) == usd("2.00")
    assert store.read_now(lambda tx: tx.spend.spent("company-1", "USD", 24, except_id=other)) == usd("5.00")


def test_a_clock_set_back_frees_nothing(store: Store, clock: FixedClock) -> None:
    reserve(store, "5.00")

    clock.instant = START - timedelta(days=400)
    assert spent(store) == "5.00"


def test_rows_are_only_ever_added(store: Store, store_url: str) -> None:
    first, second = reserve(store, "1.00"), reserve(store, "2.00")
    store.write_now(lambda tx: tx.spend.settle(first, "post"))
    store.write_now(lambda tx: tx.spend.settle(second, "void"))

    assert seen_from_outside(store_url, "SELECT proposal_id, kind, amount FROM spend ORDER BY id") == [
        (first, "reserve", "1.00"),
        (second, "reserve", "2.00"),
        (first, "post", "1.00"),
        (second, "void", "2.00"),
    ]


def test_an_unreadable_amount_stops_the_sum_and_is_not_skipped(store: Store, store_url: str) -> None:
    reserve(store, "1.00")
    behind_its_back(store_url, "UPDATE spend SET amount = 'a lot'")

    with pytest.raises(BadInput) as stopped:
        spent(store)
    assert stopped.value.error_code == "amount.not_a_number"


def test_a_sum_of_many_digits_is_exact_or_an_error(store: Store, store_url: str) -> None:
    reserve(store, f"1{'0' * 38}")
    reserve(store, "0.01")

    assert spent(store) == f"1{'0' * 38}.01"
    behind_its_back(store_url, "UPDATE spend SET amount = '1e-90' WHERE amount = '0.01'")
    with pytest.raises(Inexact):
        spent(store)


def booked(store: Store, amount: str, *, vendor: str = "v1", company: str = "company-1", currency: str = "USD") -> str:
    paid = reserve(store, amount, vendor=vendor, company=company, currency=currency)
    store.write_now(lambda tx: tx.spend.settle(paid, "post"))
    return paid


def test_what_is_booked_is_told_from_what_is_reserved(store: Store, clock: FixedClock) -> None:
    def posted(hours: int = 24, *vendors: str) -> str:
        return store.read_now(lambda tx: tx.spend.posted("company-1", "USD", hours, frozenset(vendors) or None)).text

    booked(store, "1.00")
    booked(store, "2.00", vendor="v2")
    booked(store, "4.00", company="company-2")
    booked(store, "8.00", currency="EUR")
    reserve(store, "16.00")
    assert (posted(), posted(24, "v1"), posted(24, "v1", "v2"), posted(24, "v3")) == ("3.00", "1.00", "3.00", "0.00")

    clock.instant += timedelta(hours=2)
    booked(store, "32.00")
    assert (posted(1), posted(2), spent(store)) == ("32.00", "35.00", "51.00")


def test_the_oldest_leave_a_window_first(store: Store, clock: FixedClock) -> None:
    for vendor, amount in (("v2", "4.00"), ("v3", "1.00"), ("v1", "2.00")):
        booked(store, amount, vendor=vendor)
        clock.instant += timedelta(hours=1)
    reserve(store, "8.00", vendor="v0")

    assert [spent(store, hours) for hours in (0, 1, 2, 3)] == ["8.00", "10.00", "11.00", "15.00"]


def test_what_was_changed_by_hand_is_found_while_it_counts(store: Store, store_url: str, clock: FixedClock) -> None:
    def check(company: str = "company-1") -> None:
        store.read_now(lambda tx: tx.spend.check(company, 24))

    def pay(tx: Tx) -> None:
        tx.spend.reserve(proposal.id, "company-1", "v1", usd("5.00"))
        tx.audit.append("attempt", actor="guard", proposal_id=proposal.id)
        tx.proposals.move(proposal.id, [State.DISPATCHING], State.POSTED)

    proposal = put(store, state=State.DISPATCHING)
    store.write_now(pay)
    check()
    behind_its_back(store_url, "UPDATE spend SET amount = '0.05'")
    check("company-2")
    clock.instant = START + timedelta(hours=24)
    with pytest.raises(Tampered):
        check()
    clock.instant = START + timedelta(hours=24, microseconds=1)
    check()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(min_value=1, max_value=10**15 - 1), max_size=8), st.sampled_from(["USD", "KWD", "CLF"]))
def test_a_sum_is_exact_to_the_last_digit(store: Store, cents: list[int], currency: str) -> None:
    digits = {"USD": 2, "KWD": 3, "CLF": 4}[currency]
    amounts = [Money.of(f"{n}e-{digits}", currency) for n in cents]
    ids = [put(store).id for _ in amounts]

    def reserve_all(tx: Tx) -> Money:
        before = tx.spend.spent("company-1", currency, 24)
        for proposal_id, money in zip(ids, amounts, strict=True):
            tx.spend.reserve(proposal_id, "company-1", "v1", money)
        return tx.spend.spent("company-1", currency, 24) - before

    grown = store.write_now(reserve_all)
    assert Fraction(grown.text) == sum((Fraction(n, 10**digits) for n in cents), Fraction(0))


def test_fifty_at_once_never_pass_a_limit_by_a_cent(store: Store) -> None:
    money = usd("33.34")
    ids = [put(store).id for _ in range(50)]
    together = threading.Barrier(50)
    granted: list[str] = []

    def work(proposal_id: str) -> None:
        together.wait()
        if store.write_now(lambda tx: reserve_within_limit(tx, proposal_id, money)):
            granted.append(proposal_id)

    threads = [threading.Thread(target=work, args=(i,)) for i in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(granted) == 29
    assert spent(store) == "966.86"


_RESERVE_ALL = """
import sys
from rutter_ap_server.clock import FixedClock, stamp
from rutter_ap_server.store.engine import Store
from rutter_ap_tools.money import Money
from support.concurrent_payments import reserve_within_limit
from support.store_rows import START
url, ids = sys.argv[1], sys.argv[2].split(",")
store = Store(url, FixedClock(START))
print("ready", flush=True)
sys.stdin.readline()
print(sum(store.write_now(lambda tx: reserve_within_limit(tx, i, Money.parse("33.34", "USD"))) for i in ids))
store.close()
"""


def test_two_processes_against_one_limit_never_pass_it_by_a_cent(store: Store, store_url: str) -> None:
    ids = [put(store).id for _ in range(40)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _RESERVE_ALL, store_url, ",".join(half)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": ":".join(sys.path)},
        )
        for half in (ids[:20], ids[20:])
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    granted = sum(int(process.communicate(timeout=30)[0]) for process in processes)

    assert granted == 29
    assert spent(store) == "966.86"


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
    """The same sum, computed the simple way: what is posted in the window, and all that is neither posted nor void."""
    since = stamp(now - timedelta(hours=hours))
    settled = {proposal_id for proposal_id, kind, *_ in rows if kind != "reserve"}
    return sum(
        (
            Decimal(amount)
            for proposal_id, kind, of, amount, at in rows
            if vendor in (None, of)
            and ((kind == "post" and at >= since) or (kind == "reserve" and proposal_id not in settled))
        ),
        Decimal(0),
    )


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories(), st.lists(st.integers(1, 24 * 40), min_size=1, max_size=4))
def test_a_window_is_what_is_open_and_what_was_booked_in_it(
    store: Store, clock: FixedClock, store_url: str, history: list[tuple[int, str, int, str | None]], hours: list[int]
) -> None:
    clock.instant = max(clock.instant, START) + timedelta(days=400)
    company = f"company of {clock.instant:%Y%m%d%H%M%S%f}"
    later: list[str] = []
    for minutes, vendor, cents, outcome in history:
        clock.instant += timedelta(minutes=minutes)
        money, proposal_id = Money.of(Decimal(cents).scaleb(-2), "USD"), put(store, state=State.DISPATCHING).id

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
            assert counted.within(window, frozenset({of}) if of else None).amount == row_by_row(
                rows, counted.now, window, of
            )
