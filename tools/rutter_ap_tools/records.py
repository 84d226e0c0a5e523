"""Records: one way to look up everything a bill refers to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rutter_ap_tools.backend import Query
from rutter_ap_tools.render import UNTRUSTED_NOTE, cell, header, table
from rutter_ap_tools.text import quote
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import CompanyArguments, CompanyResult, MoneyShape, Named, Result, ShortText

RecordKind = Literal[
    "vendor",
    "account",
    "customer",
    "item",
    "class",
    "department",
    "location",
    "project",
    "tax_rate",
    "payment_terms",
    "subsidiary",
    "purchase_order",
    "currency",
]


class RecordRow(Result):
    """One record; which fields it has depends on its kind. Names and codes are cleaned text from the ledger."""

    id: str
    name: str | None = None
    code: str | None = Field(default=None, description="Code or number.")
    status: str | None = None
    account_type: str | None = None
    currency: str | None = None
    vendor: Named | None = None
    total: MoneyShape | None = None
    rate: str | None = Field(default=None, description="Percent, exact.")


class RecordList(CompanyResult):
    """What was found; when a name matches nothing, the `nearest` records."""

    kind: RecordKind
    records: list[RecordRow]
    nearest: list[Named] = Field(default_factory=list, description="Near misses, when nothing matches.")
    more: bool = Field(description="true: there are more; narrow the name.")
    notes: list[str] = Field(default_factory=list)


class FindRecords(CompanyArguments, Query[RecordList]):
    """What to look up."""

    kind: RecordKind = Field(description="Kind.")
    name: ShortText = Field(default="", description="Part of it.")
    account_type: ShortText = Field(default="", description="e.g. bank.")
    vendor: ShortText = Field(default="", description="For purchase orders.")
    limit: int = Field(default=50, ge=1, le=200, description="At most.")


def _render(found: RecordList) -> str:
    words = found.kind.replace("_", " ")
    lines = [header(found), *found.notes]
    if found.records:
        lines += [UNTRUSTED_NOTE, _table(found)]
    else:
        lines.append(f"No {words} matches.")
    if found.nearest:
        lines.append(f"Nearest: {', '.join(f'{quote(one.name, 60)} ({one.id})' for one in found.nearest)}")
    if found.more:
        lines.append("There are more; narrow the name.")
    return "\n".join(lines)


def _table(found: RecordList) -> str:
    """Only the columns that any of the records fills."""
    columns: dict[str, list[str | None]] = {
        "id": [row.id for row in found.records],
        "name": [row.name and cell(row.name) for row in found.records],
        "number" if found.kind == "purchase_order" else "code": [row.code and cell(row.code) for row in found.records],
        "type": [row.account_type for row in found.records],
        "vendor": [cell(row.vendor.name or row.vendor.id) if row.vendor else None for row in found.records],
        "status": [row.status for row in found.records],
        "currency": [row.currency for row in found.records],
        "total": [str(row.total.money) if row.total else None for row in found.records],
        "rate %": [row.rate for row in found.records],
    }
    filled = {head: [text or "" for text in texts] for head, texts in columns.items() if any(texts)}
    return table(list(filled), list(zip(*filled.values(), strict=True)))


FIND_RECORDS = Tool(
    name="find_records",
    title="Find records",
    description=(
        "Looks up what bills refer to by part of a name, number or code. For bills and credits: list_bills, "
        "list_credits."
    ),
    risk=Risk.READS,
    toolset="ledger",
    arguments=FindRecords,
    result=RecordList,
    render=_render,
)
