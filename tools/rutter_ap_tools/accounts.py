"""Accounts: link_account chooses the ledger account for each role of a company."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rutter_ap_tools.render import render_write
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import Arguments, CurrencyText, Identifier, ShortText, WriteArguments, WriteResult

Role = Literal["accounts_payable", "funding", "expense"]


class NewAccount(Arguments):
    """A new account to create."""

    may_be_empty = frozenset({"nominal_code"})

    name: Identifier = Field(description="Account name.")
    account_type: Literal["bank", "credit_card", "accounts_payable", "expense", "cost_of_goods_sold"] = Field(
        description="Account type; must fit the role."
    )
    currency: CurrencyText = Field(description='ISO 4217 code, for example "USD".')
    nominal_code: ShortText = Field(default="", description="Number in the chart of accounts.")
    bank_account_number: ShortText = Field(default="", description="Required for a bank account in Xero.")


class LinkAccount(WriteArguments):
    """The account for a role: exactly one of `account` and `create`."""

    role: Role = Field(
        description="funding pays bills; accounts_payable holds what is owed; expense is the default for bill lines."
    )
    account: ShortText = Field(default="", description="Existing account: id, name or number. Give this or create.")
    create: NewAccount | None = Field(default=None, description="New account to create. Give this or account.")


LINK_ACCOUNT = Tool(
    name="link_account",
    title="Link an account",
    description=(
        "Links the ledger account for a role, or creates one, and uses it as the default in later calls. The person "
        "chooses the account; find candidates with find_records (kind account). Moves no money."
    ),
    risk=Risk.WRITES,
    toolset="ledger",
    arguments=LinkAccount,
    result=WriteResult,
    render=render_write,
)
