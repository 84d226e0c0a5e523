"""Payments: record that a bill was paid."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from pydantic import Field

from rutter_ap_tools.backend import Query
from rutter_ap_tools.render import UNTRUSTED_NOTE, cell, header, render_write, table
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import (
    CompanyArguments,
    CompanyResult,
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


class PayBill(WriteArguments):
    """A payment to record against one bill."""

    bill_id: RecordId = Field(description="Bill id.")
    amount: OptionalAmount = Field(
        default="",
        description='Such as "250.00"; else all due.',
    )
    account: ShortText = Field(default="", description="Id or name; else the linked.")
    date: OptionalDate = Field(default="", description="YYYY-MM-DD; else today.")
    memo: LongText = Field(default="", description="Note.")


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


class PaymentList(CompanyResult):
    """A page of payments."""

    payments: list[PaymentRow]
    notes: list[str] = Field(default_factory=list)
    next_cursor: str | None = None


class ListPayments(CompanyArguments, Query[PaymentList]):
    """The question `list_payments` answers."""

    vendor: ShortText = Field(default="", description="Id or name.")
    bill_id: ShortText = Field(default="", description="Only of this bill.")
    date_from: OptionalDate = Field(default="", description="YYYY-MM-DD.")
    date_to: OptionalDate = Field(default="", description="YYYY-MM-DD.")
    limit: int = Field(default=50, ge=1, le=200, description="Per page.")
    cursor: str = Field(default="", max_length=4000, description="next_cursor before.")


def _render_payments(found: PaymentList) -> str:
    lines = [header(found), *found.notes]
    if found.payments:
        heads = ("id", "date", "vendor", "from", "number", "amount", "status", "bills")
        lines += [UNTRUSTED_NOTE, table(heads, [_payment_cells(row) for row in found.payments])]
    else:
        lines.append("No payments match.")
    if found.next_cursor:
        lines.append(f"More follow: call again with cursor={found.next_cursor}")
    return "\n".join(lines)


def _payment_cells(row: PaymentRow) -> tuple[str, ...]:
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


RUN_LINES_MAX = 100


class ProposePaymentRun(WriteArguments):
    """Which bills to pay together: these, or those that are due."""

    bill_ids: list[RecordId] = Field(
        default_factory=list, max_length=RUN_LINES_MAX, description="These bills, or due_to."
    )
    due_to: OptionalDate = Field(default="", description="Or: all due by YYYY-MM-DD.")
    vendor: ShortText = Field(default="", description="With due_to: only this one.")
    cash: OptionalAmount = Field(default="", description="At most this much in all.")
    account: ShortText = Field(default="", description="Id or name; else the linked.")
    date: OptionalDate = Field(default="", description="YYYY-MM-DD; else today.")
    memo: LongText = Field(default="", description="Note.")


class RunPayment(Result):
    """One bill of a run; `status` is that of its own payment once the run was released."""

    bill_id: str
    document_number: str | None = None
    vendor: Named
    due_date: datetime.date | None = None
    amount: MoneyShape
    status: str
    proposal_id: str | None = None
    note: str | None = None


class LeftOut(Result):
    """A bill that was asked for, or due, and is not in the run."""

    bill_id: str
    document_number: str | None = None
    reason: str


class VendorTotal(Result):
    """What a run pays to one vendor."""

    vendor: Named
    bills: int
    total: MoneyShape


class RunResult(WriteResult):
    """A run: its verdict as a whole, and each of its lines."""

    total: MoneyShape
    vendors: list[VendorTotal]
    lines: list[RunPayment]
    left_out: list[LeftOut]


def run_table(lines: Sequence[RunPayment], currency: str) -> str:
    """A run's lines as rows; a line that did not go through says why."""
    rows = [
        (
            line.bill_id,
            cell(line.document_number),
            cell(line.vendor.name or line.vendor.id),
            str(line.due_date or ""),
            line.amount.amount,
            line.status + (f": {cell(line.note)}" if line.note else ""),
        )
        for line in lines
    ]
    return table(("bill", "number", "vendor", "due date", currency, "status"), rows)


def _render_run(result: RunResult) -> str:
    totals = [f"{cell(v.vendor.name or v.vendor.id)} {v.total.money} ({v.bills})" for v in result.vendors]
    lines = [
        render_write(result),
        f"total: {result.total.money}, by vendor: {'; '.join(totals)}",
        UNTRUSTED_NOTE,
        run_table(result.lines, result.total.currency),
    ]
    lines += [f"left out: {one.bill_id} {cell(one.document_number)} {one.reason}" for one in result.left_out]
    return "\n".join(lines)


class VoidPayment(WriteArguments):
    """A recorded payment to take back whole."""

    payment_id: RecordId = Field(description="Payment id, from get_bill.")


PAY_BILL = Tool(
    name="pay_bill",
    title="Record a payment",
    description=(
        "Records a payment of a bill, whole or part; it does not move money at a bank. Most wait for a "
        "person: say so, then ask get_proposal. A repeat pays nothing twice. Apply open credits first."
    ),
    risk=Risk.MOVES_MONEY,
    toolset="payments",
    arguments=PayBill,
    result=WriteResult,
    render=render_write,
)


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
    render=_render_payments,
)


PROPOSE_PAYMENT_RUN = Tool(
    name="propose_payment_run",
    title="Propose a payment run",
    description=(
        "Proposes payments of many bills as one, by id or by due date and cash, with one release; it does not "
        "move money at a bank. Then ask get_proposal. A repeat pays nothing twice."
    ),
    risk=Risk.MOVES_MONEY,
    toolset="payments",
    arguments=ProposePaymentRun,
    result=RunResult,
    render=_render_run,
)


VOID_PAYMENT = Tool(
    name="void_payment",
    title="Void a payment",
    description=(
        "Voids a recorded payment for good, when an approver agrees: its bills are due again. It does not "
        "move money at a bank."
    ),
    risk=Risk.MOVES_MONEY,
    toolset="payments",
    arguments=VoidPayment,
    result=WriteResult,
    render=render_write,
)
