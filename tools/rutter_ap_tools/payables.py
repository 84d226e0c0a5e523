"""Payables summary: what the company owes in total, how overdue it is, and what cash it needs by when."""

from __future__ import annotations

import datetime
from typing import Literal

from pydantic import Field

from rutter_ap_tools.backend import Query
from rutter_ap_tools.render import UNTRUSTED_NOTE, cell, header, table
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import CompanyArguments, CompanyResult, MoneyShape, Named, OptionalDate, Result, ShortText


class AgingBucket(Result):
    """Unpaid bills by days past due; a bill is not overdue on its due date."""

    bucket: Literal["not_due", "1-30", "31-60", "61-90", "over_90", "no_due_date"]
    bills: int
    due: MoneyShape


class CashNeed(Result):
    """The amount that falls due after the previous row, and the total due by this date, overdue bills included."""

    by: datetime.date
    due: MoneyShape
    cumulative: MoneyShape


class VendorOwing(Result):
    """The amount owed to one vendor, and its open credits."""

    vendor: Named
    bills: int
    due: MoneyShape
    overdue: MoneyShape
    open_credits: MoneyShape | None = None


class CurrencyPayables(Result):
    """The summary for one currency."""

    currency: str
    bills: int
    due: MoneyShape
    overdue: MoneyShape
    open_credits: MoneyShape | None = None
    aging: list[AgingBucket]
    cash_needed: list[CashNeed]
    vendors: list[VendorOwing]


class AlikeBill(Result):
    """One of two bills that may be duplicates."""

    id: str
    document_number: str | None = None
    issue_date: datetime.date | None = None
    total: MoneyShape
    unpaid: bool


class PossibleDuplicate(Result):
    """Two bills from one vendor that look alike."""

    reason: Literal["same_number", "same_total", "same_number_and_total"]
    vendor: Named
    bills: list[AlikeBill]


class PayablesSummary(CompanyResult):
    """What is owed. If `complete` is false, the figures are too low and the notes say why."""

    as_of: datetime.date
    days: int
    complete: bool
    currencies: list[CurrencyPayables]
    possible_duplicates: list[PossibleDuplicate]
    notes: list[str] = Field(default_factory=list)


class SummarizePayables(CompanyArguments, Query[PayablesSummary]):
    """What to summarize."""

    vendor: ShortText = Field(default="", description="Only this vendor, by id or name.")
    as_of: OptionalDate = Field(
        default="", description="Date for the aging, YYYY-MM-DD; defaults to today. Amounts are those due today."
    )
    days: int = Field(default=30, ge=1, le=365, description="Days ahead to add up the cash needed.")
    limit: int = Field(default=20, ge=1, le=200, description="Vendors to show per currency, largest first.")


def _render(found: PayablesSummary) -> str:
    lines = [header(found), f"Unpaid bills, aged as of {found.as_of}"]
    lines += ["INCOMPLETE: the figures below are too low."] if not found.complete else []
    lines += found.notes
    if not found.currencies:
        lines += ["There are no unpaid bills."] if found.complete else []
    else:
        lines.append(UNTRUSTED_NOTE)
    for one in found.currencies:
        lines += _render_currency(one, found.days)
    lines += [_render_alike(pair) for pair in found.possible_duplicates]
    return "\n".join(lines)


def _render_currency(one: CurrencyPayables, days: int) -> list[str]:
    credits_left = f", open credits {one.open_credits.amount}" if one.open_credits else ""
    lines = [f"{one.currency}: {one.bills} bills, due {one.due.amount}, overdue {one.overdue.amount}{credits_left}"]
    if not one.bills:
        return lines
    lines.append("days past due: " + "; ".join(f"{b.bucket} {b.due.amount} ({b.bills})" for b in one.aging))
    needs = "; ".join(f"by {need.by} {need.cumulative.amount}" for need in one.cash_needed) or "nothing"
    lines.append(f"cash needed within {days} days, cumulative: {needs}")
    rows = [
        (
            row.vendor.id,
            cell(row.vendor.name),
            str(row.bills),
            row.due.amount,
            row.overdue.amount,
            row.open_credits.amount if row.open_credits else "",
        )
        for row in one.vendors
    ]
    lines.append(table(("vendor id", "vendor", "bills", f"due {one.currency}", "overdue", "open credits"), rows))
    return lines


def _render_alike(pair: PossibleDuplicate) -> str:
    bills = " and ".join(
        f"{cell(bill.document_number)} ({bill.id}, {bill.total.money}, {'unpaid' if bill.unpaid else 'paid'})"
        for bill in pair.bills
    )
    return f"possible duplicate, {pair.reason.replace('_', ' ')}: {cell(pair.vendor.name)} {bills}"


SUMMARIZE_PAYABLES = Tool(
    name="summarize_payables",
    title="Summarize payables",
    description=(
        "Summarizes unpaid bills per currency: aging, cash needed by date, largest vendors, open credits and possible "
        "duplicates. To see individual bills use list_bills."
    ),
    risk=Risk.READS,
    toolset="reports",
    arguments=SummarizePayables,
    result=PayablesSummary,
    render=_render,
)
