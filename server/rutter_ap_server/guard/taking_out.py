"""Taking a payment out of a run: a new proposal without it takes the place of the old one, in one transaction.

What people release is what they were shown, so a run is never changed. Both are prepared by whoever prepared the first
one: who takes a payment out chooses nothing that is paid, and is named in the audit chain.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta

from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.ledgers import require_in_use
from rutter_ap_server.guard import journal
from rutter_ap_server.guard.approvals import Approvals, check_signed_for
from rutter_ap_server.guard.approvers import By, NotReleased, still_active
from rutter_ap_server.guard.journal import CompanyOf
from rutter_ap_server.guard.judge import assess
from rutter_ap_server.guard.store_facts import linked_accounts
from rutter_ap_server.guard.writes.propose_payment_run import PaymentRun
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.errors import Refused
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.payments import ProposePaymentRun


async def take_out(
    approvals: Approvals, run_id: str, bill_id: str, company: Company, *, by: By, channel: str
) -> Proposal:
    """The proposal of the run without its payment of that bill; the run itself is withdrawn.

    It waits for people, also where the policy would let an assistant send it. Raises `NotReleased` if `by` proves
    nobody, or the run does not wait or would be empty, `Refused` if a rule refuses the rest, and any `ApError` that
    prevented reading the facts; in each of these cases the run stays as it is.
    """
    check_signed_for(by, "take-out", run_id, {"bill": bill_id})
    person = await approvals.prove(by, channel=channel)
    approver, dispatcher = person.approver, approvals.dispatcher
    policy = await dispatcher.policy.read()
    run = await dispatcher.store.read(lambda tx: journal.sound(tx, run_id))
    request = _without(run, bill_id)
    write = PaymentRun()
    prepared = await write.prepare(request, company, linked_accounts(dispatcher.store, company.ledger_id))
    facts = await dispatcher.facts(write, prepared, company)

    def put_in_its_place(tx: Tx) -> Proposal:
        still_active(tx, approver)
        old = journal.sound(tx, run_id)
        _check_waits(old, tx)
        require_in_use(tx, prepared.company_id, company.id)
        same = tx.proposals.open_with_digest(prepared.company_id, prepared.digest)
        if same is not None and same.state != State.HELD:
            raise _not_possible("that run is being sent already")
        if same is not None and same.expires_at <= tx.now:
            journal.expire(tx, same.id)
            same = None
        new_id = same.id if same else str(uuid.uuid4())
        # Before the rest is judged: the run itself would be another open proposal on the same bills.
        reason = f"replaced by {new_id}, without the payment of {_named(old, bill_id)}"
        journal.withdraw(tx, old.id, actor=approver.name, channel=channel, reason=reason)
        judgement = assess(tx, write, prepared, facts, policy, except_id=new_id)
        if judgement.verdict is Severity.REFUSE:
            severe = [one.message for one in judgement.findings if one.severity is Severity.REFUSE]
            raise Refused("; ".join(severe), findings=judgement.findings)
        if same is not None:
            journal.note_judgement(tx, new_id, judgement)
        else:
            fresh = journal.new_proposal(
                tx,
                prepared,
                judgement,
                company=CompanyOf(company.name, company.environment),
                preparer=old.preparer,
                state=State.HELD,
                expires_at=tx.now + timedelta(hours=policy.proposals.expire_hours),
                reason=old.reason,
            )
            journal.propose(tx, replace(fresh, id=new_id), judgement)
        who = {"actor": approver.name, "approver_id": approver.id, "channel": channel, **person.recorded}
        tx.audit.append("payment_taken_out", proposal_id=new_id, run=old.id, bill=bill_id, **who)
        return journal.get(tx, new_id)

    return await dispatcher.store.write(put_in_its_place)


def _without(run: Proposal, bill_id: str) -> ProposePaymentRun:
    """The request for the rest of the run. Raises `NotReleased` if there is no rest, or no such payment."""
    if run.tool != PaymentRun.tool:
        raise _not_possible("this is no payment run")
    bills = [line["bill_id"] for line in run.fields["lines"]]
    rest = [one for one in bills if one != bill_id]
    if len(rest) == len(bills):
        raise _not_possible("this run does not pay that bill")
    if not rest:
        raise NotReleased(
            "it is the only payment of this run", code="run.only_payment", next_step="Decline the run instead."
        )
    fields = run.fields
    return ProposePaymentRun(
        bill_ids=rest,
        account=fields["account_id"],
        date=fields["date"] if fields["date_given"] else "",
        memo=fields["memo"],
        reason=run.reason,
    )


def _named(run: Proposal, bill_id: str) -> str:
    number = next(line["number"] for line in run.fields["lines"] if line["bill_id"] == bill_id)
    return f"bill {number or bill_id}"


def _check_waits(run: Proposal, tx: Tx) -> None:
    if run.state != State.HELD or run.expires_at <= tx.now:
        raise _not_possible(f"the run is {run.state if run.state != State.HELD else 'expired'}")


def _not_possible(why: str) -> NotReleased:
    return NotReleased(f"{why}; nothing was taken out", code="approval.not_waiting", next_step="Look at it again.")
