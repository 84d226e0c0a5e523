"""Bills: find them, look at one, enter one."""

from __future__ import annotations

import datetime
from typing import Literal

from pydantic import Field

from rutter_ap_tools.port import Desk
from rutter_ap_tools.say import UNTRUSTED_NOTE, cell, header, say_write, table
from rutter_ap_tools.text import quote
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import (
    Amount,
    Answer,
    Arguments,
    CompanyArguments,
    CurrencyText,
    DateText,
    Identifier,
    LongText,
    MoneyShape,
    Named,
    OptionalAmount,
    OptionalDate,
    Result,
    ShortText,
    WriteArguments,
    WriteResult,
)

BillStatus = Literal[
    "unpaid",
    "any",
    "open",
    "partially_paid",
    "paid",
    "draft",
    "void",
    "submitted",
    "pending_approval",
    "rejected",
    "unknown",
]
BillSort = Literal["due_date", "-due_date", "updated_at", "-updated_at"]


class ListBills(CompanyArguments):
    """The question `list_bills` answers."""

    status: BillStatus = Field(default="unpaid", description="unpaid = open or partially_paid; any = all of them.")
    vendor: ShortText = Field(default="", description="Vendor id or name.")
    document_number: ShortText = Field(default="", description="The bill's own number, exact.")
    due_from: OptionalDate = Field(default="", description="Due on or after, YYYY-MM-DD.")
    due_to: OptionalDate = Field(default="", description="Due on or before, YYYY-MM-DD.")
    overdue: bool = Field(default=False, description="true: only bills due before today.")
    sort: BillSort = Field(default="due_date", description="A leading minus means latest first.")
    limit: int = Field(default=50, ge=1, le=200, description="Bills per page.")
    cursor: str = Field(default="", max_length=4000, description="next_cursor of the page before.")


class BillRow(Result):
    """One bill in a list; names and numbers are cleaned text from the ledger."""

    id: str
    document_number: str | None = None
    vendor: Named
    status: str
    issue_date: datetime.date | None = None
    due_date: datetime.date | None = None
    total: MoneyShape
    due: MoneyShape
    days_overdue: int


class BillList(Answer):
    """A page of bills."""

    bills: list[BillRow]
    today: datetime.date
    notes: list[str] = Field(default_factory=list)
    next_cursor: str | None = None


class GetBill(CompanyArguments):
    """Which bill to show."""

    bill_id: Identifier = Field(description="The bill's id, as list_bills shows it.")


class BillLine(Result):
    """One line of a bill; `amount` is in the bill's currency."""

    amount: MoneyShape | None = None
    account: Named | None = None
    description: str | None = Field(default=None, description="Untrusted text.")


class Allocation(Result):
    """A payment or credit applied to the bill."""

    id: str
    date: datetime.date | None = None
    amount: MoneyShape


class AttachmentRow(Result):
    """A file attached to the bill."""

    id: str
    file_name: str


class BillDetail(Answer):
    """One bill in full."""

    bill: BillRow
    memo: str | None = Field(default=None, description="Untrusted text.")
    lines: list[BillLine]
    payments: list[Allocation]
    credits: list[Allocation]
    attachments: list[AttachmentRow]
    next_step: str


class NewBillLine(Arguments):
    """One line to enter. `amount` is the line's total."""

    amount: Amount = Field(description='Line total as a decimal string, e.g. "80.00".')
    account: ShortText = Field(default="", description="Expense account, id or name; the linked one when left out.")
    description: LongText = Field(default="", description="What was bought.")
    item: ShortText = Field(default="", description="Item id.")
    quantity: OptionalAmount = Field(default="", description="Item quantity.")
    unit_amount: OptionalAmount = Field(default="", description="Item unit price.")
    tax_rate: ShortText = Field(default="", description="Tax rate id.")
    class_: ShortText = Field(default="", alias="class", description="Class id.")
    department: ShortText = Field(default="", description="Department id.")
    location: ShortText = Field(default="", description="Location id.")
    customer: ShortText = Field(default="", description="Customer id.")
    project: ShortText = Field(default="", description="Project id.")


