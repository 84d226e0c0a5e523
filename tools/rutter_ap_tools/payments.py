"""Payments: record that a bill was paid."""

from __future__ import annotations

from pydantic import Field

from rutter_ap_tools.port import Desk
from rutter_ap_tools.say import say_write
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import (
    LongText,
    OptionalAmount,
    OptionalDate,
    RecordId,
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


async def _pay(desk: Desk, intent: PayBill) -> WriteResult:
    return await desk.submit(intent)


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
    handle=_pay,
    say=say_write,
)
