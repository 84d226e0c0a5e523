"""Payments that were recorded: which, when, from which account, for which bills."""

from __future__ import annotations

import datetime

from pydantic import Field

from rutter_ap_tools.port import Desk
from rutter_ap_tools.say import UNTRUSTED_NOTE, cell, header, table
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import Answer, CompanyArguments, MoneyShape, Named, OptionalDate, Result, ShortText


class ListPayments(CompanyArguments):
    """The question `list_payments` answers."""

    vendor: ShortText = Field(default="", description="Id or name.")
    bill_id: ShortText = Field(default="", description="Only of this bill.")
    date_from: OptionalDate = Field(default="", description="YYYY-MM-DD.")
    date_to: OptionalDate = Field(default="", description="YYYY-MM-DD.")
    limit: int = Field(default=50, ge=1, le=200, description="Per page.")
    cursor: str = Field(default="", max_length=4000, description="next_cursor before.")


class PaidBill(Result):
    """How much of a payment settled one bill."""

    id: str
    amount: MoneyShape


class PaymentRow(Result):
    """One payment. `status` is left out where the platform knows none; a void one settles nothing."""

    id: str
    date: datetime.date | None = None
    vendor: Named | None = None
    account: Named | None = None
    amount: MoneyShape
    document_number: str | None = None
    status: str | None = None
    bills: list[PaidBill]


class PaymentList(Answer):
    """A page of payments."""

    payments: list[PaymentRow]
    notes: list[str] = Field(default_factory=list)
    next_cursor: str | None = None


def _say(found: PaymentList) -> str:
    lines = [header(found), *found.notes]
    if found.payments:
        heads = ("id", "date", "vendor", "from", "number", "amount", "status", "bills")
        lines += [UNTRUSTED_NOTE, table(heads, [_cells(row) for row in found.payments])]
    else:
        lines.append("No payments match.")
    if found.next_cursor:
        lines.append(f"More follow: call again with cursor={found.next_cursor}")
    return "\n".join(lines)


def _cells(row: PaymentRow) -> tuple[str, ...]:
    # With one bill its share is the payment's amount, which stands beside it already.
    shares = [bill.id if bill.amount == row.amount else f"{bill.id} {bill.amount.amount}" for bill in row.bills]
    return (
        row.id,
        str(row.date or "none"),
        cell(row.vendor.name or row.vendor.id) if row.vendor else "none",
        cell(row.account.name or row.account.id) if row.account else "none",
        cell(row.document_number) if row.document_number else "",
        f"{row.amount.amount} {row.amount.currency}",
        row.status or "",
        ", ".join(shares),
    )


async def _list(desk: Desk, ask: ListPayments) -> PaymentList:
    return await desk.list_payments(ask)


LIST_PAYMENTS = Tool(
    name="list_payments",
    title="List payments",
    description=(
        "Finds recorded payments by vendor, bill or date, latest first. They do not show that a bank moved money."
    ),
    risk=Risk.READS,
    toolset="payments",
    arguments=ListPayments,
    result=PaymentList,
    handle=_list,
    say=_say,
)
