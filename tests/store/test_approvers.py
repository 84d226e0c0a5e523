"""Approvers: who may release, and the lock that follows wrong passcodes."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from rutter_ap_server.clock import stamp
from rutter_ap_server.store.approvers import Approver
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.errors import Tampered
from support.store_rows import START, behind_its_back


def added(store: Store, name: str, passcode_hash: str) -> str:
    return store.write_now(lambda tx: tx.approvers.add(name, passcode_hash))


def test_approvers_are_listed_by_name_and_a_hash_is_in_no_repr(store: Store) -> None:
    bo, ana = added(store, "Bo", "hash-b"), added(store, "Ana", "hash-a")

    found = store.read_now(lambda tx: tx.approvers.active())
    assert [one.id for one in store.read_now(lambda tx: tx.approvers.everyone())] == sorted((ana, bo))
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


@pytest.mark.parametrize("lock_after", [1, 5])
def test_a_new_passcode_keeps_the_identity_and_ends_a_lock(store: Store, lock_after: int) -> None:
    ana, bo = added(store, "Ana", "old"), added(store, "Bo", "b")
    store.write_now(lambda tx: tx.approvers.passcode_failed(ana, lock_after=lock_after, lock_seconds=900))

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


@pytest.mark.parametrize("lock_after", [1, 5])
def test_a_right_passcode_forgets_the_wrong_ones(store: Store, lock_after: int) -> None:
    ana, bo = added(store, "Ana", "a"), added(store, "Bo", "b")

    def both_fail(tx: Tx) -> None:
        for one in (ana, bo):
            tx.approvers.passcode_failed(one, lock_after=lock_after, lock_seconds=900)

    store.write_now(both_fail)
    before = store.read_now(lambda tx: tx.approvers.active())
    store.write_now(lambda tx: tx.approvers.passcode_accepted(ana))

    assert before[0] != Approver(ana, "Ana", "a", START, 0, None)
    assert store.read_now(lambda tx: tx.approvers.active()) == [Approver(ana, "Ana", "a", START, 0, None), before[1]]


def test_a_right_passcode_alone_writes_nothing(store: Store) -> None:
    ana = added(store, "Ana", "a")

    def length() -> int:
        return store.read_now(lambda tx: len(list(tx.audit.entries())))

    before = length()
    store.write_now(lambda tx: tx.approvers.passcode_accepted(ana))
    assert length() == before


def test_a_row_added_by_hand_is_no_approver(store: Store, store_url: str) -> None:
    ana = added(store, "Ana", "a")
    row = f"'Mallory', 'a', '{stamp(START)}', NULL, 0, NULL, NULL"
    behind_its_back(store_url, f"INSERT INTO approvers VALUES ('{uuid.uuid4()}', {row})")

    assert [one.id for one in store.read_now(lambda tx: tx.approvers.active())] == [ana]


@pytest.mark.parametrize(
    "edit",
    ["UPDATE approvers SET passcode_hash = 'b'", "UPDATE approvers SET failures = -9", "DELETE FROM approvers"],
)
def test_an_approver_changed_by_hand_stops_every_release(store: Store, store_url: str, edit: str) -> None:
    added(store, "Ana", "a")
    behind_its_back(store_url, edit)

    with pytest.raises(Tampered):
        store.read_now(lambda tx: tx.approvers.active())


def test_a_wrong_passcode_for_nobody_changes_nothing(store: Store) -> None:
    store.write_now(lambda tx: tx.approvers.passcode_failed("no such id", lock_after=1, lock_seconds=900))

    assert store.read_now(lambda tx: tx.approvers.active()) == []
