"""Recovery: finds out the outcome of writes that are still open, never by sending a second one.

In this order: the job Rutter named; what the ledger shows; and, only while the ledger still shows exactly what it did
before the attempt and Rutter certainly still keeps the key, the same request with the same Idempotency-Key, to which
Rutter responds with the first one's outcome if there was one. The ledger is read before the key is used again, because
a person may have entered the payment by hand in the meantime. Where the ledger may hold what Rutter does not list, or
has not read yet, only what is found says anything: the rest waits for the end of the first sync, or for a person.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard import journal
from rutter_ap_server.guard.authorize import authorize_again, release_lease, return_to_queue
from rutter_ap_server.guard.batches import settle_batch
from rutter_ap_server.guard.dispatch import Dispatcher, in_order
from rutter_ap_server.guard.lease import Lease
from rutter_ap_server.guard.own_writes import LAG_MAX
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.run_sending import DOUBTFUL_MAX, OF_ONE_BILL
from rutter_ap_server.guard.shown import shown, why_unseen
from rutter_ap_server.guard.store_facts import blocked_by_other_write
from rutter_ap_server.guard.writes.base import Batch, Facts, Write
from rutter_ap_server.guard.writes.registry import proposed_by, write_named
from rutter_ap_server.rutter.outcomes import Done, Rejected
from rutter_ap_server.store.attempts import Attempt
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import IN_FLIGHT_STATES, SENDING_STATES, State
from rutter_ap_tools.errors import ApError

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

    async def doubted(self) -> list[Proposal]:
        """What is said to have failed, and may be booked on a ledger that does not show it yet."""

        def look(tx: Tx) -> list[Proposal]:
            found = [journal.get(tx, one) for one in tx.attempts.doubted()]
            return [one for one in found if not one.damaged]

        return await self._store.read(look)

    async def look_again(self, proposal: Proposal, company: Company) -> None:
        """Posts what was said to have failed and is in the ledger after all, through the connection it was sent by.

        It is believed, and its amount freed, by a look that finds nothing once the ledger cannot lag that long; not
        where what is not found may be there all the same.
        """

        def begin(tx: Tx) -> Attempt | None:
            journal.sound(tx, proposal.id)
            # A record of another payment on its way would look like this one's.
            waits = blocked_by_other_write(tx, proposal) or company.clock_trouble(tx.clock)
            return None if waits else tx.attempts.last(proposal.id)

        if company.id != proposal.connection_id:
            return
        attempt = await self._store.read(begin)
        if attempt is None:
            return
        write, prepared = write_named(proposal.tool), PreparedWrite.of(proposal)
        found = await shown(self._store, write, prepared, company, attempt.before, proposal.id)
        if len(found) == 1:
            [record], lease = found, self._dispatcher.lease_on(proposal.id)
            await self._dispatcher.settler.post(write, prepared, lease, record, job_id=attempt.job_id)
        elif not found and not company.is_incomplete and await why_unseen(write, prepared, company) is None:
            await self._store.write(lambda tx: _believe(tx, proposal.id))

    async def take_up_abandoned(self, company: Company) -> None:
        """Resolves what processes that have ended were sending for a company, so that nobody waits for their leases.

        What is said to have failed a moment ago is looked for once more, before anything else is judged.
        """

        def look(tx: Tx) -> list[Proposal]:
            sending = tx.proposals.of_company(company.ledger_id, [State.DISPATCHING])
            return [one for one in sending if self._dispatcher.ended(one.lease_owner)]

        for proposal in await self._store.read(look):
            # What Rutter cannot say now is asked again later.
            with suppress(ApError):
                await self.resolve(proposal, company)
        for doubted in await self.doubted():
            with suppress(ApError):
                await self.look_again(doubted, company)

    async def resolve(self, proposal: Proposal, company: Company) -> Proposal:
        """Resolves one proposal; returns its current state, which may still be unknown.

        Only through the connection it was sent by: another one to the same ledger may show other ids, and not showing
        the record would prove nothing.
        """
        if company.id != proposal.connection_id or await self._dispatcher.clock_is_wrong(company):
            return proposal
        async with self._dispatcher.busy():
            if proposal.state == State.RELEASED:
                return await self._dispatcher.dispatch(proposal.id, company)
            # What was changed by hand is nobody's write: it is left for a person.
            await self._store.read(lambda tx: journal.sound(tx, proposal.id))
            # A lease for this check only, so that nothing is returned, released or sent under another one's lease.
            lease, gone = self._dispatcher.lease_on(proposal.id), self._dispatcher.ended(proposal.lease_owner)
            if await self._store.write(lambda tx: lease.take_over(tx, gone)):
                try:
                    await self._resolve(proposal, company, lease)
                finally:
                    await self._store.write(lambda tx: release_lease(tx, lease))
            current = await self._store.read(lambda tx: tx.proposals.get(proposal.id))
        assert current is not None
        return current

    async def _resolve(self, proposal: Proposal, company: Company, lease: Lease) -> None:
        write, prepared = proposed_by(proposal.tool), PreparedWrite.of(proposal)
        if isinstance(write, Batch):
            await self._resume(proposal, company, lease)
            return
        attempt = await self._store.read(lambda tx: tx.attempts.last(proposal.id))
        if attempt is None:
            # The process died between claiming it and journalling an attempt: nothing can have been sent.
            await self._store.write(lambda tx: return_to_queue(tx, lease))
            return
        if attempt.job_id is not None and await self._by_job(write, prepared, company, lease, attempt):
            return
        found = await shown(self._store, write, prepared, company, attempt.before, proposal.id)
        if found:
            await self._dispatcher.settle_found(write, prepared, lease, found, attempt.job_id)
            return
        await self._send_again(write, prepared, company, lease, attempt)

    async def _resume(self, run: Proposal, company: Company, lease: Lease) -> None:
        """Resolves each line that may have been sent, and sends those that were not; the run's outcome follows."""
        lines = await self._store.read(lambda tx: tx.proposals.of_run(run.id))
        if not lines:
            # The process died between claiming it and creating its lines: nothing can have been sent.
            await self._store.write(lambda tx: return_to_queue(tx, lease))
            return
        doubtful_in_a_row = 0
        for line in in_order(run, lines):
            if self._dispatcher.is_stopping or doubtful_in_a_row >= DOUBTFUL_MAX:
                break
            if line.state in SENDING_STATES:
                try:
                    await self.resolve(line, company)
                    doubtful_in_a_row = 0
                except OF_ONE_BILL:
                    doubtful_in_a_row = 0
                except ApError:
                    doubtful_in_a_row += 1
                if not await self._store.write(lease.renew):
                    return
        if doubtful_in_a_row < DOUBTFUL_MAX:
            await self._dispatcher.resume_lines(lease, company)
        else:
            await self._store.write(lambda tx: settle_batch(tx, run.id))

    async def _by_job(
        self, write: Write[Any], prepared: PreparedWrite, company: Company, lease: Lease, attempt: Attempt
    ) -> bool:
        """Whether Rutter's job says what became of it."""
        assert attempt.job_id is not None
        outcome: Any = await write.outcome_of_job(company, attempt.job_id)
        if isinstance(outcome, Rejected):
            await self._dispatcher.refused(write, prepared, company, lease, attempt.before, outcome)
        elif isinstance(outcome, Done):
            await self._dispatcher.read_back(write, prepared, company, lease, attempt.before, outcome)
        return isinstance(outcome, Done | Rejected)

    async def _send_again(
        self, write: Write[Any], prepared: PreparedWrite, company: Company, lease: Lease, attempt: Attempt
    ) -> None:
        """Sends it again with its key, if it would be sent today as it was then; else it waits for a person."""
        if attempt.upstream_id is not None:
            # Rutter has named what it wrote: there is something to look for, and nothing to send.
            return
        try:
            doubt = await why_unseen(write, prepared, company)
            policy = await self._dispatcher.policy.read()
            facts = await self._dispatcher.facts(write, prepared, company)
        except ApError:
            return
        if doubt is not None:
            # What somebody entered by hand in the meantime would not be seen either.
            await self._dispatcher.settler.unknown(lease, f"whether it was booked cannot be seen: {doubt.words}")
            return
        assert isinstance(facts, Facts)
        if facts.incomplete:
            # Nor what only the end of the first sync brings in.
            await self._dispatcher.settler.unknown(lease, "the first sync of the company has not finished")
            return
        why_not = await self._store.write(
            lambda tx: authorize_again(tx, write, prepared, facts, policy, lease, attempt)
        )
        if why_not:
            await self._dispatcher.settler.unknown(lease, why_not)
            return
        await self._dispatcher.send(write, prepared, company, lease, policy, attempt.before, again=True)


def _believe(tx: Tx, proposal_id: str) -> None:
    current = journal.sound(tx, proposal_id)
    if current.state == State.FAILED and current.updated_at < tx.now - LAG_MAX:
        tx.attempts.believe(proposal_id)
        tx.spend.settle(proposal_id, "void")
        tx.audit.append("not_booked", actor="guard", proposal_id=proposal_id)
