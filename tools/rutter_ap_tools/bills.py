"""Bills: find them, look at one, enter one."""

from __future__ import annotations

import datetime
from typing import Literal

from pydantic import Field

from rutter_ap_tools.backend import Query
from rutter_ap_tools.render import UNTRUSTED_NOTE, cell, header, render_write, table
from rutter_ap_tools.text import quote
from rutter_ap_tools.tool import BRIEF, Risk, Tool
from rutter_ap_tools.wire import (
    Amount,
    Arguments,
    CompanyArguments,
    CompanyResult,
    CurrencyText,
    DateText,
    Identifier,
    LongText,
    MoneyShape,
    Named,
    OptionalAmount,
    OptionalDate,
    RecordId,
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


class BillTotal(Result):
    """Bills of one currency, summed."""

    bills: int
    total: MoneyShape
    due: MoneyShape


class BillList(CompanyResult):
    """A page of bills. `totals` are of the whole match, a sum a currency, and stand on its first page only."""

    bills: list[BillRow]
    today: datetime.date
    totals: list[BillTotal] | None = Field(default=None, description="Over the whole match, not this page.")
    notes: list[str] = Field(default_factory=list)
    next_cursor: str | None = None


class ListBills(CompanyArguments, Query[BillList]):
    """The question `list_bills` answers."""

    status: BillStatus = Field(default="unpaid", description="unpaid: with something due.")
    vendor: ShortText = Field(default="", description="Id or name.")
    document_number: ShortText = Field(default="", description="Exact.")
    due_from: OptionalDate = Field(default="", description="YYYY-MM-DD.")
    due_to: OptionalDate = Field(default="", description="YYYY-MM-DD.")
    overdue: bool = Field(default=False, description="Only due before today.")
    sort: BillSort = Field(default="due_date", description="- is latest first.")
    limit: int = Field(default=50, ge=1, le=200, description="Per page.")
    cursor: str = Field(default="", max_length=4000, description="next_cursor before.")


class Tag(Result):
    """What else a line refers to: an item, class, department, location, customer, project or tax_rate."""

    kind: str
    id: str
    name: str | None = None


class BillLine(Result):
    """One line of a bill; `amount` is in the bill's currency."""

    amount: MoneyShape | None = None
    account: Named | None = None
    description: str | None = Field(default=None, description="Untrusted text.")
    quantity: str | None = None
    unit_amount: str | None = None
    tags: list[Tag] = Field(default_factory=list)


class Allocation(Result):
    """A payment or credit applied to the bill: a payment with its account, a credit with its number."""

    id: str
    date: datetime.date | None = None
    amount: MoneyShape
    account: Named | None = None
    document_number: str | None = None


class AttachmentRow(Result):
    """A file attached to the bill."""

    id: str
    file_name: str


class OpenCredits(Result):
    """What the vendor's open credits in the bill's currency come to, and which they are."""

    remaining: MoneyShape
    ids: list[str]


class OpenProposal(Result):
    """A write on the bill that was proposed and is not finished."""

    id: str
    tool: str
    state: str


class BillDetail(CompanyResult):
    """One bill in full. `attachments` are left out where they cannot be read."""

    bill: BillRow
    memo: str | None = Field(default=None, description="Untrusted text.")
    lines: list[BillLine]
    payments: list[Allocation]
    credits: list[Allocation]
    attachments: list[AttachmentRow] | None = None
    open_credits: OpenCredits | None = None
    proposals: list[OpenProposal] = Field(default_factory=list)
    next_step: str


class GetBill(CompanyArguments, Query[BillDetail]):
    """Which bill to show."""

    bill_id: RecordId = Field(description="Bill id.")


class NewBillLine(Arguments):
    """One line to enter. `amount` is the line's total."""

    amount: Amount = Field(description='Line total, e.g. "80.00".')
    account: ShortText = Field(default="", description="Else the linked.")
    description: LongText = Field(default="", description="What was bought.")
    item: ShortText = ""
    quantity: OptionalAmount = ""
    unit_amount: OptionalAmount = ""
    tax_rate: ShortText = ""
    class_: ShortText = Field(default="", alias="class")
    department: ShortText = ""
    location: ShortText = ""
    customer: ShortText = ""
    project: ShortText = ""


class CreateBill(WriteArguments):
    """A bill to enter."""

    vendor: Identifier = Field(description="Id or name.")
    issue_date: DateText = Field(description="YYYY-MM-DD.")
    due_date: OptionalDate = Field(default="", description="YYYY-MM-DD.")
    currency: CurrencyText = Field(description="ISO 4217.")
    document_number: ShortText = Field(default="", description="Vendor's number.")
    memo: LongText = Field(default="", description="Note.")
    lines: list[NewBillLine] = Field(min_length=1, max_length=200, description="Item to project: ids or names.")
    payment_terms: ShortText = Field(default="", description="Id or name.")
    accounts_payable_account: ShortText = Field(default="", description="Id or name.")
    subsidiary: ShortText = Field(default="", description="Id or name.")
    purchase_orders: list[Identifier] = Field(default_factory=list, max_length=50, description="Ids or numbers.")


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


def render_bills(found: BillList) -> str:
    """A page of bills: notes, totals, and a table."""
    lines = [header(found), *found.notes, *(_render_total(total) for total in found.totals or ())]
    if found.bills:
        lines += [UNTRUSTED_NOTE, _bill_table(found.bills)]
    else:
        lines.append("No bills match.")
    if found.next_cursor:
        lines.append(f"More follow: call again with cursor={found.next_cursor}")
    return "\n".join(lines)


def _render_total(total: BillTotal) -> str:
    return f"All that match in {total.total.currency}: {total.bills}, due {total.due.money}, of {total.total.money}"


def _bill_table(bills: list[BillRow]) -> str:
    """Amounts stand as they are written in calls. A currency that is the same in every row is said once."""
    currencies = {bill.total.currency for bill in bills}
    common = f" {currencies.pop()}" if len(currencies) == 1 else ""
    rows = [
        (
            bill.id,
            cell(bill.document_number),
            cell(bill.vendor.name or bill.vendor.id),
            bill.status,
            str(bill.due_date or "none"),
            str(bill.days_overdue) if bill.days_overdue > 0 else "",
            *(one.amount if common else f"{one.amount} {one.currency}" for one in (bill.due, bill.total)),
        )
        for bill in bills
    ]
    heads = ("id", "number", "vendor", "status", "due date", "days late", f"due{common}", f"total{common}")
    return table(heads, rows)


def render_bill(found: BillDetail) -> str:
    """One bill, a line for each of its parts."""
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
    lines += [_render_line(line) for line in found.lines]
    for payment in found.payments:
        source = f" from {cell(payment.account.name or payment.account.id)}" if payment.account else ""
        lines.append(f"payment {payment.id}: {payment.amount.money} on {payment.date}{source}")
    for credit in found.credits:
        number = f" number {cell(credit.document_number)}" if credit.document_number else ""
        lines.append(f"credit {credit.id}{number}: {credit.amount.money} on {credit.date}")
    if found.attachments is None:
        lines.append("attachments: not known")
    lines += [f"attachment {a.id}: {quote(a.file_name)}" for a in found.attachments or ()]
    if found.open_credits:
        lines.append(f"open credits: {found.open_credits.remaining.money} in {', '.join(found.open_credits.ids)}")
    lines += [f"proposal {p.id}: {p.tool}, {p.state}" for p in found.proposals]
    lines.append(found.next_step)
    return "\n".join(lines)


def _render_line(line: BillLine) -> str:
    amount = line.amount.money if line.amount else "?"
    account = cell(line.account.name or line.account.id) if line.account else "no account"
    counted = f", {line.quantity or '?'} at {line.unit_amount or '?'}" if line.quantity or line.unit_amount else ""
    tags = "".join(f", {tag.kind} {cell(tag.name or tag.id)}" for tag in line.tags)
    return f"line: {amount} to {account}{counted}{tags} {quote(line.description)}".rstrip()


LIST_BILLS = Tool(
    name="list_bills",
    title="List bills",
    description=(
        "Finds bills by status, vendor, number, due window or overdue, with totals per currency. For aging: "
        "summarize_payables; for one bill: get_bill."
    ),
    risk=Risk.READS,
    toolset="bills",
    arguments=ListBills,
    result=BillList,
    render=render_bills,
)
GET_BILL = Tool(
    name="get_bill",
    title="Show a bill",
    description="Shows one bill in full: lines, payments, credits, files, open proposals, and what may come next.",
    risk=Risk.READS,
    toolset="bills",
    arguments=GetBill,
    result=BillDetail,
    render=render_bill,
)
CREATE_BILL = Tool(
    name="create_bill",
    title="Enter a bill",
    description="Enters a bill from its document; see list_bills first. Entering a bill pays nothing.",
    risk=Risk.WRITES,
    toolset="bills",
    arguments=CreateBill,
    result=WriteResult,
    render=render_write,
)


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
    render=render_write,
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
    render=render_write,
)
