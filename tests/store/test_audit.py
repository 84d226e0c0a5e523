"""The audit chain shows every entry that was changed, removed, reordered or inserted."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.store.audit import GENESIS, PAGE_ENTRIES, Anchor, Entry, Verification
from rutter_ap_server.store.canonical import canonical
from rutter_ap_server.store.engine import Store, StoreError, Tx
from support.store_rows import START, behind_its_back


def five_entries(store: Store) -> None:
    def append(tx: Tx) -> None:
        for n in range(1, 6):
            tx.audit.append(f"kind_{n}", actor="guard", proposal_id=f"p{n % 2}", n=n)

    store.write_now(append)


def verify(store: Store) -> Verification:
    return store.read_now(lambda tx: tx.audit.verify())


def entries(store: Store) -> list[Entry]:
    return store.read_now(lambda tx: list(tx.audit.entries()))


def test_an_empty_chain_holds(store: Store) -> None:
    assert verify(store) == Verification(0, GENESIS)
    assert verify(store).holds


def test_each_entry_carries_the_hash_of_the_one_before(store: Store, clock: FixedClock) -> None:
    store.write_now(lambda tx: tx.audit.append("proposed", actor="assistant", proposal_id="p1", tool="pay_bill", n=1))
    clock.instant = START + timedelta(seconds=1)
    store.write_now(lambda tx: tx.audit.append("released", actor="Ana", proposal_id="p1"))

    first, second = entries(store)
    assert (first.seq, first.kind, first.actor, first.proposal_id, first.body, first.previous) == (
        1,
        "proposed",
        "assistant",
        "p1",
        '{"n":1,"tool":"pay_bill"}',
        GENESIS,
    )
    assert (first.at, second.at) == ("2026-03-02T09:30:00.000000Z", "2026-03-02T09:30:01.000000Z")
    assert (second.seq, second.previous) == (2, first.hash)
    assert verify(store) == Verification(2, second.hash)


def test_the_entries_of_one_proposal_can_be_read_alone(store: Store) -> None:
    five_entries(store)

    assert [e.kind for e in store.read_now(lambda tx: list(tx.audit.entries("p1")))] == ["kind_1", "kind_3", "kind_5"]


def test_an_entry_is_undone_with_the_transaction_it_stands_in(store: Store) -> None:
    def work(tx: Tx) -> None:
        tx.audit.append("half", actor="guard")
        raise LookupError("in the middle")

    with pytest.raises(LookupError):
        store.write_now(work)

    assert verify(store) == Verification(0, GENESIS)


@pytest.mark.parametrize(
    "change",
    [
        "kind = 'declined'",
        "actor = 'Mallory'",
        "proposal_id = 'p9'",
        "proposal_id = NULL",
        "body = '{\"n\":30}'",
        "body = '{\"n\": 3}'",
        "at = '2026-03-02T09:30:00.000001Z'",
        "hash = 'a' || substr(hash, 2)",
    ],
)
def test_a_changed_entry_is_found(store: Store, store_url: str, change: str) -> None:
    five_entries(store)
    if change.startswith("hash") and entries(store)[2].hash.startswith("a"):
        change = "hash = 'b' || substr(hash, 2)"
    behind_its_back(store_url, f"UPDATE audit SET {change} WHERE seq = 3")

    found = verify(store)
    assert (found.holds, found.broken_at, found.entries, found.reason) == (False, 3, 2, "its content was changed")


def test_an_entry_changed_with_its_hash_no_longer_fits_the_next(store: Store, store_url: str) -> None:
    five_entries(store)
    third = entries(store)[2]
    forged = Entry(third.seq, third.at, third.kind, "Mallory", third.proposal_id, third.body, third.previous, "")
    behind_its_back(store_url, f"UPDATE audit SET actor = 'Mallory', hash = '{forged.computed()}' WHERE seq = 3")

    found = verify(store)
    assert (found.broken_at, found.reason) == (4, "it does not follow the entry before it")


@pytest.mark.parametrize(("gone", "found_at"), [(1, 1), (3, 3), (4, 4)])
def test_a_removed_entry_is_found(store: Store, store_url: str, gone: int, found_at: int) -> None:
    five_entries(store)
    behind_its_back(store_url, f"DELETE FROM audit WHERE seq = {gone}")

    found = verify(store)
    assert (found.broken_at, found.reason) == (found_at, "an entry is missing")


def test_a_removed_entry_is_found_though_the_rest_moved_up(store: Store, store_url: str) -> None:
    five_entries(store)
    behind_its_back(
        store_url,
        "DELETE FROM audit WHERE seq = 3",
        "UPDATE audit SET seq = 3 WHERE seq = 4",
        "UPDATE audit SET seq = 4 WHERE seq = 5",
    )

    assert verify(store).broken_at == 3


def test_two_entries_that_changed_places_are_found(store: Store, store_url: str) -> None:
    five_entries(store)
    behind_its_back(
        store_url,
        "UPDATE audit SET seq = 99 WHERE seq = 2",
        "UPDATE audit SET seq = 2 WHERE seq = 3",
        "UPDATE audit SET seq = 3 WHERE seq = 99",
    )

    assert verify(store).broken_at == 2


def test_an_inserted_entry_is_found(store: Store, store_url: str) -> None:
    five_entries(store)
    second = entries(store)[1]
    forged = Entry(3, second.at, "approved", "Ana", "p1", canonical({}), second.hash, "")
    behind_its_back(
        store_url,
        "UPDATE audit SET seq = 6 WHERE seq = 5",
        "UPDATE audit SET seq = 5 WHERE seq = 4",
        "UPDATE audit SET seq = 4 WHERE seq = 3",
        "INSERT INTO audit (seq, at, kind, actor, proposal_id, body, previous, hash) VALUES "
        f"(3, '{forged.at}', 'approved', 'Ana', 'p1', '{{}}', '{second.hash}', '{forged.computed()}')",
    )

    assert verify(store).broken_at == 4


def test_a_cut_tail_shows_in_the_number_of_entries_and_the_head(store: Store, store_url: str) -> None:
    five_entries(store)
    before = verify(store)
    behind_its_back(store_url, "DELETE FROM audit WHERE seq = 5")

    after = verify(store)
    assert after.holds
    assert (before.entries, after.entries) == (5, 4)
    assert before.head != after.head


def test_a_float_never_enters_the_chain(store: Store) -> None:
    with pytest.raises(TypeError, match="float"):
        store.write_now(lambda tx: tx.audit.append("judged", actor="guard", amount=0.1))


def test_entries_written_from_many_threads_still_make_one_chain(store: Store) -> None:
    def work(name: int) -> None:
        for _ in range(5):
            store.write_now(lambda tx: tx.audit.append("judged", actor=f"thread {name}"))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = verify(store)
    assert (found.holds, found.entries) == (True, 40)


def anchored(store: Store, anchor: Anchor) -> Verification:
    return store.read_now(lambda tx: tx.audit.verify(anchor))


def test_an_anchor_is_the_end_of_the_chain_when_it_was_taken(store: Store, clock: FixedClock) -> None:
    empty = store.read_now(lambda tx: tx.audit.anchor())
    five_entries(store)
    clock.instant = START + timedelta(hours=1)
    anchor = store.read_now(lambda tx: tx.audit.anchor())

    assert empty == Anchor(0, "0" * 64, "2026-03-02T09:30:00.000000Z")
    assert anchor == Anchor(5, entries(store)[-1].hash, "2026-03-02T10:30:00.000000Z")
    assert anchored(store, empty) == anchored(store, anchor) == verify(store)


def test_a_chain_that_grew_since_its_anchor_holds(store: Store) -> None:
    five_entries(store)
    anchor = store.read_now(lambda tx: tx.audit.anchor())
    five_entries(store)

    assert (anchored(store, anchor).holds, anchored(store, anchor).entries) == (True, 10)


@pytest.mark.parametrize("left", [0, 1, 4])
def test_an_anchor_shows_that_the_tail_was_cut(store: Store, store_url: str, left: int) -> None:
    five_entries(store)
    anchor = store.read_now(lambda tx: tx.audit.anchor())
    behind_its_back(store_url, f"DELETE FROM audit WHERE seq > {left}")

    assert verify(store).holds
    found = anchored(store, anchor)
    assert (found.entries, found.broken_at) == (left, left + 1)
    assert found.reason == "the chain ends before the anchor; the newest entries are missing"


def test_an_anchor_shows_that_a_cut_tail_was_written_anew(store: Store, store_url: str) -> None:
    five_entries(store)
    anchor = store.read_now(lambda tx: tx.audit.anchor())
    behind_its_back(store_url, "DELETE FROM audit WHERE seq > 3")
    for _ in range(4):
        store.write_now(lambda tx: tx.audit.append("declined", actor="Mallory"))

    assert verify(store).holds
    found = anchored(store, anchor)
    assert (found.broken_at, found.reason) == (
        5,
        "the entry at the anchor's position is not the one the anchor was taken from",
    )


def test_several_entries_of_one_transaction_follow_one_another(store: Store) -> None:
    def work(tx: Tx) -> Anchor:
        for n in range(3):
            tx.audit.append("judged", actor="guard", n=n)
        return tx.audit.anchor()

    anchor = store.write_now(work)
    assert anchor.seq == 3
    assert anchored(store, anchor).holds


def test_a_long_chain_is_walked_page_by_page_to_its_end(store: Store) -> None:
    def work(tx: Tx) -> None:
        for n in range(2 * PAGE_ENTRIES):
            tx.audit.append("judged", actor="guard", proposal_id="p1" if n % 2 else None, n=n)

    store.write_now(work)
    assert verify(store).entries == 2 * PAGE_ENTRIES
    of_one = store.read_now(lambda tx: [e.seq for e in tx.audit.entries("p1")])
    assert of_one == list(range(2, 2 * PAGE_ENTRIES + 1, 2))


def test_an_anchor_is_kept_as_a_line_of_json(store: Store) -> None:
    five_entries(store)
    anchor = store.read_now(lambda tx: tx.audit.anchor())

    assert "\n" not in anchor.json
    assert Anchor.from_json(anchor.json) == anchor


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{}", "{", '{"seq":"5","hash":"0","at":""}', '{"seq":5,"hash":"x","at":""}', "[" * 5],
)
def test_a_line_that_is_no_anchor_never_passes_for_one(text: str) -> None:
    with pytest.raises(StoreError, match="anchor cannot be read"):
        Anchor.from_json(text)
