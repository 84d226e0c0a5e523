"""Proposals: the state and outcome of each write, what waits for a person, and what is left of each limit."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from rutter_ap_tools.backend import Query
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.payments import RunPayment, run_table
from rutter_ap_tools.render import UNTRUSTED_NOTE, header, more_results, table
from rutter_ap_tools.statement import Statement, render_statement
from rutter_ap_tools.text import clean, quote
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import (
    Arguments,
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
    "withdrawn",
    "expired",
]


class Approval(Result):
    """One person's release of a proposal."""

    approver: str
    at: datetime
    channel: str


class ProposalShape(Result):
    """One proposal: the requested write, what the guard found, who released it, and the outcome."""

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
    reason: str | None = Field(default=None, description="The assistant's own word.")
    closed_by: str | None = None
    closed_reason: str | None = None
    created_at: datetime
    expires_at: datetime
    record: Record | None = None


class LimitLeft(Result):
    """A rolling limit of the policy and what is left of it now; "vendor" limits count payments to one vendor."""

    name: str
    hours: int
    limit: MoneyShape
    left: MoneyShape


class ProposalAnswer(CompanyResult):
    """A proposal, its statement, and what to do next; for a held payment, also what is left of its limits.

    `lines` are the lines of a payment run, each with the state of its own payment.
    """

    proposal: ProposalShape
    statement: Statement
    lines: list[RunPayment] | None = None
    limits: list[LimitLeft] = Field(default_factory=list)
    release_url: str | None = None
    next_step: str


class GetProposal(Query[ProposalAnswer]):
    """Which proposal to show."""

    proposal_id: RecordId = Field(description="proposal_id from a write's result, or from list_proposals.")
    wait_seconds: int = Field(default=0, ge=0, le=40, description="Wait this long for a person's decision.")


def _render(answer: ProposalAnswer) -> str:
    one = answer.proposal
    lines = [f"{one.state.upper()}: {one.summary}", header(answer), UNTRUSTED_NOTE, render_statement(answer.statement)]
    if one.closed_reason:
        lines.append(f"{one.state} by {one.closed_by}: {quote(one.closed_reason, 1000)}")
    if one.record:
        lines.append(f"record: {one.record.kind} {one.record.id}")
    if answer.lines:
        lines.append(run_table(answer.lines, answer.lines[0].amount.currency))
    lines.append(answer.next_step)
    return "\n".join(lines)


def _limit_lines(limits: list[LimitLeft]) -> list[str]:
    """A line for each limit that is partly used; the unused ones share a line."""
    used = [one for one in limits if one.left != one.limit]
    whole = [one for one in limits if one.left == one.limit]
    lines = [f"{one.name} ({one.hours} hours): {one.left.money} left of {one.limit.money}" for one in used]
    if whole:
        lines.append(f"unused limits: {', '.join(f'{one.name} {one.limit.money}' for one in whole)}")
    return lines


class WithdrawProposal(Query[ProposalAnswer]):
    """Which proposal its preparer takes back, and why."""

    proposal_id: RecordId = Field(description="proposal_id from a write's result.")
    reason: ShortText = Field(default="", description="Why it is no longer wanted.")


class AnswerCard(Arguments):
    """A person's answer to the question of a card."""

    question: ShortText = Field(description="The question's id, from the result that the card shows.")
    release: bool = Field(description="True releases what the card shows, false declines it.")
    amount: ShortText = Field(default="", description="The amount as the person typed it, where the card asks for it.")


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
    """The filters of `list_proposals`."""

    state: ProposalState = Field(default="open", description="Only this state; open means not finished, any means all.")
    bill_id: ShortText = Field(default="", description="Only writes on this bill.")
    limit: int = Field(default=50, ge=1, le=200, description="Proposals per page.")
    cursor: str = Field(
        default="", max_length=4000, description="next_cursor from the previous page, with the same filters."
    )


def _render_list(found: ProposalList) -> str:
    lines = [header(found), *found.notes]
    if found.proposals:
        heads = ("id", "tool", "state", "what", "approvals", "created (UTC)", "expires (UTC)")
        lines += [UNTRUSTED_NOTE, table(heads, [_cells(row) for row in found.proposals])]
    else:
        lines.append("No proposals match.")
    lines += _limit_lines(found.limits)
    if found.next_cursor:
        lines.append(more_results(found.next_cursor))
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
    description=(
        "Shows the state and outcome of a write, the findings behind it, and what to do next. Use this instead of "
        "sending a write again. Releases nothing."
    ),
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
        "Lists proposed writes, by default those that are not finished, and what is left of each payment limit. For "
        "one in full use get_proposal. Releases nothing."
    ),
    risk=Risk.READS,
    toolset="reports",
    arguments=ListProposals,
    result=ProposalList,
    render=_render_list,
)
WITHDRAW_PROPOSAL = Tool(
    name="withdraw_proposal",
    title="Withdraw a proposal",
    description="Takes back a held write that you proposed, so that nobody releases it. Writes nothing in the ledger.",
    risk=Risk.WRITES,
    toolset="reports",
    arguments=WithdrawProposal,
    result=ProposalAnswer,
    render=_render,
)
# Only the card in the chat may call it, so no assistant is told of it.
ANSWER_CARD = Tool(
    name="answer_card",
    title="Answer a card",
    description="Passes on a person's answer to the question of a card. Only the card may call this.",
    risk=Risk.MOVES_MONEY,
    toolset="reports",
    arguments=AnswerCard,
    result=ProposalAnswer,
    render=_render,
)
