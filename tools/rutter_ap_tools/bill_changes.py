"""Bills that are in the ledger: correct one, or take one out."""

from __future__ import annotations

from pydantic import Field

from rutter_ap_tools.bills import NewBillLine
from rutter_ap_tools.port import Desk
from rutter_ap_tools.say import say_write
from rutter_ap_tools.tool import BRIEF, Risk, Tool
from rutter_ap_tools.wire import LongText, OptionalDate, RecordId, ShortText, WriteArguments, WriteResult


class UpdateBill(WriteArguments):
    """What to change of a bill; what is left out stays as it is."""

    bill_id: RecordId = Field(description="Bill id.")
    document_number: ShortText = Field(default="", description="Vendor's number.")
    issue_date: OptionalDate = Field(default="", description="YYYY-MM-DD.")
    due_date: OptionalDate = Field(default="", description="YYYY-MM-DD.")
    memo: LongText = Field(default="", description="Note.")
    lines: list[NewBillLine] = Field(
        default_factory=list,
        max_length=200,
        description="All its lines anew, as in create_bill.",
        json_schema_extra={BRIEF: True},
    )


class DeleteBill(WriteArguments):
    """A bill to take out of the ledger."""

    bill_id: RecordId = Field(description="Bill id.")


async def _submit(desk: Desk, intent: WriteArguments) -> WriteResult:
    return await desk.submit(intent)


UPDATE_BILL = Tool(
    name="update_bill",
    title="Correct a bill",
    description=(
        "Corrects a bill; what is left out stays, lines replace all of its lines. Not for vendor, currency or "
        "what is paid."
    ),
    risk=Risk.WRITES,
    toolset="bills",
    arguments=UpdateBill,
    result=WriteResult,
    handle=_submit,
    say=say_write,
)
DELETE_BILL = Tool(
    name="delete_bill",
    title="Delete a bill",
    description=(
        "Deletes a bill entered by mistake, for good, when an approver agrees. Not with payments or credits "
        "on it. To correct one: update_bill."
    ),
    risk=Risk.DESTROYS,
    toolset="bills",
    arguments=DeleteBill,
    result=WriteResult,
    handle=_submit,
    say=say_write,
)
