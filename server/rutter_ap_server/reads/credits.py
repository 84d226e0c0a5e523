"""The `list_credits` tool: bill credit memos, most recently entered first, one page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.directory import NameResolver
from rutter_ap_server.reads.amounts import (
    LedgerDataError,
    SetAside,
    ledger_money,
    require_clear,
    require_usable,
    rounding_words,
)
from rutter_ap_server.reads.doubts import doubt_about, not_known, refused
from rutter_ap_server.reads.history import all_or_latest, may_be_open
from rutter_ap_server.reads.paging import NOT_ALL_SEEN, PAGE_SIZE, Stream, pack, resume, take
from rutter_ap_server.rutter.abilities import Support, abilities_of
from rutter_ap_server.rutter.errors import NotSupportedHere
from rutter_ap_server.rutter.filters import equal
from rutter_ap_server.rutter.models.credits import BillCreditMemo
from rutter_ap_server.rutter.paging import Page
from rutter_ap_server.rutter.platforms import ignores_filters
from rutter_ap_server.store.canonical import digest
from rutter_ap_tools.credits import AppliedTo, CreditList, CreditRow, ListCredits
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import MoneyShape


async def list_credits(company: Company, query: ListCredits) -> CreditList:
    """The `list_credits` tool: ordered by entry, or by issue date where the platform cannot sort.

    Raises `NotSupportedHere` where Rutter does not offer the list, `BadInput` for another query's cursor, and
    `NotFound` or `Ambiguous` for the vendor.
    """
    if abilities_of(company.platform).support("bill_credit_memos", "read") is Support.NO:
        raise refused(company, "bill_credit_memos")
    vendor_id = (await company.directory.vendor_to_read(query.vendor)).id if query.vendor else None
    wanted = _CreditQuery(vendor_id, only_open=query.status == "open")
    try:
        stream, note = await _stream(company, wanted, query.cursor)
        page = await take(stream, wanted.matches, query.limit)
    except NotSupportedHere:
        raise refused(company, "bill_credit_memos") from None
    doubt = await doubt_about(company, "bill_credit_memos", page.records)
    names = NameResolver(company.directory)
    rows: list[CreditRow] = []
    notes = [*filter(None, [note]), *([NOT_ALL_SEEN] if page.stuck else [])]
    aside = SetAside("Credit")
    for credit in page.records:
        try:
            if wanted.only_open:
                require_clear(credit, credit.status)
            row = await _row(credit, names)
        except LedgerDataError as error:
            aside.add(credit, error)
            continue
        rows.append(row)
        amounts = (
            ("total", credit.total_amount, row.total.money),
            ("remaining", credit.remaining_amount, row.remaining.money),
        )
        if said := rounding_words(amounts):
            notes.append(f"Credit {credit.id}: {said}.")
    if doubt is not None:
        notes.append(not_known(f"whether there are {'other ' if rows else ''}credits that match", doubt))
    return CreditList(
        company=company.named,
        environment=company.environment,
        credits=rows,
        notes=[*aside.notes, *notes],
        next_cursor=pack(wanted.digest, [stream]) if page.more else None,
    )


@dataclass(frozen=True, slots=True)
class _CreditQuery:
    """The filters of a call. Rutter cannot filter by status (Rutter docs: Filtering Objects)."""

    vendor_id: str | None
    only_open: bool

    def matches(self, credit: BillCreditMemo) -> bool:
        of_vendor = (self.vendor_id,) if not credit.trouble else (self.vendor_id, None)
        return (self.vendor_id is None or credit.vendor_id in of_vendor) and (not self.only_open or may_be_open(credit))

    @property
    def digest(self) -> str:
        """Identifies the query, so that a cursor is accepted only by the query it came from."""
        return digest(["credits", str(self.vendor_id), str(self.only_open)])[:16]


async def _stream(company: Company, wanted: _CreditQuery, cursor: str) -> tuple[Stream[BillCreditMemo], str]:
    chosen = equal("vendor_id", wanted.vendor_id) if wanted.vendor_id else None

    async def fetch(at: str | None) -> Page[BillCreditMemo]:
        # Sorted by creation time, which never changes: a credit applied between two pages does not shift the others.
        return await company.rutter.bill_credit_memos.list(
            filter=chosen, sort="created_at DESC", cursor=at, limit=PAGE_SIZE
        )

    stream = Stream(fetch)
    resume(cursor, wanted.digest, [stream])
    if ignores_filters(company.platform):
        found, note = await all_or_latest(company, company.rutter.bill_credit_memos)
        stream.hold(sorted((c for c in found if wanted.matches(c)), key=_day, reverse=True))
        return stream, note
    return stream, ""


def _day(credit: BillCreditMemo) -> tuple[datetime, str]:
    return (credit.issue_date or datetime.min.replace(tzinfo=UTC), credit.id)


async def _row(credit: BillCreditMemo, names: NameResolver) -> CreditRow:
    require_usable(credit)
    currency = credit.currency_code
    return CreditRow(
        id=credit.id,
        document_number=clean(credit.document_number, 60) or None,
        vendor=await names.named("vendor", credit.vendor_id or ""),
        status=clean(credit.status, 30),
        issue_date=credit.issue_date.date() if credit.issue_date else None,
        total=MoneyShape.of(ledger_money(credit.total_amount, currency, "credit total")),
        remaining=MoneyShape.of(ledger_money(credit.remaining_amount, currency, "remaining credit")),
        applied=[
            AppliedTo(
                bill_id=link.id or "",
                amount=MoneyShape.of(ledger_money(link.allocated_amount, currency, "allocated amount")),
            )
            for link in credit.linked_bills
        ],
    )
