"""PostgreSQL: what a server can do that a file cannot, and that nothing about it is ever told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rutter_ap_server.clock import Clock, FixedClock
from rutter_ap_server.store.engine import TRIES_MAX, Store, StoreError, Tx
from rutter_ap_server.store.postgres import CONNECTIONS_MAX
from rutter_ap_server.store.states import State
from support.postgres import Postgres
from support.store_rows import START, a_proposal, behind_its_back, put, seen_from_outside

END_OTHER_SESSIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
URL = "postgresql://keeper:a-password@db.internal.invalid:5433/books"


@pytest.fixture
def pg_url(postgres: Postgres) -> Iterator[str]:
    """The address of an empty store."""
    with postgres.store_url() as url:
        yield url


@pytest.fixture
def pg(pg_url: str, clock: FixedClock) -> Iterator[Store]:
    """An open store."""
    opened = Store(pg_url, clock)
    yield opened
    opened.close()


def setting(store: Store, name: str) -> str:
    found: list[str] = []
    store.write_now(lambda tx: found.append(str(tx.secrets._connection.exec_driver_sql(f"SHOW {name}").scalar())))
    return found[0]


def test_without_its_driver_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(StoreError) as error:
        Store(URL, Clock())
    assert error.value.next_step == "Run `pip install 'rutter-ap[postgres]'`."
    assert "a-password" not in str(error.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_an_absent_server_is_our_error_without_its_address(scheme: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError) as error:
        Store(f"{scheme}://keeper:a-password@/books?host={tmp_path}", Clock())

    told = repr(error.value) + str(error.value) + error.value.message + error.value.next_step
    assert "cannot be reached" in told
    assert [word for word in ("a-password", "keeper", "books", str(tmp_path)) if word in told] == []
    assert error.value.__suppress_context__


def test_an_address_without_a_database_is_refused() -> None:
    with pytest.raises(StoreError, match="must name a database"):
        Store("postgresql://keeper:a-password@localhost", Clock())


def test_a_store_tells_nothing_of_its_address(pg: Store) -> None:
    assert "postgres" not in repr(pg).replace("rutter_ap_server", "")


def test_a_database_of_another_program_gets_no_tables_of_ours(postgres: Postgres) -> None:
    with postgres.database() as url:
        behind_its_back(url, "CREATE TABLE songs (title TEXT)")
        with pytest.raises(StoreError, match="tables of another program"):
            Store(url, Clock())
        behind_its_back(url, "CREATE TABLE meta (id INTEGER)")
        with pytest.raises(StoreError, match="tables of another program"):
            Store(url, Clock())

        names = seen_from_outside(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        assert names == [("meta",), ("songs",)]


def test_a_user_who_may_not_make_tables_is_told_so(postgres: Postgres) -> None:
    postgres.run("CREATE ROLE onlooker LOGIN")
    try:
        with postgres.database() as url, pytest.raises(StoreError, match="may not create or change tables"):
            Store(url.replace("postgres:@", "onlooker:@"), Clock())
        with postgres.store_url() as url, pytest.raises(StoreError, match="may not create or change tables"):
            Store(url.replace("postgres:@", "onlooker:@"), Clock())
    finally:
        postgres.run("DROP ROLE onlooker")


def test_every_commit_is_durable_and_nothing_waits_for_ever(pg: Store, postgres: Postgres) -> None:
    postgres.run("ALTER ROLE postgres SET synchronous_commit = off")
    try:
        names = ("synchronous_commit", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        assert [setting(pg, name) for name in names] == ["on", "1min", "30s", "1min"]
        assert setting(pg, "transaction_isolation") == "serializable"
    finally:
        postgres.run("ALTER ROLE postgres RESET synchronous_commit")


def test_a_reader_can_write_nothing(pg: Store) -> None:
    with pytest.raises(StoreError):
        pg.read_now(lambda tx: tx.controls.freeze("Ana"))
    assert pg.read_now(lambda tx: tx.controls.frozen_by()) is None


def test_a_lost_connection_loses_its_whole_transaction_only(pg: Store, pg_url: str) -> None:
    proposal = a_proposal()

    def work(tx: Tx) -> None:
        tx.proposals.add(proposal)
        seen_from_outside(pg_url, END_OTHER_SESSIONS)
        tx.audit.append("proposed", actor="guard", proposal_id=proposal.id)

    with pytest.raises(StoreError):
        pg.write_now(work)
    assert pg.read_now(lambda tx: tx.proposals.get(proposal.id)) is None


def test_a_restarted_server_is_met_with_a_fresh_connection(pg: Store, pg_url: str) -> None:
    proposal = put(pg)
    seen_from_outside(pg_url, END_OTHER_SESSIONS)

    assert pg.read_now(lambda tx: tx.proposals.get(proposal.id)) == proposal


def test_a_failure_caught_inside_does_not_commit(pg: Store) -> None:
    """PostgreSQL answers such a COMMIT with a silent ROLLBACK."""
    known, fresh = put(pg), a_proposal(digest="e" * 64)

    def work(tx: Tx) -> None:
        tx.proposals.add(fresh)
        with pytest.raises(Exception, match="duplicate"):
            tx.proposals.add(known)

    with pytest.raises(StoreError):
        pg.write_now(work)
    assert pg.read_now(lambda tx: tx.proposals.get(fresh.id)) is None


def test_a_write_that_went_past_the_lock_makes_ours_begin_again(pg: Store, pg_url: str) -> None:
    proposal = put(pg)
    tries: list[str] = []

    def work(tx: Tx) -> bool:
        found = tx.proposals.get(proposal.id)
        assert found is not None
        tries.append(found.state)
        if len(tries) == 1:
            behind_its_back(pg_url, "UPDATE proposals SET state = 'declined'")
        return tx.proposals.move(proposal.id, [State.HELD], State.RELEASED)

    assert pg.write_now(work) is False
    assert tries == ["held", "declined"]


def test_it_does_not_begin_again_for_ever(pg: Store, pg_url: str) -> None:
    proposal = put(pg)
    tries: list[None] = []

    def work(tx: Tx) -> None:
        tx.proposals.get(proposal.id)
        tries.append(None)
        behind_its_back(pg_url, f"UPDATE proposals SET summary = 'changed {len(tries)} times'")
        tx.proposals.move(proposal.id, [State.HELD], State.RELEASED)

    with pytest.raises(StoreError):
        pg.write_now(work)
    assert len(tries) == TRIES_MAX


def test_connections_are_bounded(pg: Store) -> None:
    pool = pg._engine.pool
    held = [pg._engine.connect() for _ in range(CONNECTIONS_MAX)]
    try:
        assert "Overflow: 10" in pool.status()
        pool._timeout = 0.01  # type: ignore[attr-defined]  # the real wait is half a minute
        with pytest.raises(StoreError):
            pg.read_now(lambda tx: tx.controls.frozen_by())
    finally:
        for connection in held:
            connection.close()


def test_two_schemas_of_one_database_are_two_stores(postgres: Postgres) -> None:
    with postgres.database() as url:
        behind_its_back(url, "CREATE SCHEMA one", "CREATE SCHEMA two")
        one, two = (Store(f"{url}&options=-csearch_path%3D{name}", FixedClock(START)) for name in ("one", "two"))
        one.write_now(lambda tx: tx.controls.freeze("Ana"))

        assert one.read_now(lambda tx: tx.controls.frozen_by()) == "Ana at 2026-03-02T09:30:00.000000Z"
        assert two.read_now(lambda tx: tx.controls.frozen_by()) is None
        one.close()
        two.close()
