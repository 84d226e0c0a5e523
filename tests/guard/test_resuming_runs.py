"""A run that is taken up again goes on in its order, past bills that are gone, and stops where Rutter is in trouble."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from rutter_ap_server.guard import journal
from rutter_ap_server.guard.lease import Lease
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.proposals import Proposal
from support.bench import Bench, a_bench
from support.runs import PLAIN, ROOMY, run_of, the_run

NUMBERS = (*PLAIN, "GR-88", "AP-310")
LOST = ["lost before"] * 20
OPEN = "[rules.severity]\n"


async def released(bench: Bench) -> Proposal:
    """A run of five lines, all released; Rutter was out of reach before the first was sent."""
    await bench.approver("Ana")
    held = await run_of(bench, *NUMBERS)

    def lines_are_open(_request: httpx.Request) -> bool:
        found = bench.app.store.read_now(lambda tx: tx.proposals.of_run(held.proposal_id or ""))
        bench.wire.is_down = bool(found)
        return False

    bench.wire.gate(lines_are_open)
    await bench.approve(held.proposal_id)
    bench.wire.gates.clear()
    bench.wire.is_down = False
    assert await states(bench) == "RRRRR"
    return await the_run(bench)


async def states(bench: Bench) -> str:
    """The first letters of its lines' states, in their order."""
    run = await the_run(bench)
    lines = await bench.app.store.read(lambda tx: {one.bill_id: one.state for one in tx.proposals.of_run(run.id)})
    return "".join(lines[line["bill_id"]][0].upper() for line in run.fields["lines"])


async def taken_up(bench: Bench, faults: Sequence[str] = ()) -> str:
    """What its lines are after one look, while this happens to what is sent."""
    bench.wire.faults = list(faults)
    await bench.app.recover()
    return await states(bench)


async def test_it_stops_after_two_new_doubts_and_not_for_old_ones(home: Path) -> None:
    async with a_bench(home, ROOMY) as bench:
        await released(bench)
        assert [await taken_up(bench, LOST), await taken_up(bench, LOST)] == ["UURRR", "UUUUR"]
        # What is paid at last stops nothing.
        assert (await taken_up(bench), (await the_run(bench)).state) == ("PPPPP", "posted")


def troubled(bench: Bench, run: Proposal, *places: int) -> None:
    """Rutter has trouble with the bills of these lines alone."""
    bills = [line["bill_id"] for line in run.fields["lines"]]
    bench.wire.read_faults = {f"/bills/{bills[place]}": "error_500" for place in places}
    # Nor does a page show them.
    bench.wire.page_bills_max = 2


@pytest.mark.parametrize(
    ("places", "then"), [((0,), "RPPPP"), ((0, 1), "RRRRR"), ((0, 2), "RPRPP"), ((0, 2, 3), "RPRRP")]
)
async def test_one_line_in_trouble_is_passed_over_and_two_stop_it(
    home: Path, places: tuple[int, ...], then: str
) -> None:
    async with a_bench(home, ROOMY) as bench:
        troubled(bench, await released(bench), *places)
        assert await taken_up(bench) == then


async def test_a_line_that_was_paid_excuses_no_doubt(home: Path) -> None:
    async with a_bench(home, ROOMY) as bench:
        troubled(bench, await released(bench), 0, 2, 3)
        assert await taken_up(bench) == "RPRRP"
        bench.wire.read_faults = {}
        assert await taken_up(bench, LOST) == "UPURP"


async def test_bills_that_are_gone_are_passed_over(home: Path) -> None:
    async with a_bench(home, ROOMY) as bench:
        run = await released(bench)
        for line in run.fields["lines"][:2]:
            await bench.company.rutter.bills.delete(line["bill_id"])
        assert await taken_up(bench, LOST) == "RRUUR"


async def test_a_process_that_stops_sends_no_line(home: Path) -> None:
    async with a_bench(home, ROOMY) as bench:
        await released(bench)
        bench.app.dispatcher.is_stopping = True
        assert await taken_up(bench) == "RRRRR"


async def test_a_run_that_another_takes_over_is_left_to_it(home: Path) -> None:
    async with a_bench(home, ROOMY) as bench:
        run = await released(bench)

        def is_taken_over(request: httpx.Request) -> bool:
            def take_over(tx: Tx) -> None:
                owner = journal.get(tx, run.id).lease_owner
                assert Lease(run.id, "another/process").take_over(tx, owner)

            if request.method == "POST":
                bench.app.store.write_now(take_over)
            return request.method == "POST"

        bench.wire.gate(is_taken_over).go.set()
        assert await taken_up(bench) == "PRRRR"
