"""The ledger's accounts: which one plays which role for this company."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rutter_ap_tools.port import Desk
from rutter_ap_tools.say import say_write
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import Arguments, CurrencyText, Identifier, ShortText, WriteArguments, WriteResult

Role = Literal["accounts_payable", "funding", "expense"]


class NewAccount(Arguments):
    """An account to create."""

    name: Identifier = Field(description="Name in the chart of accounts.")
    account_type: Literal["bank", "credit_card", "accounts_payable", "expense", "cost_of_goods_sold"] = Field(
        description="Must fit the role."
    )
    currency: CurrencyText = Field(description="ISO 4217, e.g. USD.")
    nominal_code: ShortText = Field(default="", description="Account number, where the ledger uses them.")
    bank_account_number: ShortText = Field(default="", description="Xero needs it for bank accounts.")


class LinkAccount(WriteArguments):
    """Which account plays a role: exactly one of `account` and `create`."""

    role: Role = Field(description="accounts_payable, funding (pays bills) or expense (default for bill lines).")
    account: ShortText = Field(default="", description="Id or name of an existing account.")
    create: NewAccount | None = Field(default=None, description="Or an account to create.")


async def _link(desk: Desk, intent: LinkAccount) -> WriteResult:
    return await desk.submit(intent)


LINK_ACCOUNT = Tool(
    name="link_account",
    title="Link a ledger account to a role",
    description=(
        "Finds or creates the ledger account for a role (accounts payable, funding, expense) and remembers it, so "
        "that later calls may leave it out. It moves no money. Look accounts up with find_records."
    ),
    risk=Risk.WRITES,
    toolset="ledger",
    arguments=LinkAccount,
    result=WriteResult,
    handle=_link,
    say=say_write,
)
