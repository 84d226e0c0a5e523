"""Payment runs on a bench: three plain bills of the story, a run of them, and what ledger and store say of it."""

from __future__ import annotations

from decimal import Decimal

from rutter_ap_server.interaction import NO_INTERACTION, Interaction
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.payments import ProposePaymentRun, RunResult
from support.bench import Bench

ALLOW = '[tools]\npay_bill = "allow"\npropose_payment_run = "allow"\n'
# Three of the story's bills that nothing speaks against, 1,563.20 USD together.
PLAIN = {"NW-2291": "684.20", "NW-2304": "630.00", "BH-5520": "249.00"}
FIRST, SECOND, THIRD = PLAIN
ROOMY = """
[currencies.USD]
approve_above = "5000.00"
two_approvers_above = "50000.00"
single_limit = "100000.00"
day_limit = "100000.00"
vendor_day_limit = "100000.00"
"""


async def run_of(bench: Bench, *numbers: str, interaction: Interaction = NO_INTERACTION, **more: object) -> RunResult:
    ids = [(await bench.bill(number)).id for number in numbers]
    intent = ProposePaymentRun.model_validate({"bill_ids": ids, "account": "Operating Checking", **more})
    result = await bench.submit(intent, interaction)
    assert isinstance(result, RunResult)
    return result


async def paid_on(bench: Bench, numbers: dict[str, str] | list[str]) -> dict[str, list[Decimal]]:
    return {number: await bench.paid(number) for number in numbers}


def once_each() -> dict[str, list[Decimal]]:
    return {number: [Decimal(amount)] for number, amount in PLAIN.items()}


async def lines_of(bench: Bench, run_id: str | None) -> dict[str, Proposal]:
    """The lines of a run, by the number of their bill."""
    found = await bench.app.store.read(lambda tx: tx.proposals.of_run(str(run_id)))
    return {number: line for number in PLAIN for line in found if number in line.summary}


async def states_of(bench: Bench, run_id: str | None) -> list[str]:
    lines = await lines_of(bench, run_id)
    return [lines[number].state for number in PLAIN]


async def the_run(bench: Bench) -> Proposal:
    [found] = [p for p in await bench.proposals() if p.tool == "propose_payment_run"]
    return found


async def paid_once_each(bench: Bench, *others: Bench) -> None:
    """In the ledger, in our records and on the wire alike."""
    assert await paid_on(bench, PLAIN) == once_each()
    run = await the_run(bench)
    assert run.record is not None
    assert (run.state, run.record["amount"]["amount"]) == ("posted", "1563.20")
    assert await states_of(bench, run.id) == ["posted"] * 3
    assert await bench.spent() == "1563.20"
    lines = await bench.app.store.read(lambda tx: tx.proposals.of_run(run.id))
    keys = {key for one in (bench, *others) for key in one.wire.payments_sent}
    assert keys == {line.id for line in lines}
