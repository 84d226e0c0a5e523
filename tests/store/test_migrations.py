"""Migrations: every store this program ever made becomes one of today's, once; any other is left as it is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from rutter_ap_server.clock import FixedClock, stamp
from rutter_ap_server.store import engine as _whole_schema
from rutter_ap_server.store import migrate, schema
from rutter_ap_server.store.engine import Store, StoreError
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.money import Money
from support.postgres import Postgres
from support.store_rows import START, a_proposal, behind_its_back, outside, put, seen_from_outside

# Written by the first release itself, and dumped by SQLite.
FIRST_RELEASE = (Path(__file__).parent / "first_release.sql").read_text(encoding="utf-8")
KNOWN_ID = "11111111-1111-4111-8111-111111111111"


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database in which there is nothing at all."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ap.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


@pytest.fixture
def old_url(empty_url: str) -> str:
    """A store as the first release left it, with a posted payment in it."""
    statements = [statement.strip() for statement in FIRST_RELEASE.split(";\n") if statement.strip()]
    if empty_url.startswith("sqlite"):
        behind_its_back(empty_url, *(s for s in statements if s not in ("BEGIN TRANSACTION", "COMMIT")))
        return empty_url
    engine = outside(empty_url)
    with engine.begin() as connection:
        step = migrate.scripts().get_revision("1")
        assert step is not None
        step.module.upgrade(Operations(MigrationContext.configure(connection)))
        for table in ("proposals", "audit", "links", "meta"):
            for statement in statements:
                if statement.startswith(f'INSERT INTO "{table}"'):
                    connection.exec_driver_sql(statement)
    engine.dispose()
    return empty_url


def tables_of(url: str) -> dict[str, list[str]]:
    engine = outside(url)
    found = {t: [c["name"] for c in inspect(engine).get_columns(t)] for t in inspect(engine).get_table_names()}
    engine.dispose()
    return found


def test_the_revision_we_expect_is_the_newest_step() -> None:
    assert list(migrate.scripts().get_heads()) == [schema.REVISION]


def differences(url: str) -> list[object]:
    database = outside(url)
    with database.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        found = compare_metadata(context, schema.metadata)
    database.dispose()
    return list(found)


def test_the_steps_make_exactly_the_tables_the_program_uses(store: Store, store_url: str) -> None:
    assert _whole_schema.Store is Store  # Importing the store is what completes the schema.

    assert differences(store_url) == []


def test_an_upgraded_store_has_the_tables_of_a_new_one(old_url: str) -> None:
    Store(old_url, FixedClock(START)).close()

    assert differences(old_url) == []


def test_what_the_first_release_stored_survives_the_upgrade(old_url: str) -> None:
    store = Store(old_url, FixedClock(START))
    found = store.read_now(
        lambda tx: (tx.proposals.get(KNOWN_ID), tx.audit.verify(), tx.account_roles.find("company-1", "funding"))
    )
    put(store)
    verified = store.read_now(lambda tx: tx.audit.verify())
    store.close()

    kept, before, link = found
    assert isinstance(kept, Proposal)
    assert kept == a_proposal(id=KNOWN_ID, state="posted", money=Money.parse("100.00", "USD"))
    assert (before.entries, before.holds, verified.entries, verified.holds) == (3, True, 4, True)
    assert link is not None
    assert seen_from_outside(old_url, "SELECT value FROM meta WHERE key = 'schema'") == [(schema.REVISION,)]


SENT, HELD = "2026-03-02T09:30:00.000000Z", "2026-03-05T08:00:00.000000Z"


def with_people(url: str) -> None:
    """A store of the first release in which names are all that tells people apart."""

    def person(name: str, added_at: str, removed_at: str | None = None) -> str:
        removed = f"'{removed_at}'" if removed_at else "NULL"
        return f"INSERT INTO approvers VALUES ('{name}', 'hash of {name}', '{added_at}', {removed}, 2, NULL)"

    def approval(number: int, name: str, at: str, channel: str = "terminal") -> str:
        values = f"{number}, '{KNOWN_ID}', '{name}', '{channel}', '{'f' * 64}', '{at}', NULL"
        return f"INSERT INTO approvals VALUES ({values})"

    behind_its_back(
        url,
        "DELETE FROM approvals",
        "DELETE FROM approvers",
        person("Ana", SENT),
        person("ANA", "2026-03-03T08:00:00.000000Z"),
        person("Ｂｏ", "2026-03-04T08:00:00.000000Z"),
        person("Bo", "2026-03-04T09:00:00.000000Z"),
        person("Cy", "2026-03-04T10:00:00.000000Z"),
        person("cy", SENT, removed_at=HELD),
        approval(1, "Ana", SENT),
        approval(2, "ANA", HELD),
        approval(3, "Bo", SENT),
        approval(4, "Ｂｏ", HELD),
        approval(5, "cy", HELD),
        approval(6, "chat", HELD, "chat"),
        approval(7, "Nobody", HELD),
    )


def test_approvers_get_ids_and_one_name_has_one_approver(old_url: str) -> None:
    with_people(old_url)
    store = Store(old_url, FixedClock(START))
    everyone, active = store.read_now(lambda tx: (tx.approvers.everyone(), tx.approvers.active()))
    chain = store.read_now(lambda tx: tx.audit.verify())
    entries = store.read_now(lambda tx: [e for e in tx.audit.entries() if e.kind == "approver_removed"])
    store.close()

    assert {one.name for one in everyone} == {"Ana", "ANA", "Ｂｏ", "Bo", "Cy", "cy"}
    assert len({one.id for one in everyone}) == len(everyone)
    assert {one.passcode_hash for one in everyone} == {f"hash of {one.name}" for one in everyone}
    assert {one.failures for one in everyone} == {2}
    assert {one.name for one in active} == {"Ana", "Ｂｏ", "Cy"}
    ids = {one.name: one.id for one in everyone}
    assert [json.loads(entry.body) for entry in entries] == [
        {"name": "ANA", "approver_id": ids["ANA"], "same_name_as": ids["Ana"]},
        {"name": "Bo", "approver_id": ids["Bo"], "same_name_as": ids["Ｂｏ"]},
    ]
    assert (chain.holds, chain.entries) == (True, 5)


def test_an_old_approval_counts_only_for_who_surely_gave_it(old_url: str) -> None:
    """Bo's is older than Bo's row, so that somebody else of that name, or another passcode, may have given it."""
    with_people(old_url)
    store = Store(old_url, FixedClock(START))
    given = store.read_now(lambda tx: tx.proposals.approvals(KNOWN_ID))
    ids = {one.name: one.id for one in store.read_now(lambda tx: tx.approvers.everyone())}
    store.close()

    assert [(one.approver, one.approver_id) for one in given] == [
        ("Ana", ids["Ana"]),
        ("ANA", ids["ANA"]),
        ("Bo", None),
        ("Ｂｏ", ids["Ｂｏ"]),
        ("cy", ids["cy"]),
        ("chat", None),
        ("Nobody", None),
    ]


def found_in(url: str) -> tuple[set[str], list[tuple[str, str]]]:
    """The names of active approvers, and the keys and columns of those that differ from the chain."""
    store = Store(url, FixedClock(START))
    found = store.read_now(lambda tx: tx.checks.everything()).differences
    names = store.read_now(lambda tx: {one.name for one in tx.approvers.active()} if not found else set[str]())
    store.close()
    return names, [(one.table, one.field or one.what) for one in found]


def test_every_row_of_an_upgraded_store_is_compared_whole(old_url: str) -> None:
    with_people(old_url)
    store = Store(old_url, FixedClock(START))
    found = store.read_now(lambda tx: tx.checks.everything())
    verified = store.read_now(lambda tx: tx.audit.verify())
    store.close()

    assert verified.holds
    assert (found.differences, found.not_compared) == ((), 0)
    assert found.compared > 10


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ("UPDATE approvers SET passcode_hash = 'another' WHERE name = 'Ana'", "passcode_hash"),
        ("UPDATE approvers SET removed_at = NULL WHERE name = 'cy'", "removed_at"),
        ("DELETE FROM approvers WHERE name = 'Ana'", "removed"),
        ("UPDATE proposals SET reason = 'urgent'", "reason"),
        ("UPDATE approvals SET channel = 'desk' WHERE id = 1", "channel"),
        ("UPDATE links SET account_id = 'x'", "account_id"),
        ("INSERT INTO links VALUES ('c', 'funding', 'x', 'x', '2020')", "added"),
    ],
)
def test_an_edit_after_an_upgrade_is_found(old_url: str, change: str, column: str) -> None:
    with_people(old_url)
    assert found_in(old_url) == ({"Ana", "Ｂｏ", "Cy"}, [])

    behind_its_back(old_url, change)
    assert [field for _, field in found_in(old_url)[1]] == [column]


def test_a_back_dated_approver_is_none_after_an_upgrade(old_url: str) -> None:
    behind_its_back(old_url, "DELETE FROM approvers")
    store = Store(old_url, FixedClock(START))
    store.write_now(lambda tx: tx.approvers.add("Dana", "a hash"))
    forged = "'x', 'Mallory', 'a hash', '2026-01-01T00:00:00.000000Z', NULL, 0, NULL, NULL"
    behind_its_back(old_url, f"INSERT INTO approvers VALUES ({forged})")

    names, found = store.read_now(lambda tx: ({one.name for one in tx.approvers.active()}, tx.checks.everything()))
    store.close()
    assert names == {"Dana"}
    assert [one.key for one in found.differences] == ["x"]


def test_an_edit_from_before_an_upgrade_stays_found(old_url: str) -> None:
    behind_its_back(old_url, "UPDATE proposals SET state = 'held'")

    assert found_in(old_url)[1] == [("proposals", "state")]


@pytest.mark.parametrize("change", ["amount = '1.00'", "reason = 'urgent'", None])
def test_a_row_the_chain_knows_is_taken_up_unless_edited(store: Store, store_url: str, change: str | None) -> None:
    proposal = put(store)
    store.write_now(lambda tx: tx.approvers.add("Dana", "a hash"))
    store.close()
    behind_its_back(store_url, "UPDATE meta SET value = '12' WHERE key = 'schema'", "DROP INDEX audit_by_kind")
    newer = ("notices", "desk_sessions", "passkeys", "tickets", "failed_attempts", "bill_mirrors", "mirrored_bills")
    behind_its_back(store_url, *(f"DROP TABLE {name}" for name in newer))
    behind_its_back(store_url, "ALTER TABLE approvers DROP COLUMN code_step")
    indexes = ("proposals_by_change", "proposals_by_tool", "spend_by_time")
    behind_its_back(store_url, *(f"DROP INDEX {name}" for name in indexes))
    if change is not None:
        behind_its_back(store_url, f"UPDATE proposals SET {change}")

    for _ in range(2):
        names, found = found_in(store_url)
        assert [field for _, field in found] == ([change.split(" = ", maxsplit=1)[0]] if change else [])
        assert names == (set() if change else {"Dana"})
    again = Store(store_url, FixedClock(START))
    if change is None:
        again.read_now(lambda tx: tx.checks.proposal(proposal.id))
    else:
        with pytest.raises(StoreError):
            again.read_now(lambda tx: tx.checks.proposal(proposal.id))
    again.close()


def at_revision(url: str, revision: str) -> None:
    """Brings a store of the first release to that revision only."""
    engine = outside(url)
    with engine.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        for script in reversed(list(migrate.scripts().iterate_revisions(revision, "1"))):
            script.module.upgrade(operations)
        connection.execute(text("UPDATE meta SET value = :revision WHERE key = 'schema'"), {"revision": revision})
    engine.dispose()


def test_what_was_seen_before_has_its_first_time_as_last(old_url: str) -> None:
    at_revision(old_url, "7")
    row = f"'company-1', 'v1', '{'a' * 64}', '{{}}', '{SENT}', '{HELD}'"
    columns = "company_id, vendor_id, fingerprint, parts, first_seen_at, last_seen_at"
    behind_its_back(
        old_url,
        f"INSERT INTO vendor_sightings ({columns}) VALUES ({row})",
        f"INSERT INTO untrusted_values VALUES ('company-1', 'amount:9999', 'the memo', '{SENT}')",
    )

    store = Store(old_url, FixedClock(START))
    (kept,) = store.read_now(lambda tx: tx.observations.sightings("company-1", "v1"))
    mentioned = store.read_now(lambda tx: tx.observations.mentioned_before("company-1", ["amount:9999"], 1))
    store.close()

    assert mentioned == {"amount:9999": "the memo"}
    assert seen_from_outside(old_url, "SELECT last_seen_at FROM untrusted_values") == [(SENT,)]
    assert (stamp(kept.first_seen_at), stamp(kept.became_at), stamp(kept.last_seen_at)) == (SENT, SENT, HELD)
    assert differences(old_url) == []


_OPEN = """
import sys
from rutter_ap_server.clock import Clock
from rutter_ap_server.store.engine import Store
print("ready", flush=True)
sys.stdin.readline()
store = Store(sys.argv[1], Clock())
print(store.read_now(lambda tx: tx.audit.verify().entries))
store.close()
"""


def opened_by_processes_at_once(url: str) -> list[str]:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _OPEN, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": ":".join(sys.path)},
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [process.communicate(timeout=60)[0] for process in processes]


def test_processes_that_open_an_old_store_at_once_upgrade_once(old_url: str) -> None:
    assert opened_by_processes_at_once(old_url) == ["3\n"] * 2


def test_processes_that_open_an_empty_database_make_one_store(empty_url: str) -> None:
    assert opened_by_processes_at_once(empty_url) == ["0\n"] * 2


def test_a_step_that_fails_leaves_the_store_as_it_was(old_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tables_of(old_url)
    step = migrate.scripts().get_revision("2")
    assert step is not None
    whole = step.module.upgrade

    def halfway(op: Operations) -> None:
        whole(op)
        op.get_bind().execute(text("INSERT INTO no_such_table VALUES (1)"))

    with monkeypatch.context() as patch:
        patch.setattr(step.module, "upgrade", halfway)
        with pytest.raises(StoreError):
            Store(old_url, FixedClock(START))
    assert tables_of(old_url) == before

    Store(old_url, FixedClock(START)).close()
    assert "secrets" in tables_of(old_url)


@pytest.mark.parametrize("newer", [str(int(schema.REVISION) + 1), "99", "one", ""])
def test_a_newer_or_unknown_store_is_kept_and_says_what_to_run(store_url: str, newer: str) -> None:
    Store(store_url, FixedClock(START)).close()
    behind_its_back(store_url, f"UPDATE meta SET value = '{newer}' WHERE key = 'schema'", "DROP TABLE secrets")
    before = tables_of(store_url)

    with pytest.raises(StoreError) as error:
        Store(store_url, FixedClock(START))
    assert error.value.message == "the store was created by another version of this program"
    assert "pip install --upgrade rutter-ap" in error.value.next_step
    assert "Nothing was changed" in error.value.next_step
    assert tables_of(store_url) == before
    assert seen_from_outside(store_url, "SELECT value FROM meta WHERE key = 'schema'") == [(newer,)]
