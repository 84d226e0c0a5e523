"""The `find_records` tool: looks up anything a bill can refer to by part of its name, number or code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.directory import NotOffered
from rutter_ap_server.reads.amounts import LedgerDataError, ledger_money, require_usable
from rutter_ap_server.reads.doubts import doubt_about, not_known
from rutter_ap_server.rutter.abilities import Support, abilities_of
from rutter_ap_server.rutter.errors import NotSupportedHere, WalkTooLong
from rutter_ap_server.rutter.filters import equal
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.records import FindRecords, RecordKind, RecordList, RecordRow
from rutter_ap_tools.text import clean, fold
from rutter_ap_tools.wire import MoneyShape, Named

_ORDER_PAGES_MAX = 20
_NEAREST_MAX = 5
_DOUBTS_MAX = 10
# Fuzzy matching takes time for every name, and a near miss is only a hint.
_NEAREST_AMONG_MAX = 5000
_NEAREST_CUTOFF = 0.6
_NO_TYPE = "unknown"


async def find_records(company: Company, query: FindRecords) -> RecordList:
    """The `find_records` tool: the records of one kind that contain the text, sorted by name.

    Raises `NotOffered` where the platform has no such records, and `BadInput` for an argument of another kind.
    """
    _check(company, query)
    found = await (_orders(company, query) if query.kind == "purchase_order" else _records(company, query))
    records, whole = found.records, found.whole
    wanted = fold(query.name)
    matching = [record for record in records if any(wanted in fold(text) for text in record.names or ("",))]
    matching.sort(key=lambda record: ([fold(text) for text in record.names], record.id))
    vendors = (
        (await company.directory.cached_list("vendor")).by_id if query.kind == "purchase_order" and matching else {}
    )
    notes = [*found.notes(query.kind), *_doubts(matching[: query.limit], query.kind)]
    if not records:
        doubt = await doubt_about(company, query.kind.plural)
        notes += [] if doubt is None else [not_known(f"whether there are {query.kind.plural_words}", doubt)]
    return RecordList(
        company=company.named,
        environment=company.environment,
        kind=query.kind,
        records=[_row(record, query.kind, vendors) for record in matching[: query.limit]],
        nearest=_nearest(wanted, records) if wanted and not matching else [],
        more=len(matching) > query.limit or not whole,
        notes=notes,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """The records of a kind, whether they are all of them, and how many have no id, or no type where one is wanted."""

    records: Sequence[Any]
    whole: bool
    nameless: int = 0
    untyped: int = 0

    def notes(self, kind: RecordKind) -> list[str]:
        """Why some are missing."""
        words = kind.plural_words
        notes = [] if self.whole else [f"This company has more {words} than can be searched; some are missing."]
        notes += [f"Left out, because they have no id: {self.nameless} {words}."] if self.nameless else []
        # Sage Intacct shows no types without a mapping.
        unsaid = f"Left out, because the ledger does not say of which type they are: {self.untyped} {words}."
        return [*notes, unsaid] if self.untyped else notes


def _doubts(records: Iterable[Any], kind: RecordKind) -> list[str]:
    """What cannot be read of the records that are shown."""
    words, said = kind.words[:1].upper() + kind.words[1:], []
    for record in records:
        try:
            require_usable(record)
            if getattr(record, "total_amount", None) is not None:
                ledger_money(record.total_amount, record.currency_code, "total")
        except LedgerDataError as error:
            said.append(f"{words} {clean(record.id, 100)} cannot be used as it is: {error.message}.")
    return said[:_DOUBTS_MAX]


def _check(company: Company, query: FindRecords) -> None:
    if query.account_type and query.kind != "account":
        raise BadInput("`account_type` applies only to kind=account")
    if query.vendor and query.kind != "purchase_order":
        raise BadInput("`vendor` applies only to kind=purchase_order; to find a vendor use kind=vendor with `name`")
    if abilities_of(company.platform).support(query.kind.plural, "read") is Support.NO:
        raise NotOffered(query.kind)


async def _records(company: Company, query: FindRecords) -> _Found:
    """The records of a kind."""
    cached_list = await company.directory.cached_list(query.kind, refresh=True)
    records, untyped = list(cached_list.by_id.values()), 0
    if query.account_type:
        untyped = sum(1 for account in records if account.account_type == _NO_TYPE != query.account_type)
        records = [account for account in records if account.account_type == query.account_type]
    return _Found(records, cached_list.whole, cached_list.nameless, untyped)


async def _orders(company: Company, query: FindRecords) -> _Found:
    """Purchase orders of one vendor or all; the ledger filters them where it can."""
    chosen = equal("vendor_id", (await company.directory.vendor_to_read(query.vendor)).id) if query.vendor else None
    found: dict[str, Any] = {}
    try:
        async for order in company.rutter.purchase_orders.walk(filter=chosen, pages_max=_ORDER_PAGES_MAX):
            found[order.id] = order
    except WalkTooLong:
        return _Found(list(found.values()), whole=False)
    except NotSupportedHere:
        raise NotOffered(query.kind) from None
    return _Found(list(found.values()), whole=True)


def _row(record: Any, kind: RecordKind, vendors: dict[str, Any]) -> RecordRow:
    """One record, with the fields its kind has."""
    vendor_id = getattr(record, "vendor_id", None)
    total = _total(record)
    currency = ", ".join(getattr(record, "currency_codes", ())) or getattr(record, "currency_code", None)
    # A currency's code is already in `code`, and a total carries its own currency.
    is_said = total is not None or kind is RecordKind.CURRENCY
    return RecordRow(
        id=record.id,
        name=clean(record.label) or None,
        code=clean(record.label_code, 60) or None,
        status=clean(getattr(record, "status", None), 30) or None,
        account_type=clean(getattr(record, "account_type", None), 40) or None,
        currency=None if is_said else clean(currency, 30) or None,
        vendor=Named(id=vendor_id, name=_vendor_name(vendors.get(vendor_id))) if vendor_id else None,
        total=total,
        rate=_rate(record) if kind is RecordKind.TAX_RATE else None,
    )


def _vendor_name(vendor: Any) -> str | None:
    return clean(vendor.label, 80) or None if vendor is not None else None


def _total(record: Any) -> MoneyShape | None:
    amount = getattr(record, "total_amount", None)
    if amount is None:
        return None
    try:
        return MoneyShape.of(ledger_money(amount, record.currency_code, "total"))
    except LedgerDataError:
        # The order is still worth showing; an amount that is not valid in its currency is not.
        return None


def _rate(record: Any) -> str | None:
    """The rate added to a purchase, in percent (Rutter docs: Tax Rates)."""
    extras = record.additional_fields
    rates = (extras and extras.purchase_total_tax_rate, record.effective_tax_rate, record.total_tax_rate)
    rate = next((one for one in rates if isinstance(one, Decimal)), None)
    if rate is None:
        return None
    plain = f"{rate:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _nearest(wanted: str, records: Iterable[Any]) -> list[Named]:
    """The records whose name, or a word of it, is spelled most like the search text."""
    by_spelling: dict[str, list[Any]] = {}
    for record in list(records)[:_NEAREST_AMONG_MAX]:
        for text in record.names:
            folded = fold(text)
            for spelling in {folded, *folded.split()}:
                by_spelling.setdefault(spelling, []).append(record)
    close = get_close_matches(wanted, by_spelling, n=_NEAREST_MAX * 2, cutoff=_NEAREST_CUTOFF)
    found = {record.id: record for spelling in close for record in by_spelling[spelling]}
    return [
        Named(id=record.id, name=clean(", ".join(record.names), 80)) for record in list(found.values())[:_NEAREST_MAX]
    ]
