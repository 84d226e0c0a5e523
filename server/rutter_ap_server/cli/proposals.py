"""`rutter-ap proposals`: what people do with proposals. A passcode is asked for, and is never an argument."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from typing import Any

from rutter_ap_server.app import App
from rutter_ap_server.cli.command import AS_JSON, PROPOSAL, argument
from rutter_ap_server.cli.output import line, money, print_json
from rutter_ap_server.cli.passcode import ask_line, ask_proof_of, one_of
from rutter_ap_server.cli.progress import progress_of
from rutter_ap_server.cli.proposal_table import show_books
from rutter_ap_server.cli.running import CHANNEL, app_command
from rutter_ap_server.cli.screen import gist, show_statement, show_table, show_text
from rutter_ap_server.guard.approvals import NotReleased
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.guard.reports.proposal import full_answer
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.errors import Tampered
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import CLOSED_STATES, OPEN_STATES, State
from rutter_ap_tools.errors import BadInput, NotFound
from rutter_ap_tools.names import canonical_name
from rutter_ap_tools.payments import RunPayment
from rutter_ap_tools.proposals import ProposalAnswer
from rutter_ap_tools.statement import Statement
from rutter_ap_tools.text import clean, quote

_AS = argument("--as", dest="name", default="", help="your name as an approver; needed when there are several")
_REASON = argument("--reason", default="", help="why; asked for at a terminal")
_LISTED_MAX = 200
_OVER = "It is over. If it is still wanted, ask the assistant to propose it again."


@app_command(argument("--all", action="store_true", help="include settled proposals"), AS_JSON)
async def list_proposals(app: App, given: argparse.Namespace) -> int:
    """What waits for a person, and what happened without one since the last look, newest first."""
    found = await app.store.read(
        lambda tx: tx.proposals.in_states((*OPEN_STATES, *CLOSED_STATES) if given.all else OPEN_STATES, _LISTED_MAX)
    )
    if given.json:
        print_json([_brief(one) for one in found])
        return 0

    def look(tx: Tx) -> tuple[dict[str, int], list[Proposal], datetime]:
        counts = {one.id: len(tx.proposals.approvals(one.id)) for one in found}
        return counts, tx.proposals.unasked_since(tx.controls.last_look()), tx.now

    counts, unasked, now = await app.store.read(look)
    if found:
        show_books(found, counts, now)
    else:
        line("No proposals." if given.all else "No proposals are waiting.")
    if len(found) >= _LISTED_MAX:
        show_text(f"Only the newest {_LISTED_MAX} are listed; `rutter-ap audit export` has all of them.", style="")
    if unasked:
        await _show_unasked(app, unasked, counts, now)
    return 0


async def _show_unasked(app: App, unasked: list[Proposal], counts: dict[str, int], now: datetime) -> None:
    """All of them, those that were written first. Only at a terminal has a person seen them, and only these."""
    line()
    show_text("Written without asking anyone, refused or failed since the last look:")
    show_books(unasked, counts, now)
    written = sum(one.state == State.POSTED for one in unasked)
    others = len(unasked) - written
    if written and others:
        show_text(f"{written} written without asking anyone, which stand first; {others} refused or failed.", style="")
    sys.stdout.flush()
    if sys.stdout.isatty():
        shown_up_to = max(one.updated_at for one in unasked)
        await app.store.write(lambda tx: tx.controls.note_look(shown_up_to))


@app_command(PROPOSAL, AS_JSON)
async def show(app: App, given: argparse.Namespace) -> int:
    """One proposal in full. Raises `Tampered` for one that was edited by hand: what it says may be anything."""
    named = await proposal_named(app, given.proposal)
    if named.damaged:
        raise Tampered(f"proposal {named.id}")
    await _print(app, named, as_json=given.json, whole=True)
    return 0


@app_command(PROPOSAL, _AS, AS_JSON)
async def approve(app: App, given: argparse.Namespace) -> int:
    """Shows all that would be released, asks for the passcode, releases it, and says what became of it."""
    named = await proposal_named(app, given.proposal)
    company = await app.company_of(named)
    seen = await app.approvals.preview(named.id, company)
    show_statement(seen.statement, sys.stderr, state=seen.proposal.state)
    # What cannot be released, or not by this person, asks for no passcode.
    _check_state(seen.proposal, State.HELD)
    seen.check()
    name = await _approver(app, given.name)
    await app.approvals.check_person(seen, name)
    by = await _ask_proof(app, "Release", seen.proposal, seen.statement, name)
    with progress_of(seen.proposal) as interaction:
        done = await app.approvals.approve(seen, company, by=by, channel=CHANNEL, interaction=interaction)
    await _print(app, done, as_json=given.json)
    # Released but held for a second person is a success; an outcome that is not posted is not.
    return 0 if done.state in (State.POSTED, State.HELD) else 1


@app_command(PROPOSAL, _AS, _REASON, AS_JSON)
async def decline(app: App, given: argparse.Namespace) -> int:
    """Shows a held proposal and declines it for good; the assistant hears the reason."""
    proposal, statement = await _shown(app, given.proposal, State.HELD)
    name = await _approver(app, given.name)
    reason = given.reason or ask_line("Why do you decline it? The assistant hears this: ")
    by = await _ask_proof(app, "Decline", proposal, statement, name)
    done = await app.approvals.decline(proposal.id, by=by, channel=CHANNEL, reason=reason)
    await _print(app, done, as_json=given.json)
    return 0


@app_command(PROPOSAL, _REASON, AS_JSON)
async def withdraw(app: App, given: argparse.Namespace) -> int:
    """Takes back a held proposal for whoever made it; nothing is written."""
    proposal = await proposal_named(app, given.proposal)
    _check_state(proposal, State.HELD)
    done = await app.approvals.withdraw(proposal.id, channel=CHANNEL, reason=given.reason)
    await _print(app, done, as_json=given.json)
    return 0


@app_command(
    PROPOSAL,
    _AS,
    argument("outcome", choices=["posted", "failed"], help="what the ledger shows"),
    argument(
        "--record", default="", metavar="ID", help="which record in the ledger it is, if that is not found by itself"
    ),
    AS_JSON,
)
async def resolve(app: App, given: argparse.Namespace) -> int:
    """Settles an unknown outcome after a person checked the ledger."""
    proposal, statement = await _shown(app, given.proposal, State.UNKNOWN)
    name = await _approver(app, given.name)
    by = await _ask_proof(app, f"Settle as {given.outcome}", proposal, statement, name)
    company = await app.company_of(proposal)
    done = await app.approvals.settle_by_hand(
        proposal.id,
        given.outcome,
        by=by,
        channel=CHANNEL,
        company=company,
        record_id=given.record,
    )
    await _print(app, done, as_json=given.json)
    return 0


async def proposal_named(app: App, reference: str) -> Proposal:
    """The proposal with that id, or whose id starts with it. Raises `NotFound` or `Ambiguous`."""
    try:
        return await app.proposal(reference.strip().lower())
    except NotFound as error:
        step = "Run `rutter-ap proposals list --all` to see every proposal."
        raise NotFound(error.message, code=error.error_code, next_step=step) from None


async def _approver(app: App, name: str) -> str:
    known = [one.name for one in await app.store.read(lambda tx: tx.approvers.active())]
    if not known:
        raise BadInput(
            "there is no approver yet",
            code="approval.nobody",
            next_step="Add one with `rutter-ap approvers add NAME`.",
        )
    acting = canonical_name(one_of(known, name))
    for one in known:
        if canonical_name(one) == acting:
            return one
    raise NotReleased(
        f"{clean(name)} is no approver; nothing was released or declined",
        code="approver.unknown",
        next_step=f"The approvers are: {', '.join(map(clean, known))}.",
    )


async def _shown(app: App, reference: str, state: State) -> tuple[Proposal, Statement]:
    """Shows a proposal whole to the person who is about to act on it. Raises `NotReleased` in another state."""
    proposal = await proposal_named(app, reference)
    statement = (await _answer(app, proposal)).statement
    show_statement(statement, sys.stderr, state=proposal.state)
    _check_state(proposal, state)
    return proposal, statement


def _check_state(proposal: Proposal, state: State) -> None:
    """Raises `NotReleased`, with what to do instead, so that nothing is asked in vain."""
    if proposal.state != state:
        raise NotReleased(
            f"the proposal is {proposal.state}, not {state}; nothing was changed",
            code="approval.not_waiting",
            next_step=_step(proposal.state, proposal.id) or _OVER,
        )


async def _ask_proof(app: App, action: str, proposal: Proposal, statement: Statement, name: str) -> Proof:
    """What proves who acts, with what it is for right above it: the statement may have scrolled away."""
    where = f"{clean(proposal.company_name, 60)} ({proposal.environment})"
    show_text(f"{action}: {clean(proposal.summary, 1000)}; {where}", sys.stderr)
    show_text(f"Findings: {gist(statement)}", sys.stderr)
    return await ask_proof_of(app, name)


async def _answer(app: App, proposal: Proposal) -> ProposalAnswer:
    return await full_answer(proposal, store=app.store, policy=app.policy, views=app.views)


async def _print(app: App, proposal: Proposal, *, as_json: bool, whole: bool = False) -> None:
    """The proposal as it is now: its `whole` statement, or only what became of it if the person has just read that."""
    answer = await _answer(app, proposal)
    if as_json:
        print_json(answer.model_dump(mode="json", exclude_none=True))
        return
    one = answer.proposal
    if whole:
        show_statement(answer.statement, state=one.state)
    else:
        show_text(f"{one.state.upper()}: {clean(one.summary, 1000)}")
        show_text(f"{clean(answer.company.name or answer.company.id, 60)} ({answer.environment})", style="")
        _print_waiting(answer)
    attempt = await app.store.read(lambda tx: tx.attempts.last(proposal.id))
    _print_outcome(answer, attempt.reason if attempt is not None else "", whole=whole)


def _print_waiting(answer: ProposalAnswer) -> None:
    """Why a proposal is held although a person has just released it."""
    one = answer.proposal
    if one.state != State.HELD:
        return
    people = ", ".join(clean(approval.approver) for approval in one.approvals)
    words = "Nothing was sent: something changed after the release, so it waits for a person again."
    if people:
        so_far = f"{len(one.approvals)} of {one.approvals_needed}"
        words = f"Released by {people}: {so_far}. Nothing was sent yet; another approver must release it too."
    show_text(words, style="")


def _print_outcome(answer: ProposalAnswer, sending: str | None, *, whole: bool) -> None:
    one = answer.proposal
    if one.closed_by:
        show_text(
            f"{one.state} by {clean(one.closed_by)}: {quote(one.closed_reason, 1000) or 'no reason given'}", style=""
        )
    if one.record:
        show_text(f"record: {one.record.kind} {one.record.id}", style="")
    if answer.lines and one.state != State.HELD:
        _print_payments(answer.lines, whole=whole)
    if sending:
        show_text(f"sending: {sending}", style="")
    if answer.release_url:
        line(f"approvals desk: {answer.release_url}")
    if step := _step(one.state, one.id):
        show_text(f"Next: {step}", style="")


def _print_payments(payments: list[RunPayment], *, whole: bool) -> None:
    """The payments of a run; after a release only how many are posted, and those that are not."""
    posted = [one for one in payments if one.status == State.POSTED]
    show_text(f"{len(posted)} of {len(payments)} payments posted", style="")
    shown = payments if whole else [one for one in payments if one not in posted]
    if shown:
        show_table(("amount", "payee", "bill", "due", "outcome"), [_payment(one) for one in shown])


def _payment(payment: RunPayment) -> tuple[str, ...]:
    return (
        money(payment.amount.money),
        clean(payment.vendor.name or payment.vendor.id, 120),
        clean(payment.document_number or payment.bill_id, 120),
        str(payment.due_date or ""),
        payment.status + (f": {clean(payment.note, 1000)}" if payment.note else ""),
    )


def _step(state: str, proposal_id: str) -> str:
    """What a person may do about a proposal in that state; empty if it is over."""
    match state:
        case State.HELD:
            return f"`rutter-ap proposals approve {proposal_id}`, or `rutter-ap proposals decline {proposal_id}`."
        case State.RELEASED | State.DISPATCHING:
            return f"It is being sent. Run `rutter-ap proposals show {proposal_id}` in a minute."
        case State.UNKNOWN:
            return (
                f"Check the ledger, then run `rutter-ap proposals resolve {proposal_id} posted`, or failed. The server "
                "keeps trying to find out."
            )
        case _:
            return ""


def _brief(one: Proposal) -> dict[str, Any]:
    return {
        "id": one.id,
        "state": one.state,
        "tool": one.tool,
        "summary": one.summary,
        "company": one.company_name,
        "verdict": one.verdict.word,
        "approvals_needed": one.approvals_needed,
        "expires_at": one.expires_at.isoformat(),
    }
