"""Payment runs: many bills, one proposal, one release, and an outcome for each line."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from pydantic import Field

from rutter_ap_tools.port import Desk
from rutter_ap_tools.say import UNTRUSTED_NOTE, cell, say_write, table
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import (
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


class RunLine(Result):
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
    lines: list[RunLine]
    left_out: list[LeftOut]


def run_table(lines: Sequence[RunLine], currency: str) -> str:
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


def _say(result: RunResult) -> str:
    totals = [f"{cell(v.vendor.name or v.vendor.id)} {v.total.money} ({v.bills})" for v in result.vendors]
    lines = [
        say_write(result),
        f"total: {result.total.money}, by vendor: {'; '.join(totals)}",
        UNTRUSTED_NOTE,
        run_table(result.lines, result.total.currency),
    ]
    lines += [f"left out: {one.bill_id} {cell(one.document_number)} {one.reason}" for one in result.left_out]
    return "\n".join(lines)


async def _propose(desk: Desk, intent: ProposePaymentRun) -> RunResult:
    return await desk.propose_payment_run(intent)


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
    handle=_propose,
    say=_say,
)
