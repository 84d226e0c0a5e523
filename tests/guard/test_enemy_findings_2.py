"""What an insider with the database or the policy file can still do; each test is named for the promise it breaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.rutter.models.bills import BillUpdate
from rutter_ap_server.store.audit import Entry
from rutter_ap_server.store.canonical import canonical
from rutter_ap_server.store.changes import kept_value
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_tools.bills import GetBill
from rutter_ap_tools.errors import ApError
from support.bench import START, Bench, a_bench
from support.people import accepts
from support.seeded import empty_store
from support.store_rows import behind_its_back

STRICT = '[tools]\npay_bill = "approve"\n'
ADDED = "2026-03-02T09:30:00.000000Z"


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


async def test_deleted_values_of_untrusted_text_are_found(home: Path) -> None:
    """An argument taken from a text needs an approver, and that cannot be switched off: a DELETE does it."""
    async with a_bench(home) as bench:
        bill, change = await bench.bill("FT-778"), BillUpdate(memo="Ask for 77.71 first")
        await bench.company.rutter.bills.update(bill.id, change, idempotency_key="by hand")
        await bench.backend().read(GetBill(bill_id=bill.id))
        edit(bench, "DELETE FROM untrusted_values")

        paid = await bench.pay("NW-2291", "77.71", accepts())

        assert paid.status != "posted" or await differing(bench) != set()


async def test_a_moved_last_look_is_found(home: Path) -> None:
    """Set to the future, it hides from people what was written unasked."""
    async with a_bench(home) as bench:
        await bench.app.store.write(lambda tx: tx.controls.note_look(tx.now))
        edit(bench, "UPDATE meta SET value = '2036-01-01T00:00:00.000000Z' WHERE key = 'last_look'")

        assert await differing(bench) != set()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE spend SET amount = '0.01'",
        "UPDATE spend SET at = '2020-01-01T00:00:00.000000Z'",
        "UPDATE spend SET vendor_id = 'x', company_id = 'x'",
        "DELETE FROM spend",
    ],
)
async def test_an_amount_written_by_hand_frees_no_limit(home: Path, change: str) -> None:
    async with a_bench(home, '[currencies.USD]\nday_limit = "100.00"\n') as bench:
        assert (await bench.pay("NW-2291", "88.31", accepts())).status == "posted"
        edit(bench, change)

        assert await status_of(bench, "BH-5520", "50.00") != "posted"


@pytest.mark.parametrize("text", ["# pay_bill needs an approver\n", "[tools]\n"])
async def test_a_policy_emptied_to_comments_does_not_loosen(home: Path, text: str) -> None:
    async with a_bench(home, STRICT) as bench:
        assert (await bench.pay("NW-2291", "10.00", accepts())).status == "held"
        bench.policy(text)

        with pytest.raises(ApError):
            await bench.pay("BH-5520", "10.00", accepts())


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
