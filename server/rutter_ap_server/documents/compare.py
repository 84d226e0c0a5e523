"""Compares a document with its bill, field by field: equal, different, or not found.

Pure functions over text. "Different" is reported only when the document labels another value as that field, and "equal"
never for a near miss. Everything else is "not found" and left to the reader.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from rutter_ap_server.documents.parse import MARK, AmountSeen, amounts_in_line, currencies_of, dates_in_line, lines_of
from rutter_ap_tools.money import Money, exponent_of
from rutter_ap_tools.text import clean, normal_number

Outcome = Literal["equal", "different", "not_found"]
_SHOWN_CHARACTERS_MAX = 60
_VALUE_CHARACTERS_MAX = 200
# A document that repeats a label more often than this was made to waste the reader's time.
_LABELS_MAX = 200
_RUN_MAX = 4
# A short bare number, such as 204, appears in many documents by accident.
_BARE_DIGITS_MIN = 5
_NAME_CHARACTERS_MIN = 3


@dataclass(frozen=True, slots=True)
class Match:
    """How one field compares; when it is different, `shown` is the document's value, cleaned."""

    outcome: Outcome
    shown: str = ""


_AFTER_LABEL = re.compile(r"^[ :.#=]*(?:[-–—] )?[ ]*")
EQUAL = Match("equal")
NOT_FOUND = Match("not_found")


@dataclass(frozen=True, slots=True)
class Expected:
    """The bill's values; a field the bill leaves empty is never found."""

    number: str
    vendor: str
    issued: date | None
    total: Money


def compare(text: str, expected: Expected) -> dict[str, Match]:
    """Compares a bill's number, vendor, date, total and currency with the text of its document."""
    lines = lines_of(text)
    return {
        "number": compare_number(lines, expected.number),
        "vendor": compare_vendor(lines, expected.vendor),
        "date": compare_date(lines, expected.issued),
        "total": compare_total(lines, expected.total),
        "currency": compare_currency(lines, expected.total.currency),
    }


_OF = r"[ ]?(?:number|numéro|nummer|num|no|nr|n°|id|#)\.?"
_NUMBER_LABEL = re.compile(
    rf"\b(?:(?:tax |vat )?invoice|inv\.?|bill|document|doc\.?|facture|factura|fattura|rechnungs?|factuur)[ -]?{_OF}"
    r"(?![\w])",
    re.IGNORECASE,
)
_BARE_NUMBER_LABEL = re.compile(r"\b(?:invoice|inv|bill|facture|factura|fattura|rechnung|factuur)\b", re.IGNORECASE)


def compare_number(lines: Sequence[str], number: str) -> Match:
    """The document number, ignoring case and punctuation: next to its label, or anywhere as a separate word."""
    wanted = normal_number(number)
    if not wanted:
        return NOT_FOUND
    others = []
    for value, _ in _labelled(lines, _NUMBER_LABEL):
        words = value.split()
        if _starts_with(words, wanted):
            return EQUAL
        if words and any(c.isdigit() for c in words[0]) and not _starts_with_date(value):
            others.append(words[0].rstrip(".,;:"))
    if others:
        return _different(others[-1])
    if any(_starts_with(value.split(), wanted) for value, _ in _labelled(lines, _BARE_NUMBER_LABEL)):
        return EQUAL
    if wanted.isdigit() and len(wanted) < _BARE_DIGITS_MIN:
        return NOT_FOUND
    spelled = r"[\W_]{0,3}".join(re.escape(character) for character in wanted)
    alone = re.compile(rf"(?<![^\W_])(?<![^\W_][-/_]){spelled}(?![-/_.]?[^\W_])")
    return EQUAL if any(alone.search(line.casefold()) for line in lines) else NOT_FOUND


_VENDOR_LABEL = re.compile(
    r"^\W*(?:from|vendor|supplier|seller|payee|sold by|billed by|issued by|bill from|invoice from|lieferant|fournisseur"
    r"|leverancier)[ ]?(?:name)?(?=[ ]?:)",
    re.IGNORECASE,
)
_LEGAL_FORMS = """
inc incorporated corp corporation co company ltd limited llc llp lp plc pllc gmbh ag kg ohg ug mbh ek se sa sas sarl srl
spa sl bv nv vof ab as asa oy oyj aps pty pte kk sdn bhd eirl ltda doo sro kft zrt and
"""


def compare_vendor(lines: Sequence[str], vendor: str) -> Match:
    """The vendor's name as whole words, ignoring case, accents, punctuation and legal form."""
    wanted = _name(vendor)
    if not wanted:
        return NOT_FOUND
    labelled = [value for value, _ in _labelled(lines, _VENDOR_LABEL) if not _starts_with_date(value)]
    places = labelled if len(wanted) < _NAME_CHARACTERS_MIN else [*labelled, " ".join(lines)]
    if any(f" {wanted} " in f" {_plain(place)} " for place in places):
        return EQUAL
    others = [value for value in labelled if any(c.isalpha() for c in value)]
    return _different(others[0]) if others else NOT_FOUND


