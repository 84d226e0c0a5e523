"""A platform that refuses what it has booked, before a ledger that lags: what is booked counts, and is paid once."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from rutter_ap_server.guard.own_writes import LAG_MAX
from rutter_ap_tools.errors import Refused
from support.bench import Bench, a_bench, codes

ALLOW = '[tools]\npay_bill = "allow"\n'


async def refused_and_unseen(bench: Bench) -> str:
    """A payment that the platform refused and booked; the ledger did not show it while it was looked for."""
    bill = await bench.bill("NW-2291")
    bench.wire.faults, bench.wire.read_faults = ["turned down after"], {f"/bills/{bill.id}": "stale_read"}
    with pytest.raises(Refused, match="rejected"):
        await bench.pay("NW-2291", "100.00")
    (failed,) = [one for one in await bench.proposals() if one.state == "failed"]
    assert await bench.spent() == "0.00"
    return failed.id


async def test_what_was_refused_and_is_booked_counts_once_it_shows(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        proposal_id = await refused_and_unseen(bench)
        bench.wire.read_faults = {}
        await bench.app.recover()

        found = await bench.proposal(proposal_id)
        assert (found.state, codes(found)[0], await bench.spent()) == ("posted", "ledger.booked_after_all", "100.00")


async def test_paying_again_before_it_shows_needs_a_person(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        await refused_and_unseen(bench)

        again = await bench.pay("NW-2291", "200.00")
        assert (again.status, "payment.refused_lately" in codes(again)) == ("held", True)


async def test_paying_again_once_it_shows_is_a_repeat(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        proposal_id = await refused_and_unseen(bench)
        bench.wire.read_faults = {}

        again = await bench.pay("NW-2291", "200.00")
        assert (again.status, "payment.repeat" in codes(again)) == ("held", True)
        assert (await bench.proposal(proposal_id)).state == "posted"
        assert await bench.paid("NW-2291") == [Decimal("100.00")]


async def test_a_plain_refusal_is_forgotten_after_the_lag(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["turned down"]
        with pytest.raises(Refused, match="rejected"):
            await bench.pay("NW-2291", "100.00")
        assert "payment.refused_lately" in codes(await bench.pay("NW-2291", "90.00"))

        bench.clock.instant += LAG_MAX + timedelta(seconds=1)
        assert (await bench.pay("NW-2291", "90.00")).status == "posted"
