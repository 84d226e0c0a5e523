"""What happened without a person is listed whole: not cut, not hidden in a run, and not hidden by what was refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from rutter_ap_server.interaction import Reply
from rutter_ap_server.rutter.models.bills import BillUpdate
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.proposals import Proposal
from support.bench import Bench, a_bench
from support.people import Answering, accepts
from support.runs import ALLOW, ROOMY, run_of
from support.store_rows import put

ALLOWED = '[tools]\npay_bill = "allow"\n' + ROOMY


class Meddling(Answering):
    """A person says yes to a run, and something happens after its first line."""

    def __init__(self, bench: Bench, number: str, policy: str = "") -> None:
        super().__init__(Reply.ACCEPTED)
        self._bench, self._number, self._policy = bench, number, policy

    async def report_progress(self, done: float, total: float, message: str) -> None:
        if done != 1:
            return
        if self._policy:
            self._bench.policy(self._policy)
            return
        bill = await self._bench.bill(self._number)
        change = BillUpdate(memo="another memo")
        await self._bench.company.rutter.bills.update(bill.id, change, idempotency_key="m")


async def unasked(bench: Bench) -> list[str]:
    """The ids of what a person would be shown now."""

    def look(tx: Tx) -> list[Proposal]:
        return tx.proposals.unasked_since(tx.controls.last_look())

    return [one.id for one in await bench.app.store.read(look)]


async def line_of(bench: Bench, number: str) -> Proposal:
    """The line of a run that pays this bill."""
    bill = await bench.bill(number)
    (line,) = [one for one in await bench.proposals() if one.bill_id == bill.id]
    return line


async def test_many_refusals_do_not_hide_what_was_written(home: Path) -> None:
    async with a_bench(home, '[tools]\npay_bill = "allow"\n') as bench:
        posted = await bench.pay("NW-2291", "100.00")
        for number in range(201):
            later = bench.clock.instant + timedelta(seconds=number + 1)
            put(bench.app.store, state="refused", company_id=bench.company.id, created_at=later, updated_at=later)

        found = await unasked(bench)

        assert (found[0], len(found)) == (posted.proposal_id, 202)


async def test_a_line_allowed_after_it_was_held_is_listed(home: Path) -> None:
    async with a_bench(home, ALLOWED) as bench:
        await run_of(bench, "NW-2291", "NW-2304", interaction=Meddling(bench, "NW-2304"))
        line = await line_of(bench, "NW-2304")
        assert line.state == "held"

        written = await bench.pay("NW-2304")

        assert (written.status, written.proposal_id) == ("posted", line.id)
        assert await unasked(bench) == [line.id]


async def test_a_line_refused_in_a_run_is_listed(home: Path) -> None:
    async with a_bench(home, ALLOWED) as bench:
        blocking = ALLOWED + "[vendors]\nblocked = ['Northwind Utilities']\n"
        await run_of(bench, "BH-5520", "NW-2304", interaction=Meddling(bench, "", blocking))
        line = await line_of(bench, "NW-2304")

        assert (line.state, await unasked(bench)) == ("refused", [line.id])


async def test_what_a_person_released_is_not_listed(home: Path) -> None:
    async with a_bench(home, ROOMY) as bench:
        await bench.pay("NW-2291", "10.00", accepts())
        await run_of(bench, "NW-2304", "BH-5520", interaction=accepts())

        assert await unasked(bench) == []


async def test_an_allowed_run_is_listed_without_its_lines(home: Path) -> None:
    async with a_bench(home, ALLOW + ROOMY) as bench:
        run = await run_of(bench, "NW-2291", "BH-5520")

        assert (run.status, await unasked(bench)) == ("posted", [run.proposal_id])


async def test_a_look_counts_only_up_to_what_was_shown(home: Path) -> None:
    async with a_bench(home, ALLOWED) as bench:
        await bench.pay("NW-2291", "100.00")
        shown = await bench.app.store.read(lambda tx: tx.proposals.unasked_since(None))
        bench.clock.instant += timedelta(minutes=1)
        later = await bench.pay("BH-5520")
        bench.clock.instant += timedelta(minutes=1)

        await bench.app.store.write(lambda tx: tx.controls.note_look(max(one.updated_at for one in shown)))

        assert await unasked(bench) == [later.proposal_id]
