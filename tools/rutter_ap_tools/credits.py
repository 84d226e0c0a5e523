"""Vendor credits: listing and creating them, and applying them to the vendor's bills."""

from __future__ import annotations

import datetime
from typing import Literal

from pydantic import Field

from rutter_ap_tools.backend import Query
from rutter_ap_tools.render import UNTRUSTED_NOTE, cell, header, more_results, nothing, render_write, table
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
    bill_id: RecordId = Field(description="Bill id, from list_bills.")
    amount: OptionalAmount = Field(
        default="",
        description='For example "50.00"; defaults to the smaller of the remaining credit and the balance due.',
    )
    date: OptionalDate = Field(default="", description="Date to apply it, YYYY-MM-DD; defaults to today.")


class AppliedTo(Result):
    """The amount of a credit applied to one bill."""

    bill_id: str
    amount: MoneyShape


class CreditRow(Result):
    """One credit memo; `applied` lists the bills it was applied to."""

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
    """The filters of `list_credits`."""

    vendor: ShortText = Field(default="", description="Only this vendor, by id or name.")
    status: Literal["open", "any"] = Field(default="open", description="open means with an amount remaining.")
    limit: int = Field(default=50, ge=1, le=200, description="Credits per page.")
    cursor: str = Field(
        default="", max_length=4000, description="next_cursor from the previous page, with the same filters."
    )


def _render_credits(found: CreditList) -> str:
    lines = [header(found), *found.notes]
    if found.credits:
        heads = ("id", "number", "vendor", "status", "issued", "remaining", "total", "applied to bills")
        lines += [UNTRUSTED_NOTE, table(heads, [_credit_cells(row) for row in found.credits])]
    else:
        lines += nothing("credits match", found.notes, found.next_cursor)
    if found.next_cursor:
        lines.append(more_results(found.next_cursor))
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
    """One line of a credit. `amount` is the line's total, and positive like the credit itself."""

    may_be_empty = frozenset({"description"})

    amount: Amount = Field(description='Line total, positive, for example "80.00".')
    account: ShortText = Field(
        default="", description="Expense account: id, name or number; defaults to the linked expense account."
    )
    description: LongText = Field(default="", description="What is credited.")


class CreateCredit(WriteArguments):
    """A vendor's credit memo to create."""

    vendor: Identifier = Field(description="Vendor id or exact name, from find_records.")
    issue_date: DateText = Field(description="Date of the credit note, YYYY-MM-DD.")
    currency: CurrencyText = Field(description='ISO 4217 code, for example "USD".')
    document_number: ShortText = Field(default="", description="Credit note number, exactly as printed.")
    memo: LongText = Field(default="", description="Note to keep with the credit.")
    lines: list[NewCreditLine] = Field(
        min_length=1, max_length=200, description="Lines of the credit note, without tax unless tax_inclusive is set."
    )
    tax_inclusive: bool = Field(default=False, description="Line amounts contain tax.")
    total: OptionalAmount = Field(default="", description="Total on the credit note, with tax.")


class RemoveCredit(WriteArguments):
    """A credit to take off a bill."""

    credit_id: RecordId = Field(description="Credit id, from get_bill or list_credits.")
    bill_id: RecordId = Field(description="Id of the bill it was applied to.")


APPLY_CREDIT = Tool(
    name="apply_credit",
    title="Apply a credit",
    description=(
        "Applies all or part of an open credit to a bill of the same vendor and currency, which reduces the balance "
        "due. No account is paid from. Do this before pay_bill."
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
    description="Lists vendor credits (bill credit memos): what remains on each, and the bills it was applied to.",
    risk=Risk.READS,
    toolset="credits",
    arguments=ListCredits,
    result=CreditList,
    render=_render_credits,
)


CREATE_CREDIT = Tool(
    name="create_credit",
    title="Create a credit",
    description=(
        "Creates a vendor credit (bill credit memo) from a credit note; amounts are positive. Check list_credits "
        "(status any) for duplicates first. It reduces no bill until you use apply_credit."
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
    description=(
        "Takes a credit off a bill, so that the amount becomes due again. Deletes neither the bill nor the credit, and "
        "moves no money."
    ),
    risk=Risk.WRITES,
    toolset="credits",
    arguments=RemoveCredit,
    result=WriteResult,
    render=render_write,
)