_DATE_LABEL = re.compile(
    r"\b(?:(?P<other>(?:due|pay(?:able|ment)?|paid|deliver(?:y|ed)|ship(?:ped|ping|ment)?|service|order(?:ed)?|period|from"
    r"|to|until|till|through|valid|expir\w*|received|start|end|print(?:ed)?)(?: date)?"
    r"|(?:fällig|liefer|leistung|verval)\w*|(?:date d')?échéance|vencimiento)"
    r"|date|dated|issued?|datum|fecha|data|(?:rechnungs|factuur)datum)(?!\w)",
    re.IGNORECASE,
)


def compare_date(lines: Sequence[str], issued: date | None) -> Match:
    """The issue date: next to its label, or anywhere not labelled as another date, such as the due date."""
    if issued is None:
        return NOT_FOUND
    others, is_somewhere = [], False
    for label, shown, readings in _labelled_dates(lines):
        if issued in readings:
            if label == "issue":
                return EQUAL
            is_somewhere = is_somewhere or label == ""
        elif label == "issue":
            others.append(shown)
    if others:
        return _different(others[0])
    return EQUAL if is_somewhere else NOT_FOUND


def _labelled_dates(lines: Sequence[str]) -> Iterator[tuple[str, str, frozenset[date]]]:
    """Every date with the kind of date its label names: "issue", "other", or "" when there is no clear label."""
    for number, line in enumerate(lines):
        label, after = "", 0
        for seen in dates_in_line(line):
            before = line[after : seen.start]
            if not (after and re.fullmatch(r"\s*[-–—]\s*", before)):
                # The label nearest to the date counts; a date without one may be on the line below its label.
                near = list(_DATE_LABEL.finditer(before[-40:]))[-1:]
                above = list(_DATE_LABEL.finditer(lines[number - 1])) if number and not before.strip() else []
                found = near or above
                # A header line over several columns is ambiguous.
                label = "" if len(found) != 1 else "other" if found[0]["other"] else "issue"
            after = seen.end
            yield label, line[seen.start : seen.end], seen.readings


_DUE_LABEL = re.compile(
    r"\b(?:(?:payment )?due(?: date)?|date due|pay(?:able|ment)? by|fällig(?:keit)?(?: am)?|échéance|vencimiento)"
    r"(?!\w)",
    re.IGNORECASE,
)


def compare_due(lines: Sequence[str], due: date | None) -> Match:
    """The due date, next to its label only: a date without one may be any."""
    others = []
    for value, _ in _labelled(lines, _DUE_LABEL):
        seen = next(iter(dates_in_line(value)), None)
        if seen is None or re.sub(r"\W|\b(?:on|by|am)\b", "", value[: seen.start], flags=re.IGNORECASE):
            continue
        if due in seen.readings:
            return EQUAL
        others.append(value[seen.start : seen.end])
    return _different(others[0]) if others and due is not None else NOT_FOUND


_BANK_LABEL = re.compile(
    r"\b(?:(?P<bank>iban|bank (?:account|a/c)(?: n(?:umber|o)\b\.?)?|bankverbindung|kontonummer|rekeningnummer)"
    r"|(?:account|a/c)(?: n(?:umber|o)\b\.?)?)(?!\w)",
    re.IGNORECASE,
)
# An IBAN in one word or in groups of four, after which a BIC may follow; or a number of which parts may be hidden.
_ACCOUNT = re.compile(
    r"\W{0,3}([A-Z]{2}\d{2}(?:[A-Z0-9]{8,30}| [A-Z0-9]{4}(?: (?=[A-Z]*\d)[A-Z0-9]{4}){1,6}(?: \d[A-Z0-9]{0,2})?)"
    r"|[\d*xX•](?:[ -]?[\d*xX•]){2,32}\d)(?![^\W_])"
)


def compare_account(lines: Sequence[str], end: str) -> Match:
    """The bank account to pay to, by its last four characters, which is all that is ever shown of one.

    The "account" of an invoice may be the customer's number with the vendor, so it may match but never differ. With no
    `end` to compare with, `shown` is what the document names.
    """
    others = []
    for line in lines:
        for label in list(_BANK_LABEL.finditer(line))[:_RUN_MAX]:
            found = _ACCOUNT.match(line[label.end() :])
            if found is None:
                continue
            last = re.sub(r"\W", "", found[1])[-4:].upper()
            if end and last == end.upper():
                return EQUAL
            if label["bank"]:
                others.append(last)
    if not others:
        return NOT_FOUND
    return _different(f"··{others[0]}") if end else Match("not_found", clean(f"··{others[0]}"))


