"""Credits: use what a vendor owes the company against its bills."""

from __future__ import annotations

import datetime
from typing import Literal

from pydantic import Field

from rutter_ap_tools.backend import Query
from rutter_ap_tools.render import UNTRUSTED_NOTE, cell, header, render_write, table
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import (
    Amount,
    Arguments,
    CompanyArguments,
    CompanyResult,
    CurrencyText,
    DateText,
    Identifier,
    LongText,
    MoneyShape,
    Named,
    OptionalAmount,
    OptionalDate,
    RecordId,
    Result,
    ShortText,
    WriteArguments,
    WriteResult,
)


class ApplyCredit(WriteArguments):
    """A credit memo to apply to a bill of the same vendor."""

    credit_id: RecordId = Field(description="Credit id, from list_credits.")
    bill_id: RecordId = Field(description="Bill id.")
    amount: OptionalAmount = Field(default="", description="Else all that fits.")
    date: OptionalDate = Field(default="", description="YYYY-MM-DD; else today.")


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


class CreditList(CompanyResult):
    """A page of credit memos."""

    credits: list[CreditRow]
    notes: list[str] = Field(default_factory=list)
    next_cursor: str | None = None


class ListCredits(CompanyArguments, Query[CreditList]):
    """The question `list_credits` answers."""

    vendor: ShortText = Field(default="", description="Id or name.")
    status: Literal["open", "any"] = Field(default="open", description="open: something is left.")
    limit: int = Field(default=50, ge=1, le=200, description="Per page.")
    cursor: str = Field(default="", max_length=4000, description="next_cursor before.")


def _render_credits(found: CreditList) -> str:
    lines = [header(found), *found.notes]
    if found.credits:
        heads = ("id", "number", "vendor", "status", "issued", "remaining", "total", "applied to bills")
        lines += [UNTRUSTED_NOTE, table(heads, [_credit_cells(row) for row in found.credits])]
    else:
        lines.append("No credits match.")
    if found.next_cursor:
        lines.append(f"More follow: call again with cursor={found.next_cursor}")
    return "\n".join(lines)


def _credit_cells(row: CreditRow) -> tuple[str, ...]:
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


class NewCreditLine(Arguments):
    """One line of a credit. `amount` is the line's total, above zero like the credit itself."""

    amount: Amount = Field(description='Line total, e.g. "80.00".')
    account: ShortText = Field(default="", description="Else the linked.")
    description: LongText = Field(default="", description="What is credited.")


class CreateCredit(WriteArguments):
    """A vendor's credit memo to enter."""

    vendor: Identifier = Field(description="Id or name.")
    issue_date: DateText = Field(description="YYYY-MM-DD.")
    currency: CurrencyText = Field(description="ISO 4217.")
    document_number: ShortText = Field(default="", description="Vendor's number.")
    memo: LongText = Field(default="", description="Note.")
    lines: list[NewCreditLine] = Field(min_length=1, max_length=200, description="At least one line.")


class RemoveCredit(WriteArguments):
    """A credit to take off a bill."""

    credit_id: RecordId = Field(description="Credit id.")
    bill_id: RecordId = Field(description="Bill id.")


APPLY_CREDIT = Tool(
    name="apply_credit",
    title="Apply a credit",
    description=(
        "Applies an open credit, whole or part, to a bill of the same vendor and currency. No account pays. "
        "Do this before pay_bill."
    ),
    risk=Risk.WRITES,
    toolset="credits",
    arguments=ApplyCredit,
    result=WriteResult,
    render=render_write,
)


LIST_CREDITS = Tool(
    name="list_credits",
    title="List credits",
    description="Finds bill credit memos (what vendors owe us): what remains, and where each was applied.",
    risk=Risk.READS,
    toolset="credits",
    arguments=ListCredits,
    result=CreditList,
    render=_render_credits,
)


CREATE_CREDIT = Tool(
    name="create_credit",
    title="Enter a credit",
    description=(
        "Enters a bill credit memo; amounts are positive. See list_credits first. It lowers no bill: apply_credit does."
    ),
    risk=Risk.WRITES,
    toolset="credits",
    arguments=CreateCredit,
    result=WriteResult,
    render=render_write,
)
REMOVE_CREDIT = Tool(
    name="remove_credit",
    title="Remove a credit",
    description="Takes a credit off a bill again: the bill is due by that much more. Deletes neither, moves no money.",
    risk=Risk.WRITES,
    toolset="credits",
    arguments=RemoveCredit,
    result=WriteResult,
    render=render_write,
)
