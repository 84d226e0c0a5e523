"""Views: a proposal as the assistant and the person see it, with a sentence on what to do next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Any

from rutter_ap_server.companies.company import CompanyIdentity
from rutter_ap_server.guard.judgement import Judgement
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Batch
from rutter_ap_server.guard.writes.registry import proposed_by
from rutter_ap_server.installed import as_installed
from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.proposals import Approval, Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools import proposals as shapes
from rutter_ap_tools.errors import Refused
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.money import Money
from rutter_ap_tools.payments import LeftOut, RunPayment, RunResult, VendorTotal
from rutter_ap_tools.statement import Statement
from rutter_ap_tools.text import quote
from rutter_ap_tools.wire import CompanyNamed, MoneyShape, Named, Record, WriteResult, WriteStatus

_STATUS: dict[State, WriteStatus] = {
    State.HELD: "held",
    State.EXPIRED: "held",
    State.POSTED: "posted",
    State.DECLINED: "declined",
    State.WITHDRAWN: "withdrawn",
    State.RELEASED: "unknown",
    State.DISPATCHING: "unknown",
    State.UNKNOWN: "unknown",
}


class Views:
    """Builds results. `desk_address` finds the approvals desk, and is asked only when a person is needed there."""

    def __init__(self, desk_address: Callable[[], Awaitable[str]]) -> None:
        self._desk_address = desk_address

    async def release_url(self, proposal: Proposal) -> str | None:
        """The address at which a person can release it, if there is such a page and it is still held.

        It only leads there: what it takes to release is in no address.
        """
        if proposal.state != State.HELD:
            return None
        address = await self._desk_address()
        return f"{address}/{proposal.id}" if address else None

    async def result(self, proposal: Proposal) -> WriteResult:
        """The result of a write. Raises `Refused` for one that was refused or failed."""
        if proposal.state in (State.REFUSED, State.FAILED):
            raise Refused(
                self._why(proposal),
                findings=proposal.findings,
                next_step="Nothing was written. Tell the person why; do not try to work around it.",
            )
        url = await self.release_url(proposal)
        return WriteResult(
            company=CompanyNamed(id=proposal.connection_id, name=proposal.company_name or None),
            environment=proposal.environment,
            status=_STATUS[proposal.state],
            verdict=proposal.verdict.word,
            proposal_id=proposal.id,
            summary=proposal.summary,
            findings=list(proposal.findings),
            record=Record(**proposal.record) if proposal.record else None,
            release_url=url,
            next_step=self.next_step(proposal, url),
        )

    def dry_run(self, company: CompanyIdentity, prepared: PreparedWrite, judgement: Judgement) -> WriteResult:
        """The result of a preview, with the full verdict."""
        would = {
            Severity.ALLOW: "It would be written at once.",
            Severity.ASK: "It would be held until a person confirms it, in the chat if the client supports that.",
            Severity.APPROVE: f"It would be held: {_people(judgement.approvals_needed)}, outside the chat.",
            Severity.REFUSE: "It would be refused.",
        }[judgement.verdict]
        return WriteResult(
            company=company.named,
            environment=company.environment,
            status="dry_run",
            verdict=judgement.verdict.word,
            summary=prepared.summary,
            findings=list(judgement.findings),
            next_step=f"{would} Nothing was changed.",
        )

    def shape(self, proposal: Proposal, approvals: tuple[Approval, ...]) -> shapes.ProposalShape:
        """A proposal in full."""
        return shapes.ProposalShape(
            id=proposal.id,
            tool=proposal.tool,
            state=proposal.state,
            verdict=proposal.verdict.word,
            summary=proposal.summary,
            amount=MoneyShape.of(proposal.money) if proposal.money else None,
            payee=Named(id=proposal.vendor_id, name=proposal.vendor_name) if proposal.vendor_id else None,
            findings=list(proposal.findings),
            approvals=[shapes.Approval(approver=a.approver, at=a.at, channel=a.channel) for a in approvals],
            approvals_needed=proposal.approvals_needed,
            preparer=proposal.preparer,
            reason=proposal.reason or None,
            closed_by=proposal.closed_by or None,
            closed_reason=proposal.closed_reason or None,
            created_at=proposal.created_at,
            expires_at=proposal.expires_at,
            record=Record(**proposal.record) if proposal.record else None,
        )

    async def answer(
        self,
        proposal: Proposal,
        approvals: tuple[Approval, ...],
        statement: Statement,
        limits: Sequence[shapes.LimitLeft] = (),
        lines: Sequence[RunPayment] = (),
    ) -> shapes.ProposalAnswer:
        """The result of `get_proposal`."""
        url = await self.release_url(proposal)
        return shapes.ProposalAnswer(
            company=CompanyNamed(id=proposal.connection_id, name=proposal.company_name or None),
            environment=proposal.environment,
            proposal=self.shape(proposal, approvals),
            statement=statement,
            limits=list(limits),
            lines=list(lines) or None,
            release_url=url,
            next_step=self.next_step(proposal, url),
        )

    def next_step(self, proposal: Proposal, url: str | None) -> str:
        """What to do next; `url` is where a person can release it."""
        match proposal.state:
            case State.HELD:
                at = f" at {url}, or" if url else ""
                return as_installed(
                    f"Held: nothing has been written. {_people(proposal.approvals_needed).capitalize()}{at} with "
                    f"`rutter-ap proposals approve {proposal.id}`. get_proposal with wait_seconds waits for that; "
                    "do not send it again."
                )
            case State.RELEASED | State.DISPATCHING:
                return "It is released and being sent. Check the outcome with get_proposal; do not send it again."
            case State.POSTED:
                return _posted(proposal)
            case State.DECLINED:
                said = f" Their reason: {quote(proposal.closed_reason, 500)}." if proposal.closed_reason else ""
                return f"A person declined this.{said} Do not propose it again unless they ask for it."
            case State.WITHDRAWN:
                return "It was withdrawn before anyone released it; nothing was written."
            case State.EXPIRED:
                return "It expired because nobody released it in time. Call again if it is still needed."
            case State.UNKNOWN:
                return as_installed(
                    "It was sent, but its outcome is not known yet. Do not send it again. Check later with "
                    f"get_proposal; a person can settle it with `rutter-ap proposals resolve {proposal.id}`."
                )
            case State.SUPERSEDED:
                return "A payment run has replaced it. Find the run with list_proposals."
            case _:
                return f"Nothing was written: {self._why(proposal)}."

    def _why(self, proposal: Proposal) -> str:
        severe = [f.message for f in proposal.findings if f.severity is Severity.REFUSE]
        if severe:
            return "; ".join(severe)
        return "the accounting platform rejected it" if proposal.state == State.FAILED else "it was refused"


def _posted(proposal: Proposal) -> str:
    if not (proposal.record or {}).get("difference"):
        return "Done: the ledger shows it."
    held = "" if proposal.tool == "create_credit" else " The next payment of this bill is held for an approver."
    return f"The ledger shows it, but not at the amount that was released: tell the person both amounts.{held}"


def _people(needed: int) -> str:
    return "two different approvers must release it" if needed > 1 else "an approver must release it"


_NOTED = (State.HELD, State.FAILED, State.REFUSED, State.EXPIRED, State.DECLINED, State.WITHDRAWN)


def run_result(result: WriteResult, fields: dict[str, Any], lines: Sequence[Proposal]) -> RunResult:
    """The result of a run: that of the whole, with its totals and lines."""
    currency = fields["currency"]
    amounts = [Money.parse(line["amount"], currency) for line in fields["lines"]]
    return RunResult(
        **dict(result),
        total=MoneyShape.of(Money.total(amounts, currency)),
        vendors=_by_vendor(fields),
        lines=run_lines(fields, lines, result.status),
        left_out=[
            LeftOut(bill_id=one["bill_id"], document_number=one["number"] or None, reason=one["reason"])
            for one in fields["left_out"]
        ],
    )


async def lines_of(store: Store, proposal: Proposal) -> list[RunPayment]:
    """The lines of a stored run; empty for any other proposal."""
    if not isinstance(proposed_by(proposal.tool), Batch):
        return []
    lines = await store.read(lambda tx: tx.proposals.of_run(proposal.id))
    return run_lines(proposal.fields, lines, proposal.state)


def run_lines(fields: dict[str, Any], lines: Sequence[Proposal], status: str) -> list[RunPayment]:
    """Each line with the state of its own payment; before the release, with that of the run."""
    of_bill = {line.bill_id: line for line in lines}
    return [
        _line(line, fields["currency"], of_bill.get(line["bill_id"]), status, bool(lines)) for line in fields["lines"]
    ]


def nothing_recorded(run: Proposal, lines: Sequence[Proposal]) -> Refused:
    """The error for a run that recorded no payment."""
    if not lines:
        return Refused(
            "every bill in this run was already being paid by another proposal, so the run paid nothing",
            findings=run.findings,
            next_step="list_proposals shows those payments. Do not propose them again.",
        )
    reasons = [f"{line.summary}: {_why(line)}" for line in lines[:3]]
    return Refused(
        f"none of the run's {len(lines)} payments was recorded: {'; '.join(reasons)}",
        findings=run.findings,
        next_step="Tell the person why; list_proposals shows each payment. Do not try to work around it.",
    )


def _line(line: dict[str, Any], currency: str, own: Proposal | None, status: str, opened: bool) -> RunPayment:
    return RunPayment(
        bill_id=line["bill_id"],
        document_number=line["number"] or None,
        vendor=Named(id=line["vendor_id"], name=line["vendor_name"]),
        due_date=date.fromisoformat(line["due_date"]) if line["due_date"] else None,
        amount=MoneyShape(amount=line["amount"], currency=currency),
        status=own.state if own else "not sent: already paid, or being paid by another proposal" if opened else status,
        proposal_id=own.id if own else None,
        note=_why(own) if own and own.state in _NOTED else None,
    )


def _by_vendor(fields: dict[str, Any]) -> list[VendorTotal]:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for line in fields["lines"]:
        grouped.setdefault(line["vendor_id"], []).append(line)
    totals = []
    for vendor_id, own in grouped.items():
        total = Money.total((Money.parse(line["amount"], fields["currency"]) for line in own), fields["currency"])
        named = Named(id=vendor_id, name=own[0]["vendor_name"])
        totals.append((total, VendorTotal(vendor=named, bills=len(own), total=MoneyShape.of(total))))
    return [shape for _, shape in sorted(totals, key=lambda one: -one[0].amount)]


def _why(line: Proposal) -> str:
    severe = [one.message for one in line.findings if one.severity is Severity.REFUSE]
    if severe:
        return "; ".join(severe)
    needed = [one.message for one in line.findings if one.severity is Severity.APPROVE]
    return "; ".join(needed) or f"it is {line.state}"
