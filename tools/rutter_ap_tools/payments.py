"""Payments: recording, listing and voiding them, one by one or as a payment run."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from pydantic import Field

from rutter_ap_tools.backend import Query
from rutter_ap_tools.render import UNTRUSTED_NOTE, cell, header, more_results, nothing, render_write, table
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

    bill_id: RecordId = Field(description="Bill id, from list_bills.")
    amount: OptionalAmount = Field(
        default="", description='For example "250.00", in the bill\'s currency; defaults to the full balance due.'
    )
    account: ShortText = Field(
        default="", description="Account to pay from, by id or name; defaults to the linked funding account."
    )
    date: OptionalDate = Field(default="", description="Payment date, YYYY-MM-DD; defaults to today.")
    memo: LongText = Field(default="", description="Note to keep with the payment.")


class PaidBill(Result):
    """The amount of a payment applied to one bill."""

    id: str
    amount: MoneyShape


class PaymentRow(Result):
    """One payment. `status` is absent if the platform has none; a void payment settles nothing."""

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
    """The filters of `list_payments`."""

    vendor: ShortText = Field(default="", description="Only payments to this vendor, by id or name.")
    bill_id: ShortText = Field(default="", description="Only payments of this bill.")
    date_from: OptionalDate = Field(default="", description="Paid on or after this date, YYYY-MM-DD.")
    date_to: OptionalDate = Field(default="", description="Paid on or before this date, YYYY-MM-DD.")
    limit: int = Field(default=50, ge=1, le=200, description="Payments per page.")
    cursor: str = Field(
        default="", max_length=4000, description="next_cursor from the previous page, with the same filters."
    )


def _render_payments(found: PaymentList) -> str:
    lines = [header(found), *found.notes]
    if found.payments:
        heads = ("id", "date", "vendor", "from", "number", "amount", "status", "bills")
        lines += [UNTRUSTED_NOTE, table(heads, [_payment_cells(row) for row in found.payments])]
    else:
        lines += nothing("payments match", found.notes, found.next_cursor)
    if found.next_cursor:
        lines.append(more_results(found.next_cursor))
    return "\n".join(lines)


def _payment_cells(row: PaymentRow) -> tuple[str, ...]:
    # A payment of a single bill has the same amount, which is already in its own column.
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
    """Which bills to pay together: given bills, or all that are due."""

    bill_ids: list[RecordId] = Field(
        default_factory=list,
        max_length=RUN_LINES_MAX,
        description="Bills to pay in full, most important first. Give this or due_to.",
    )
    due_to: OptionalDate = Field(
        default="", description="Pay every bill due on or before this date, YYYY-MM-DD. Give this or bill_ids."
    )
    vendor: ShortText = Field(default="", description="With due_to: only this vendor, by id or name.")
    cash: OptionalAmount = Field(
        default="", description='Most to pay in total, for example "20000.00"; bills that do not fit are left out.'
    )
    account: ShortText = Field(
        default="", description="Account to pay from, by id or name; defaults to the linked funding account."
    )
    date: OptionalDate = Field(default="", description="Payment date, YYYY-MM-DD; defaults to today.")
    memo: LongText = Field(default="", description="Note to keep with each payment.")


class RunPayment(Result):
    """One bill of a run; once the run is released, `status` is that of the bill's own payment."""

    bill_id: str
    document_number: str | None = None
    vendor: Named
    due_date: datetime.date | None = None
    amount: MoneyShape
    status: str
    proposal_id: str | None = None
    note: str | None = None


class LeftOut(Result):
    """A bill that was requested or due, but is not in the run."""

    bill_id: str
    document_number: str | None = None
    reason: str


class VendorTotal(Result):
    """The total a run pays to one vendor."""

    vendor: Named
    bills: int
    total: MoneyShape


class RunResult(WriteResult):
    """A run: the verdict on the whole of it, and each of its lines."""

    total: MoneyShape
    vendors: list[VendorTotal]
    lines: list[RunPayment]
    left_out: list[LeftOut]


def run_table(lines: Sequence[RunPayment], currency: str) -> str:
    """A run's lines as a table; a line that was not paid says why."""
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
    """A recorded payment to void in full."""

    payment_id: RecordId = Field(description="Payment id, from list_payments or get_bill.")


PAY_BILL = Tool(
    name="pay_bill",
    title="Record a payment",
    description=(
        "Records a full or partial payment of a bill in the ledger; it does not move money at a bank. Most payments "
        "wait for approval: tell the person, then check with get_proposal. Repeating the call never pays twice. "
        "Apply open credits first (apply_credit)."
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
        "Lists recorded payments by vendor, bill or date, latest first. A recorded payment does not show that money "
        "has left the bank."
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
        "Proposes paying many bills together, chosen by id or by due date within a cash limit; it does not move money "
        "at a bank. One release covers the run; each bill gets its own payment and outcome. Check the outcome with "
        "get_proposal. Repeating the call never pays twice."
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
        "Permanently voids a recorded payment, so that its bills become due again. Needs an approver. It does not "
        "move money at a bank: money already sent is not returned."
    ),
    risk=Risk.MOVES_MONEY,
    toolset="payments",
    arguments=VoidPayment,
    result=WriteResult,
    render=render_write,
)
