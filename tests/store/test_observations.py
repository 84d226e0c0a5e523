"""What the store remembers of vendors and of outside text: the last time, not only the first."""

from __future__ import annotations

from datetime import timedelta
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.observations import Sighting
from support.store_rows import START

DAY = timedelta(days=1)


def see(store: Store, clock: FixedClock, details: str, came_back: bool = False) -> Sighting:
    """Sees the vendor so, now, and returns the last sighting."""
    parts = {"e-mail": details}
    store.write_now(lambda tx: tx.observations.record_sighting("c1", "v1", details, parts, came_back))
    last = store.read_now(lambda tx: tx.observations.sightings("c1", "v1"))[-1]
    assert last.fingerprint == details
    return last


def test_details_that_return_became_so_when_they_returned(store: Store, clock: FixedClock) -> None:
    see(store, clock, "new")
    clock.instant += DAY
    see(store, clock, "old")
    clock.instant += 14 * DAY

    again = see(store, clock, "new")

    assert (again.first_seen_at, again.became_at, again.last_seen_at) == (START, START + 15 * DAY, START + 15 * DAY)


def test_details_that_stay_became_so_when_first_seen(store: Store, clock: FixedClock) -> None:
    see(store, clock, "same")
    clock.instant += DAY

    again = see(store, clock, "same")

    assert (again.became_at, again.last_seen_at) == (START, START + DAY)


def test_a_return_that_nobody_saw_counts_from_when_it_is_seen(store: Store, clock: FixedClock) -> None:
    see(store, clock, "same")
    clock.instant += 15 * DAY

    assert see(store, clock, "same", came_back=True).became_at == START + 15 * DAY


def test_more_parts_of_the_same_vendor_are_no_change(store: Store, clock: FixedClock) -> None:
    store.write_now(lambda tx: tx.observations.record_sighting("c1", "v1", "earlier", {"e-mail": "same"}))
    clock.instant += DAY

    parts = {"e-mail": "same", "phone": "p"}
    store.write_now(lambda tx: tx.observations.record_sighting("c1", "v1", "later", parts))
    earlier, later = store.read_now(lambda tx: tx.observations.sightings("c1", "v1"))

    assert (later.fingerprint, later.first_seen_at, later.became_at, later.last_seen_at) == (
        "later",
        START,
        START,
        START + DAY,
    )
    assert not earlier.differs_from("later", parts)
    assert later.differs_from("other", parts | {"phone": "q"})
    assert earlier.differs_from("other", {"phone": "p"})


steps = st.tuples(st.sampled_from("abc"), st.sampled_from([timedelta(0), DAY, -DAY]))


@settings(max_examples=20)
@given(st.lists(steps, max_size=8))
def test_the_last_details_are_always_the_last_sighting(seen: list[tuple[str, timedelta]]) -> None:
    """Even if the clock stands still or is set back."""
    clock = FixedClock(START)
    now = ""
    with TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/ap.db", clock)
        for details, later in seen:
            clock.instant += later
            found = see(store, clock, details)
            assert found.became_at == found.last_seen_at or now == details
            now = details
        store.close()


HOUR = timedelta(hours=1)


def mention(store: Store, where: str) -> None:
    store.write_now(lambda tx: tx.observations.record_mentions("c1", where, ["amount:9999"]))


def mentioned(store: Store) -> dict[str, str]:
    return store.read_now(lambda tx: tx.observations.mentioned_before("c1", ["amount:9999", "amount:1"], 30))


def test_a_value_counts_from_its_last_mention(store: Store, clock: FixedClock) -> None:
    mention(store, "the first memo")
    clock.instant += 31 * DAY
    assert mentioned(store) == {}

    mention(store, "the second memo")
    clock.instant += 30 * DAY

    assert mentioned(store) == {"amount:9999": "the second memo"}


def test_a_value_mentioned_all_day_is_noted_once_an_hour(store: Store, clock: FixedClock) -> None:
    """What was not noted is not forgotten early."""
    mention(store, "the first memo")
    clock.instant += HOUR / 2
    assert store.read_now(lambda tx: tx.observations.not_mentioned_lately("c1", ["amount:9999"])) == []
    mention(store, "the second memo")
    clock.instant += 30 * DAY
    assert mentioned(store) == {"amount:9999": "the first memo"}
    clock.instant += HOUR
    assert mentioned(store) == {}
