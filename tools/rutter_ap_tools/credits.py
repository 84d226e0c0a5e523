"""Credits: use what a vendor owes the company against its bills."""

from __future__ import annotations

from pydantic import Field

from rutter_ap_tools.port import Desk
from rutter_ap_tools.say import say_write
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import OptionalAmount, OptionalDate, RecordId, WriteArguments, WriteResult


class ApplyCredit(WriteArguments):
    """A credit memo to apply to a bill of the same vendor."""

    credit_id: RecordId = Field(description="Credit id, from list_credits.")
    bill_id: RecordId = Field(description="Bill id.")
    amount: OptionalAmount = Field(default="", description="Else all that fits.")
    date: OptionalDate = Field(default="", description="YYYY-MM-DD; else today.")


async def _apply(desk: Desk, intent: ApplyCredit) -> WriteResult:
    return await desk.submit(intent)


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
    handle=_apply,
    say=say_write,
)
