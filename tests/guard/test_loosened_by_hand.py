"""What is counted, seen in texts and in force is not loosened by a hand in the database or in the policy file."""

from __future__ import annotations

from pathlib import Path

import pytest

from rutter_ap_server.rutter.models.bills import BillUpdate
from rutter_ap_tools.bills import GetBill
from rutter_ap_tools.errors import ApError
from support.bench import Bench, a_bench
from support.people import accepts
from support.store_rows import behind_its_back

STRICT = '[tools]\npay_bill = "approve"\n'


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
