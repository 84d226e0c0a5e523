"""Records: one way to look up everything a bill refers to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rutter_ap_tools.port import Desk
from rutter_ap_tools.say import UNTRUSTED_NOTE, cell, header, table
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import Answer, CompanyArguments, MoneyShape, Named, Result, ShortText

RecordKind = Literal["vendor", "account", "credit"]


class FindRecords(CompanyArguments):
    """What to look up."""

    kind: RecordKind = Field(description="vendor, account, or credit (open bill credit memos).")
    name: ShortText = Field(default="", description="Part of the name or number, any case; all when left out.")
    account_type: ShortText = Field(
        default="", description="For accounts: bank, credit_card, expense, accounts_payable …"
    )
    vendor: ShortText = Field(default="", description="For credits: vendor id or name.")
    limit: int = Field(default=50, ge=1, le=200, description="Records at most.")


class RecordRow(Result):
    """One record; which fields it has depends on its kind."""

    id: str
    name: str | None = None
    status: str | None = None
    account_type: str | None = None
    currency: str | None = None
    vendor: Named | None = None
    remaining: MoneyShape | None = None


class RecordList(Answer):
    """What was found."""

    kind: RecordKind
    records: list[RecordRow]
    more: bool = Field(description="true: there are more than were asked for; narrow the name.")


def _say(found: RecordList) -> str:
    if not found.records:
        return f"{header(found)}\nNo {found.kind} matches."
    rows = [
        (
            row.id,
            cell(row.name),
            row.account_type or (cell(row.vendor.name) if row.vendor else ""),
            row.status or "",
            str(row.remaining.money) if row.remaining else (row.currency or ""),
        )
        for row in found.records
    ]
    heads = (
        "id",
        "number" if found.kind == "credit" else "name",
        "type or vendor",
        "status",
        "currency or remaining",
    )
    lines = [header(found), UNTRUSTED_NOTE, table(heads, rows)]
    if found.more:
        lines.append("There are more; narrow the name.")
    return "\n".join(lines)


async def _find(desk: Desk, ask: FindRecords) -> RecordList:
    return await desk.find_records(ask)


FIND_RECORDS = Tool(
    name="find_records",
    title="Look up vendors, accounts and credits",
    description=(
        "Looks up vendors, ledger accounts or open bill credit memos by part of their name, to get the id other tools "
        "take. Reads only."
    ),
    risk=Risk.READS,
    toolset="ledger",
    arguments=FindRecords,
    result=RecordList,
    handle=_find,
    say=_say,
)
