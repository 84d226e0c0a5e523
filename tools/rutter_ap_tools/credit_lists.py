"""Bill credit memos: what vendors owe the company, how much of it is left, and where the rest went."""

from __future__ import annotations

import datetime
from typing import Literal

from pydantic import Field

from rutter_ap_tools.port import Desk
from rutter_ap_tools.say import UNTRUSTED_NOTE, cell, header, table
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import Answer, CompanyArguments, MoneyShape, Named, Result, ShortText


class ListCredits(CompanyArguments):
    """The question `list_credits` answers."""

    vendor: ShortText = Field(default="", description="Id or name.")
    status: Literal["open", "any"] = Field(default="open", description="open: something is left.")
    limit: int = Field(default=50, ge=1, le=200, description="Per page.")
    cursor: str = Field(default="", max_length=4000, description="next_cursor before.")


class AppliedTo(Result):
    """How much of a credit lowered one bill."""

    bill_id: str
    amount: MoneyShape


class CreditRow(Result):
    """One credit memo; `applied` are the bills it lowered."""

    id: str
    document_number: str | None = None
    vendor: Named
    status: str
    issue_date: datetime.date | None = None
    total: MoneyShape
    remaining: MoneyShape
    applied: list[AppliedTo]


class CreditList(Answer):
    """A page of credit memos."""

    credits: list[CreditRow]
    notes: list[str] = Field(default_factory=list)
    next_cursor: str | None = None


def _say(found: CreditList) -> str:
    lines = [header(found), *found.notes]
    if found.credits:
        heads = ("id", "number", "vendor", "status", "issued", "remaining", "total", "applied to bills")
        lines += [UNTRUSTED_NOTE, table(heads, [_cells(row) for row in found.credits])]
    else:
        lines.append("No credits match.")
    if found.next_cursor:
        lines.append(f"More follow: call again with cursor={found.next_cursor}")
    return "\n".join(lines)


def _cells(row: CreditRow) -> tuple[str, ...]:
    return (
        row.id,
        cell(row.document_number),
        cell(row.vendor.name or row.vendor.id),
        row.status,
        str(row.issue_date or "none"),
        f"{row.remaining.amount} {row.remaining.currency}",
        row.total.amount,
        ", ".join(f"{bill.bill_id} {bill.amount.amount}" for bill in row.applied),
    )


async def _list(desk: Desk, ask: ListCredits) -> CreditList:
    return await desk.list_credits(ask)


LIST_CREDITS = Tool(
    name="list_credits",
    title="List credits",
    description="Finds bill credit memos (what vendors owe us): what remains, and where each was applied.",
    risk=Risk.READS,
    toolset="credits",
    arguments=ListCredits,
    result=CreditList,
    handle=_list,
    say=_say,
)
