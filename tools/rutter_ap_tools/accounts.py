"""The ledger's accounts: which one plays which role for this company."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rutter_ap_tools.render import render_write
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import Arguments, CurrencyText, Identifier, ShortText, WriteArguments, WriteResult

Role = Literal["accounts_payable", "funding", "expense"]


class NewAccount(Arguments):
    """An account to create."""

    name: Identifier = Field(description="Account name.")
    account_type: Literal["bank", "credit_card", "accounts_payable", "expense", "cost_of_goods_sold"] = Field(
        description="Fits the role."
    )
    currency: CurrencyText = Field(description="ISO 4217.")
    nominal_code: ShortText = Field(default="", description="Account number.")
    bank_account_number: ShortText = Field(default="", description="For Xero.")


class LinkAccount(WriteArguments):
    """Which account plays a role: exactly one of `account` and `create`."""

    role: Role = Field(description="funding pays bills.")
    account: ShortText = Field(default="", description="Id or name.")
    create: NewAccount | None = Field(default=None, description="Or a new one.")


LINK_ACCOUNT = Tool(
    name="link_account",
    title="Link an account",
    description=(
        "Finds or creates the ledger account for a role and remembers it, so that calls may leave it out. "
        "Moves no money."
    ),
    risk=Risk.WRITES,
    toolset="ledger",
    arguments=LinkAccount,
    result=WriteResult,
    render=render_write,
)
