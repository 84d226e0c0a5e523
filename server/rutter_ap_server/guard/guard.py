"""The order of judgement. Read this first: every write passes through `Guard.submit`, step by step.

A **request** is what an assistant asks for. **Preparing** it (`prepared.py`) fixes every field that matters and
computes a digest; a request with the digest of an open **proposal** is that proposal. **Facts** are gathered
(`gathering.py`) from the ledger (`writes/`) and from our own store (`store_facts.py`). **Rules** turn them into
**findings**, and the most severe one is the **verdict** (`judge.py`): allow, ask, approve or refuse. The **statement**
is all that will be written and all that was found, in one value with a digest (`statement.py`), shown whole wherever
people decide. A **release** is a person's consent (`approvals.py`), bound to the statement, the facts and the findings
they were shown: anything new voids it. An allowed write needs none. Under the write lock a released proposal is
**authorized** (`authorize.py`): judged once more, its amount reserved, its attempt journalled. Then it is **sent** with
its own idempotency key, **read back** (`dispatch.py`) and **settled** (`settle.py`). `recovery.py` finds out unknown
outcomes, never by paying a second time. A **batch** is many writes under one release (`batches.py`). Every step is
recorded in the audit chain, in the same transaction (`journal.py`).

    held ──────> released ──────> dispatching ──────> posted
      │  a person    │  authorized     │   the ledger shows it
      │              │                 ├──> failed       it was not recorded
      │              │                 └──> unknown ───> posted or failed, once that is known
      ├──> refused   └──> held          the facts changed: the release is void, people are asked again
      ├──> declined      a person said no; asked again, the same obligation needs an approver
      ├──> withdrawn     whoever proposed it took it back, or a run without one payment took its place
      ├──> superseded    a payment run pays its bill instead
      └──> expired
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.ledgers import require_in_use
from rutter_ap_server.guard import journal
from rutter_ap_server.guard.authorize import is_permanent
from rutter_ap_server.guard.dispatch import Dispatcher
from rutter_ap_server.guard.journal import CompanyOf
from rutter_ap_server.guard.judge import assess
from rutter_ap_server.guard.judgement import Judgement, covers_of
from rutter_ap_server.guard.policy import Policy, PolicyFile
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.recovery import Recovery
from rutter_ap_server.guard.statement import body_of, statement_of
from rutter_ap_server.guard.store_facts import linked_accounts
from rutter_ap_server.guard.views import Views, nothing_recorded, run_result
from rutter_ap_server.guard.writes.base import Batch, Write
from rutter_ap_server.guard.writes.registry import proposed_by, write_for
from rutter_ap_server.interaction import Interaction, Question, Reply, is_amount
from rutter_ap_server.store.canonical import digest
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import IN_FLIGHT_STATES, State
from rutter_ap_tools.errors import Refused
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.statement import Statement, render_statement
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import WriteArguments, WriteResult


@dataclass(frozen=True, slots=True)
class Guard:
    """Judges every write and sends it only once it is released."""

    store: Store
    policy: PolicyFile
    dispatcher: Dispatcher
    recovery: Recovery
    views: Views

    async def submit(
        self,
        request: WriteArguments,
        company: Company,
        *,
        preparer: str,
        interaction: Interaction,
        on_proposal: Callable[[Proposal], object] = lambda proposal: None,
    ) -> WriteResult:
        """Takes a write through every step; `interaction` can ask the person, and is told the progress of a batch.

        `on_proposal` is told of the proposal as soon as there is one, before anybody is asked and anything is sent.

        Raises `Refused` when a rule or the platform refuses it, `PolicyError` for a broken policy, and any `ApError`
        that prevented reading the facts; in each of these cases nothing was written.
        """
        policy = await self.policy.read()
        if not request.dry_run:
            await self.recovery.take_up_abandoned(company)
        write = write_for(request)
        # One reading for what is prepared and the facts it is first judged by; whatever is sent is read anew.
        reading = company.read_once()
        prepared = await write.prepare(request, reading, linked_accounts(self.store, company.ledger_id))  # 1. prepare
        earlier = await self._on_its_way(prepared)
        if earlier is not None and not request.dry_run:
            on_proposal(earlier)
            if earlier.state == State.RELEASED:
                # It was released before, but Rutter could not be reached. The release is still valid, so it is tried
                # again.
                earlier = await self.dispatcher.dispatch(earlier.id, company, interaction)
            return await self.answer(earlier)
        waiting = None if request.dry_run else await self._waiting(prepared)
        if waiting is not None:
            # What was filled in then stays: people must not be asked about one day and shown another.
            prepared = PreparedWrite.of(waiting)
        judgement = await self._judge(
            write, prepared, reading, policy, with_limits=request.dry_run
        )  # 2. facts  3. judge
        if request.dry_run:
            tried = self.views.dry_run(company.identity, prepared, judgement)
            return run_result(tried, prepared.fields, ()) if isinstance(write, Batch) else tried
        proposal = await self._hold(prepared, judgement, company, policy, preparer, request.reason)
        on_proposal(proposal)
        if proposal.state == State.HELD:
            proposal = await self._release(proposal, policy, interaction, preparer)  # 4. release
        if proposal.state == State.RELEASED:
            # 5. reserve  6. dispatch  7. read back  8. settle; 9. every step is audited in its own transaction.
            proposal = await self.dispatcher.dispatch(proposal.id, company, interaction)
        return await self.answer(proposal)

    async def answer(self, proposal: Proposal) -> WriteResult:
        """The outcome of a write, and of each line of a batch."""
        if proposal.state == State.SUPERSEDED:
            raise Refused(
                "a payment run released in the meantime pays this bill instead",
                next_step="This proposal wrote nothing. list_proposals shows the run's payment of the bill.",
            )
        if not isinstance(proposed_by(proposal.tool), Batch):
            return await self.views.result(proposal)
        lines = await self.store.read(lambda tx: tx.proposals.of_run(proposal.id))
        if proposal.state == State.FAILED:
            raise nothing_recorded(proposal, lines)
        return run_result(await self.views.result(proposal), proposal.fields, lines)

    async def _on_its_way(self, prepared: PreparedWrite) -> Proposal | None:
        """An earlier proposal for the same write whose outcome is open, so that it needs no new judgement."""

        def look(tx: Tx) -> Proposal | None:
            latest = tx.proposals.latest_with_digest(prepared.company_id, prepared.digest)
            if latest is not None and latest.state in IN_FLIGHT_STATES:
                return latest
            return _booked_before_its_answer(tx, prepared)

        return await self.store.read(look)

    async def _waiting(self, prepared: PreparedWrite) -> Proposal | None:
        """The held proposal for the same write, unless its time is up."""

        def look(tx: Tx) -> Proposal | None:
            found = tx.proposals.open_with_digest(prepared.company_id, prepared.digest)
            if found is None or found.state != State.HELD or found.expires_at <= tx.now:
                return None
            return journal.sound(tx, found.id)

        return await self.store.read(look)

    async def _judge(
        self, write: Write[Any] | Batch, prepared: PreparedWrite, company: Company, policy: Policy, *, with_limits: bool
    ) -> Judgement:
        facts = await self.dispatcher.facts(write, prepared, company)
        return await self.store.read(lambda tx: assess(tx, write, prepared, facts, policy, with_limits=with_limits))

    async def _hold(
        self,
        prepared: PreparedWrite,
        judgement: Judgement,
        company: Company,
        policy: Policy,
        preparer: str,
        reason: str,
    ) -> Proposal:
        """Stores the proposal, or continues the open one for the same write.

        Nothing is stored at a wrong time: the store's time never goes back, so it would stay ahead for as long.
        """
        if any(one.code == "clock.skewed" for one in judgement.findings):
            raise _refused(judgement)

        def hold(tx: Tx) -> Proposal:
            require_in_use(tx, prepared.company_id, company.id)
            existing = tx.proposals.open_with_digest(prepared.company_id, prepared.digest)
            if existing is not None and existing.state == State.HELD and existing.expires_at <= tx.now:
                journal.expire(tx, existing.id)
                existing = None
            if existing is None:
                fresh = journal.new_proposal(
                    tx,
                    prepared,
                    judgement,
                    company=CompanyOf(company.name, company.environment),
                    preparer=preparer,
                    state=State.REFUSED if judgement.verdict is Severity.REFUSE else State.HELD,
                    expires_at=tx.now + timedelta(hours=policy.proposals.expire_hours),
                    reason=reason,
                )
                journal.propose(tx, fresh, judgement)
                return fresh
            if existing.state == State.HELD:
                journal.note_judgement(tx, existing.id, judgement)
                if is_permanent(judgement):
                    tx.proposals.move(existing.id, [State.HELD], State.REFUSED)
            return journal.get(tx, existing.id)

        proposal = await self.store.write(hold)
        if judgement.verdict is Severity.REFUSE and proposal.state in (State.HELD, State.REFUSED):
            raise _refused(judgement)
        return proposal

    async def _release(self, proposal: Proposal, policy: Policy, interaction: Interaction, asked: str) -> Proposal:
        """`allow` needs no release, `ask` may be answered in the chat; anything above waits for a named approver."""
        if proposal.verdict is Severity.ALLOW:
            return await self.store.write(lambda tx: _released(tx, proposal, "policy"))
        if proposal.verdict is not Severity.ASK or not interaction.can_ask:
            return proposal
        bound = _bound_to(proposal, asked)
        brought = interaction.pending_answer()
        if brought is not None:
            answer = brought.reply
            if policy.asking.must_be_typed(proposal.money) and answer is Reply.ACCEPTED:
                assert proposal.money is not None
                answer = answer if is_amount(brought.typed, proposal.money) else Reply.NONE
            consumed, current = await self._consume(proposal, brought.question_id, bound, answer)
            if consumed:
                return current
            if current.state != State.HELD:
                return current
        valid = policy.asking.valid_seconds
        # Put into words before the lock is taken: whatever changes meanwhile is judged once more before it is sent.
        shown = await self.store.read(lambda tx: statement_of(tx, proposal, policy))

        def note(tx: Tx) -> str:
            tx.proposals.keep_statement(proposal.id, shown.digest, body_of(shown))
            return tx.questions.ask(proposal.id, bound, valid, statement=shown.digest)

        question_id = await self.store.write(note)
        typed = proposal.money if policy.asking.must_be_typed(proposal.money) else None
        question = Question(question_id, _question(proposal, shown), policy.asking.timeout_seconds, typed)
        answer = await interaction.ask(question)
        _, current = await self._consume(proposal, question_id, bound, answer)
        return current

    async def _consume(self, proposal: Proposal, question_id: str, bound: str, answer: Reply) -> tuple[bool, Proposal]:
        """Accepts an answer once: a yes releases, a no declines, and anything else leaves the proposal held.

        Some clients decline on their own. What was declined may be proposed again, and then needs an approver.
        """

        def consume(tx: Tx) -> tuple[bool, Proposal]:
            taken = tx.questions.answer(question_id, proposal.id, bound, answer.value)
            if not taken:
                return False, journal.get(tx, proposal.id)
            statement = tx.questions.statement(question_id)
            tx.audit.append("answered", actor="chat", proposal_id=proposal.id, answer=answer.value, statement=statement)
            if answer is Reply.ACCEPTED:
                tx.proposals.approve(
                    proposal.id,
                    "chat",
                    "chat",
                    proposal.fingerprint,
                    covers=covers_of(proposal.requires),
                    statement=statement,
                )
                return True, _released(tx, proposal, "chat")
            if answer is Reply.DECLINED:
                journal.decline(tx, proposal.id, actor="chat", channel="chat", reason="")
            return True, journal.get(tx, proposal.id)

        return await self.store.write(consume)


def _bound_to(proposal: Proposal, asked: str) -> str:
    """What an answer must fit: all that a release covers, and whose client was asked, so that no other answers it."""
    return digest([proposal.bound_to, asked])


def _refused(judgement: Judgement) -> Refused:
    severe = [one.message for one in judgement.findings if one.severity is Severity.REFUSE]
    return Refused("; ".join(severe), findings=judgement.findings)


def _booked_before_its_answer(tx: Tx, prepared: PreparedWrite) -> Proposal | None:
    """The payment on its way that left nothing due: the same call, with no amount, then comes to none."""
    if prepared.money is None or prepared.money.amount or prepared.bill_id is None:
        return None
    given = {name: value for name, value in prepared.fields.items() if name != "amount"}
    sent = tx.proposals.of_bill(prepared.company_id, prepared.bill_id, IN_FLIGHT_STATES)
    same = (one for one in sent if one.tool == prepared.tool and given.items() <= one.fields.items())
    return next(same, None)


def _released(tx: Tx, proposal: Proposal, channel: str) -> Proposal:
    journal.release(tx, proposal.id, actor=channel, channel=channel)
    return journal.get(tx, proposal.id)


def _question(proposal: Proposal, shown: Statement) -> str:
    """The question with the whole statement: a person must not confirm what they were not shown."""
    where = f"{clean(proposal.company_name, 200)} ({proposal.environment})"
    return f"{proposal.summary}? Company: {where}.\n{render_statement(shown)}"
