"""Approvers: who may release, and the lock that follows wrong passcodes."""

from __future__ import annotations

from datetime import timedelta

from rutter_ap_server.store.approvers import Approver
from rutter_ap_server.store.engine import Store
from support.store_rows import START


def test_approvers_are_listed_by_name_and_a_hash_is_in_no_repr(store: Store) -> None:
    store.write_now(lambda tx: tx.approvers.add("Bo", "hash-b"))
    store.write_now(lambda tx: tx.approvers.add("Ana", "hash-a"))

    found = store.read_now(lambda tx: tx.approvers.active())
    assert found == [Approver("Ana", "hash-a", START, 0, None), Approver("Bo", "hash-b", START, 0, None)]
    assert "hash" not in repr(found)


def test_an_approver_can_get_a_new_passcode_or_come_back(store: Store) -> None:
    store.write_now(lambda tx: tx.approvers.add("Ana", "old"))
    store.write_now(lambda tx: tx.approvers.add("Ana", "new"))
    assert [a.passcode_hash for a in store.read_now(lambda tx: tx.approvers.active())] == ["new"]

    assert store.write_now(lambda tx: tx.approvers.remove("Ana"))
    assert store.read_now(lambda tx: tx.approvers.active()) == []
    assert not store.write_now(lambda tx: tx.approvers.remove("Ana"))
    assert not store.write_now(lambda tx: tx.approvers.remove("Nobody"))
    store.write_now(lambda tx: tx.approvers.add("Ana", "again"))
    assert [a.passcode_hash for a in store.read_now(lambda tx: tx.approvers.active())] == ["again"]


def test_the_fifth_wrong_passcode_locks_an_approver_for_a_while(store: Store) -> None:
    store.write_now(lambda tx: tx.approvers.add("Ana", "a"))
    store.write_now(lambda tx: tx.approvers.add("Bo", "b"))

    def fail() -> Approver:
        store.write_now(lambda tx: tx.approvers.passcode_failed("Ana", lock_after=5, lock_seconds=900))
        return store.read_now(lambda tx: tx.approvers.active())[0]

    assert [(fail().failures, fail().failures, fail().failures, fail().failures)] == [(1, 2, 3, 4)]
    assert fail() == Approver("Ana", "a", START, 0, START + timedelta(seconds=900))
    assert store.read_now(lambda tx: tx.approvers.active())[1] == Approver("Bo", "b", START, 0, None)


def test_a_right_passcode_forgets_the_wrong_ones(store: Store) -> None:
    store.write_now(lambda tx: tx.approvers.add("Ana", "a"))
    store.write_now(lambda tx: tx.approvers.passcode_failed("Ana", lock_after=5, lock_seconds=900))
    store.write_now(lambda tx: tx.approvers.passcode_accepted("Ana"))

    assert store.read_now(lambda tx: tx.approvers.active()) == [Approver("Ana", "a", START, 0, None)]


def test_a_wrong_passcode_for_nobody_changes_nothing(store: Store) -> None:
    store.write_now(lambda tx: tx.approvers.passcode_failed("Nobody", lock_after=1, lock_seconds=900))

    assert store.read_now(lambda tx: tx.approvers.active()) == []
