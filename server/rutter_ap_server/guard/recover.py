"""Recovery: finds out what became of writes whose outcome is open, and never by sending a second one.

In this order: the job Rutter named; what the ledger shows; and, only while the ledger still shows exactly what it did
before the attempt and Rutter surely keeps the key, the same request under the same Idempotency-Key, answered by Rutter
with the first one's outcome if there was one. The ledger is read before the key is used again because a person may have
entered the payment by hand meanwhile.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rutter_ap_server.guard import journal
from rutter_ap_server.guard.commit import LEASE_SECONDS
from rutter_ap_server.guard.dispatch import Dispatcher
from rutter_ap_server.guard.frozen import Frozen, thaw
from rutter_ap_server.guard.gathering import gather_facts
from rutter_ap_server.guard.kinds.base import Kind
from rutter_ap_server.guard.kinds.registry import kind_named
from rutter_ap_server.guard.line_sending import in_order
from rutter_ap_server.guard.lines import settle_run
from rutter_ap_server.lookup.office import Office
from rutter_ap_server.rutter.outcomes import Done, Rejected
from rutter_ap_server.store.attempts import Attempt
from rutter_ap_server.store.proposals import IN_FLIGHT_STATES, Proposal
from rutter_ap_tools.errors import ApError

if TYPE_CHECKING:
    from rutter_ap_server.store.engine import Store, Tx

# Rutter documents no retention for keys; well under the day an implementer should assume.
KEY_KEPT_SURELY = timedelta(hours=12)


class Recovery:
    """Resolves open outcomes, one process at a time for each."""

    def __init__(self, store: Store, dispatcher: Dispatcher) -> None:
        self._store = store
        self._dispatcher = dispatcher

    async def waiting(self) -> list[Proposal]:
        """Proposals that a process ought to take up: released but not sent, or with an open outcome."""
        return await self._store.read(lambda tx: tx.proposals.in_states(["released", "dispatching", "unknown"]))

    async def resolve(self, proposal: Proposal, office: Office) -> Proposal:
        """Takes one up; answers what it is now. Not knowing is an answer too: it then stays as it is."""
        async with self._dispatcher.busy():
            if proposal.state == "released":
                return await self._dispatcher.dispatch(proposal.id, office)
            owner = self._dispatcher.owner
            if await self._store.write(lambda tx: tx.proposals.take_over(proposal.id, owner, LEASE_SECONDS)):
                try:
                    await self._resolve(proposal, office)
                finally:
                    await self._store.write(lambda tx: _let_go(tx, proposal.id))
            current = await self._store.read(lambda tx: tx.proposals.get(proposal.id))
        assert current is not None
        return current

    async def _resolve(self, proposal: Proposal, office: Office) -> None:
        kind, frozen = kind_named(proposal.tool), thaw(proposal)
        if kind.lines(frozen):
            await self._resume(proposal, office)
            return
        attempt = await self._store.read(lambda tx: tx.attempts.last(proposal.id))
        if attempt is None:
            # The process died between taking it and journalling an attempt: nothing can have left.
            await self._store.write(lambda tx: journal.postpone(tx, proposal.id))
            return
        if attempt.job_id is not None and await self._by_job(kind, frozen, proposal, office, attempt):
            return
        record = await kind.find(frozen, office, attempt.before)
        if record is not None:
            await self._dispatcher.settler.post(kind, frozen, proposal.id, record, job_id=attempt.job_id)
            return
        if await self._may_send_again(kind, frozen, proposal, office, attempt):
            await self._dispatcher.send(kind, frozen, office, proposal.id, attempt.before, again=True)

    async def _resume(self, run: Proposal, office: Office) -> None:
        """Takes up each line whose outcome is open, as any other; the run's own follows from theirs."""
        lines = await self._store.read(lambda tx: tx.proposals.of_run(run.id))
        if not lines:
            # The process died between taking it and opening its lines: nothing can have left.
            await self._store.write(lambda tx: journal.postpone(tx, run.id))
            return
        for line in in_order(run, lines):
            if line.state in IN_FLIGHT_STATES and not self._dispatcher.is_stopping:
                try:
                    await self.resolve(line, office)
                except ApError:
                    break
        await self._store.write(lambda tx: settle_run(tx, run.id))

    async def _by_job(self, kind: Kind, frozen: Frozen, proposal: Proposal, office: Office, attempt: Attempt) -> bool:
        assert attempt.job_id is not None
        outcome: Any = await kind.outcome_of_job(office, attempt.job_id)
        if isinstance(outcome, Rejected):
            await self._dispatcher.settler.fail(proposal.id, outcome.error.error_code, outcome.error.message)
            return True
        if isinstance(outcome, Done):
            record = await kind.read_back(frozen, office, outcome.record, attempt.before)
            if record is not None:
                await self._dispatcher.settler.post(kind, frozen, proposal.id, record, job_id=attempt.job_id)
                return True
        return False

    async def _may_send_again(
        self, kind: Kind, frozen: Frozen, proposal: Proposal, office: Office, attempt: Attempt
    ) -> bool:
        now, frozen_by = await self._store.read(lambda tx: (tx.now, tx.people.frozen()))
        age = now - attempt.at
        if frozen_by is not None or not timedelta(0) <= age < KEY_KEPT_SURELY or attempt.upstream_id is not None:
            return False
        try:
            facts = await gather_facts(kind, frozen, office)
        except ApError:
            return False
        return facts.fingerprint == proposal.fingerprint and facts.before == attempt.before


def _let_go(tx: Tx, proposal_id: str) -> None:
    current = tx.proposals.get(proposal_id)
    if current is not None and current.state in ("dispatching", "unknown"):
        tx.proposals.move(proposal_id, ["dispatching", "unknown"], "unknown", lease_owner=None, lease_until=None)
