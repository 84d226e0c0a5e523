"""Credits: use what a vendor owes the company against its bills."""

from __future__ import annotations

from pydantic import Field

from rutter_ap_tools.port import Desk
from rutter_ap_tools.say import say_write
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import Identifier, OptionalAmount, OptionalDate, WriteArguments, WriteResult


class ApplyCredit(WriteArguments):
    """A credit memo to apply to a bill of the same vendor."""

    credit_id: Identifier = Field(description="Id of the bill credit memo (find_records kind=credit lists open ones).")
    bill_id: Identifier = Field(description="Id of the bill it reduces.")
    amount: OptionalAmount = Field(
        default="", description="Decimal string; the smaller of what remains and what is due when left out."
    )
    date: OptionalDate = Field(default="", description="YYYY-MM-DD; today when left out.")


async def _apply(desk: Desk, intent: ApplyCredit) -> WriteResult:
    return await desk.submit(intent)


APPLY_CREDIT = Tool(
    name="apply_credit",
    title="Apply a credit to a bill",
    description=(
        "Applies an open bill credit memo, whole or part, to a bill of the same vendor and currency, which lowers "
        "what is due. It pays nothing from a bank account. Do this before pay_bill."
    ),
    risk=Risk.WRITES,
    toolset="credits",
    arguments=ApplyCredit,
    result=WriteResult,
    handle=_apply,
    say=say_write,
)
