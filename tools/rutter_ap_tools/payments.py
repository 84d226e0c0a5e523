"""Payments: record that a bill was paid."""

from __future__ import annotations

from pydantic import Field

from rutter_ap_tools.port import Desk
from rutter_ap_tools.say import say_write
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import (
    Identifier,
    LongText,
    OptionalAmount,
    OptionalDate,
    ShortText,
    WriteArguments,
    WriteResult,
)


class PayBill(WriteArguments):
    """A payment to record against one bill."""

    bill_id: Identifier = Field(description="The bill's id, as list_bills shows it.")
    amount: OptionalAmount = Field(
        default="",
        description='Decimal string in the bill\'s currency, e.g. "250.00"; all that is due when left out.',
    )
    account: ShortText = Field(default="", description="Funding account, id or name; the linked one when left out.")
    date: OptionalDate = Field(default="", description="Payment date, YYYY-MM-DD; today when left out.")
    memo: LongText = Field(default="", description="Note kept with the payment.")


async def _pay(desk: Desk, intent: PayBill) -> WriteResult:
    return await desk.submit(intent)


PAY_BILL = Tool(
    name="pay_bill",
    title="Record a bill payment",
    description=(
        "Records a payment of one bill, whole or part, in the ledger. It does not move money at a bank. The guard "
        "judges it; most payments are held until a person releases them: tell the person what the answer says, then "
        "ask get_proposal. Calling again with the same arguments never pays twice. Apply open credits first."
    ),
    risk=Risk.MOVES_MONEY,
    toolset="payments",
    arguments=PayBill,
    result=WriteResult,
    handle=_pay,
    say=say_write,
)