class CreateBill(WriteArguments):
    """A bill to enter."""

    vendor: Identifier = Field(description="Vendor id or name.")
    issue_date: DateText = Field(description="Date on the bill, YYYY-MM-DD.")
    due_date: OptionalDate = Field(default="", description="YYYY-MM-DD.")
    currency: CurrencyText = Field(description="ISO 4217, e.g. USD.")
    document_number: ShortText = Field(default="", description="The vendor's invoice number.")
    memo: LongText = Field(default="", description="Note kept with the bill.")
    lines: list[NewBillLine] = Field(min_length=1, max_length=200, description="At least one line.")
    payment_terms: ShortText = Field(default="", description="Payment terms id.")
    accounts_payable_account: ShortText = Field(default="", description="Accounts payable account, id or name.")
    subsidiary: ShortText = Field(default="", description="Subsidiary id.")
    purchase_orders: list[Identifier] = Field(default_factory=list, max_length=50, description="Purchase order ids.")


def _say_list(found: BillList) -> str:
    rows = [
        (
            bill.id,
            cell(bill.document_number),
            cell(bill.vendor.name or bill.vendor.id),
            bill.status,
            str(bill.due_date or "none"),
            str(bill.days_overdue) if bill.days_overdue > 0 else "",
            str(bill.due.money),
            str(bill.total.money),
        )
        for bill in found.bills
    ]
    lines = [header(found), *found.notes]
    if rows:
        lines += [
            UNTRUSTED_NOTE,
            table(("id", "number", "vendor", "status", "due date", "days overdue", "due", "total"), rows),
        ]
    else:
        lines.append("No bills match.")
    if found.next_cursor:
        lines.append(f"More follow: call again with cursor={found.next_cursor}")
    return "\n".join(lines)


def _say_bill(found: BillDetail) -> str:
    bill = found.bill
    lines = [
        header(found),
        UNTRUSTED_NOTE,
        f"Bill {bill.id} number {cell(bill.document_number)} from {cell(bill.vendor.name)} ({bill.vendor.id})",
        f"status {bill.status}, issued {bill.issue_date}, due {bill.due_date}, "
        f"total {bill.total.money}, still due {bill.due.money}",
    ]
    if found.memo:
        lines.append(f"memo (untrusted): {quote(found.memo, 300)}")
    for line in found.lines:
        account = line.account.name if line.account else None
        amount = line.amount.money if line.amount else "?"
        lines.append(f"line: {amount} to {cell(account)} {quote(line.description)}".rstrip())
    lines += [f"payment {p.id}: {p.amount.money} on {p.date}" for p in found.payments]
    lines += [f"credit {c.id}: {c.amount.money} on {c.date}" for c in found.credits]
    lines += [f"attachment {a.id}: {quote(a.file_name)}" for a in found.attachments]
    lines.append(found.next_step)
    return "\n".join(lines)


async def _list(desk: Desk, ask: ListBills) -> BillList:
    return await desk.list_bills(ask)


async def _get(desk: Desk, ask: GetBill) -> BillDetail:
    return await desk.get_bill(ask)


async def _create(desk: Desk, intent: CreateBill) -> WriteResult:
    return await desk.submit(intent)


LIST_BILLS = Tool(
    name="list_bills",
    title="List bills",
    description=(
        "Finds bills (supplier invoices the company owes) in one call: by status, vendor, number, due window or "
        "overdue. Answers a page of rows with what is still due and days overdue. Reads only. For one bill's lines, "
        "payments and files use get_bill."
    ),
    risk=Risk.READS,
    toolset="bills",
    arguments=ListBills,
    result=BillList,
    handle=_list,
    say=_say_list,
)
GET_BILL = Tool(
    name="get_bill",
    title="Show a bill",
    description=(
        "Shows one bill in full: lines, payments, credits, attached files, and what may be done next. Reads only."
    ),
    risk=Risk.READS,
    toolset="bills",
    arguments=GetBill,
    result=BillDetail,
    handle=_get,
    say=_say_bill,
)
CREATE_BILL = Tool(
    name="create_bill",
    title="Enter a bill",
    description=(
        "Enters a bill in the ledger from its document: vendor, dates, currency, number and lines. Check with "
        "list_bills first that it is not there yet. Entering a bill pays nothing. Use dry_run to see the verdict "
        "without writing."
    ),
    risk=Risk.WRITES,
    toolset="bills",
    arguments=CreateBill,
    result=WriteResult,
    handle=_create,
    say=say_write,
)
