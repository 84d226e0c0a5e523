"""Connected companies that are kept: begun once, linked, renamed and removed, and every change can be noticed."""

from __future__ import annotations

import threading
from datetime import timedelta

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.store.connections import SavedConnection
from rutter_ap_server.store.engine import Store
from support.store_rows import START, seen_from_outside


def begin(store: Store, connection_id: str, name: str = "", environment: str = "embedded") -> SavedConnection:
    return store.write_now(lambda tx: tx.connections.begin(connection_id, environment=environment, name=name))


def activate(store: Store, connection_id: str, name: str, platform: str = "XERO") -> bool:
    return store.write_now(lambda tx: tx.connections.activate(connection_id, name=name, platform=platform))


def kept(store: Store, *statuses: str, environment: str = "embedded") -> list[tuple[str, str, str]]:
    chosen = [status for status in ("pending", "active", "removed") if not statuses or status in statuses]
    found = store.read_now(lambda tx: tx.connections.all(environment, chosen))  # type: ignore[arg-type]
    return [(one.id, one.name, one.status) for one in found]


def revision(store: Store) -> int:
    return store.read_now(lambda tx: tx.connections.revision())


def test_a_connection_has_its_platform_once_it_is_linked(store: Store, clock: FixedClock) -> None:
    begun = begin(store, "c1", "Second")
    assert begun == SavedConnection("c1", "embedded", "Second", None, "pending", START, START)
    assert store.read_now(lambda tx: tx.connections.get("c1")) == begun

    clock.instant = later = START + timedelta(minutes=5)
    assert activate(store, "c1", "Second Ltd")
    assert store.read_now(lambda tx: tx.connections.get("c1")) == SavedConnection(
        "c1", "embedded", "Second Ltd", "XERO", "active", START, later, later
    )
    assert not activate(store, "c1", "Again"), "it is linked once"
    assert not activate(store, "c2", "Nobody")


def test_of_one_name_only_one_waits_however_it_is_written(store: Store) -> None:
    begin(store, "c1", "Second")

    assert [begin(store, id_, name).id for id_, name in (("c2", "second"), ("c3", " SECOND"), ("c4", ""))] == [
        "c1",
        "c1",
        "c4",
    ]
    assert begin(store, "c5", "").id == "c4"
    assert begin(store, "c6", "Second", environment="production").id == "c6"
    assert kept(store) == [("c1", "Second", "pending"), ("c4", "", "pending")]


def test_many_that_are_begun_at_once_become_one(store: Store) -> None:
    ids: list[str] = []
    together = threading.Barrier(12)

    def work(number: int) -> None:
        together.wait()
        ids.append(begin(store, f"c{number}", "Second").id)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 1
    assert len(ids) == 12
    assert len(kept(store)) == 1


def test_a_name_is_free_again_once_linked_or_removed(store: Store) -> None:
    begin(store, "c1", "Second")
    activate(store, "c1", "Second")
    assert begin(store, "c2", "Second").id == "c2"
    assert store.write_now(lambda tx: tx.connections.remove("c2"))
    assert begin(store, "c3", "Second").id == "c3"
    assert kept(store, "pending", "active") == [("c1", "Second", "active"), ("c3", "Second", "pending")]


def test_a_removed_connection_changes_no_more_unless_begun_anew(store: Store) -> None:
    begin(store, "c1", "Second")
    assert store.write_now(lambda tx: tx.connections.remove("c1"))
    assert not store.write_now(lambda tx: tx.connections.remove("c1"))
    assert not store.write_now(lambda tx: tx.connections.rename("c1", "Other"))
    assert not store.write_now(lambda tx: tx.connections.touch("c1"))
    assert not activate(store, "c1", "Second")
    assert kept(store) == [("c1", "Second", "removed")]

    begin(store, "c1", "Third")
    assert kept(store) == [("c1", "Third", "pending")]


def test_every_change_can_be_noticed_and_a_look_is_none(store: Store) -> None:
    seen = [revision(store)]
    begin(store, "c1", "Second")
    seen.append(revision(store))
    activate(store, "c1", "Second")
    seen.append(revision(store))
    store.write_now(lambda tx: tx.connections.rename("c1", "Renamed"))
    seen.append(revision(store))
    store.write_now(lambda tx: tx.connections.touch("c1"))
    seen.append(revision(store))
    store.write_now(lambda tx: tx.connections.remove("c1"))
    seen.append(revision(store))
    assert seen == sorted(set(seen))
    assert seen[0] == 0

    begin(store, "c2", "Third")
    last = revision(store)
    begin(store, "c3", "Third")
    store.write_now(lambda tx: tx.connections.remove("nobody"))
    kept(store)
    assert revision(store) == last


def test_when_rutter_last_replied_is_noted_without_a_change(store: Store, clock: FixedClock) -> None:
    begin(store, "c1", "Second")
    begin(store, "c2", "Third")
    before = revision(store)
    clock.instant = START + timedelta(hours=1)
    store.write_now(lambda tx: tx.connections.seen(["c1"]))

    found = store.read_now(lambda tx: [tx.connections.get(id_) for id_ in ("c1", "c2")])
    assert [one.last_seen_at if one else None for one in found] == [START + timedelta(hours=1), None]
    assert revision(store) == before


def test_connections_survive_a_reopened_store(store: Store, store_url: str, clock: FixedClock) -> None:
    begin(store, "c1", "naïve — 株")
    activate(store, "c1", "naïve — 株")
    before = revision(store)
    store.close()

    again = Store(store_url, clock)
    assert kept(again) == [("c1", "naïve — 株", "active")]
    assert revision(again) == before
    again.close()


def test_a_name_that_looks_like_sql_is_only_a_name(store: Store, store_url: str) -> None:
    begin(store, "c1", "'; DROP TABLE connections; --")

    assert seen_from_outside(store_url, "SELECT name FROM connections") == [("'; DROP TABLE connections; --",)]
