"""Sending a run: its lines one after the other, each by itself, and no further when Rutter seems out of order."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from rutter_ap_server.guard.commit import LEASE_SECONDS
from rutter_ap_server.guard.lines import settle_run
from rutter_ap_server.lookup.amounts import LedgerDataError
from rutter_ap_server.lookup.office import Office
from rutter_ap_server.lookup.syncing import Reporter
from rutter_ap_server.rutter.errors import NotFoundUpstream
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.errors import ApError

if TYPE_CHECKING:
    from rutter_ap_server.guard.dispatch import Dispatcher

# After so many in a row that could not be judged or whose outcome nobody knows, the rest waits rather than adding to
# them.
DOUBTFUL_MAX = 2
# A bill that is gone, or whose figures cannot be used, is no reason for the others to wait.
OF_ONE_BILL = (NotFoundUpstream, LedgerDataError)


async def send_lines(dispatcher: Dispatcher, run_id: str, office: Office, reporter: Reporter) -> Proposal:
    """Sends every line that is released and not sent; answers the run as it is then.

    What is left, because Rutter or the policy cannot be reached or the process is told to stop, stays released: it is
    taken up by the next look at the run, by recovery, or by another process.
    """
    run = await dispatcher.store.read(lambda tx: tx.proposals.get(run_id))
    assert run is not None
    lines = in_order(run, await dispatcher.store.read(lambda tx: tx.proposals.of_run(run_id)))
    doubtful_in_a_row = 0
    for number, line in enumerate(lines, start=1):
        if dispatcher.is_stopping or doubtful_in_a_row >= DOUBTFUL_MAX:
            break
        if line.state == "released":
            try:
                outcome = await dispatcher.dispatch(line.id, office)
                doubtful_in_a_row = doubtful_in_a_row + 1 if outcome.state == "unknown" else 0
            except OF_ONE_BILL:
                doubtful_in_a_row = 0
            except ApError:
                doubtful_in_a_row += 1
            await dispatcher.store.write(lambda tx: tx.proposals.renew(run_id, LEASE_SECONDS))
        # Whoever asked may have gone meanwhile: what was released is paid all the same.
        with suppress(Exception):
            await reporter.report_progress(number, len(lines), f"{number} of {len(lines)} payments")
    return await dispatcher.store.write(lambda tx: settle_run(tx, run_id))


def in_order(run: Proposal, lines: list[Proposal]) -> list[Proposal]:
    """The lines as the run names its bills."""
    places = {line["bill_id"]: place for place, line in enumerate(run.fields["lines"])}
    return sorted(lines, key=lambda line: places.get(line.bill_id or "", len(places)))
