"""What people set: approvers and their lock, the freeze, links, and questions that are answered once."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.store.engine import Store, StoreError
from rutter_ap_server.store.people import Approver, Link
from support.store_rows import START, put


def test_approvers_are_listed_by_name_and_a_hash_is_in_no_repr(store: Store) -> None:
    store.write_now(lambda tx: tx.people.add_approver("Bo", "hash-b"))
    store.write_now(lambda tx: tx.people.add_approver("Ana", "hash-a"))

    found = store.read_now(lambda tx: tx.people.approvers())
    assert found == [Approver("Ana", "hash-a", START, 0, None), Approver("Bo", "hash-b", START, 0, None)]
    assert "hash" not in repr(found)


def test_a_known_approver_gets_a_new_passcode_and_a_removed_one_can_come_back(store: Store) -> None:
    store.write_now(lambda tx: tx.people.add_approver("Ana", "old"))
    store.write_now(lambda tx: tx.people.add_approver("Ana", "new"))
    assert [a.passcode_hash for a in store.read_now(lambda tx: tx.people.approvers())] == ["new"]

    assert store.write_now(lambda tx: tx.people.remove_approver("Ana"))
    assert store.read_now(lambda tx: tx.people.approvers()) == []
    assert not store.write_now(lambda tx: tx.people.remove_approver("Ana"))
    assert not store.write_now(lambda tx: tx.people.remove_approver("Nobody"))
    store.write_now(lambda tx: tx.people.add_approver("Ana", "again"))
    assert [a.passcode_hash for a in store.read_now(lambda tx: tx.people.approvers())] == ["again"]


def test_the_fifth_wrong_passcode_locks_an_approver_for_a_while(store: Store) -> None:
    store.write_now(lambda tx: tx.people.add_approver("Ana", "a"))
    store.write_now(lambda tx: tx.people.add_approver("Bo", "b"))

    def fail() -> Approver:
        store.write_now(lambda tx: tx.people.passcode_failed("Ana", lock_after=5, lock_seconds=900))
        return store.read_now(lambda tx: tx.people.approvers())[0]

    assert [(fail().failures, fail().failures, fail().failures, fail().failures)] == [(1, 2, 3, 4)]
    assert fail() == Approver("Ana", "a", START, 0, START + timedelta(seconds=900))
    assert store.read_now(lambda tx: tx.people.approvers())[1] == Approver("Bo", "b", START, 0, None)


def test_a_right_passcode_forgets_the_wrong_ones(store: Store) -> None:
    store.write_now(lambda tx: tx.people.add_approver("Ana", "a"))
    store.write_now(lambda tx: tx.people.passcode_failed("Ana", lock_after=5, lock_seconds=900))
    store.write_now(lambda tx: tx.people.passcode_accepted("Ana"))

    assert store.read_now(lambda tx: tx.people.approvers()) == [Approver("Ana", "a", START, 0, None)]


def test_a_wrong_passcode_for_nobody_changes_nothing(store: Store) -> None:
    store.write_now(lambda tx: tx.people.passcode_failed("Nobody", lock_after=1, lock_seconds=900))

    assert store.read_now(lambda tx: tx.people.approvers()) == []


def test_a_freeze_says_who_and_when_and_the_last_one_counts(store: Store, clock: FixedClock) -> None:
    assert store.read_now(lambda tx: tx.people.frozen()) is None
    store.write_now(lambda tx: tx.people.freeze("Ana"))
    assert store.read_now(lambda tx: tx.people.frozen()) == "Ana at 2026-03-02T09:30:00.000000Z"

    clock.instant = START + timedelta(minutes=1)
    store.write_now(lambda tx: tx.people.freeze("Bo"))
    assert store.read_now(lambda tx: tx.people.frozen()) == "Bo at 2026-03-02T09:31:00.000000Z"
    store.write_now(lambda tx: tx.people.unfreeze())
    store.write_now(lambda tx: tx.people.unfreeze())
    assert store.read_now(lambda tx: tx.people.frozen()) is None


def test_a_frozen_store_stays_frozen_when_it_is_opened_again(store: Store, store_url: str, clock: FixedClock) -> None:
    store.write_now(lambda tx: tx.people.freeze("Ana"))
    store.close()

    again = Store(store_url, clock)
    assert again.read_now(lambda tx: tx.people.frozen()) is not None
    again.close()


def test_a_role_is_played_by_the_account_linked_last_in_each_company(store: Store) -> None:
    store.write_now(lambda tx: tx.people.link("c1", "funding", "a1", "Account a1"))
    store.write_now(lambda tx: tx.people.link("c1", "funding", "a2", "Account a2"))
    store.write_now(lambda tx: tx.people.link("c1", "expense", "a3", "Account a3"))
    store.write_now(lambda tx: tx.people.link("c2", "funding", "a4", "Account a4"))

    found = store.read_now(
        lambda tx: [tx.people.linked(c, r) for c in ("c1", "c2") for r in ("funding", "expense", "accounts_payable")]
    )
    assert found == [
        Link("funding", "a2", "Account a2"),
        Link("expense", "a3", "Account a3"),
        None,
        Link("funding", "a4", "Account a4"),
        None,
        None,
    ]


def ask(store: Store, valid_seconds: int = 600) -> tuple[str, str]:
    proposal = put(store)
    return proposal.id, store.write_now(lambda tx: tx.questions.ask(proposal.id, "f" * 64, valid_seconds))


def answer(store: Store, question: str, proposal: str, fingerprint: str = "f" * 64) -> bool:
    return store.write_now(lambda tx: tx.questions.answer(question, proposal, fingerprint, "accepted"))


def test_an_answer_counts_once_however_often_it_is_repeated(store: Store) -> None:
    proposal, question = ask(store)

    assert [answer(store, question, proposal) for _ in range(20)] == [True] + [False] * 19


def test_an_answer_that_comes_many_times_at_once_counts_once(store: Store) -> None:
    proposal, question = ask(store)
    counted: list[bool] = []
    together = threading.Barrier(20)

    def work() -> None:
        together.wait()
        counted.append(answer(store, question, proposal))

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counted) == [False] * 19 + [True]


def test_an_answer_counts_only_for_its_proposal_and_the_facts_it_was_asked_about(store: Store) -> None:
    proposal, question = ask(store)
    other, _ = ask(store)

    assert not answer(store, question, other)
    assert not answer(store, question, proposal, fingerprint="e" * 64)
    assert not answer(store, question + "x", proposal)
    assert not answer(store, "", proposal)
    assert answer(store, question, proposal)


def test_an_answer_comes_too_late_at_the_moment_its_question_runs_out(store: Store, clock: FixedClock) -> None:
    (early, first), (late, second) = ask(store, 600), ask(store, 600)

    clock.instant = START + timedelta(seconds=600) - timedelta(microseconds=1)
    assert answer(store, first, early)
    clock.instant = START + timedelta(seconds=600)
    assert not answer(store, second, late)


def test_a_question_cannot_be_guessed_and_no_two_are_alike(store: Store) -> None:
    proposal = put(store)
    asked = {store.write_now(lambda tx: tx.questions.ask(proposal.id, "f" * 64, 600)) for _ in range(20)}

    assert len(asked) == 20
    assert min(len(question) for question in asked) >= 32


def test_a_question_about_nothing_cannot_be_asked(store: Store) -> None:
    with pytest.raises(StoreError):
        store.write_now(lambda tx: tx.questions.ask("nobody", "f" * 64, 600))
