"""Credits: enter what a vendor owes the company, or take it off a bill again."""

from __future__ import annotations

from pydantic import Field

from rutter_ap_tools.port import Desk
from rutter_ap_tools.say import say_write
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import (
    Amount,
    Arguments,
    CurrencyText,
    DateText,
    Identifier,
    LongText,
    RecordId,
    ShortText,
    WriteArguments,
    WriteResult,
)


class NewCreditLine(Arguments):
    """One line of a credit. `amount` is the line's total, above zero like the credit itself."""

    amount: Amount = Field(description='Line total, e.g. "80.00".')
    account: ShortText = Field(default="", description="Else the linked.")
    description: LongText = Field(default="", description="What is credited.")


class CreateCredit(WriteArguments):
    """A vendor's credit memo to enter."""

    vendor: Identifier = Field(description="Id or name.")
    issue_date: DateText = Field(description="YYYY-MM-DD.")
    currency: CurrencyText = Field(description="ISO 4217.")
    document_number: ShortText = Field(default="", description="Vendor's number.")
    memo: LongText = Field(default="", description="Note.")
    lines: list[NewCreditLine] = Field(min_length=1, max_length=200, description="At least one line.")


class RemoveCredit(WriteArguments):
    """A credit to take off a bill."""

    credit_id: RecordId = Field(description="Credit id.")
    bill_id: RecordId = Field(description="Bill id.")


async def _submit(desk: Desk, intent: WriteArguments) -> WriteResult:
    return await desk.submit(intent)


CREATE_CREDIT = Tool(
    name="create_credit",
    title="Enter a credit",
    description=(
        "Enters a bill credit memo; amounts are positive. See list_credits first. It lowers no bill: apply_credit does."
    ),
    risk=Risk.WRITES,
    toolset="credits",
    arguments=CreateCredit,
    result=WriteResult,
    handle=_submit,
    say=say_write,
)
REMOVE_CREDIT = Tool(
    name="remove_credit",
    title="Remove a credit",
    description="Takes a credit off a bill again: the bill is due by that much more. Deletes neither, moves no money.",
    risk=Risk.WRITES,
    toolset="credits",
    arguments=RemoveCredit,
    result=WriteResult,
    handle=_submit,
    say=say_write,
)
