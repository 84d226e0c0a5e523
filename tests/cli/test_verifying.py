"""`audit verify` finds whatever was changed in the database by hand, and says in plain words what differs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest

from rutter_ap_server.guard.approvers import NotReleased
from rutter_ap_server.store.audit import Entry
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.money import Money
from support.bench import a_bench
from support.people import accepts
from support.terminal import Terminal

FILE = "rutter-ap.db"


@cache
def lived_in() -> bytes:
    """A store in which payments were posted, failed, held and half released, and people made mistakes."""

    async def live(home: Path) -> None:
        async with a_bench(home) as bench:
            await bench.approver("Ana", "Bo")
            await bench.pay("NW-2291", "88.31", accepts())
            bench.wire.faults = ["turned down"]
            with pytest.raises(ApError):
                await bench.pay("BH-5520", "", accepts())
            await bench.pay("FT-778")
            half = await bench.pay("FT-802")
            await bench.approve(half.proposal_id)
            with pytest.raises(NotReleased):
                await bench.app.approvals.verify("Ana", "wrong passcode", channel="terminal")
            await bench.app.store.write(lambda tx: tx.controls.freeze("a person"))
            company = bench.company.id
            usd = Money.parse("1.00", "USD")
            await bench.app.store.write(lambda tx: tx.account_roles.assign(company, "funding", "acc-1", "Checking"))
            await bench.app.store.write(lambda tx: tx.connections.begin("c-1", environment="embedded", name="One"))
            await bench.app.store.write(lambda tx: tx.observations.use_document(company, "a" * 64, "bill-1", "a.pdf"))
            await bench.app.store.write(lambda tx: tx.bookings.remember(company, "bill-1", released=usd, booked=usd))

    with TemporaryDirectory() as folder:
        anyio.run(live, Path(folder))
        with closing(sqlite3.connect(Path(folder, FILE))) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return Path(folder, FILE).read_bytes()


@pytest.fixture
def store(home: Path) -> Path:
    """The file of such a store."""
    home.mkdir(mode=0o700, exist_ok=True)
    file = home / FILE
    file.touch(mode=0o600)
    file.write_bytes(lived_in())
    return file


def edit(store: Path, *statements: str) -> None:
    """Somebody with the file changes it."""
    with closing(sqlite3.connect(store)) as database, database:
        for statement in statements:
            assert database.execute(statement).rowcount != 0, statement


def rewritten(store: Path, change: Callable[[Entry], Entry]) -> None:
    """Rewrites every entry of the chain, with hashes that fit again."""
    with closing(sqlite3.connect(store)) as database, database:
        columns = ", ".join(Entry.__slots__)
        entries = [Entry(*row) for row in database.execute(f"SELECT {columns} FROM audit ORDER BY seq")]
        database.execute("DELETE FROM audit")
        previous = "0" * 64
        for seq, entry in enumerate(entries, start=1):
            values = {name: getattr(change(entry), name) for name in Entry.__slots__}
            values |= {"seq": seq, "previous": previous}
            previous = Entry(**values).computed()
            database.execute(
                f"INSERT INTO audit ({columns}) VALUES ({', '.join('?' * len(values))})",
                [*(values | {"hash": previous}).values()],
            )


def test_what_nobody_edited_is_as_the_chain_says(store: Path, rutter_ap: Terminal) -> None:
    found = rutter_ap("audit", "verify", "--json").json

    assert (found["holds"], found["tables_hold"], found["differences"]) == (True, True, [])
    assert found["rows_compared"] > 20
    assert found["rows_not_compared"] == 0
    assert "The tables are as the chain says" in rutter_ap("audit", "verify").out


HELD = "(SELECT id FROM proposals WHERE state = 'held' LIMIT 1)"
EDITS = [
    ("UPDATE proposals SET fields = replace(fields, '88.31', '288.31')", {("proposals", "fields")}),
    ("UPDATE proposals SET amount = '288.31' WHERE state = 'posted'", {("proposals", "amount")}),
    ("UPDATE proposals SET digest = 'x' WHERE state = 'posted'", {("proposals", "digest")}),
    ("UPDATE proposals SET state = 'failed' WHERE state = 'posted'", {("proposals", "state")}),
    (f"UPDATE proposals SET state = 'released' WHERE id = {HELD}", {("proposals", "state")}),
    (f"UPDATE proposals SET expires_at = '2036-01-01' WHERE id = {HELD}", {("proposals", "expires_at")}),
    (f"UPDATE proposals SET closed_by = 'Ana' WHERE id = {HELD}", {("proposals", "closed_by")}),
    (f"UPDATE proposals SET reason = 'urgent' WHERE id = {HELD}", {("proposals", "reason")}),
    ("UPDATE proposals SET updated_at = '2020' WHERE state = 'posted'", {("proposals", "updated_at")}),
    ("UPDATE proposals SET record = NULL WHERE state = 'posted'", {("proposals", "record")}),
    ("UPDATE approvals SET approver_id = 'x' WHERE channel = 'terminal'", {("approvals", "approver_id")}),
    ("UPDATE approvals SET voided_at = '2026' WHERE channel = 'terminal'", {("approvals", "voided_at")}),
    ("UPDATE approvals SET covers = '[]' WHERE channel = 'terminal'", {("approvals", "covers")}),
    ("DELETE FROM approvals WHERE channel = 'chat'", {("approvals", "removed")}),
    (
        "INSERT INTO approvals SELECT 99, proposal_id, approver, channel, fingerprint, at, voided_at, approver_id, "
        "covers, statement FROM approvals WHERE channel = 'terminal'",
        {("approvals", "added")},
    ),
    (
        "INSERT INTO approvers SELECT 'x', 'Mallory', passcode_hash, added_at, removed_at, failures, locked_until, "
        "code_step FROM approvers WHERE name = 'Ana'",
        {("approvers", "added")},
    ),
    ("UPDATE approvers SET failures = 0 WHERE name = 'Ana'", {("approvers", "failures")}),
    ("UPDATE approvers SET locked_until = '2026' WHERE name = 'Ana'", {("approvers", "locked_until")}),
    ("UPDATE approvers SET passcode_hash = 'x' WHERE name = 'Ana'", {("approvers", "passcode_hash")}),
    ("UPDATE approvers SET name = 'Mallory' WHERE name = 'Bo'", {("approvers", "name")}),
    ("DELETE FROM approvers WHERE name = 'Bo'", {("approvers", "removed")}),
    ("UPDATE spend SET at = '2020' WHERE kind = 'reserve'", {("spend", "at")}),
    ("UPDATE spend SET amount = '0.01' WHERE kind = 'post'", {("spend", "amount")}),
    ("UPDATE spend SET vendor_id = 'x'", {("spend", "vendor_id")}),
    ("DELETE FROM spend WHERE kind = 'reserve'", {("spend", "removed")}),
    (
        "INSERT INTO spend SELECT 99, proposal_id, 'void', company_id, vendor_id, currency, amount, at FROM spend "
        "WHERE kind = 'post'",
        {("spend", "added")},
    ),
    ("UPDATE attempts SET outcome = 'failed' WHERE outcome = 'posted'", {("attempts", "outcome")}),
    ("UPDATE attempts SET before = '{}'", {("attempts", "before")}),
    ("UPDATE attempts SET at = '2036'", {("attempts", "at")}),
    ("UPDATE questions SET answered_at = NULL", {("questions", "answered_at")}),
    ("UPDATE questions SET expires_at = '2036'", {("questions", "expires_at")}),
    ("DELETE FROM questions", {("questions", "removed")}),
    ("UPDATE statements SET body = '[]'", {("statements", "body")}),
    ("UPDATE links SET account_id = 'x'", {("links", "account_id")}),
    ("INSERT INTO links VALUES ('c', 'funding', 'x', 'x', '2020')", {("links", "added")}),
    ("DELETE FROM meta WHERE key = 'freeze'", {("meta", "removed")}),
    ("UPDATE meta SET value = 'x' WHERE key = 'policy'", {("meta", "value")}),
    ("UPDATE connections SET status = 'active'", {("connections", "status")}),
    ("DELETE FROM vendor_sightings", {("vendor_sightings", "removed")}),
    ("UPDATE vendor_sightings SET became_at = '2020'", {("vendor_sightings", "became_at")}),
    ("UPDATE document_uses SET file_name = 'b.pdf'", {("document_uses", "file_name")}),
    ("UPDATE booking_differences SET released = '9.00'", {("booking_differences", "released")}),
]


@pytest.mark.parametrize(("change", "expected"), EDITS, ids=[change for change, _ in EDITS])
def test_an_edit_by_hand_is_found(
    store: Path, rutter_ap: Terminal, change: str, expected: set[tuple[str, str]]
) -> None:
    edit(store, change)

    verified = rutter_ap("audit", "verify", "--json")
    found = verified.json
    assert (verified.status, found["holds"], found["tables_hold"]) == (1, True, False)
    assert {(one["table"], one["field"] or one["what"]) for one in found["differences"]} == expected


def test_a_difference_is_told_in_plain_words(store: Path, rutter_ap: Terminal) -> None:
    edit(
        store,
        "UPDATE proposals SET amount = '\x1b[31m288.31' WHERE state = 'posted'",
        "UPDATE approvers SET passcode_hash = 'a-hash' WHERE name = 'Ana'",
        "DELETE FROM links",
    )

    told = rutter_ap("audit", "verify")
    assert told.status == 1
    assert "amount was changed by hand; the chain says ‹88.31›, the table " in told.out
    assert "288.31" in told.out
    assert ": this row was removed by hand; the chain says that it exists." in told.out
    assert "3 rows differ from the chain" in told.out
    assert "\x1b" not in told.out
    assert "a-hash" not in told.out
    assert "argon2" not in told.out


def test_a_cut_tail_is_found_by_what_the_tables_say(store: Path, rutter_ap: Terminal) -> None:
    edit(store, "DELETE FROM audit WHERE seq > (SELECT max(seq) - 3 FROM audit)")

    verified = rutter_ap("audit", "verify", "--json")
    assert (verified.status, verified.json["holds"], verified.json["tables_hold"]) == (1, True, False)


def test_a_tail_cut_with_its_rows_is_found_by_the_anchor(store: Path, tmp_path: Path, rutter_ap: Terminal) -> None:
    kept = tmp_path / "anchor.json"
    kept.write_text(rutter_ap("audit", "export", "--anchor").out)
    edit(store, "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)", "DELETE FROM booking_differences")

    assert rutter_ap("audit", "verify").status == 0, "only the anchor can show it"
    assert rutter_ap("audit", "verify", "--anchor", str(kept)).status == 1


def test_a_rewritten_chain_is_found_by_tables_and_anchor(store: Path, tmp_path: Path, rutter_ap: Terminal) -> None:
    kept = tmp_path / "anchor.json"
    kept.write_text(rutter_ap("audit", "export", "--anchor").out)

    def another_amount(entry: Entry) -> Entry:
        values = {name: getattr(entry, name) for name in Entry.__slots__}
        return Entry(**values | {"rows": entry.rows and entry.rows.replace("88.31", "288.31")})

    rewritten(store, another_amount)
    verified = rutter_ap("audit", "verify", "--json")
    assert (verified.status, verified.json["holds"]) == (1, True)
    assert {(one["table"], one["field"]) for one in verified.json["differences"]} == {
        ("proposals", "amount"),
        ("spend", "amount"),
    }
    edit(store, "UPDATE proposals SET amount = '288.31' WHERE amount = '88.31'")
    edit(store, "UPDATE spend SET amount = '288.31' WHERE amount = '88.31'")
    assert rutter_ap("audit", "verify").status == 0, "only the anchor can show it"
    assert rutter_ap("audit", "verify", "--anchor", str(kept)).status == 1


def made_old(store: Path) -> None:
    """The store as an earlier version would have left it, whose entries say nothing of rows."""
    edit(store, "DELETE FROM audit WHERE kind = 'stored'")

    def without_rows(entry: Entry) -> Entry:
        values = {name: getattr(entry, name) for name in Entry.__slots__}
        return Entry(**values | {"rows": None})

    rewritten(store, without_rows)


def test_an_old_store_is_compared_as_far_as_its_chain_says(store: Path, rutter_ap: Terminal) -> None:
    made_old(store)

    verified = rutter_ap("audit", "verify")
    assert verified.status == 0, verified.out
    assert "rows were written by an earlier version, so not all of them could be compared." in verified.out


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("UPDATE proposals SET fields = replace(fields, '88.31', '288.31')", ("proposals", "fields")),
        ("UPDATE proposals SET state = 'released' WHERE state = 'posted'", ("proposals", "state")),
        (f"UPDATE proposals SET digest = 'x' WHERE id = {HELD}", ("proposals", "digest")),
        ("UPDATE meta SET value = 'x' WHERE key = 'policy'", ("meta", "value")),
        (
            "INSERT INTO approvers SELECT 'x', 'Mallory', passcode_hash, added_at, removed_at, failures, locked_until, "
            "code_step FROM approvers WHERE name = 'Ana'",
            ("approvers", "added"),
        ),
        (
            "INSERT INTO approvals (proposal_id, approver, channel, fingerprint, at, approver_id, covers, statement) "
            "SELECT id, 'Bo', 'terminal', fingerprint, created_at, 'x', requires, 'x' FROM proposals "
            "WHERE amount = '12480.00'",
            ("approvals", "added"),
        ),
        (
            "INSERT INTO spend (proposal_id, kind, company_id, vendor_id, currency, amount, at) "
            "SELECT id, 'void', company_id, vendor_id, currency, amount, created_at FROM proposals "
            "WHERE amount = '12480.00'",
            ("spend", "added"),
        ),
    ],
)
def test_an_edit_of_an_old_store_is_found(
    store: Path, rutter_ap: Terminal, change: str, expected: tuple[str, str]
) -> None:
    made_old(store)
    edit(store, change)

    verified = rutter_ap("audit", "verify", "--json")
    assert verified.status == 1
    found = {(one["table"], one["field"] or one["what"]) for one in verified.json["differences"]}
    assert found == {expected}
