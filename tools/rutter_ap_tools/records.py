"""Records: looking up everything a bill can refer to, and creating some of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, get_args

from pydantic import Field

from rutter_ap_tools.backend import Query
from rutter_ap_tools.render import UNTRUSTED_NOTE, cell, header, nothing, render_write, table
from rutter_ap_tools.text import quote
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import (
    CompanyArguments,
    CompanyResult,
    Identifier,
    MoneyShape,
    Named,
    Result,
    ShortText,
    WriteArguments,
    WriteResult,
)

_LOOK_THERE = "A person must look it up in the accounting platform."


class RecordKind(StrEnum):
    """The kinds of record: each a name, its plural, and the advice where the accounting platform has no such records.

    The plural is also the name of the collection in which the server finds them.
    """

    plural: str
    instead: str

    def __new__(cls, value: str, plural: str = "", instead: str = "") -> RecordKind:
        """A member with its plural and its advice."""
        kind = str.__new__(cls, value)
        kind._value_ = value
        kind.plural = plural
        kind.instead = instead
        return kind

    VENDOR = "vendor", "vendors", _LOOK_THERE
    ACCOUNT = "account", "accounts", _LOOK_THERE
    CUSTOMER = "customer", "customers", "Leave the customer out."
    ITEM = "item", "items", "Use an expense account on the line instead."
    CLASS = "class", "classes", "Leave the class out; a department may serve instead (find_records kind=department)."
    DEPARTMENT = (
        "department",
        "departments",
        "Leave the department out; a class may serve instead (find_records kind=class).",
    )
    LOCATION = (
        "location",
        "locations",
        "Leave the location out; a department may serve instead (find_records kind=department).",
    )
    PROJECT = "project", "projects", "Leave the project out; a customer may serve instead."
    TAX_RATE = "tax_rate", "tax_rates", "Leave the tax rate out and enter the tax as a separate line."
    PAYMENT_TERMS = "payment_terms", "payment_terms", "Leave the payment terms out and set due_date."
    SUBSIDIARY = "subsidiary", "subsidiaries", "Leave the subsidiary out."
    PURCHASE_ORDER = "purchase_order", "purchase_orders", "Enter the bill without a purchase order."
    CURRENCY = "currency", "currencies", "Use the ISO 4217 code shown on the document."

    @property
    def words(self) -> str:
        """The kind in a sentence: "tax rate"."""
        return self.value.replace("_", " ")

    @property
    def plural_words(self) -> str:
        """The plural in a sentence: "tax rates"."""
        return self.plural.replace("_", " ")


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
    """The records found or, if none matches, the `nearest` ones."""

    kind: RecordKind
    records: list[RecordRow]
    nearest: list[Named] = Field(default_factory=list, description="Similar names, if nothing matches.")
    more: bool = Field(description="Whether more records match; if so, narrow the name.")
    notes: list[str] = Field(default_factory=list)


class FindRecords(CompanyArguments, Query[RecordList]):
    """What to look up."""

    kind: RecordKind = Field(description="Kind of record to look up.", strict=False)
    name: ShortText = Field(default="", description="Part of a name, number or code; omit it to list all.")
    account_type: ShortText = Field(
        default="", description="Only accounts of this type, for example bank or expense; for kind account."
    )
    vendor: ShortText = Field(
        default="", description="Only orders from this vendor, by id or name; for kind purchase_order."
    )
    limit: int = Field(default=50, ge=1, le=200, description="Records to return.")


CreatedKind = Literal["customer", "item", "class", "department"]
# Each with its article. Tax rates and payment terms need more than a name, and decide amounts and dates.
CREATED_KINDS: dict[str, str] = {kind: f"{'an' if kind == 'item' else 'a'} {kind}" for kind in get_args(CreatedKind)}


class CreateRecord(WriteArguments):
    """A record to create; which of the optional arguments apply depends on its kind."""

    kind: CreatedKind = Field(description="Kind of record to create.")
    name: Identifier = Field(description="Its name.")
    code: ShortText = Field(default="", description="Code; for kind item.")
    account: ShortText = Field(default="", description="Account it is booked to; for kind item.")
    parent: ShortText = Field(default="", description="Record it belongs under; for kind class or department.")


def _render(found: RecordList) -> str:
    lines = [header(found), *found.notes]
    if found.records:
        lines += [UNTRUSTED_NOTE, _table(found)]
    else:
        lines += nothing(f"{found.kind.words} matches", found.notes)
    if found.nearest:
        lines.append(f"Similar names: {', '.join(f'{quote(one.name, 60)} ({one.id})' for one in found.nearest)}")
    if found.more:
        lines.append("More records match; narrow the name.")
    return "\n".join(lines)


def _table(found: RecordList) -> str:
    """Only the columns that have a value in some row."""
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
        "Looks up vendors, accounts, items and other records that bills refer to, by part of a name, number or code. "
        "For bills use list_bills, for credits list_credits."
    ),
    risk=Risk.READS,
    toolset="ledger",
    arguments=FindRecords,
    result=RecordList,
    render=_render,
)
CREATE_RECORD = Tool(
    name="create_record",
    title="Create a record",
    description=(
        "Creates a customer, item, class or department that bill lines can refer to, if the policy allows its kind. "
        "Check find_records first."
    ),
    risk=Risk.WRITES,
    toolset="ledger",
    arguments=CreateRecord,
    result=WriteResult,
    render=render_write,
)
