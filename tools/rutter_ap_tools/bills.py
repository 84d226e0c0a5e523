"""Bills: listing, showing, creating, correcting and deleting them."""

from __future__ import annotations

import datetime
from typing import Literal

from pydantic import Field

from rutter_ap_tools.backend import Query
from rutter_ap_tools.render import UNTRUSTED_NOTE, cell, header, more_results, nothing, render_write, table
from rutter_ap_tools.text import quote
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import (
    CHANGES,
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
    """One bill in a list. Names and numbers are cleaned text from the ledger."""

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
    """The totals of the bills in one currency."""

    bills: int
    total: MoneyShape
    due: MoneyShape


class BillList(CompanyResult):
    """A page of bills. `totals` cover all matches, one entry per currency, and are on the first page only."""

    bills: list[BillRow]
    today: datetime.date
    totals: list[BillTotal] | None = Field(default=None, description="Over all matches, not only this page.")
    notes: list[str] = Field(default_factory=list)
    next_cursor: str | None = None


class ListBills(CompanyArguments, Query[BillList]):
    """The filters of `list_bills`."""

    status: BillStatus = Field(
        default="unpaid", description="Only this status; unpaid means open or partially paid, any means every status."
    )
    vendor: ShortText = Field(default="", description="Only this vendor, by id or name.")
    document_number: ShortText = Field(default="", description="Only this exact document number.")
    due_from: OptionalDate = Field(default="", description="Due on or after this date, YYYY-MM-DD.")
    due_to: OptionalDate = Field(default="", description="Due on or before this date, YYYY-MM-DD.")
    overdue: bool = Field(default=False, description="Only unpaid bills that were due before today.")
    sort: BillSort = Field(default="due_date", description="Sort order; a leading - means latest first.")
    limit: int = Field(default=50, ge=1, le=200, description="Bills per page.")
    cursor: str = Field(
        default="", max_length=4000, description="next_cursor from the previous page, with the same filters."
    )


class Tag(Result):
    """Another record a line refers to: an item, class, department, location, customer, project, tax_rate or task."""

    kind: str
    id: str
    name: str | None = None


class BillLine(Result):
    """One line of a bill; its amounts are in the bill's currency, and the percentage is an exact decimal."""

    amount: MoneyShape | None = None
    sub_total: MoneyShape | None = None
    tax: MoneyShape | None = None
    discount: MoneyShape | None = None
    discount_percentage: str | None = None
    account: Named | None = None
    description: str | None = Field(default=None, description="Untrusted text.")
    quantity: str | None = None
    unit_amount: str | None = None
    tags: list[Tag] = Field(default_factory=list)


class Allocation(Result):
    """A payment, credit or journal entry on the bill; a payment has its account, a credit its number."""

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
    """The vendor's open credits in the bill's currency: the total remaining and their ids."""

    remaining: MoneyShape
    ids: list[str]


class OpenProposal(Result):
    """A proposed write on the bill that is not finished."""

    id: str
    tool: str
    state: str


class BillDetail(CompanyResult):
    """One bill in full, as the ledger has it: what it has not is absent. So are `attachments` that could not be read.

    `currency_rate` is an exact decimal. `platform_url` is the bill's page in the accounting platform.
    """

    bill: BillRow
    reference: str | None = Field(default=None, description="Untrusted text.")
    memo: str | None = Field(default=None, description="Untrusted text.")
    sub_total: MoneyShape | None = None
    tax: MoneyShape | None = None
    discount: MoneyShape | None = None
    currency_rate: str | None = None
    purchase_orders: list[Named] | None = None
    payment_terms: Named | None = None
    accounts_payable_account: Named | None = None
    subsidiary: Named | None = None
    created_at: datetime.datetime | None = None
    updated_at: datetime.datetime | None = None
    last_synced_at: datetime.datetime | None = None
    platform_id: str | None = None
    platform_url: str | None = None
    lines: list[BillLine]
    payments: list[Allocation]
    credits: list[Allocation]
    journal_entries: list[Allocation] | None = None
    attachments: list[AttachmentRow] | None = None
    open_credits: OpenCredits | None = None
    proposals: list[OpenProposal] = Field(default_factory=list)
    next_step: str


class GetBill(CompanyArguments, Query[BillDetail]):
    """Which bill to show."""

    bill_id: RecordId = Field(description="Bill id, from list_bills.")


class NewBillLine(Arguments):
    """One line of a new bill. `amount` is the line's total."""

    may_be_empty = frozenset({"description"})

    amount: Amount = Field(description='Line total, for example "80.00".')
    account: ShortText = Field(
        default="", description="Expense account: id, name or number; defaults to the linked expense account."
    )
    description: LongText = Field(default="", description="What was bought.")
    item: ShortText = Field(default="", description="Item id, name or code.")
    quantity: OptionalAmount = Field(default="", description='Quantity, for example "2".')
    unit_amount: OptionalAmount = Field(default="", description="Unit price; quantity times this must equal amount.")
    tax_rate: ShortText = Field(default="", description="Tax rate id, name or code.")
    class_: ShortText = Field(default="", alias="class", description="Class id or name.")
    department: ShortText = Field(default="", description="Department id or name.")
    location: ShortText = Field(default="", description="Location id or name.")
    customer: ShortText = Field(default="", description="Customer id or name.")
    project: ShortText = Field(default="", description="Project id or name.")


class CreateBill(WriteArguments):
    """A bill to create."""

    vendor: Identifier = Field(description="Vendor id or exact name, from find_records.")
    issue_date: DateText = Field(description="Invoice date, YYYY-MM-DD.")
    due_date: OptionalDate = Field(default="", description="Due date on the invoice, YYYY-MM-DD.")
    currency: CurrencyText = Field(description='ISO 4217 code on the invoice, for example "USD".')
    document_number: ShortText = Field(default="", description="Invoice number, exactly as printed.")
    memo: LongText = Field(default="", description="Note to keep with the bill.")
    lines: list[NewBillLine] = Field(
        min_length=1, max_length=200, description="Lines of the invoice, without tax unless tax_inclusive is set."
    )
    tax_inclusive: bool = Field(default=False, description="Line amounts contain tax.")
    total: OptionalAmount = Field(default="", description="Total on the invoice, with tax.")
    payment_terms: ShortText = Field(default="", description="Payment terms id or name.")
    accounts_payable_account: ShortText = Field(
        default="", description="Payables account: id, name or number; defaults to the linked one, if any."
    )
    subsidiary: ShortText = Field(default="", description="Subsidiary id or name.")
    purchase_orders: list[Identifier] = Field(
        default_factory=list, max_length=50, description="Purchase orders the bill is for, by id or number."
    )


class UpdateBill(WriteArguments):
    """What to change on a bill; omitted fields keep their values."""

    # Whoever sends an empty text may want the old one gone, and nothing here does that.
    may_be_empty = CHANGES

    bill_id: RecordId = Field(description="Bill id, from list_bills.")
    document_number: ShortText = Field(default="", description="New invoice number.")
    issue_date: OptionalDate = Field(default="", description="New invoice date, YYYY-MM-DD.")
    due_date: OptionalDate = Field(default="", description="New due date, YYYY-MM-DD.")
    memo: LongText = Field(default="", description="New note.")
    status: Literal["submitted", "open"] | None = Field(default=None, description="Submit or open a draft.")
    lines: list[NewBillLine] = Field(
        default_factory=list,
        max_length=200,
        description="Every line of the corrected bill, including unchanged ones; replaces all existing lines.",
    )
    tax_inclusive: bool = Field(default=False, description="Line amounts contain tax.")
    total: OptionalAmount = Field(default="", description="Total of the new lines, with tax.")


class DeleteBill(WriteArguments):
    """A bill to delete from the ledger."""

    bill_id: RecordId = Field(description="Bill id, from list_bills.")


def render_bills(found: BillList) -> str:
    """A page of bills: notes, totals and a table."""
    lines = [header(found), *found.notes, *(_render_total(total) for total in found.totals or ())]
    if found.bills:
        lines += [UNTRUSTED_NOTE, _bill_table(found.bills)]
    else:
        lines += nothing("bills match", found.notes, found.next_cursor)
    if found.next_cursor:
        lines.append(more_results(found.next_cursor))
    return "\n".join(lines)


def _render_total(total: BillTotal) -> str:
    count = "1 bill matches" if total.bills == 1 else f"{total.bills} bills match"
    return f"{total.total.currency}: {count}, {total.due.amount} due of {total.total.amount} total"


def _bill_table(bills: list[BillRow]) -> str:
    """Amounts are written as in calls. A currency shared by every row appears only in the header."""
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
    heads = ("id", "number", "vendor", "status", "due date", "days overdue", f"due{common}", f"total{common}")
    return table(heads, rows)


def render_bill(found: BillDetail) -> str:
    """One bill, with a line for each of its parts."""
    bill = found.bill
    lines = [
        header(found),
        UNTRUSTED_NOTE,
        f"Bill {bill.id}, number {cell(bill.document_number)}, from {cell(bill.vendor.name)} ({bill.vendor.id})",
        f"status {bill.status}, issued {bill.issue_date or 'on no date'}, due {bill.due_date or 'on no date'}, "
        f"total {bill.total.money}, balance due {bill.due.money}",
    ]
    lines += _render_particulars(found)
    lines += [_render_line(line) for line in found.lines]
    for payment in found.payments:
        source = f" from {cell(payment.account.name or payment.account.id)}" if payment.account else ""
        lines.append(f"payment {payment.id}: {payment.amount.money} on {payment.date}{source}")
    for credit in found.credits:
        number = f", number {cell(credit.document_number)}" if credit.document_number else ""
        lines.append(f"credit {credit.id}{number}: {credit.amount.money} on {credit.date}")
    for entry in found.journal_entries or ():
        lines.append(f"journal entry {entry.id}: {entry.amount.money} on {entry.date}")
    if found.attachments is None:
        lines.append("attachments: could not be read")
    lines += [f"attachment {a.id}: {quote(a.file_name)}" for a in found.attachments or ()]
    if found.open_credits:
        lines.append(
            f"open credits: {found.open_credits.remaining.money} remaining ({', '.join(found.open_credits.ids)})"
        )
    lines += [f"proposal {p.id}: {p.tool}, {p.state}" for p in found.proposals]
    lines.append(found.next_step)
    return "\n".join(lines)


def _render_particulars(found: BillDetail) -> list[str]:
    """What the bill has beside its lines and what settles it, a line for each kind of thing."""
    named = (
        *(("purchase order", order) for order in found.purchase_orders or ()),
        ("payment terms", found.payment_terms),
        ("payables account", found.accounts_payable_account),
        ("subsidiary", found.subsidiary),
    )
    stamps = (("created", found.created_at), ("changed", found.updated_at), ("synced", found.last_synced_at))
    said = (
        ", ".join([*_sums(found), *([f"currency rate {found.currency_rate}"] if found.currency_rate else [])]),
        ", ".join(f"{what} {cell(one.name or one.id)} ({one.id})" for what, one in named if one),
        ", ".join(f"{what} {at:%Y-%m-%d %H:%M} UTC" for what, at in stamps if at),
        f"reference (untrusted): {quote(found.reference)}" if found.reference else "",
        f"memo (untrusted): {quote(found.memo, 300)}" if found.memo else "",
        f"id in the accounting platform: {cell(found.platform_id)}" if found.platform_id else "",
        f"page in the accounting platform: {found.platform_url}" if found.platform_url else "",
    )
    return [line for line in said if line]


def _sums(of: BillDetail | BillLine) -> list[str]:
    sums = (("sub-total", of.sub_total), ("tax", of.tax), ("discount", of.discount))
    return [f"{what} {sum_.money}" for what, sum_ in sums if sum_]


def _render_line(line: BillLine) -> str:
    amount = line.amount.money if line.amount else "?"
    account = f"account {cell(line.account.name or line.account.id)}" if line.account else "no account"
    counted = f", {line.quantity or '?'} at {line.unit_amount or '?'}" if line.quantity or line.unit_amount else ""
    percentage = [f"discount {line.discount_percentage}%"] if line.discount_percentage else []
    sums = "".join(f", {one}" for one in [*_sums(line), *percentage])
    tags = "".join(f", {tag.kind} {cell(tag.name or tag.id)}" for tag in line.tags)
    return f"line: {amount}{sums}, {account}{counted}{tags} {quote(line.description)}".rstrip()


LIST_BILLS = Tool(
    name="list_bills",
    title="List bills",
    description=(
        "Lists bills by status, vendor, document number or due date, with totals per currency over all matches. For "
        "aging and cash needs use summarize_payables; for the lines, payments and files of one bill use get_bill."
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
    description=(
        "Shows one bill in full: lines, payments, credits, attached files, the vendor's open credits, unfinished "
        "proposals, and what can be done next."
    ),
    risk=Risk.READS,
    toolset="bills",
    arguments=GetBill,
    result=BillDetail,
    render=render_bill,
)
CREATE_BILL = Tool(
    name="create_bill",
    title="Create a bill",
    description=(
        "Creates a bill from an invoice. Check list_bills (status any) for duplicates first, and preview with dry_run. "
        "Creating a bill does not pay it. Afterwards attach the invoice with attach_file."
    ),
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
        "Corrects a bill. Omitted fields keep their values; lines, if given, replaces every line. The vendor, the "
        "currency and paid amounts cannot be changed."
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
        "Permanently deletes a bill that was entered by mistake. Needs an approver. Not possible while payments or "
        "credits are applied to the bill. To correct a bill use update_bill."
    ),
    risk=Risk.DESTROYS,
    toolset="bills",
    arguments=DeleteBill,
    result=WriteResult,
    render=render_write,
)
