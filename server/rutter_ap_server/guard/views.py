"""Views: a proposal as the assistant and the person see it, with the one sentence of what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from rutter_ap_server.guard.frozen import Frozen
from rutter_ap_server.guard.judge import Judgement
from rutter_ap_server.lookup.office import Company
from rutter_ap_server.store.proposals import Approval, Proposal
from rutter_ap_tools import proposals as shapes
from rutter_ap_tools.errors import Refused
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.payment_runs import RunLine
from rutter_ap_tools.wire import MoneyShape, Named, Record, WriteResult, WriteStatus

_STATUS: dict[str, WriteStatus] = {
    "held": "held",
    "expired": "held",
    "posted": "posted",
    "declined": "declined",
    "released": "unknown",
    "dispatching": "unknown",
    "unknown": "unknown",
}


class Views:
    """Shapes answers; knows where a person releases."""

    def __init__(self, approvals_url: str) -> None:
        self._approvals_url = approvals_url.rstrip("/")

    def release_url(self, proposal: Proposal) -> str | None:
        """Where a person releases it, when there is such a page and it still waits."""
        if proposal.state != "held" or not self._approvals_url:
            return None
        return f"{self._approvals_url}/{proposal.id}"

    def result(self, proposal: Proposal, note: str = "") -> WriteResult:
        """A write's answer. Raises `Refused` for one that was refused or failed."""
        if proposal.state in ("refused", "failed"):
            raise Refused(
                self._why(proposal),
                findings=proposal.findings,
                next_step="Nothing was written. Tell the person why; do not try to work around it.",
            )
        return WriteResult(
            company=Named(id=proposal.company_id, name=proposal.company_name or None),
            environment=proposal.environment,
            status=_STATUS[proposal.state],
            verdict=proposal.verdict.word,
            proposal_id=proposal.id,
            summary=proposal.summary,
            findings=list(proposal.findings),
            record=Record(**proposal.record) if proposal.record else None,
            release_url=self.release_url(proposal),
            next_step=" ".join(part for part in (note, self.next_step(proposal)) if part),
        )

    def dry_run(self, company: Company, frozen: Frozen, judgement: Judgement) -> WriteResult:
        """The full verdict of a write that was only tried."""
        would = {
            Severity.ALLOW: "It would be written at once.",
            Severity.ASK: "It would be held until a person releases it, in the chat where that is possible.",
            Severity.APPROVE: f"It would be held: {_people(judgement.approvals_needed)}, outside the chat.",
            Severity.REFUSE: "It would be refused.",
        }[judgement.verdict]
        return WriteResult(
            company=company.named,
            environment=company.environment,
            status="dry_run",
            verdict=judgement.verdict.word,
            summary=frozen.summary,
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
            created_at=proposal.created_at,
            expires_at=proposal.expires_at,
            record=Record(**proposal.record) if proposal.record else None,
        )

    def answer(
        self,
        proposal: Proposal,
        approvals: tuple[Approval, ...],
        limits: Sequence[shapes.LimitLeft] = (),
        lines: Sequence[RunLine] = (),
    ) -> shapes.ProposalAnswer:
        """What `get_proposal` answers."""
        return shapes.ProposalAnswer(
            company=Named(id=proposal.company_id, name=proposal.company_name or None),
            environment=proposal.environment,
            proposal=self.shape(proposal, approvals),
            limits=list(limits),
            lines=list(lines) or None,
            release_url=self.release_url(proposal),
            next_step=self.next_step(proposal),
        )

    def next_step(self, proposal: Proposal) -> str:
        """One sentence of what to do next."""
        match proposal.state:
            case "held":
                return (
                    f"Held: nothing was written. {_people(proposal.approvals_needed).capitalize()} with "
                    f"`rutter-ap proposals approve {proposal.id}`. Ask get_proposal afterwards; do not send it again."
                )
            case "released" | "dispatching":
                return "It is released and on its way. Ask get_proposal for the outcome; do not send it again."
            case "posted":
                return "Done: the ledger shows it."
            case "declined":
                return "A person declined this. Do not propose it again unless they ask for it."
            case "expired":
                return "Nobody released it in time, so it is void; call again if it is still wanted."
            case "unknown":
                return (
                    "It left this machine and its outcome is not known yet. Do not send it again: ask get_proposal "
                    f"later; a person can settle it with `rutter-ap proposals resolve {proposal.id}`."
                )
            case "superseded":
                return "A payment run took its place: ask about the run; list_proposals shows it."
            case _:
                return f"Nothing was written: {self._why(proposal)}."

    def _why(self, proposal: Proposal) -> str:
        severe = [f.message for f in proposal.findings if f.severity is Severity.REFUSE]
        if severe:
            return "; ".join(severe)
        return "the accounting platform did not accept it" if proposal.state == "failed" else "it was refused"


def _people(needed: int) -> str:
    return "two different approvers must release it" if needed > 1 else "a person must release it"
