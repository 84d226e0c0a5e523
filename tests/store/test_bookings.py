"""What bills were released for: one row a bill, the latest."""

from __future__ import annotations

from rutter_ap_server.store.bookings import Booking
from rutter_ap_server.store.engine import Store
from rutter_ap_tools.money import Money
from support.store_rows import START


def kwd(text: str) -> Money:
    return Money.parse(text, "KWD")


def found(store: Store, company_id: str, bill_id: str) -> Booking | None:
    return store.read_now(lambda tx: tx.bookings.of_bill(company_id, bill_id))


def test_the_latest_release_of_a_bill_is_kept_exactly(store: Store) -> None:
    store.write_now(lambda tx: tx.bookings.remember("c1", "b1", released=kwd("1.001"), booked=kwd("1.101")))
    store.write_now(lambda tx: tx.bookings.remember("c1", "b1", released=kwd("2.001"), booked=kwd("2.101")))
    store.write_now(lambda tx: tx.bookings.remember("c1", "b2", released=kwd("3.001"), booked=kwd("3.101")))

    assert found(store, "c1", "b1") == Booking(kwd("2.001"), kwd("2.101"), START)
    assert found(store, "c1", "b2") == Booking(kwd("3.001"), kwd("3.101"), START)
    assert found(store, "c2", "b1") is None
