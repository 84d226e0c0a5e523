"""Proposals: what became of a write, what waits for a person, and what is left of each limit."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from rutter_ap_tools.backend import Query
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.payments import RunPayment, run_table
from rutter_ap_tools.render import UNTRUSTED_NOTE, header, table
from rutter_ap_tools.text import clean
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import (
    CompanyArguments,
    CompanyResult,
    MoneyShape,
    Named,
    Record,
    RecordId,
    Result,
    ShortText,
)

ProposalState = Literal[
    "open",
    "any",
    "held",
    "unknown",
    "posted",
    "failed",
    "refused",
    "declined",
    "expired",
]


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


class LimitLeft(Result):
    """A rolling limit of the policy and what is left of it now; "vendor" limits count one vendor's payments."""

    name: str
    hours: int
    limit: MoneyShape
    left: MoneyShape


class ProposalAnswer(CompanyResult):
    """The proposal and what to do next; for a payment that waits, what is left of the limits it counts against.

    `lines` are those of a payment run, each with its own payment's state.
    """

    proposal: ProposalShape
    lines: list[RunPayment] | None = None
    limits: list[LimitLeft] = Field(default_factory=list)
    release_url: str | None = None
    next_step: str


class GetProposal(Query[ProposalAnswer]):
    """Which proposal to show."""

    proposal_id: RecordId = Field(description="From a write's answer.")


def _render(answer: ProposalAnswer) -> str:
    one = answer.proposal
    lines = [f"{one.state.upper()}: {one.summary}", header(answer), f"proposal: {one.id}"]
    lines += [f"{f.severity.word}: {f.message} [{f.code}]" for f in one.findings]
    if one.approvals_needed:
        lines.append(f"approvals: {len(one.approvals)} of {one.approvals_needed}")
    lines += [f"released by {a.approver} ({a.channel}) at {a.at:%Y-%m-%d %H:%M} UTC" for a in one.approvals]
    if one.record:
        lines.append(f"record: {one.record.kind} {one.record.id}")
    if answer.lines:
        lines += [UNTRUSTED_NOTE, run_table(answer.lines, answer.lines[0].amount.currency)]
    lines += _limit_lines(answer.limits)
    if answer.release_url:
        lines.append(f"A person releases it at {answer.release_url}")
    lines.append(answer.next_step)
    return "\n".join(lines)


def _limit_lines(limits: list[LimitLeft]) -> list[str]:
    """A line for each limit that is used; those that are whole on one line together."""
    used = [one for one in limits if one.left != one.limit]
    whole = [one for one in limits if one.left == one.limit]
    lines = [f"left of {one.name} ({one.hours} h): {one.left.money} of {one.limit.money}" for one in used]
    if whole:
        lines.append(f"unused: {', '.join(f'{one.name} {one.limit.money}' for one in whole)}")
    return lines


class ProposalRow(Result):
    """One proposal in a list."""

    id: str
    tool: str
    state: str
    verdict: str
    summary: str
    amount: MoneyShape | None = None
    vendor: Named | None = None
    approvals: int
    approvals_needed: int
    created_at: datetime
    expires_at: datetime


class ProposalList(CompanyResult):
    """A page of proposals, newest first, and what is left of the company's limits."""

    proposals: list[ProposalRow]
    limits: list[LimitLeft]
    notes: list[str] = Field(default_factory=list)
    next_cursor: str | None = None


class ListProposals(CompanyArguments, Query[ProposalList]):
    """The question `list_proposals` answers."""

    state: ProposalState = Field(default="open", description="open: not finished.")
    bill_id: ShortText = Field(default="", description="Only on this bill.")
    limit: int = Field(default=50, ge=1, le=200, description="Per page.")
    cursor: str = Field(default="", max_length=4000, description="next_cursor before.")


def _render_list(found: ProposalList) -> str:
    lines = [header(found), *found.notes]
    if found.proposals:
        heads = ("id", "tool", "state", "what", "approvals", "created (UTC)", "expires (UTC)")
        lines += [UNTRUSTED_NOTE, table(heads, [_cells(row) for row in found.proposals])]
    else:
        lines.append("No proposals match.")
    lines += _limit_lines(found.limits)
    if found.next_cursor:
        lines.append(f"More follow: call again with cursor={found.next_cursor}")
    return "\n".join(lines)


def _cells(row: ProposalRow) -> tuple[str, ...]:
    return (
        row.id,
        row.tool,
        row.state,
        clean(row.summary, 160).replace("|", "/"),
        f"{row.approvals} of {row.approvals_needed}" if row.approvals_needed else "",
        f"{row.created_at:%Y-%m-%d %H:%M}",
        f"{row.expires_at:%Y-%m-%d %H:%M}" if row.state == "held" else "",
    )


GET_PROPOSAL = Tool(
    name="get_proposal",
    title="Show a proposal",
    description="Shows what became of a write, and why. Ask this; do not send a write again. Releases nothing.",
    risk=Risk.READS,
    toolset="reports",
    arguments=GetProposal,
    result=ProposalAnswer,
    render=_render,
)
LIST_PROPOSALS = Tool(
    name="list_proposals",
    title="List proposals",
    description=(
        "Lists writes that are not finished, and what is left of each limit. Releases nothing. For one in "
        "full: get_proposal."
    ),
    risk=Risk.READS,
    toolset="reports",
    arguments=ListProposals,
    result=ProposalList,
    render=_render_list,
)
