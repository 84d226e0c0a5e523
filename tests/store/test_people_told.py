"""Where the chain tells of approvers is found once by each process, and what stands there is held against it anew."""

from __future__ import annotations

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.errors import StoreError
from support.store_rows import START, behind_its_back, seen_from_outside


def add(store: Store, name: str) -> str:
    def adding(tx: Tx) -> str:
        approver_id = tx.approvers.add(name, f"the hash of {name}")
        tx.audit.append("approver_added", actor=name, name=name, approver_id=approver_id)
        return approver_id

    return store.write_now(adding)


def active(store: Store) -> list[str]:
    return [one.name for one in store.read_now(lambda tx: tx.approvers.active())]


def other_entries(store: Store, count: int) -> None:
    for _ in range(count):
        store.write_now(lambda tx: tx.audit.append("looked", actor="somebody"))


def test_whoever_another_process_adds_or_removes_is_seen(store: Store, store_url: str) -> None:
    other = Store(store_url, FixedClock(START))
    ana = add(store, "Ana")
    assert (active(store), active(other)) == (["Ana"], ["Ana"])
    other_entries(other, 3)
    add(other, "Ben")
    assert active(store) == ["Ana", "Ben"]
    other.write_now(lambda tx: tx.approvers.remove(ana))

    assert (active(store), active(other)) == (["Ben"], ["Ben"])
    other.close()


def test_who_is_added_is_active_in_the_same_transaction(store: Store) -> None:
    add(store, "Ana")
    assert active(store) == ["Ana"]

    def both(tx: Tx) -> list[str]:
        tx.approvers.add("Ben", "a hash")
        tx.audit.append("approver_added", actor="Ben")
        return [one.name for one in tx.approvers.active()]

    assert store.write_now(both) == ["Ana", "Ben"]


def test_what_was_undone_is_not_remembered(store: Store) -> None:
    add(store, "Ana")

    def undone(tx: Tx) -> None:
        tx.approvers.add("Ben", "a hash")
        tx.audit.append("approver_added", actor="Ben")
        tx.approvers.active()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.write_now(undone)
    add(store, "Cleo")

    assert active(store) == ["Ana", "Cleo"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET rows = replace(rows, 'Ana', 'Eve') WHERE kind = 'approver_added'",
        "UPDATE audit SET previous = hash WHERE kind = 'approver_added'",
        "DELETE FROM audit WHERE kind = 'approver_added'",
    ],
)
def test_an_entry_that_was_read_is_read_again(store: Store, store_url: str, change: str) -> None:
    other_entries(store, 1)
    add(store, "Ana")
    other_entries(store, 2)
    assert active(store) == ["Ana"]
    behind_its_back(store_url, change)

    for _ in range(2):
        with pytest.raises(StoreError) as refused:
            store.read_now(lambda tx: tx.approvers.active())
        assert refused.value.error_code == "store.tampered"


def test_a_chain_put_back_and_continued_is_read_anew(store: Store, store_url: str) -> None:
    add(store, "Ana")
    other_entries(store, 4)
    assert active(store) == ["Ana"]
    # As a backup from before those entries holds it.
    behind_its_back(store_url, "DELETE FROM audit WHERE kind = 'looked'")
    assert active(store) == ["Ana"]
    other = Store(store_url, FixedClock(START))
    for name in ("Ben", "Cleo", "Dan", "Eve", "Flo"):
        add(other, name)
    other.close()

    assert active(store) == ["Ana", "Ben", "Cleo", "Dan", "Eve", "Flo"]
    assert seen_from_outside(store_url, "SELECT count(*) FROM audit") == [(6,)]
