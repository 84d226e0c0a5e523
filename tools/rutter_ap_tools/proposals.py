"""Proposals: what became of a write."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from rutter_ap_tools.findings import Finding
from rutter_ap_tools.port import Desk
from rutter_ap_tools.say import header
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import Answer, Arguments, Identifier, MoneyShape, Named, Record, Result


class GetProposal(Arguments):
    """Which proposal to show."""

    proposal_id: Identifier = Field(description="The proposal_id a write answered with.")


class Approval(Result):
    """One person's release of a proposal."""

    approver: str
    at: datetime
    channel: str


class ProposalShape(Result):
    """One proposal: what was asked for, what the guard found, who released it, what happened."""

    id: str
    tool: str
    state: str
    verdict: str
    summary: str
    amount: MoneyShape | None = None
    payee: Named | None = None
    findings: list[Finding]
    approvals: list[Approval]
    approvals_needed: int
    preparer: str
    created_at: datetime
    expires_at: datetime
    record: Record | None = None


class ProposalAnswer(Answer):
    """The proposal and what to do next."""

    proposal: ProposalShape
    release_url: str | None = None
    next_step: str


def _say(answer: ProposalAnswer) -> str:
    one = answer.proposal
    lines = [f"{one.state.upper()}: {one.summary}", header(answer), f"proposal: {one.id}"]
    lines += [f"{f.severity.word}: {f.message} [{f.code}]" for f in one.findings]
    if one.approvals_needed:
        lines.append(f"approvals: {len(one.approvals)} of {one.approvals_needed}")
    lines += [f"released by {a.approver} ({a.channel}) at {a.at:%Y-%m-%d %H:%M} UTC" for a in one.approvals]
    if one.record:
        lines.append(f"record: {one.record.kind} {one.record.id}")
    if answer.release_url:
        lines.append(f"A person releases it at {answer.release_url}")
    lines.append(answer.next_step)
    return "\n".join(lines)


async def _get(desk: Desk, ask: GetProposal) -> ProposalAnswer:
    return await desk.get_proposal(ask)


GET_PROPOSAL = Tool(
    name="get_proposal",
    title="Show a proposal",
    description=(
        "Shows what became of a write: held for a person, posted, declined, failed or unknown, with the guard's "
        "findings and who released it. Ask this instead of sending a write again. Reads only; it releases nothing."
    ),
    risk=Risk.READS,
    toolset="reports",
    arguments=GetProposal,
    result=ProposalAnswer,
    handle=_get,
    say=_say,
)
