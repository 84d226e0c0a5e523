"""Voids: take a recorded payment back."""

from __future__ import annotations

from pydantic import Field

from rutter_ap_tools.port import Desk
from rutter_ap_tools.say import say_write
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import RecordId, WriteArguments, WriteResult


class VoidPayment(WriteArguments):
    """A recorded payment to take back whole."""

    payment_id: RecordId = Field(description="Payment id, from get_bill.")


async def _void(desk: Desk, intent: VoidPayment) -> WriteResult:
    return await desk.submit(intent)


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
    handle=_void,
    say=say_write,
)
