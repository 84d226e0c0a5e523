"""Dispatch: the only place that sends a released write. At every line, ask: what if the power fails here?"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import anyio

from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.together import as_they_are
from rutter_ap_server.guard import journal
from rutter_ap_server.guard.authorize import authorize, claim, is_permanent, may_still_leave, return_to_queue
from rutter_ap_server.guard.batches import settle_batch
from rutter_ap_server.guard.gathering import BatchFacts, read_ahead
from rutter_ap_server.guard.judge import assess
from rutter_ap_server.guard.lease import Lease
from rutter_ap_server.guard.own_writes import current_facts
from rutter_ap_server.guard.policy import Policy, PolicyFile
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.run_sending import ALONE, Alone, Line, RunReading, RunSending, is_old, lines_of
from rutter_ap_server.guard.settle import Settler
from rutter_ap_server.guard.shown import shown, unclaimed, why_unseen
from rutter_ap_server.guard.writes.base import Batch, Facts, Write, ability_of
from rutter_ap_server.guard.writes.registry import proposed_by
from rutter_ap_server.interaction import NO_INTERACTION, Interaction
from rutter_ap_server.processes import Processes
from rutter_ap_server.rutter.abilities import Doubt
from rutter_ap_server.rutter.errors import NothingSent, NotSupportedHere
from rutter_ap_server.rutter.outcomes import Done, Rejected
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.text import clean, quote
from rutter_ap_tools.wire import Record

_WAITS_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
_LOOKS_SECONDS = (0.0, 0.3, 1.0, 2.0)
# A refusal is believed once the ledger was looked at: some platforms refuse what they have booked.
_LOOKS_AFTER_REFUSAL_SECONDS = (0.0, 1.0)
# Longer than a platform usually takes, but bounded: one call must not hang because of another.
_OTHER_TASK_SECONDS_MAX = 120


class Dispatcher:
    """Sends released proposals, each at most once, and records their outcome.

    `processes` names this process in leases, and knows which others have ended. `sleep` is a parameter so that tests
    take no time.
    """

    def __init__(
        self,
        store: Store,
        policy: PolicyFile,
        sleep: Callable[[float], Awaitable[None]],
        processes: Processes,
    ) -> None:
        self.store = store
        self.settler = Settler(store)
        self.policy = policy
        self.processes = processes
        self._sleep = sleep
        self.is_stopping = False
        # The run that was judged last, by its digest, with what was read for it.
        self._run_read: tuple[str, Company] | None = None
        self._in_flight = 0
        self._idle: anyio.Event | None = None
        # What tasks of this process are sending now, by proposal id; the event is set when it is done.
        self._sending: dict[str, anyio.Event] = {}

    async def drain(self) -> None:
        """Stops sending and returns once nothing is being sent; a run in progress stops after its current line."""
        self.is_stopping = True
        await self.idle()

    async def idle(self) -> None:
        """Returns once nothing is being sent."""
        if self._idle is not None:
            await self._idle.wait()

    async def dispatch(
        self, proposal_id: str, company: Company, interaction: Interaction = NO_INTERACTION, *, line: Alone = ALONE
    ) -> Proposal:
        """Sends a released proposal, unless another process is sending it; returns its current state.

        A batch is sent line by line, and `interaction` is told the progress; `line` is such a line. Cancellation waits
        until the outcome is recorded: an abandoned call must not leave a payment unrecorded.
        """
        # Nothing is awaited between the question and the entry in `_sending`.
        if not await self._no_other_task_sends(proposal_id):
            return await self._current(proposal_id)
        async with self.busy():
            done = self._sending[proposal_id] = anyio.Event()
            try:
                return await self._dispatch(proposal_id, company, interaction, line)
            finally:
                del self._sending[proposal_id]
                done.set()
        raise AssertionError("unreachable: nothing suppresses exceptions inside")

    async def clock_is_wrong(self, company: Company) -> bool:
        """Whether nothing may be judged, expired or written now; what is released waits until the clock is right."""
        return bool(await self.store.read(lambda tx: company.clock_trouble(tx.clock)))

    async def _no_other_task_sends(self, proposal_id: str) -> bool:
        """Waits while another task of this process sends it: recovery or a repeated call may be faster.

        The second one then returns the outcome instead of "in progress". False if it took too long.
        """
        with anyio.move_on_after(_OTHER_TASK_SECONDS_MAX):
            while (sending := self._sending.get(proposal_id)) is not None:
                await sending.wait()
        return proposal_id not in self._sending

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Marks work that must not be interrupted: cancellation waits for it, and so does stopping the process."""
        with anyio.CancelScope(shield=True):
            if self._idle is None:
                self._idle = anyio.Event()
            self._in_flight += 1
            try:
                yield
            finally:
                self._in_flight -= 1
                if self._in_flight == 0:
                    self._idle.set()
                    self._idle = None

    def lease_on(self, proposal_id: str) -> Lease:
        """A lease of its own for one claim: once it is lost, that claim can no longer send or settle anything."""
        self.processes.announce()
        return Lease(proposal_id, f"{self.processes.own}/{uuid.uuid4().hex[:16]}")

    def ended(self, owner: str | None) -> str | None:
        """The owner of a lease if its process is known to have ended."""
        return owner if owner is not None and self.processes.has_ended(owner.partition("/")[0]) else None

    async def _dispatch(self, proposal_id: str, company: Company, interaction: Interaction, line: Alone) -> Proposal:
        lease = self.lease_on(proposal_id)
        is_ours, proposal = await self._claimed(lease, company)
        if not is_ours:
            return proposal
        # Reading the facts takes as long as Rutter takes, and so does waiting for the line before this one.
        return await self._keeping(
            lease, partial(self._authorized_and_sent, proposal, lease, company, interaction, line)
        )

    async def _authorized_and_sent(
        self, proposal: Proposal, lease: Lease, company: Company, interaction: Interaction, line: Alone
    ) -> Proposal:
        write, prepared = proposed_by(proposal.tool), PreparedWrite.of(proposal)
        # What is sent is judged on what is read now; a run, which sends nothing itself, on what its release read.
        is_read = isinstance(write, Batch) and company.reading is not None and not is_old(company.reading)
        company = company if is_read else company.unread()
        try:
            facts = await self.facts(write, prepared, await line.facts_of(company))
            while not await line.turn():
                facts = await self.facts(write, prepared, await line.facts_of(company))
            # Only now: what is authorized under a policy that has changed since would not leave, and count as failed.
            policy = await self.policy.read()
        except ApError:
            # Nothing was sent. The release stays valid, and a later attempt may find Rutter or the policy working
            # again.
            await self.store.write(lambda tx: return_to_queue(tx, lease))
            raise
        if not line.may_leave():
            await self.store.write(lambda tx: return_to_queue(tx, lease))
            return await self._current(lease.proposal_id)
        if not await self.store.write(lambda tx: authorize(tx, write, prepared, facts, policy, lease)):
            return await self._current(lease.proposal_id)
        if isinstance(write, Batch):
            # Nobody looks at it as one that is held any more, and what was read for it may be large.
            self._run_read = None
            return await self.send_lines(lease, company, interaction)
        assert isinstance(facts, Facts)
        line.leaves()
        return await self._send(write, prepared, company, lease, policy, facts.before, again=False, line=line)

    async def _claimed(self, lease: Lease, company: Company) -> tuple[bool, Proposal]:
        """Whether it was claimed, and the proposal afterwards; never while the clock is wrong.

        Waits briefly for other writes on the same bill: an assistant may make several calls at once.
        """

        def take(tx: Tx) -> tuple[bool, bool, Proposal]:
            claimed, waits = (False, False) if company.clock_trouble(tx.clock) else claim(tx, lease)
            return claimed, waits, journal.get(tx, lease.proposal_id)

        for pause in (*_WAITS_SECONDS, None):
            claimed, waits, proposal = await self.store.write(take)
            if not waits or pause is None:
                return claimed, proposal
            await self._sleep(pause)
        raise AssertionError("unreachable: the last round always returns")

    async def facts(
        self, write: Write[Any] | Batch, prepared: PreparedWrite, company: Company
    ) -> Facts[Any] | BatchFacts:
        """The facts of a write as of now, once they show what this store wrote before."""
        if isinstance(write, Batch) and company.reading is None:
            company = company.read_once()
        facts = await current_facts(self.store, write, prepared, company, self._sleep)
        if isinstance(write, Batch):
            # Not one that failed: its errors would be said again and again.
            self._run_read = (prepared.digest, company)
        return facts

    def _as_read_lately(self, prepared: PreparedWrite, company: Company) -> Company:
        """A run that is looked at again within a minute: its lists are not read anew, which its release does."""
        digest, read = self._run_read or ("", company)
        if (
            company.reading is not None
            or read.reading is None
            or (digest, read.identity) != (prepared.digest, company.identity)
        ):
            return company
        return company if is_old(read.reading) else company.read_once(as_they_are(company.rutter), lists=read.reading)

    async def read_ahead(self, proposal: Proposal, company: Company) -> None:
        """Reads into the company's reading what the proposal will be judged by."""
        await read_ahead(proposed_by(proposal.tool), PreparedWrite.of(proposal), company)

    async def reassess(self, proposal_id: str, company: Company) -> Proposal:
        """Judges a held proposal again, so that a person releases what is true now."""
        proposal = await self._current(proposal_id)
        if proposal.state != State.HELD or await self.clock_is_wrong(company):
            return proposal
        await self.store.read(lambda tx: journal.sound(tx, proposal_id))
        write, prepared, policy = proposed_by(proposal.tool), PreparedWrite.of(proposal), await self.policy.read()
        company = self._as_read_lately(prepared, company)
        facts = await self.facts(write, prepared, company)

        def note(tx: Tx) -> Proposal:
            judgement = assess(tx, write, prepared, facts, policy, except_id=proposal_id)
            if journal.get(tx, proposal_id).state == State.HELD:
                journal.note_judgement(tx, proposal_id, judgement)
                if is_permanent(judgement):
                    tx.proposals.move(proposal_id, [State.HELD], State.REFUSED)
            return journal.get(tx, proposal_id)

        return await self.store.write(note)

    async def send(
        self,
        write: Write[Any],
        prepared: PreparedWrite,
        company: Company,
        lease: Lease,
        policy: Policy,
        before: dict[str, Any],
        *,
        again: bool = False,
    ) -> Proposal:
        """Sends the journalled write with its key and settles it. `again`: it was sent before, its outcome lost.

        `policy` is the one it was authorized under. The lease is renewed in the meantime: Rutter may take minutes, and
        no one may treat it as abandoned too early.
        """
        sending = partial(self._send, write, prepared, company, lease, policy, before, again=again, line=ALONE)
        return await self._keeping(lease, sending)

    async def _keeping(self, lease: Lease, work: Callable[[], Awaitable[Proposal]]) -> Proposal:
        """Does the work, and renews the lease meanwhile."""
        failure: BaseException | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_lease, lease)
            try:
                done = await work()
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException as error:  # noqa: BLE001 - re-raised outside the group, which would wrap it
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return done

    async def _keep_lease(self, lease: Lease) -> None:
        while True:
            await anyio.sleep(lease.renewed_every_seconds)
            with suppress(ApError):
                await self.store.write(lease.renew)

    async def _may_leave(self, lease: Lease, authorized_under: str, company: Company) -> bool:
        """Asked just before each request: this process may have slept since it was authorized."""

        def look(tx: Tx, policy: Policy) -> bool:
            return not company.clock_trouble(tx.clock) and may_still_leave(tx, policy, lease, authorized_under)

        try:
            return await self.policy.look_with(look)
        except ApError:
            return False

    async def _send(
        self,
        write: Write[Any],
        prepared: PreparedWrite,
        company: Company,
        lease: Lease,
        policy: Policy,
        before: dict[str, Any],
        *,
        again: bool,
        line: Alone,
    ) -> Proposal:
        drafted = False
        fenced = replace(company, rutter=company.rutter.fenced(lambda: self._may_leave(lease, policy.version, company)))
        try:
            draft = await write.draft(prepared, company)
            drafted = True
            outcome = await write.send(prepared, draft, fenced, lease.proposal_id, again=again)
        except Exception as error:  # noqa: BLE001 - whatever it is, the write may have been sent: unknown, never forgotten
            # Only our own error while drafting, or `NothingSent`, proves that nothing was sent.
            if isinstance(error, NothingSent) or (isinstance(error, ApError) and not drafted):
                return await self._not_sent(lease, error, again=again)
            return await self.settler.unknown(lease, f"an unexpected {type(error).__name__}")
        if isinstance(outcome, Rejected):
            return await self.refused(write, prepared, company, lease, before, outcome)
        if isinstance(outcome, Done):
            # The next one need not wait until it is read back, as it must for what may be in doubt.
            line.answered()
            return await self.read_back(write, prepared, company, lease, before, outcome, line=line)
        return await self.settler.unknown(lease, outcome.reason, job_id=outcome.job_id)

    async def _not_sent(self, lease: Lease, error: ApError, *, again: bool) -> Proposal:
        """Nothing was sent just now: a failure the first time; later it says nothing about the first attempt."""
        if again:
            return await self.settler.unknown(lease, f"it could not be sent again: {error.error_code}")
        return await self._fail(lease, error, job_id=None)

    async def refused(
        self,
        write: Write[Any],
        prepared: PreparedWrite,
        company: Company,
        lease: Lease,
        before: dict[str, Any],
        outcome: Rejected,
    ) -> Proposal:
        """The platform refused it, which is believed once the ledger does not show it either."""
        for pause in _LOOKS_AFTER_REFUSAL_SECONDS:
            if pause:
                await self._sleep(pause)
            try:
                found = await shown(self.store, write, prepared, company, before, lease.proposal_id)
                doubt = None if found else await why_unseen(write, prepared, company)
            except ApError:
                reason = "it was refused, and the ledger could not be looked at"
                return await self.settler.unknown(lease, reason, job_id=outcome.job_id)
            if found:
                return await self.settle_found(write, prepared, lease, found, outcome.job_id)
        if doubt is not None:
            return await self._refused_unseen(write, prepared, company, lease, outcome, doubt)
        # Rutter's job says it as well, or else only one answer did, and the ledger may lag. What is booked may also not
        # have come in before the first sync has finished.
        job_id = outcome.job_id
        said_twice = job_id is not None and isinstance(await write.outcome_of_job(company, job_id), Rejected)
        is_sure = said_twice and not company.is_incomplete
        return await self._fail(lease, outcome.error, job_id=job_id, may_be_booked=not is_sure)

    async def _refused_unseen(
        self,
        write: Write[Any],
        prepared: PreparedWrite,
        company: Company,
        lease: Lease,
        outcome: Rejected,
        doubt: Doubt,
    ) -> Proposal:
        """It was refused where what was booked may not be shown: for a person, unless Rutter itself never took it."""
        if not isinstance(outcome.error, NotSupportedHere):
            reason = f"it was refused, and whether it was booked all the same cannot be seen: {doubt.words}"
            return await self.settler.unknown(lease, reason, job_id=outcome.job_id)
        able = ability_of(company.platform, write.needed(prepared))
        words = outcome.error.message
        if able is not None and able.condition is not None:
            words = f"to {able.need.words}, this platform needs {able.condition.what}. {able.condition.remedy}"
        return await self._fail(lease, NotSupportedHere(f"Rutter did not take it: {words}"), job_id=outcome.job_id)

    async def settle_found(
        self,
        write: Write[Any],
        prepared: PreparedWrite,
        lease: Lease,
        found: tuple[Record, ...],
        job_id: str | None,
    ) -> Proposal:
        """Posted if the ledger shows it once; two records where one was sent are for a person to judge."""
        record, *others = found
        if not others:
            return await self.settler.post(write, prepared, lease, record, job_id=job_id)
        ids = ", ".join(clean(one.id, 60) for one in found[:5])
        return await self.settler.unknown(lease, f"the ledger shows {len(found)} that may be it: {ids}", job_id=job_id)

    async def read_back(
        self,
        write: Write[Any],
        prepared: PreparedWrite,
        company: Company,
        lease: Lease,
        before: dict[str, Any],
        outcome: Done[Any],
        *,
        line: Alone = ALONE,
    ) -> Proposal:
        """Posted means that the ledger shows it, not that a response said so; the ledger may lag a moment behind."""
        for pause in _LOOKS_SECONDS:
            if pause:
                await self._sleep(pause)
            try:
                found = await write.read_back(prepared, line.outcome_of(company), outcome.record, before)
            except ApError:
                continue
            free = await self.store.read(
                partial(unclaimed, prepared=prepared, proposal_id=lease.proposal_id, records=found)
            )
            if found and free[:1] == found[:1]:
                return await self.settler.post(write, prepared, lease, free[0], job_id=outcome.job_id, others=free[1:])
        upstream = getattr(outcome.record, "id", None)
        reason = "the ledger does not show it yet"
        return await self.settler.unknown(lease, reason, upstream_id=upstream, job_id=outcome.job_id)

    async def _fail(self, lease: Lease, error: ApError, *, job_id: str | None, may_be_booked: bool = False) -> Proposal:
        # The platform's own message may contain anything: it is kept for a person and never reaches the assistant.
        said = quote(getattr(error, "untrusted_detail", None), 200)
        message = error.message.rstrip(".")
        return await self.settler.fail(
            lease, error.error_code, message, said=said, job_id=job_id, may_be_booked=may_be_booked
        )

    async def resume_lines(self, lease: Lease, company: Company) -> Proposal:
        """As `send_lines`, for a run that was taken over: its lease is renewed meanwhile, as that of a dispatch is."""
        return await self._keeping(lease, partial(self.send_lines, lease, company, NO_INTERACTION))

    async def send_lines(self, lease: Lease, company: Company, interaction: Interaction) -> Proposal:
        """Sends every line of a run that is released but not sent; returns the run's state afterwards.

        `company` may have been read for the run. Lines left over, because Rutter or the policy cannot be reached or the
        process is stopping, stay released: the next check of the run, recovery or another process continues with them.
        """
        run_id = lease.proposal_id
        run, proposals = await self.store.read(lambda tx: (journal.get(tx, run_id), tx.proposals.of_run(run_id)))
        batch = proposed_by(run.tool)
        assert isinstance(batch, Batch)
        members = [PreparedWrite.of(one) for one in proposals if one.state == State.RELEASED]
        lines = lines_of(in_order(run, proposals), RunReading(batch, members, company, company.reading))
        plain = company.unread()

        async def send(line: Line) -> Proposal:
            return await self.dispatch(line.proposal.id, plain, line=line)

        await RunSending(
            lines,
            send,
            may_go_on=lambda: self.store.read(lease.holds),
            is_stopping=lambda: self.is_stopping,
            interaction=interaction,
            done=len(proposals) - len(lines),
        ).run()
        return await self.store.write(lambda tx: settle_batch(tx, run_id))

    async def _current(self, proposal_id: str) -> Proposal:
        current = await self.store.read(lambda tx: tx.proposals.get(proposal_id))
        assert current is not None
        return current


def in_order(run: Proposal, lines: list[Proposal]) -> list[Proposal]:
    """The lines in the order of the run's bills."""
    places = {line["bill_id"]: place for place, line in enumerate(run.fields["lines"])}
    return sorted(lines, key=lambda line: places.get(line.bill_id, len(places)))
