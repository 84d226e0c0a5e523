"""A clock that was wrong and is right again: writes go on, nothing of the wrong time stays, what was spent counts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.store.audit import Head
from rutter_ap_server.store.engine import Store
from rutter_ap_tools.bills import GetBill, UpdateBill
from rutter_ap_tools.errors import Refused
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.payments import PayBill
from rutter_ap_tools.wire import WriteArguments
from support.bench import Bench, codes
from support.seeded import empty_store, seeded_sandbox

BILL, WRONG = "NW-2291", timedelta(days=400)


class Machine(FixedClock):
    """The machine's own clock, which somebody may set."""

    is_machines = True


@asynccontextmanager
async def a_machine(home: Path, policy: str = "") -> AsyncIterator[Bench]:
    """A bench whose clock is held against Rutter's."""
    empty_store(home)
    sandbox = seeded_sandbox(today=datetime.now(UTC).date())
    bench = Bench(home, sandbox, Machine(datetime.now(UTC)))
    bench.policy(policy)
    try:
        yield bench
        assert await bench.chain_holds()
    finally:
        await bench.app.aclose()
        sandbox.close()


async def refusal(bench: Bench, write: WriteArguments) -> list[str]:
    with pytest.raises(Refused) as refused:
        await bench.submit(write)
    return [one.code for one in refused.value.findings if isinstance(one, Finding)]


async def newest_entry(bench: Bench) -> datetime:
    return (await bench.app.store.read(lambda tx: tx.now)).replace(microsecond=0)


def note(store: Store) -> None:
    store.write_now(lambda tx: tx.audit.append("judged", actor="guard"))


@pytest.mark.parametrize("off", [WRONG, -WRONG], ids=["fast", "slow"])
async def test_a_clock_set_right_lets_writes_pass_again(home: Path, off: timedelta) -> None:
    async with a_machine(home) as bench:
        bill = await bench.bill(BILL)
        assert (await bench.submit(UpdateBill(bill_id=bill.id, memo="one"))).status == "posted"
        bench.clock.instant += off
        assert await refusal(bench, UpdateBill(bill_id=bill.id, memo="two")) == ["clock.skewed"]
        await bench.backend().read(GetBill(bill_id=bill.id))
        bench.clock.instant = datetime.now(UTC)

        assert (await bench.submit(UpdateBill(bill_id=bill.id, memo="three"))).status == "posted"


async def test_nothing_is_stored_at_a_wrong_time(home: Path) -> None:
    async with a_machine(home) as bench:
        bill = await bench.bill(BILL)
        # The policy in force is noted. Then a read would remember the bill.
        await bench.submit(UpdateBill(bill_id=bill.id, memo="two", dry_run=True))
        bench.clock.instant += WRONG
        await bench.backend().read(GetBill(bill_id=bill.id))
        await refusal(bench, UpdateBill(bill_id=bill.id, memo="two"))

        assert await bench.proposals() == []
        bench.clock.instant -= WRONG
        assert await newest_entry(bench) == bench.clock.instant.replace(microsecond=0)


async def stamped_ahead(bench: Bench) -> None:
    """Something else wrote while the clock was wrong, such as a command at the terminal."""
    bench.clock.instant += WRONG
    note(bench.app.store)
    bench.clock.instant = datetime.now(UTC)
    assert await newest_entry(bench) > bench.clock.instant + WRONG / 2


async def test_a_chain_that_is_ahead_stops_no_write(home: Path) -> None:
    async with a_machine(home) as bench:
        bill = await bench.bill(BILL)
        await stamped_ahead(bench)

        assert (await bench.submit(UpdateBill(bill_id=bill.id, memo="one"))).status == "posted"


LIMITED = '[tools]\npay_bill = "allow"\n[currencies.USD]\nday_limit = "400.00"\n'


async def test_a_chain_that_is_ahead_empties_no_limit(home: Path) -> None:
    async with a_machine(home, LIMITED) as bench:
        bill, other = await bench.bill(BILL), await bench.bill("FT-802")
        pay = PayBill(bill_id=bill.id, account="Operating Checking", amount="300.00")
        assert (await bench.submit(pay)).status == "posted"
        await stamped_ahead(bench)

        more = PayBill(bill_id=other.id, account="Operating Checking", amount="200.00")
        assert codes(await bench.submit(more)) == ["amount.over_day_limit"]
        third = await bench.bill("BH-5520")
        assert (await bench.submit(more.model_copy(update={"bill_id": third.id, "amount": "50.00"}))).status == "posted"


def test_a_database_that_is_wrong_is_told_from_a_store_ahead() -> None:
    """On PostgreSQL the clock is the database's, and it is what Rutter's is held against."""
    wrong = datetime.now(UTC) + WRONG
    store = Store("sqlite:////never-opened", Machine(datetime.now(UTC)), prepare=lambda: None)

    assert store._shown(Head(1, "", wrong, clock=wrong)) == wrong
