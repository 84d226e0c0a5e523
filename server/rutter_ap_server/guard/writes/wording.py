"""Puts a write into words for its statement: every field exactly, by name and id, with nothing hidden or shortened."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.writes.parties import AccountFact, BillFact, VendorFact
from rutter_ap_server.rutter.abilities import Doubt
from rutter_ap_server.store.canonical import canonical
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.statement import Section
from rutter_ap_tools.text import clean, quote

Row = tuple[str, str]
NO_BANK_TRANSFER = ("Money", "This records an entry in the ledger; it moves no money at a bank.")
# Longer than any field a write may send; what is longer is shown escaped, and still whole.
_CHARACTERS_MAX = 10_000
DIMENSIONS = ("item", "tax_rate", "class", "department", "location", "customer", "project")


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A write in words. `fields` is all that will be written: a release is bound to it, word for word.

    `known` helps to judge it, and `follows` says what it leads to; neither is part of what is released.
    """

    fields: tuple[Section, ...]
    known: tuple[Row, ...] = ()
    follows: tuple[Row, ...] = ()


class Fields:
    """A write's fields while they are put into words. Those that nobody took are shown under their own names."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._left = dict(fields)

    def take(self, name: str) -> Any:
        """The field's value; an empty text if the write does not have it."""
        value = self._left.pop(name, "")
        return "" if value is None else value

    def rest(self) -> list[Row]:
        """A row for every field not taken yet."""
        return [(name.replace("_", " ").capitalize(), _plain(value)) for name, value in self._left.items()]


def pairs(title: str, rows: Iterable[Row]) -> Section:
    """A section of labels and values."""
    return Section(title=title, rows=[list(row) for row in rows])


def columns(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Section:
    """A section with a table."""
    return Section(title=title, columns=list(heads), rows=[list(row) for row in rows])


def exact(text: Any) -> str:
    """Text as it is sent, between marks; if cleaning would hide anything of it, its escaped form follows."""
    if not text:
        return "none"
    said = str(text)
    shown = quote(said, _CHARACTERS_MAX)
    return shown if shown == f"‹{said}›" else f"{shown} (exactly: {_escaped(json.dumps(said))})"


def plain(text: Any) -> str:
    """A value of the ledger's or of ours without marks, such as an id or an amount; with them if it hides anything."""
    said = str(text)
    return said if clean(said, _CHARACTERS_MAX) == said else exact(said)


def named(name: str | None, record_id: Any) -> str:
    """A record by its name and id, or by its id alone."""
    if not record_id:
        return "none"
    shown = plain(record_id)
    # Between marks, so that a name cannot pass for our own words.
    return f"{quote(name, _CHARACTERS_MAX)} ({shown})" if name and name != record_id else shown


def day_words(day: Any) -> str:
    """A date with its weekday. Nothing relative to today, because a release must not change at midnight."""
    try:
        return f"{plain(day)} ({date.fromisoformat(str(day)):%A})"
    except ValueError:
        return exact(day)


def payee_words(vendor: VendorFact | None, vendor_id: Any, name: str | None = None) -> str:
    """Whom a write benefits, with the end of the bank account if the ledger shows one."""
    if vendor is None or vendor.id != vendor_id:
        return named(name, vendor_id)
    return f"{named(vendor.name, vendor_id)}, {vendor.bank_words}"


def account_words(account: AccountFact | None, account_id: Any) -> str:
    """A ledger account with its type and currency."""
    if account is None or account.id != account_id:
        return named(None, account_id)
    return f"{named(account.name, account_id)}, {account.type}, {account.currency or 'currency not shown'}"


def bill_row(bill: BillFact | None, bill_id: Any) -> str:
    """A bill by its number and id, with its dates, total and status."""
    if bill is None or bill.id != bill_id:
        return named(None, bill_id)
    issued = f"issued {bill.issued}" if bill.issued else "without an issue date"
    due = f"due {bill.due_on}" if bill.due_on else "without a due date"
    number = f"{named(bill.number, bill_id)}" if bill.number else plain(bill_id)
    return f"{number}, {issued}, {due}, total {bill.total}, {bill.status}{f' ({bill.rounded})' if bill.rounded else ''}"


def due_in(row: str) -> str:
    """When the bill of a `bill_row` is due, in its words; empty if the row does not say."""
    due = row.rpartition(", total ")[0].rpartition(", ")[2]
    return due if due.startswith(("due ", "without a due date")) else ""


def documents_words(files: Sequence[str] | None, *, every_file_listed: bool = True) -> str:
    """The files on a bill by their names, or that none is listed, or that they could not be read."""
    none = "none" if every_file_listed else "none uploaded through Rutter, which lists no others"
    return "could not be read" if files is None else "; ".join(map(exact, files)) or none


def unless_unlisted(doubt: Doubt | None, words: str, listed: object) -> str:
    """The words, but for what may not be listed: of that only what is listed is known."""
    if doubt is None:
        return words
    return f"{words}; there may be more: {doubt.words}" if listed else f"not known: {doubt.words}"


def names_in(names: Mapping[str, str], record_id: Any) -> str:
    """An id with the name that was read for it."""
    return named(names.get(str(record_id)), record_id)


def lines_table(title: str, lines: Sequence[Mapping[str, Any]], currency: str, names: Mapping[str, str]) -> Section:
    """The lines of a document, one row each, with a column for every field that any line has."""
    first = ("amount", "account")
    others = sorted({name for line in lines for name in line} - set(first))
    heads = ["line", *(name.replace("_", " ") for name in (*first, *others))]
    return columns(
        title,
        heads,
        (
            [str(number), *(_cell(name, line.get(name), currency, names) for name in (*first, *others))]
            for number, line in enumerate(lines, start=1)
        ),
    )


def line_sum(lines: Sequence[Mapping[str, Any]], currency: str) -> str:
    """What the lines add up to, as they are sent."""
    total = sum((Decimal(line["amount"]) for line in lines), Decimal(0))
    return f"{total:f} {plain(currency)}"


def _cell(name: str, value: Any, currency: str, names: Mapping[str, str]) -> str:
    if value in (None, ""):
        return ""
    if name == "amount":
        return f"{plain(value)} {plain(currency)}"
    if name == "account" or name in DIMENSIONS:
        return names_in(names, value)
    return exact(value) if name == "description" else _plain(value)


async def line_names(company: Company, lines: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The names of everything the lines refer to, by id. What has no name, or cannot be read, is shown by its id."""
    wanted = {(kind, line[kind]) for line in lines for kind in ("account", *DIMENSIONS) if line.get(kind)}
    return await names_for(company, wanted)


async def names_for(company: Company, wanted: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The names of records, given as pairs of kind and id. It never fails."""
    found: dict[str, str] = {}
    for kind, record_id in sorted(set(wanted)):
        with suppress(ApError):
            record = (await company.directory.cached_list(kind)).by_id.get(record_id)
            if record is not None and record.label:
                found[record_id] = clean(record.label, _CHARACTERS_MAX)
    return found


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return exact(value)
    return "none" if value in (None, [], ()) else _escaped(canonical(value))


def _escaped(spelled: str) -> str:
    """JSON without two spaces in a row, which a page or a terminal may show as one."""
    return spelled.replace("  ", " \\u0020")
