"""The order of judgement. Read this first: every write passes through `Guard.submit`, step by step."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from rutter_ap_server.companies.company import Office
from rutter_ap_server.guard import journal
from rutter_ap_server.guard.authorize import for_good
from rutter_ap_server.guard.dispatch import Dispatcher
from rutter_ap_server.guard.judge import Judgement, assess, gather_facts
from rutter_ap_server.guard.policy import Policy, PolicyFile
from rutter_ap_server.guard.prepared import Frozen, thaw
from rutter_ap_server.guard.store_facts import StoredLinks
from rutter_ap_server.guard.views import Views, nothing_recorded, run_result
from rutter_ap_server.guard.writes.base import Kind
from rutter_ap_server.guard.writes.registry import kind_named, kind_of
from rutter_ap_server.interaction import Answer, Asker, Question, is_amount
from rutter_ap_server.reads.sync import Reporter
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.errors import Refused
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.wire import WriteArguments, WriteResult

if TYPE_CHECKING:
    from rutter_ap_server.store.engine import Store, Tx


@dataclass(frozen=True, slots=True)
class Guard:
    """Judges writes and lets them through only when they are released."""

    store: Store
    policy: PolicyFile
    dispatcher: Dispatcher
    views: Views

    async def submit(
        self,
        intent: WriteArguments,
        office: Office,
        *,
        preparer: str,
        asker: Asker,
        reporter: Reporter | None = None,
    ) -> WriteResult:
        """The way of every write; `reporter` is told how far one of many lines is.

        Raises `Refused` when a rule refuses it or the platform does, `PolicyError` for a broken policy, and whatever
        `ApError` says why the facts could not be had; in each of these cases nothing was written.
        """
        policy = self.policy.read()
        kind = kind_of(intent)
        frozen = await kind.freeze(intent, office, StoredLinks(self.store, office.company.id))  # 1. freeze
        earlier = await self._settled_or_on_its_way(frozen, policy)
        if earlier is not None and not intent.dry_run:
            if earlier.state == "released":
                # Released before, but Rutter was out of reach: the release stands, so it is tried again.
                earlier = await self.dispatcher.dispatch(earlier.id, office, reporter)
            return await self._answer(earlier)
        judgement = await self._judge(kind, frozen, office, policy, with_limits=intent.dry_run)  # 2. facts  3. judge
        if intent.dry_run:
            tried = self.views.dry_run(office.company, frozen, judgement)
            return run_result(tried, frozen.fields, ()) if kind.lines(frozen) else tried
        proposal = await self._hold(frozen, judgement, office, policy, preparer)
        if proposal.state == "held":
            proposal = await self._release(proposal, policy, asker)  # 4. release
        if proposal.state == "released":
            # 5. reserve  6. dispatch  7. read back  8. settle; 9. audit stands in every step's own transaction.
            proposal = await self.dispatcher.dispatch(proposal.id, office, reporter)
        return await self._answer(proposal)

    async def _answer(self, proposal: Proposal) -> WriteResult:
        """What became of it, and of each of its lines."""
        if proposal.state == "superseded":
            raise Refused(
                "a payment run that was released meanwhile pays this bill in its place",
                next_step="This one wrote nothing. list_proposals shows the run's own payment of the bill.",
            )
        if not kind_named(proposal.tool).lines(thaw(proposal)):
            return self.views.result(proposal)
        lines = await self.store.read(lambda tx: tx.proposals.of_run(proposal.id))
        if proposal.state == "failed":
            raise nothing_recorded(proposal, lines)
        return run_result(self.views.result(proposal), proposal.fields, lines)

    async def _settled_or_on_its_way(self, frozen: Frozen, policy: Policy) -> Proposal | None:
        """The same intent when it needs no new judgement: it is being sent, or a person declined it lately."""
        waits = timedelta(hours=policy.proposals.expire_hours)

        def look(tx: Tx) -> Proposal | None:
            latest = tx.proposals.latest_with_digest(frozen.company_id, frozen.digest)
            if latest is None:
                return None
            if latest.state in ("released", "dispatching", "unknown"):
                return latest
            return latest if latest.state == "declined" and tx.now - latest.updated_at < waits else None

        return await self.store.read(look)

    async def _judge(
        self, kind: Kind, frozen: Frozen, office: Office, policy: Policy, *, with_limits: bool
    ) -> Judgement:
        facts = await gather_facts(kind, frozen, office, policy)
        return await self.store.read(lambda tx: assess(tx, kind, frozen, facts, policy, with_limits=with_limits))

    async def _hold(
        self, frozen: Frozen, judgement: Judgement, office: Office, policy: Policy, preparer: str
    ) -> Proposal:
        """Writes the proposal down, or takes up the open one for the same intent."""

        def hold(tx: Tx) -> Proposal:
            existing = tx.proposals.open_with_digest(frozen.company_id, frozen.digest)
            if existing is not None and existing.state == "held" and existing.expires_at <= tx.now:
                journal.expire(tx, existing.id)
                existing = None
            if existing is None:
                fresh = _proposal(frozen, judgement, office, policy, preparer, tx)
                journal.propose(tx, fresh, judgement)
                return fresh
            if existing.state == "held":
                journal.note_judgement(tx, existing.id, judgement)
                if for_good(judgement):
                    tx.proposals.move(existing.id, ["held"], "refused")
            return journal.get(tx, existing.id)

        proposal = await self.store.write(hold)
        if judgement.verdict is Severity.REFUSE and proposal.state in ("held", "refused"):
            severe = [f.message for f in judgement.findings if f.severity is Severity.REFUSE]
            raise Refused("; ".join(severe), findings=judgement.findings)
        return proposal

    async def _release(self, proposal: Proposal, policy: Policy, asker: Asker) -> Proposal:
        """`allow` releases itself, `ask` may be answered in the chat; everything above waits for a named approver."""
        if proposal.verdict is Severity.ALLOW:
            return await self.store.write(lambda tx: _released(tx, proposal, "policy"))
        if proposal.verdict is not Severity.ASK or not asker.can_ask:
            return proposal
        brought = asker.answered()
        if brought is not None:
            answer = brought.answer
            if policy.asking.must_be_typed(proposal.money) and answer is Answer.ACCEPTED:
                assert proposal.money is not None
                answer = answer if is_amount(brought.typed, proposal.money) else Answer.DECLINED
            consumed, current = await self._consume(proposal, brought.question_id, answer)
            if consumed:
                return current
            if current.state != "held":
                return current
        valid = policy.asking.valid_seconds
        question_id = await self.store.write(lambda tx: tx.questions.ask(proposal.id, proposal.fingerprint, valid))
        typed = proposal.money if policy.asking.must_be_typed(proposal.money) else None
        question = Question(question_id, _question(proposal), policy.asking.timeout_seconds, typed)
        answer = await asker.ask(question)
        _, current = await self._consume(proposal, question_id, answer)
        return current

    async def _consume(self, proposal: Proposal, question_id: str, answer: Answer) -> tuple[bool, Proposal]:
        """Takes an answer once. Anything but an acceptance leaves the proposal held: some clients decline unasked."""

        def consume(tx: Tx) -> tuple[bool, Proposal]:
            taken = tx.questions.answer(question_id, proposal.id, proposal.fingerprint, answer.value)
            if not taken:
                return False, journal.get(tx, proposal.id)
            tx.audit.append("answered", actor="chat", proposal_id=proposal.id, answer=answer.value)
            if answer is Answer.ACCEPTED:
                tx.proposals.approve(proposal.id, "chat", "chat", proposal.fingerprint)
                return True, _released(tx, proposal, "chat")
            return True, journal.get(tx, proposal.id)

        return await self.store.write(consume)


def _released(tx: Tx, proposal: Proposal, channel: str) -> Proposal:
    journal.release(tx, proposal.id, actor=channel, channel=channel)
    return journal.get(tx, proposal.id)


def _proposal(frozen: Frozen, judgement: Judgement, office: Office, policy: Policy, preparer: str, tx: Tx) -> Proposal:
    return Proposal(
        # The id is the Idempotency-Key too, for which Rutter advises a version 4 UUID.
        id=str(uuid.uuid4()),
        digest=frozen.digest,
        company_id=frozen.company_id,
        company_name=office.company.name,
        environment=office.company.environment,
        tool=frozen.tool,
        fields=frozen.fields,
        summary=frozen.summary,
        state="refused" if judgement.verdict is Severity.REFUSE else "held",
        verdict=judgement.verdict,
        approvals_needed=judgement.approvals_needed,
        fingerprint=judgement.fingerprint,
        findings=judgement.findings,
        policy_version=judgement.policy_version,
        preparer=preparer,
        money=frozen.money,
        vendor_id=frozen.vendor_id,
        vendor_name=frozen.vendor_name,
        bill_id=frozen.bill_id,
        record=None,
        created_at=tx.now,
        updated_at=tx.now,
        expires_at=tx.now + timedelta(hours=policy.proposals.expire_hours),
    )


def _question(proposal: Proposal) -> str:
    reasons = "; ".join(f.message for f in proposal.findings if not f.code.startswith("policy."))
    where = f"{proposal.company_name} ({proposal.environment})"
    return f"{proposal.summary}, in the books of {where}?" + (f" Note: {reasons}." if reasons else "")
