"""The copy of payables on either database: moved on only by who saw it as it is, each ledger for itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rutter_ap_server.clock import stamp
from rutter_ap_server.store.bill_mirror import Mirror, MirroredBill, Overtaken
from rutter_ap_server.store.engine import Store, Tx
from support.store_rows import START


def a_mirror(ledger_id: str = "ledger-1", **changed: Any) -> Mirror:
    made = Mirror(
        ledger_id=ledger_id,
        connection_id=ledger_id,
        version=1,
        reading=1,
        began_at=stamp(START),
        leg=0,
        cursor=None,
        pages=0,
        paid_whole=False,
        whole_at=None,
        newest=stamp(START),
        newest_id="b1",
        events_since=stamp(START),
    )
    return replace(made, **changed)


def a_bill(bill_id: str, vendor_id: str = "v1", **changed: Any) -> MirroredBill:
    made = MirroredBill(
        bill_id=bill_id,
        vendor_id=vendor_id,
        number=f"INV {bill_id} — 株",
        status="open",
        currency="USD",
        total="123456789012345678.90",
        due="0.01",
        issue_date="2026-03-01",
        due_date=None,
        trouble="",
        rounded="",
        updated_at=stamp(START),
        last_synced_at=stamp(START),
    )
    return replace(made, **changed)


def begun(store: Store, *bills: MirroredBill, ledger_id: str = "ledger-1") -> Mirror:
    mirror = store.write_now(lambda tx: tx.bill_mirrors.start(a_mirror(ledger_id), tx.bill_mirrors.get(ledger_id)))
    store.write_now(lambda tx: tx.bill_mirrors.put(mirror, bills))
    return mirror


def ids(store: Store, ledger_id: str = "ledger-1", vendor: str | None = None, since: str | None = None) -> list[str]:
    return store.read_now(lambda tx: [b.bill_id for b in tx.bill_mirrors.by_vendor(ledger_id, vendor, since)])


def test_what_is_kept_comes_back_exactly(store: Store) -> None:
    bills = [a_bill("b1"), a_bill("b2", "v2", trouble="its total cannot be read", rounded="x")]
    begun(store, *bills)
    assert store.read_now(lambda tx: list(tx.bill_mirrors.by_vendor("ledger-1", None, None))) == bills
    assert store.read_now(lambda tx: tx.bill_mirrors.stored("ledger-1", ["b2", "b9"])) == {"b2": bills[1]}


def test_bills_come_vendor_by_vendor_however_many(store: Store) -> None:
    begun(store, *(a_bill(f"b{number:05d}", f"v{number % 7}") for number in range(2500)))
    vendors = store.read_now(lambda tx: [b.vendor_id for b in tx.bill_mirrors.by_vendor("ledger-1", None, None)])
    assert len(vendors) == 2500
    assert vendors == sorted(vendors)
    assert len(ids(store, vendor="v3")) == sum(1 for number in range(2500) if number % 7 == 3)


def test_paid_bills_come_only_from_a_change_on(store: Store) -> None:
    old, new = "2026-01-01T00:00:00.000000Z", "2026-02-02T00:00:00.000000Z"
    begun(store, a_bill("o"), a_bill("p", status="paid", updated_at=old), a_bill("q", status="paid", updated_at=new))
    assert ids(store) == ["o"]
    assert sorted(ids(store, since=old)) == ["o", "q"]
    assert store.read_now(lambda tx: tx.bill_mirrors.count("ledger-1")) == 1


def test_a_bill_of_nobody_known_is_among_every_vendors(store: Store) -> None:
    begun(store, a_bill("b1", "v1"), a_bill("b2", "", trouble="x"), a_bill("b3", ""), a_bill("b4", "v2", trouble="x"))
    assert sorted(ids(store, vendor="v1")) == ["b1", "b2"]


def test_only_who_saw_the_copy_as_it_is_moves_it_on(store: Store) -> None:
    seen = begun(store)
    moved = store.write_now(lambda tx: tx.bill_mirrors.advance(seen, replace(seen, leg=1)))
    assert (moved.leg, moved.version) == (1, seen.version + 1)
    with pytest.raises(Overtaken):
        store.write_now(lambda tx: tx.bill_mirrors.advance(seen, replace(seen, leg=2)))
    with pytest.raises(Overtaken):
        store.write_now(lambda tx: tx.bill_mirrors.start(a_mirror(), seen))
    assert store.read_now(lambda tx: tx.bill_mirrors.get("ledger-1")) == moved


def test_what_an_overtaken_call_wrote_is_undone(store: Store) -> None:
    seen = begun(store, a_bill("b1"))
    store.write_now(lambda tx: tx.bill_mirrors.advance(seen, seen))

    def late(tx: Tx) -> None:
        tx.bill_mirrors.put(seen, [a_bill("b2")], ["b1"])
        tx.bill_mirrors.advance(seen, seen)

    with pytest.raises(Overtaken):
        store.write_now(late)
    assert ids(store) == ["b1"]


def test_what_a_reading_did_not_show_is_swept(store: Store) -> None:
    first = begun(store, a_bill("b1"), a_bill("b2"))
    begun(store, a_bill("b1"), ledger_id="ledger-2")
    second = store.write_now(lambda tx: tx.bill_mirrors.advance(first, replace(first, reading=2)))
    store.write_now(lambda tx: tx.bill_mirrors.put(second, [a_bill("b2"), a_bill("b3")]))
    store.write_now(lambda tx: tx.bill_mirrors.sweep(second))
    assert sorted(ids(store)) == ["b2", "b3"]
    assert ids(store, "ledger-2") == ["b1"]


def test_a_new_copy_drops_all_of_its_ledger_and_connection(store: Store) -> None:
    old = begun(store, a_bill("b1"))
    begun(store, a_bill("b2"), ledger_id="ledger-2")
    moved = a_mirror("ledger-3", connection_id="ledger-2")
    store.write_now(lambda tx: tx.bill_mirrors.start(moved, None))
    store.write_now(lambda tx: tx.bill_mirrors.start(a_mirror(version=9), old))
    assert [ids(store, f"ledger-{number}") for number in (1, 2, 3)] == [[], [], []]
    assert store.read_now(lambda tx: tx.bill_mirrors.get("ledger-2")) is None


def test_what_a_removed_connection_showed_is_dropped(store: Store) -> None:
    begun(store, a_bill("b1"))
    begun(store, a_bill("b2"), ledger_id="ledger-2")
    store.write_now(lambda tx: tx.bill_mirrors.drop("ledger-1"))
    assert (ids(store, "ledger-1"), ids(store, "ledger-2")) == ([], ["b2"])
    assert store.read_now(lambda tx: tx.bill_mirrors.get("ledger-1")) is None


def test_a_copy_leaves_nothing_in_the_audit_chain(store: Store) -> None:
    begun(store, a_bill("b1"))
    chain = store.read_now(lambda tx: tx.audit.verify())
    assert (chain.entries, chain.holds) == (0, True)
