"""A doubt ends by a look, and a late server, a hand in the database or a wrong clock frees and undoes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.guard.lease import Lease
from rutter_ap_server.guard.own_writes import LAG_MAX
from rutter_ap_server.guard.policy import PolicyFile
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.errors import ApError, Refused
from rutter_ap_tools.payments import VoidPayment
from support.bench import PASSCODE, Bench, a_bench
from support.runs import ROOMY
from support.seeded import empty_store, seeded_sandbox
from support.store_rows import behind_its_back

ALLOW = '[tools]\npay_bill = "allow"\nvoid_payment = "allow"\n'
LIMITED = f'{ALLOW}[currencies.USD]\nday_limit = "800.00"\n'
BILL, OTHER, LARGE = "NW-2291", "FT-802", "FT-778"


def edit(bench: Bench, *statements: str) -> None:
    """Somebody with the database changes it."""
    behind_its_back(f"sqlite:///{bench.home / 'rutter-ap.db'}", *statements)


async def refused_and_booked(bench: Bench) -> str:
    """A payment of 500.00 that the platform refused and booked, on a ledger that shows it a moment later."""
    bill = await bench.bill(LARGE)
    bench.wire.faults, bench.wire.read_faults = ["turned down after"], {f"/bills/{bill.id}": "stale_read"}
    with pytest.raises(Refused):
        await bench.pay(LARGE, "500.00")
    bench.wire.read_faults = {}
    (failed,) = [one for one in await bench.proposals() if one.state == "failed"]
    return failed.id


@pytest.mark.parametrize("meanwhile", ["the server was off", "Rutter was down", "the ledger shows two"])
async def test_a_doubt_ends_by_a_look_and_not_by_time(home: Path, meanwhile: str) -> None:
    async with a_bench(home, LIMITED) as bench:
        await refused_and_booked(bench)
        if meanwhile == "the ledger shows two":
            await bench.pay_by_hand(LARGE, "500.00")
            await bench.app.recover()
        bench.wire.is_down = meanwhile == "Rutter was down"
        if bench.wire.is_down:
            await bench.app.recover()
        bench.clock.instant += LAG_MAX + timedelta(minutes=1)
        if bench.wire.is_down:
            await bench.app.recover()
        bench.wire.is_down = False

        assert (await bench.pay(OTHER, "400.00")).status == "held"


_COPIED = "proposal_id, company_id, vendor_id, currency, at"
_LONG_AGO = "'2025-01-01T00:00:00.000000Z'"
BY_HAND = {
    "void added": (f"insert into spend ({_COPIED}, amount, kind) select {_COPIED}, amount, 'void' from spend",),
    "small post added": (f"insert into spend ({_COPIED}, amount, kind) select {_COPIED}, '0.01', 'post' from spend",),
    "made doubted": (
        f"update proposals set state = 'failed', updated_at = {_LONG_AGO}",
        "update attempts set outcome = 'doubted'",
    ),
}


@pytest.mark.parametrize("statements", BY_HAND.values(), ids=BY_HAND)
async def test_what_counts_is_not_freed_by_hand(home: Path, statements: tuple[str, ...]) -> None:
    async with a_bench(home, LIMITED) as bench:
        bench.wire.faults = ["lost after"]
        assert (await bench.pay(BILL, "500.00")).status == "unknown"
        edit(bench, *statements)

        try:
            status = str((await bench.pay(OTHER, "400.00")).status)
        except ApError:
            status = "stopped"
        assert status in ("held", "stopped")


class Machine(FixedClock):
    """The machine's own clock, which somebody may set."""

    is_machines = True


async def test_a_server_killed_at_a_wrong_time_is_forgotten(home: Path) -> None:
    empty_store(home)
    bench = Bench(home, seeded_sandbox(today=datetime.now(UTC).date()), Machine(datetime.now(UTC)))
    bench.policy(ALLOW)
    (home / "elsewhere.toml").write_text(ALLOW)
    elsewhere = PolicyFile(home / "elsewhere.toml", bench.app.store, named=True)
    await bench.app.policy.read()
    bench.clock.instant += timedelta(days=400)
    await elsewhere.read()
    # It is killed, the clock is set right, and the operator edits the policy.
    bench.clock.instant = datetime.now(UTC)
    bench.policy(ALLOW + ROOMY)
    for _ in range(2):
        bench.clock.instant += timedelta(minutes=4)
        code = ""
        try:
            await bench.app.policy.read()
        except ApError as error:
            code = error.error_code
    await bench.app.aclose()
    bench.sandbox.close()
    assert code == ""


@pytest.mark.parametrize("off", [timedelta(minutes=10), timedelta(days=400)])
async def test_a_wrong_clock_undoes_no_release(home: Path, off: timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    empty_store(home)
    bench = Bench(home, seeded_sandbox(today=datetime.now(UTC).date()), Machine(datetime.now(UTC)))
    bench.policy('[tools]\npay_bill = "approve"\n')
    await bench.approver("Ana")
    held = await bench.pay(BILL, "100.00")
    assert held.proposal_id is not None
    seen = await bench.app.approvals.preview(held.proposal_id, bench.company)
    dispatcher = bench.app.approvals.dispatcher
    claimed = dispatcher._claimed

    async def then_down(lease: Lease, company: Company) -> tuple[bool, Proposal]:
        bench.wire.is_down = True
        return await claimed(lease, company)

    monkeypatch.setattr(dispatcher, "_claimed", then_down)
    with pytest.raises(ApError):
        await bench.app.approvals.approve(seen, bench.company, by=Proof("Ana", PASSCODE), channel="terminal")
    monkeypatch.undo()
    bench.wire.is_down = False
    assert (await bench.proposal(held.proposal_id)).state == "released"

    bench.clock.instant += off
    await bench.app.recover()
    bench.clock.instant = datetime.now(UTC)
    ahead = await bench.app.store.read(lambda tx: tx.now - tx.clock)
    state = (await bench.proposal(held.proposal_id)).state
    await bench.app.aclose()
    bench.sandbox.close()
    assert (state, ahead) == ("released", timedelta())


async def test_looking_again_takes_no_record_of_one_on_its_way(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        await bench.approver("Ana")
        bench.wire.faults = ["turned down"]
        with pytest.raises(Refused):
            await bench.pay(BILL, "100.00")
        (failed,) = await bench.proposals()
        again = await bench.pay(BILL, "100.00", memo="again")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bench.approve, again.proposal_id)
            sent = bench.wire.gate(lambda request: request.method == "GET" and bool(bench.wire.carried_out))
            await sent.reached.wait()
            await bench.another().app.recover()
            sent.go.set()

        states = [(await bench.proposal(one)).state for one in (failed.id, again.proposal_id)]
        assert (states, await bench.paid(BILL)) == (["failed", "posted"], [Decimal("100.00")])


async def test_a_void_of_ours_leaves_no_ledger_behind(home: Path) -> None:
    async with a_bench(home, ALLOW + ROOMY) as bench:
        await bench.approver("Ana")
        first = await bench.pay(BILL, "100.00")
        await bench.approve((await bench.pay(BILL, "150.00")).proposal_id)
        assert first.record is not None
        assert (await bench.submit(VoidPayment(payment_id=first.record.id))).status == "posted"

        assert (await bench.pay(BILL, "70.00")).status == "held"