_TOTAL_LABEL = re.compile(
    r"(?<![\w-])(?<!sub )(?<!net )(?:(?:grand |invoice |bill )?total(?: (?:amount|sum|due|payable|price|cost|gross|ttc"
    r"|to pay|invoice|incl(?:uding|usive|\.)?(?: of)?(?: vat| tax| gst)?))*|amount (?:due|payable|owed|to pay)"
    r"|balance due|(?:gesamt|rechnungs|end)(?:betrag|summe)|zu zahlen(?:der betrag)?|net à payer|montant (?:total|ttc)"
    r"|importe total|totaal(?: te betalen)?|te betalen)(?!\w)"
    r"(?:[ ]?\((?![^()]*\b(?:ex|excl|excluding|net|before|ohne|hors)\b)[^()]{0,30}\))?",
    re.IGNORECASE,
)
_PART_LABEL = re.compile(
    r"\b(?:sub ?-?total|net(?:to)?|vat|tax(?:es)?|gst|mwst|ust|tva|btw|iva|discount|rabatt|paid|deposit|previous|credit"
    r"|unit)\b",
    re.IGNORECASE,
)


def compare_total(lines: Sequence[str], total: Money) -> Match:
    """The total in any notation: next to a label for totals, or anywhere it is written as an amount of money."""
    others = []
    exponent = exponent_of(total.currency)
    for row, value in _labelled_totals(lines, exponent):
        # A row of sums has the overall total either first or last.
        if any(total.amount in seen.readings for seen in (row[0], row[-1])):
            return EQUAL
        others.append(value[row[-1].start : row[-1].end])
    if others:
        return _different(others[0])
    for line in lines:
        for seen in amounts_in_line(line, exponent):
            if total.amount in seen.readings and not seen.is_plain and not _PART_LABEL.search(line[: seen.start][-40:]):
                return EQUAL
    return NOT_FOUND


def _labelled_totals(lines: Sequence[str], exponent: int) -> Iterator[tuple[list[AmountSeen], str]]:
    """The amounts that directly follow a label for totals, with the text they were found in."""
    for value, is_same_line in _labelled(lines, _TOTAL_LABEL):
        row = list(amounts_in_line(value, exponent))
        if not row or re.search(r"\w", value[: row[0].start]):
            continue
        rest = value[row[0].end :]
        counts_things = row[0].is_plain and re.match(r" ?[^\W\d_]", rest)
        if not counts_things and (is_same_line or not rest.strip(" .")):
            yield row, value


_CURRENCY_LABEL = re.compile(r"\b(?:currency|währung|devise|valuta|moneda)(?: code)?(?!\w)", re.IGNORECASE)


def compare_currency(lines: Sequence[str], currency: str) -> Match:
    """The currency: next to its label, by the sign on the total, or by the one sign that all amounts have."""
    exponent = exponent_of(currency)
    named = (re.match(rf"\W{{0,3}}({MARK})", value) for value, _ in _labelled(lines, _CURRENCY_LABEL))
    labelled = [found[1] for found in named if found and currencies_of(found[1])]
    if not labelled:
        labelled = [seen.mark for row, _ in _labelled_totals(lines, exponent) for seen in row if seen.mark]
    if any(currencies_of(mark)[0] == currency for mark in labelled):
        return EQUAL
    others = [mark for mark in labelled if currency not in currencies_of(mark)]
    if others:
        return _different(others[-1])
    marks = {seen.mark for line in lines for seen in amounts_in_line(line, exponent) if seen.mark}
    return EQUAL if marks and all(currencies_of(mark)[0] == currency for mark in marks) else NOT_FOUND


def _labelled(lines: Sequence[str], label: re.Pattern[str]) -> Iterator[tuple[str, bool]]:
    """The text after a label: the rest of its line, else the next line; and whether it is on the same line."""
    left = _LABELS_MAX
    for number, line in enumerate(lines):
        for found in label.finditer(line):
            left -= 1
            if left < 0:
                return
            rest = _AFTER_LABEL.sub("", line[found.end() :], count=1)
            if rest:
                yield rest[:_VALUE_CHARACTERS_MAX], True
            elif number + 1 < len(lines):
                yield lines[number + 1][:_VALUE_CHARACTERS_MAX], False


def _starts_with(words: Sequence[str], wanted: str) -> bool:
    """Whether the first few words, joined together, are that number."""
    return any(normal_number("".join(words[:count])) == wanted for count in range(1, _RUN_MAX + 1))


def _starts_with_date(value: str) -> bool:
    return any(seen.start == 0 for seen in dates_in_line(value))


def _plain(text: str) -> str:
    """A name reduced to words for comparison: no case, accents or punctuation; "&" becomes "and"."""
    spelled = unicodedata.normalize("NFKD", clean(text, 200_000)).casefold().replace("&", " and ")
    bare = "".join(c for c in spelled if not unicodedata.combining(c) and c not in ".'’")
    return " ".join(re.sub(r"[\W_]+", " ", bare).split())


def _name(vendor: str) -> str:
    words = _plain(vendor).split()
    kept = list(words)
    while kept and kept[-1] in _LEGAL_FORMS.split():
        kept.pop()
    return " ".join(kept or words)


def _different(shown: str) -> Match:
    return Match("different", clean(shown, _SHOWN_CHARACTERS_MAX))
