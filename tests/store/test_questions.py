"""Questions to a person: each is answered once, in time, and about the facts it was asked for."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from rutter_ap_server.clock import FixedClock, stamp
from rutter_ap_server.store.engine import Store, StoreError
from support.store_rows import START, behind_its_back, put, seen_from_outside


def ask(store: Store, valid_seconds: int = 600) -> tuple[str, str]:
    proposal = put(store)
    return proposal.id, store.write_now(
        lambda tx: tx.questions.ask(proposal.id, "f" * 64, valid_seconds, statement="s" * 64)
    )


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


def test_an_answer_counts_only_for_its_proposal_and_its_facts(store: Store) -> None:
    proposal, question = ask(store)
    other, _ = ask(store)

    assert not answer(store, question, other)
    assert not answer(store, question, proposal, fingerprint="e" * 64)
    assert not answer(store, question + "x", proposal)
    assert not answer(store, "", proposal)
    assert answer(store, question, proposal)


def test_an_answer_is_late_at_the_moment_its_question_expires(store: Store, clock: FixedClock) -> None:
    (early, first), (late, second) = ask(store, 600), ask(store, 600)

    clock.instant = START + timedelta(seconds=600) - timedelta(microseconds=1)
    assert answer(store, first, early)
    clock.instant = START + timedelta(seconds=600)
    assert not answer(store, second, late)


def test_a_question_cannot_be_guessed_and_no_two_are_alike(store: Store) -> None:
    proposal = put(store)
    asked = {
        store.write_now(lambda tx: tx.questions.ask(proposal.id, "f" * 64, 600, statement="s" * 64)) for _ in range(20)
    }

    assert len(asked) == 20
    # 24 bytes by chance, as letters.
    assert {len(question) for question in asked} == {32}


def test_a_question_keeps_what_it_showed_and_how_it_was_answered(
    store: Store, store_url: str, clock: FixedClock
) -> None:
    proposal, question = ask(store)

    def shown(of: str) -> str:
        return store.read_now(lambda tx: tx.questions.statement(of))

    assert (shown(question), shown("another")) == ("s" * 64, "")
    clock.instant = START + timedelta(seconds=5)
    assert answer(store, question, proposal)
    row = (stamp(START), stamp(START + timedelta(seconds=600)), stamp(clock.instant), "accepted")
    assert seen_from_outside(store_url, "SELECT asked_at, expires_at, answered_at, answer FROM questions") == [row]
    # One of an earlier release showed nothing that was kept.
    behind_its_back(store_url, "UPDATE questions SET statement = NULL")
    assert shown(question) == ""


def test_a_question_about_nothing_cannot_be_asked(store: Store) -> None:
    with pytest.raises(StoreError):
        store.write_now(lambda tx: tx.questions.ask("nobody", "f" * 64, 600, statement="s" * 64))
