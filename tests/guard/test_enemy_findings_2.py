"""What an insider with the database or the policy file can still do; each test is named for the promise it breaks."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.rutter.models.vendors import VendorUpdate
from rutter_ap_server.store.audit import Entry
from rutter_ap_server.store.canonical import canonical
from rutter_ap_server.store.changes import kept_value
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.errors import StoreError
from rutter_ap_tools.errors import ApError
from support.bench import START, Bench, a_bench
from support.people import accepts
from support.seeded import empty_store
from support.store_rows import behind_its_back

STRICT = '[tools]\npay_bill = "approve"\n'
ADDED = "2026-03-02T09:30:00.000000Z"
FIRST_RELEASE = Path(__file__).parent.parent / "store" / "first_release.sql"


def edit(bench: Bench, *statements: str) -> None:
    """Somebody with the database changes it."""
    behind_its_back(f"sqlite:///{bench.home / 'rutter-ap.db'}", *statements)


async def differing(bench: Bench) -> set[tuple[str, str]]:
    """The tables and columns of all that `audit verify` would find."""
    found = await bench.app.store.read(lambda tx: tx.checks.everything())
    return {(one.table, one.field or one.what) for one in found.differences}


async def status_of(bench: Bench, number: str, amount: str) -> str:
    """What becomes of a payment that a person accepts."""
    try:
        return (await bench.pay(number, amount, accepts())).status
    except ApError as error:
        return error.error_code


def freeze(tx: Tx) -> None:
    tx.controls.freeze("a person")
    tx.audit.append("frozen", actor="cli")


async def change_vendor(bench: Bench, number: str, **values: Any) -> None:
    vendor_id = (await bench.bill(number)).vendor_id
    assert vendor_id is not None
    await bench.company.rutter.vendors.update(vendor_id, VendorUpdate(**values), idempotency_key="by hand")


async def test_a_policy_row_deleted_by_hand_is_found(home: Path) -> None:
    """The strict file and the rows that remember it are removed; the next write makes the chain agree again."""
    async with a_bench(home, STRICT) as bench:
        assert (await bench.pay("NW-2291", "10.00", accepts())).status == "held"
        (home / "policy.toml").unlink()
        edit(bench, "DELETE FROM meta WHERE key LIKE 'policy%'")

        paid = await bench.pay("BH-5520", "10.00", accepts())

        assert paid.status != "posted" or await differing(bench) != set()


async def test_an_edited_cooling_time_stays_found(home: Path) -> None:
    """The next sighting copies the edited time, so that the chain says it from then on."""
    async with a_bench(home) as bench:
        assert (await bench.pay("NW-2291", "10.00", accepts())).status == "posted"
        await change_vendor(bench, "NW-2291", email="pay-here@swindle.example")
        assert (await bench.pay("NW-2304", "11.00", accepts())).status == "held"
        newest = "SELECT fingerprint FROM vendor_sightings ORDER BY last_seen_at DESC LIMIT 1"
        became = "UPDATE vendor_sightings SET became_at = '2020-01-01T00:00:00.000000Z'"
        edit(bench, f"{became} WHERE fingerprint IN ({newest})")

        paid = await bench.pay("NW-2304", "12.00", accepts())

        assert paid.status != "posted" or await differing(bench) != set()


async def test_a_freeze_deleted_by_hand_releases_nothing(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        await bench.app.store.write(freeze)
        edit(bench, "DELETE FROM meta WHERE key = 'freeze'")

        assert await status_of(bench, "NW-2291", "10.00") != "posted"


async def test_a_freeze_deleted_by_hand_stays_found(home: Path) -> None:
    """A second freeze makes the chain agree with what was deleted."""
    async with a_bench(home) as bench:
        await bench.app.store.write(freeze)
        edit(bench, "DELETE FROM meta WHERE key = 'freeze'")
        await bench.app.store.write(freeze)

        assert await differing(bench) != set()


def old_store(folder: Path, *more: str) -> tuple[Store, str]:
    """A store of the first release, upgraded."""
    url = f"sqlite:///{folder / 'ap.db'}"
    lines = (one.strip() for one in FIRST_RELEASE.read_text().split(";\n"))
    behind_its_back(url, *(one for one in lines if one not in ("", "BEGIN TRANSACTION", "COMMIT")), *more)
    (folder / "ap.db").chmod(0o600)
    return Store(url, FixedClock(START + timedelta(days=1))), url


def test_a_back_dated_approver_is_none_after_an_upgrade(tmp_path: Path) -> None:
    store, url = old_store(tmp_path, "DELETE FROM approvers")
    store.write_now(lambda tx: tx.approvers.add("Dana", "a hash"))
    forged = "'x', 'Mallory', 'a hash', '2026-01-01T00:00:00.000000Z', NULL, 0, NULL"
    behind_its_back(url, f"INSERT INTO approvers VALUES ({forged})")

    names, found = store.read_now(lambda tx: ({one.name for one in tx.approvers.active()}, tx.checks.everything()))
    store.close()
    assert names == {"Dana"}
    assert [one.key for one in found.differences if one.table == "approvers"] == ["x"]


def test_a_passcode_swapped_after_an_upgrade_is_found(tmp_path: Path) -> None:
    store, url = old_store(tmp_path)
    store.write_now(lambda tx: tx.account_roles.assign("company-1", "funding", "acc-2", "Savings"))
    behind_its_back(url, "UPDATE approvers SET passcode_hash = 'the hash of another passcode'")

    found = store.read_now(lambda tx: tx.checks.everything())
    store.close()
    assert [(one.table, one.field) for one in found.differences if one.table == "approvers"] == [
        ("approvers", "passcode_hash")
    ]


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
    behind_its_back(url, f"INSERT INTO approvers VALUES ('x', 'Mallory', 'her hash', '{ADDED}', NULL, 0, NULL)", added)

    try:
        names = store.read_now(lambda tx: {one.id for one in tx.approvers.active()} & {"x"})
    except StoreError:
        names = set()
    finally:
        store.close()
    assert names == set()


def test_an_approver_appended_to_the_chain_is_found(tmp_path: Path) -> None:
    """One more entry at the end rewrites nothing, so an anchor from before it fits; its hash needs no secret."""
    url = f"sqlite:///{empty_store(tmp_path / 'home')}"
    store = Store(url, FixedClock(START))
    store.write_now(lambda tx: tx.approvers.add("Dana", "a hash"))
    anchor, last = store.read_now(lambda tx: (tx.audit.anchor(), tx.audit.recent(1) or list(tx.audit.entries())))
    values = {"name": "Mallory", "passcode_hash": kept_value("approvers", "passcode_hash", "her hash")}
    rows = canonical([["added", "approvers", "x", {"id": "x", "added_at": ADDED, "failures": 0} | values]])
    draft = Entry(anchor.seq + 1, last[-1].at, "stored", "store", None, "{}", anchor.hash, "", rows)
    forged = [draft.seq, draft.at, draft.kind, draft.actor, draft.body, draft.previous, draft.computed(), rows]
    quoted = ", ".join("'{}'".format(str(one).replace("'", "''")) for one in forged)
    behind_its_back(
        url,
        f"INSERT INTO approvers VALUES ('x', 'Mallory', 'her hash', '{ADDED}', NULL, 0, NULL)",
        f"INSERT INTO audit (seq, at, kind, actor, body, previous, hash, rows) VALUES ({quoted})",
    )

    def look(tx: Tx) -> tuple[set[str], bool]:
        return {one.name for one in tx.approvers.active()}, tx.audit.verify(anchor).holds

    names, holds = store.read_now(look)
    store.close()
    assert names == {"Dana"} or not holds
