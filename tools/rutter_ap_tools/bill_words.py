"""Bills in words: what a model reads of a page of bills, and of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rutter_ap_tools.say import UNTRUSTED_NOTE, cell, header, table
from rutter_ap_tools.text import quote

if TYPE_CHECKING:
    from rutter_ap_tools.bills import BillDetail, BillLine, BillList, BillRow, BillTotal


def say_bills(found: BillList) -> str:
    """A page of bills: notes, totals, and a table."""
    lines = [header(found), *found.notes, *(_say_total(total) for total in found.totals or ())]
    if found.bills:
        lines += [UNTRUSTED_NOTE, _bill_table(found.bills)]
    else:
        lines.append("No bills match.")
    if found.next_cursor:
        lines.append(f"More follow: call again with cursor={found.next_cursor}")
    return "\n".join(lines)


def _say_total(total: BillTotal) -> str:
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


def say_bill(found: BillDetail) -> str:
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
    lines += [_say_line(line) for line in found.lines]
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


def _say_line(line: BillLine) -> str:
    amount = line.amount.money if line.amount else "?"
    account = cell(line.account.name or line.account.id) if line.account else "no account"
    counted = f", {line.quantity or '?'} at {line.unit_amount or '?'}" if line.quantity or line.unit_amount else ""
    tags = "".join(f", {tag.kind} {cell(tag.name or tag.id)}" for tag in line.tags)
    return f"line: {amount} to {account}{counted}{tags} {quote(line.description)}".rstrip()
