"""What somebody changes in the database by hand is found, and releases and sends nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.guard.approvers import NotReleased, Proof
from rutter_ap_server.store.changes import kept_value
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.errors import StoreError
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.proposals import GetProposal, ListProposals
from support.bench import PASSCODE, START, Bench, a_bench
from support.people import accepts
from support.postgres import Postgres
from support.refusals import refused_for
from support.seeded import empty_store
from support.store_rows import behind_its_back

TAMPERED = "store.tampered"
ADDED = "2026-03-02T09:30:00.000000Z"
# Too much for the chat.
FOR_ONE = "FT-778"
EDITS = {
    "fields": "fields = replace(fields, '12480.00', '92480.00')",
    "account": 'fields = replace(fields, \'"memo":""\', \'"memo":"x"\')',
    "not json": "fields = '{'",
    "amount": "amount = '1.00'",
    "no amount": "amount = 'abc'",
    "currency": "currency = 'EUR'",
    "vendor": "vendor_id = 'another'",
    "vendor name": "vendor_name = 'Another'",
    "bill": "bill_id = 'another'",
    "summary": "summary = 'Pay 1.00 USD'",
    "environment": "environment = 'production'",
    "preparer": "preparer = 'somebody else'",
    "reason": "reason = 'the boss wants it'",
    "expiry": "expires_at = '2036-03-05T09:30:00.000000Z'",
    "created": "created_at = '2026-03-01T09:30:00.000000Z'",
}
# What is not part of the prepared write is compared only when something is to be done with it.
MORE_EDITS = {
    "people needed": "approvals_needed = 0",
    "verdict": "verdict = 'allow'",
    "requires": "requires = '[]'",
    "statement": "statement = '[]'",
    "findings": "findings = '[]'",
    "fingerprint": f"fingerprint = '{'a' * 64}'",
}


def edit(bench: Bench, *statements: str) -> None:
    """Somebody with the database changes it."""
    behind_its_back(bench.database_url or f"sqlite:///{bench.home / 'rutter-ap.db'}", *statements)


@asynccontextmanager
async def held_for_ana(home: Path, database_url: str = "") -> AsyncIterator[tuple[Bench, str]]:
    """A payment that waits for an approver, and Ana, who may release it."""
    async with a_bench(home, database_url=database_url) as bench:
        await bench.approver("Ana")
        held = await bench.pay(FOR_ONE)
        assert (held.status, bench.wire.writes) == ("held", [])
        yield bench, str(held.proposal_id)


async def differing(bench: Bench) -> set[tuple[str, str]]:
    """The tables and columns of all that `audit verify` would find."""
    found = await bench.app.store.read(lambda tx: tx.checks.everything())
    return {(one.table, one.field or one.what) for one in found.differences}


@pytest.mark.parametrize("change", EDITS.values(), ids=EDITS)
async def test_an_edited_proposal_is_neither_released_nor_shown(home: Path, change: str) -> None:
    async with held_for_ana(home) as (bench, proposal_id):
        edit(bench, f"UPDATE proposals SET {change}")

        for tried in (bench.approve(proposal_id), bench.backend().read(GetProposal(proposal_id=proposal_id))):
            with pytest.raises(StoreError) as refused:
                await tried
            assert refused.value.error_code == TAMPERED
        (row,) = (await bench.backend().read(ListProposals(state="any"))).proposals
        assert "DAMAGED" in row.summary
        assert await differing(bench) == {("proposals", change.split(" = ", maxsplit=1)[0])}
        assert bench.wire.writes == []


@pytest.mark.parametrize("change", MORE_EDITS.values(), ids=MORE_EDITS)
async def test_an_edited_judgement_is_not_released(home: Path, change: str) -> None:
    async with held_for_ana(home) as (bench, proposal_id):
        edit(bench, f"UPDATE proposals SET {change}")

        with pytest.raises(StoreError) as refused:
            await bench.approve(proposal_id)
        assert refused.value.error_code == TAMPERED
        assert await differing(bench) == {("proposals", change.split(" = ", maxsplit=1)[0])}
        assert bench.wire.writes == []


@pytest.mark.parametrize("change", [EDITS["fields"], MORE_EDITS["people needed"]])
async def test_an_edit_between_looking_and_releasing_is_seen(home: Path, change: str) -> None:
    async with held_for_ana(home) as (bench, proposal_id):
        seen = await bench.app.approvals.preview(proposal_id, bench.company)
        edit(bench, f"UPDATE proposals SET {change}")

        with pytest.raises(StoreError):
            await bench.app.approvals.approve(seen, bench.company, by=Proof("Ana", PASSCODE), channel="terminal")
        assert bench.wire.writes == []


async def test_a_damaged_proposal_hides_no_other_and_can_be_declined(home: Path) -> None:
    async with held_for_ana(home) as (bench, proposal_id):
        edit(bench, f"UPDATE proposals SET {EDITS['not json']}")

        other = await bench.pay("NW-2291", "100.00", accepts())
        assert other.status == "posted"
        listed = (await bench.backend().read(ListProposals(state="any"))).proposals
        assert {one.id: "DAMAGED" in one.summary for one in listed} == {proposal_id: True, other.proposal_id: False}
        declined = await bench.app.approvals.decline(proposal_id, by=Proof("Ana", PASSCODE), channel="terminal")
        assert declined.state == "declined"


async def released_and_waiting(bench: Bench) -> str:
    """A payment that was accepted in the chat just before Rutter was out of reach."""

    async def goes_down() -> None:
        bench.wire.is_down = True

    with refused_for("rutter_unavailable"):
        await bench.pay("NW-2291", "88.31", accepts(goes_down))
    bench.wire.is_down = False
    (waiting,) = await bench.proposals()
    assert waiting.state == "released"
    return waiting.id


async def state_of(bench: Bench, proposal_id: str) -> str:
    return (await bench.proposal(proposal_id)).state


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE proposals SET fields = replace(fields, '88.31', '288.31')",
        "UPDATE proposals SET fields = replace(fields, '88.31', '288.31'), amount = '288.31'",
        "UPDATE approvals SET covers = '[]'",
        "UPDATE approvals SET statement = 'another'",
        "UPDATE approvals SET approver_id = 'another'",
        "DELETE FROM approvals",
        "INSERT INTO approvals SELECT 99, proposal_id, approver, channel, fingerprint, at, voided_at, approver_id, "
        "covers, statement FROM approvals",
        "UPDATE proposals SET expires_at = '2036-03-05T09:30:00.000000Z'",
        "UPDATE statements SET body = '[]'",
        "UPDATE questions SET answer = 'declined'",
    ],
)
async def test_an_edit_after_the_release_sends_nothing(home: Path, change: str) -> None:
    async with a_bench(home) as bench:
        proposal_id = await released_and_waiting(bench)
        edit(bench, change)

        await bench.app.recover()
        with pytest.raises(ApError) as refused:
            await bench.pay("NW-2291", "88.31", accepts())
        assert refused.value.error_code == TAMPERED
        assert (await state_of(bench, proposal_id), bench.wire.writes) == ("released", [])


async def test_what_was_released_and_not_edited_is_sent(home: Path) -> None:
    async with a_bench(home) as bench:
        proposal_id = await released_and_waiting(bench)

        await bench.app.recover()
        assert await state_of(bench, proposal_id) == "posted"
        assert bench.wire.payments_sent == [proposal_id]
        assert await differing(bench) == set()


@pytest.mark.parametrize("state", ["released", "dispatching", "unknown", "held"])
async def test_a_state_moved_back_pays_nothing_again(home: Path, state: str) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        posted = await bench.pay("NW-2291", "88.31", accepts())
        edit(bench, f"UPDATE proposals SET state = '{state}', lease_owner = NULL, lease_until = NULL")

        await bench.app.recover()
        with suppress(ApError):
            assert (await bench.pay("NW-2291", "88.31", accepts())).status == "unknown"
        with refused_for("store.tampered"):
            await bench.approve(posted.proposal_id)
        assert await differing(bench) == {("proposals", "state")}
        assert bench.wire.payments_sent == [posted.proposal_id]


async def test_a_forged_release_by_hand_sends_nothing(home: Path) -> None:
    async with held_for_ana(home) as (bench, proposal_id):
        ana = await bench.id_of("Ana")
        edit(
            bench,
            "INSERT INTO approvals (proposal_id, approver, channel, fingerprint, at, approver_id, covers, statement) "
            f"SELECT id, 'Ana', 'terminal', fingerprint, created_at, '{ana}', requires, 'a' FROM proposals",
            "UPDATE proposals SET state = 'released'",
        )

        await bench.app.recover()
        assert (await state_of(bench, proposal_id), bench.wire.writes) == ("released", [])
        assert await differing(bench) == {("proposals", "state"), ("approvals", "added")}


async def test_an_approver_added_by_hand_is_none(home: Path) -> None:
    async with held_for_ana(home) as (bench, proposal_id):
        edit(
            bench,
            "INSERT INTO approvers (id, name, passcode_hash, added_at, failures) "
            "SELECT 'mallory', 'Mallory', passcode_hash, added_at, 0 FROM approvers",
        )

        with pytest.raises(NotReleased) as refused:
            await bench.approve(proposal_id, "Mallory")
        assert refused.value.error_code == "approval.wrong_passcode"
        assert await differing(bench) == {("approvers", "added")}
        assert bench.wire.writes == []
        assert (await bench.approve(proposal_id)).state == "posted"


@pytest.mark.parametrize(
    "change",
    [
        "passcode_hash = replace(passcode_hash, '$argon2id', '$argon2id ')",
        "name = 'Mallory'",
        "failures = 1",
        "locked_until = '2026-03-01T09:30:00.000000Z'",
        "removed_at = '2026-03-01T09:30:00.000000Z'",
    ],
)
async def test_a_changed_approver_releases_nothing(home: Path, change: str) -> None:
    async with held_for_ana(home) as (bench, proposal_id):
        edit(bench, f"UPDATE approvers SET {change}")

        for name in ("Ana", "Mallory"):
            with pytest.raises(StoreError) as refused:
                await bench.approve(proposal_id, name)
            assert refused.value.error_code == TAMPERED
        with pytest.raises(StoreError):
            await bench.app.approvals.add_approver("Bo", PASSCODE, channel="terminal")
        assert await differing(bench) == {("approvers", change.split(" = ", maxsplit=1)[0])}
        assert bench.wire.writes == []


async def test_deleting_every_approver_frees_nobody_to_add_one(home: Path) -> None:
    async with held_for_ana(home) as (bench, _):
        edit(bench, "DELETE FROM approvers")

        with pytest.raises(StoreError) as refused:
            await bench.app.approvals.add_approver("Mallory", PASSCODE, channel="terminal")
        assert refused.value.error_code == TAMPERED


async def test_edits_are_seen_on_postgresql_too(home: Path, postgres: Postgres) -> None:
    with postgres.store_url() as url:
        await on_postgresql(home, url)


async def on_postgresql(home: Path, url: str) -> None:
    async with held_for_ana(home, url) as (bench, proposal_id):
        assert await differing(bench) == set()
        edit(bench, f"UPDATE proposals SET {EDITS['fields']}", "UPDATE approvers SET failures = 1")

        with pytest.raises(StoreError) as refused:
            await bench.approve(proposal_id)
        assert refused.value.error_code == TAMPERED
        assert await differing(bench) == {("proposals", "fields"), ("approvers", "failures")}
        assert bench.wire.writes == []


def freeze(tx: Tx) -> None:
    tx.controls.freeze("a person")
    tx.audit.append("frozen", actor="cli")


async def test_a_freeze_deleted_by_hand_releases_nothing(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        await bench.app.store.write(freeze)
        edit(bench, "DELETE FROM meta WHERE key = 'freeze'")

        with pytest.raises(ApError):
            await bench.pay("NW-2291", "10.00", accepts())
        with pytest.raises(NotReleased):
            await bench.app.approvals.unfreeze(channel="terminal")
        await bench.app.approvals.unfreeze(channel="terminal", by=Proof("Ana", PASSCODE))
        assert (await bench.pay("NW-2291", "10.00", accepts())).status == "posted"


async def test_a_freeze_deleted_by_hand_stays_found(home: Path) -> None:
    """A second freeze makes the chain agree with what was deleted."""
    async with a_bench(home) as bench:
        await bench.app.store.write(freeze)
        edit(bench, "DELETE FROM meta WHERE key = 'freeze'")
        await bench.app.store.write(freeze)

        assert await differing(bench) == {("meta", "removed")}


@pytest.mark.parametrize("rewritten", [False, True], ids=["an entry added", "an entry changed"])
def test_an_approver_by_an_entry_without_hash_is_none(tmp_path: Path, rewritten: bool) -> None:
    """Nobody need rewrite the chain: one entry with any hash makes an approver, at once."""
    url = f"sqlite:///{empty_store(tmp_path / 'home')}"
    store = Store(url, FixedClock(START))
    store.write_now(lambda tx: tx.approvers.add("Dana", "a hash"))
    row = {"id": "x", "name": "Mallory", "added_at": ADDED, "failures": 0}
    change = ["added", "approvers", "x", row | {"passcode_hash": kept_value("approvers", "passcode_hash", "her hash")}]
    added = (
        f"UPDATE audit SET rows = replace(rows, ']]', '],{json.dumps(change)}]') WHERE rows LIKE '%\"Dana\"%'"
        if rewritten
        else "INSERT INTO audit (seq, at, kind, actor, body, previous, hash, rows) "
        f"SELECT max(seq) + 1, max(at), 'stored', 'store', '{{}}', 'p', 'h', '[{json.dumps(change)}]' FROM audit"
    )
    behind_its_back(
        url, f"INSERT INTO approvers VALUES ('x', 'Mallory', 'her hash', '{ADDED}', NULL, 0, NULL, NULL)", added
    )

    try:
        names = store.read_now(lambda tx: {one.id for one in tx.approvers.active()} & {"x"})
    except StoreError:
        names = set()
    finally:
        store.close()
    assert names == set()
