"""Approvers: who may release, and the lock that follows wrong passcodes."""

from __future__ import annotations

from datetime import timedelta

from rutter_ap_server.store.approvers import Approver
from rutter_ap_server.store.engine import Store
from support.store_rows import START


def added(store: Store, name: str, passcode_hash: str) -> str:
    return store.write_now(lambda tx: tx.approvers.add(name, passcode_hash))


def test_approvers_are_listed_by_name_and_a_hash_is_in_no_repr(store: Store) -> None:
    bo, ana = added(store, "Bo", "hash-b"), added(store, "Ana", "hash-a")

    found = store.read_now(lambda tx: tx.approvers.active())
    assert found == [Approver(ana, "Ana", "hash-a", START, 0, None), Approver(bo, "Bo", "hash-b", START, 0, None)]
    assert "hash" not in repr(found)


def test_a_name_that_comes_back_is_another_identity(store: Store) -> None:
    first = added(store, "Ana", "old")
    assert store.write_now(lambda tx: tx.approvers.remove(first))
    assert store.read_now(lambda tx: tx.approvers.active()) == []
    assert not store.write_now(lambda tx: tx.approvers.remove(first))
    assert not store.write_now(lambda tx: tx.approvers.remove("no such id"))

    second = added(store, "Ana", "again")

    everyone = {one.id: one.removed_at for one in store.read_now(lambda tx: tx.approvers.everyone())}
    assert everyone == {first: START, second: None}
    assert [a.id for a in store.read_now(lambda tx: tx.approvers.active())] == [second]


def test_a_new_passcode_keeps_the_identity_and_ends_a_lock(store: Store) -> None:
    ana, bo = added(store, "Ana", "old"), added(store, "Bo", "b")
    store.write_now(lambda tx: tx.approvers.passcode_failed(ana, lock_after=1, lock_seconds=900))

    store.write_now(lambda tx: tx.approvers.change_passcode(ana, "new"))

    assert store.read_now(lambda tx: tx.approvers.active()) == [
        Approver(ana, "Ana", "new", START, 0, None),
        Approver(bo, "Bo", "b", START, 0, None),
    ]


def test_the_fifth_wrong_passcode_locks_an_approver_for_a_while(store: Store) -> None:
    ana, bo = added(store, "Ana", "a"), added(store, "Bo", "b")

    def fail() -> Approver:
        store.write_now(lambda tx: tx.approvers.passcode_failed(ana, lock_after=5, lock_seconds=900))
        return store.read_now(lambda tx: tx.approvers.active())[0]

    assert [(fail().failures, fail().failures, fail().failures, fail().failures)] == [(1, 2, 3, 4)]
    assert fail() == Approver(ana, "Ana", "a", START, 0, START + timedelta(seconds=900))
    assert store.read_now(lambda tx: tx.approvers.active())[1] == Approver(bo, "Bo", "b", START, 0, None)


def test_a_right_passcode_forgets_the_wrong_ones(store: Store) -> None:
    ana = added(store, "Ana", "a")
    store.write_now(lambda tx: tx.approvers.passcode_failed(ana, lock_after=5, lock_seconds=900))
    store.write_now(lambda tx: tx.approvers.passcode_accepted(ana))

    assert store.read_now(lambda tx: tx.approvers.active()) == [Approver(ana, "Ana", "a", START, 0, None)]


def test_a_wrong_passcode_for_nobody_changes_nothing(store: Store) -> None:
    store.write_now(lambda tx: tx.approvers.passcode_failed("no such id", lock_after=1, lock_seconds=900))

    assert store.read_now(lambda tx: tx.approvers.active()) == []
