"""Recovery: finds out the outcome of writes that are still open, never by sending a second one.

In this order: the job Rutter named; what the ledger shows; and, only while the ledger still shows exactly what it did
before the attempt and Rutter certainly still keeps the key, the same request with the same Idempotency-Key, to which
Rutter responds with the first one's outcome if there was one. The ledger is read before the key is used again, because
a person may have entered the payment by hand in the meantime.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard import journal
from rutter_ap_server.guard.authorize import LEASE_SECONDS, is_still_released, release_lease, return_to_queue
from rutter_ap_server.guard.batches import settle_batch
from rutter_ap_server.guard.dispatch import DOUBTFUL_MAX, OF_ONE_BILL, Dispatcher, in_order
from rutter_ap_server.guard.gathering import gather_facts
from rutter_ap_server.guard.judge import fingerprint_of
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Batch, Facts, Write
from rutter_ap_server.guard.writes.registry import proposed_by
from rutter_ap_server.rutter.outcomes import Done, Rejected
from rutter_ap_server.store.attempts import Attempt
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import IN_FLIGHT_STATES, SENDING_STATES, State
from rutter_ap_tools.errors import ApError

# Rutter documents no retention period for keys; this is well under the day one should assume.
KEY_KEPT_SURELY = timedelta(hours=12)
_ALL = 1_000_000


class Recovery:
    """Resolves open outcomes, each by one process at a time."""

    def __init__(self, store: Store, dispatcher: Dispatcher) -> None:
        self._store = store
        self._dispatcher = dispatcher

    async def waiting(self) -> list[Proposal]:
        """Proposals that need attention: released but not sent, or with an open outcome.

        All of them, because those that only a person can settle must not hide the others. The lines of an open run are
        handled with it, in its order and no further than it would go.
        """
        found = await self._store.read(lambda tx: tx.proposals.in_states(IN_FLIGHT_STATES, limit=_ALL))
        ids = {proposal.id for proposal in found}
        return [proposal for proposal in found if proposal.run_id not in ids]

    async def resolve(self, proposal: Proposal, company: Company) -> Proposal:
        """Resolves one proposal; returns its current state, which may still be unknown."""
        async with self._dispatcher.busy():
            if proposal.state == State.RELEASED:
                return await self._dispatcher.dispatch(proposal.id, company)
            # What was changed by hand is nobody's write: it is left for a person.
            await self._store.read(lambda tx: journal.sound(tx, proposal.id))
            # A lease for this check only, so that nothing is returned, released or sent under another one's lease.
            lease = f"{self._dispatcher.owner}/{uuid.uuid4().hex[:16]}"
            if await self._store.write(lambda tx: tx.proposals.take_over(proposal.id, lease, LEASE_SECONDS)):
                try:
                    await self._resolve(proposal, company, lease)
                finally:
                    await self._store.write(lambda tx: release_lease(tx, proposal.id, lease))
            current = await self._store.read(lambda tx: tx.proposals.get(proposal.id))
        assert current is not None
        return current

    async def _resolve(self, proposal: Proposal, company: Company, lease: str) -> None:
        write, prepared = proposed_by(proposal.tool), PreparedWrite.of(proposal)
        if isinstance(write, Batch):
            await self._resume(proposal, company, lease)
            return
        attempt = await self._store.read(lambda tx: tx.attempts.last(proposal.id))
        if attempt is None:
            # The process died between claiming it and journalling an attempt: nothing can have been sent.
            await self._store.write(lambda tx: return_to_queue(tx, proposal.id, lease))
            return
        if attempt.job_id is not None and await self._by_job(write, prepared, proposal, company, attempt):
            return
        record = await write.find(prepared, company, attempt.before)
        if record is not None:
            await self._dispatcher.settler.post(write, prepared, proposal.id, record, job_id=attempt.job_id)
            return
        if not await self._may_send_again(write, prepared, proposal, company, attempt):
            return
        # Checking took time: a person may have settled it, or another process may be sending it.
        if await self._store.write(lambda tx: _is_still_ours(tx, proposal.id, lease)):
            await self._dispatcher.send(write, prepared, company, proposal.id, attempt.before, again=True)

    async def _resume(self, run: Proposal, company: Company, lease: str) -> None:
        """Resolves each line whose outcome is open; the run's own outcome follows from theirs."""
        lines = await self._store.read(lambda tx: tx.proposals.of_run(run.id))
        if not lines:
            # The process died between claiming it and creating its lines: nothing can have been sent.
            await self._store.write(lambda tx: return_to_queue(tx, run.id, lease))
            return
        doubtful_in_a_row = 0
        for line in in_order(run, lines):
            if self._dispatcher.is_stopping or doubtful_in_a_row >= DOUBTFUL_MAX:
                break
            if line.state in IN_FLIGHT_STATES:
                try:
                    outcome = await self.resolve(line, company)
                    # One that stays unknown may be waiting for a person: only a newly unknown one is a reason to stop.
                    is_new = outcome.state == State.UNKNOWN and line.state == State.RELEASED
                    doubtful_in_a_row = doubtful_in_a_row + 1 if is_new else 0
                except OF_ONE_BILL:
                    doubtful_in_a_row = 0
                except ApError:
                    doubtful_in_a_row += 1
                await self._store.write(lambda tx: _is_still_ours(tx, run.id, lease))
        await self._store.write(lambda tx: settle_batch(tx, run.id))

    async def _by_job(
        self, write: Write[Any], prepared: PreparedWrite, proposal: Proposal, company: Company, attempt: Attempt
    ) -> bool:
        assert attempt.job_id is not None
        outcome: Any = await write.outcome_of_job(company, attempt.job_id)
        if isinstance(outcome, Rejected):
            await self._dispatcher.settler.fail(proposal.id, outcome.error.error_code, outcome.error.message)
            return True
        if isinstance(outcome, Done):
            record = await write.read_back(prepared, company, outcome.record, attempt.before)
            if record is not None:
                await self._dispatcher.settler.post(write, prepared, proposal.id, record, job_id=attempt.job_id)
                return True
        return False

    async def _may_send_again(
        self, write: Write[Any], prepared: PreparedWrite, proposal: Proposal, company: Company, attempt: Attempt
    ) -> bool:
        """Whether the ledger is as it was, and the write would be released and sent today as it was then."""
        age = await self._store.read(lambda tx: tx.now) - attempt.at
        if not timedelta(0) <= age < KEY_KEPT_SURELY or attempt.upstream_id is not None:
            return False
        try:
            policy = self._dispatcher.policy.read()
            facts = await gather_facts(write, prepared, company)
        except ApError:
            return False
        assert isinstance(facts, Facts)
        if fingerprint_of(write, prepared, facts) != proposal.fingerprint or facts.before != attempt.before:
            return False
        return await self._store.read(lambda tx: is_still_released(tx, write, prepared, facts, policy, proposal))


def _is_still_ours(tx: Tx, proposal_id: str, lease: str) -> bool:
    """Whether the outcome is open and still ours to resolve; if so, the lease is renewed."""
    current = tx.proposals.get(proposal_id)
    if current is None or current.state not in SENDING_STATES or current.lease_owner != lease:
        return False
    tx.proposals.renew(proposal_id, LEASE_SECONDS)
    return True
