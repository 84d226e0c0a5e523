"""A run's lines in the store: created when it is released, each as its own proposal, and added up at the end."""

from __future__ import annotations

from rutter_ap_server.guard import journal
from rutter_ap_server.guard.journal import CompanyOf
from rutter_ap_server.guard.judgement import Judgement, covers_of
from rutter_ap_server.guard.statement import body_of, sealed
from rutter_ap_server.store.canonical import canonical
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.proposals import Approval, Proposal
from rutter_ap_server.store.states import IN_FLIGHT_STATES, SENDING_STATES, State
from rutter_ap_tools.money import Money
from rutter_ap_tools.wire import MoneyShape, Record

_ENDED = (State.POSTED, State.FAILED)


def open_members(tx: Tx, run: Proposal, judgement: Judgement, approvals: tuple[Approval, ...]) -> None:
    """Stores every line as released by the people who released the run, each for its own facts.

    A bill that was paid meanwhile is no line any more. A line is exactly the write `pay_bill` would propose: a held
    proposal for it is superseded, and one already in progress is left alone, so that no bill is ever paid by both.
    """
    for prepared, judged in judgement.parts:
        earlier = tx.proposals.open_with_digest(prepared.company_id, prepared.digest)
        if earlier is not None and earlier.state == State.HELD:
            tx.proposals.move(earlier.id, [State.HELD], State.SUPERSEDED)
            tx.audit.append("superseded", actor="guard", proposal_id=earlier.id, run=run.id)
        elif earlier is not None:
            tx.audit.append("line_skipped", actor="guard", proposal_id=run.id, other=earlier.id)
            continue
        line = journal.new_proposal(
            tx,
            prepared,
            judged,
            company=CompanyOf(run.company_name, run.environment),
            preparer=run.preparer,
            state=State.RELEASED,
            expires_at=run.expires_at,
            # A part of the run needs at least as many people as the whole run.
            approvals_needed=max(judged.approvals_needed, judgement.approvals_needed),
            run_id=run.id,
        )
        journal.propose(tx, line, judged)
        as_released = sealed(judged.sections)
        tx.proposals.keep_statement(line.id, as_released.digest, body_of(as_released))
        # A line is released for what was found of it and of the run as a whole, and for nothing found later.
        covers = covers_of(judged.requires | judgement.requires)
        for approval in approvals:
            tx.proposals.approve(
                line.id,
                approval.approver,
                approval.channel,
                judged.fingerprint,
                covers=covers,
                statement=approval.statement,
                approver_id=approval.approver_id,
            )
        tx.audit.append("released", actor="guard", proposal_id=line.id, channel="run", run=run.id)
    tx.audit.append("run_opened", actor="guard", proposal_id=run.id, lines=len(judgement.parts))


def settle_batch(tx: Tx, run_id: str) -> Proposal:
    """Ends a run once every line has an outcome; until then it stays open like they are."""
    run, lines = journal.get(tx, run_id), tx.proposals.of_run(run_id)
    if run.state not in SENDING_STATES or run.money is None:
        return run
    states = {line.state for line in lines}
    if states & set(IN_FLIGHT_STATES):
        state = State.UNKNOWN if states & set(SENDING_STATES) or run.state == State.UNKNOWN else State.DISPATCHING
        tx.proposals.drop_lease(run_id)
        if state != run.state:
            tx.proposals.move(run_id, SENDING_STATES, state)
        return journal.get(tx, run_id)
    _count_up(tx, run, lines, SENDING_STATES)
    return journal.get(tx, run_id)


def recount(tx: Tx, run_id: str) -> None:
    """Updates a run that has ended, when a line that was held at the time is released and paid later.

    One that was damaged or deleted by hand is left alone: what became of its line is recorded all the same.
    """
    run = tx.proposals.get(run_id)
    if run is not None and run.state in _ENDED and run.money is not None:
        _count_up(tx, run, tx.proposals.of_run(run_id), _ENDED)


def _count_up(tx: Tx, run: Proposal, lines: list[Proposal], from_states: tuple[State, ...]) -> None:
    assert run.money is not None
    posted = [line.money for line in lines if line.state == State.POSTED and line.money is not None]
    paid = Money.total(posted, run.money.currency)
    state = State.POSTED if posted else State.FAILED
    record = Record(kind="payment_run", id=run.id, amount=MoneyShape.of(paid))
    kept = {"record": canonical(record.model_dump(exclude_none=True))} if posted else {}
    tx.proposals.move(run.id, from_states, state, lease_owner=None, lease_until=None, **kept)
    states = sorted({line.state for line in lines})
    counted = {one.value: sum(line.state == one for line in lines) for one in states}
    tx.audit.append(state.value, actor="guard", proposal_id=run.id, lines=counted, paid=str(paid))
