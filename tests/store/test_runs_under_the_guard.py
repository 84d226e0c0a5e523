"""Runs over either database: two at once against one limit, and a broken one taken up by two sets of parts."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from rutter_ap_server.guard.lease import LEASE_SECONDS
from rutter_ap_tools.errors import ApError
from support.bench import Bench, PowerCut, a_bench
from support.runs import ALLOW, PLAIN, ROOMY, once_each, paid_on, run_of


async def test_two_runs_at_once_pass_no_limit_and_the_rest_is_held(home: Path, store_url: str) -> None:
    """What does not fit waits for a person."""
    # Either run fits by itself, both together do not.
    limits = ROOMY.replace('\nday_limit = "100000.00"', '\nday_limit = "1400.00"')
    async with a_bench(home, ALLOW + limits, store_url) as one:
        other = one.another()
        finished: list[str] = []

        async def release(process: Bench, *numbers: str) -> None:
            with suppress(ApError):
                finished.append((await run_of(process, *numbers)).status)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(release, one, "NW-2291", "BH-5520")
            tasks.start_soon(release, other, "NW-2304", "INV-1043")
        for process in (one, other):
            await process.app.recover()

        numbers = [*PLAIN, "INV-1043"]
        booked = sum((sum(paid) for paid in (await paid_on(one, numbers)).values()), Decimal(0))
        assert Decimal(await one.spent()) == booked <= Decimal("1400.00")
        assert "posted" in finished
        states = {p.state for p in await one.proposals()}
        assert states <= {"posted", "held", "refused"}
        await other.app.aclose()


@pytest.mark.parametrize("cut", ["power cut before", "power cut after"])
async def test_a_run_resumed_by_two_at_once_pays_each_bill_once(home: Path, store_url: str, cut: str) -> None:
    """The run was cut off before."""
    async with a_bench(home, ALLOW + ROOMY, store_url) as bench:
        bench.wire.faults = ["none", cut]
        with pytest.raises(PowerCut):
            await run_of(bench, *PLAIN)
        bench.clock.instant += timedelta(seconds=LEASE_SECONDS + 1)
        others = [bench.another(), bench.another()]
        for _ in range(3):
            async with anyio.create_task_group() as tasks:
                for other in others:
                    tasks.start_soon(other.app.recover)

        assert await paid_on(bench, PLAIN) == once_each()
        assert await bench.spent() == "1563.20"
        [run] = [p for p in await bench.proposals() if p.tool == "propose_payment_run"]
        assert run.state == "posted"
        carried = [key for one in (bench, *others) for key in one.wire.carried_out]
        assert len(carried) == len(set(carried)) == 3
        for other in others:
            await other.app.aclose()
