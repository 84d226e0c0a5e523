"""Finds amounts and dates in a document's text, in every notation an invoice may use, with every possible meaning."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from rutter_ap_tools.money import EXPONENTS
from rutter_ap_tools.text import clean

LINE_CHARACTERS_MAX = 2000
# A longer text keeps its start, where a document names the sender, and its end, where it has the total.
TEXT_CHARACTERS_MAX = 60_000
_DIGITS_MAX = 15
# A sign shared by several currencies means the first one by default, but does not rule out the others.
_SIGNS: dict[str, tuple[str, ...]] = {
    "$": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN", "TWD", "BBD", "JMD", "TTD"),
    "US$": ("USD",),
    "CA$": ("CAD",),
    "C$": ("CAD",),
    "AU$": ("AUD",),
    "A$": ("AUD",),
    "NZ$": ("NZD",),
    "HK$": ("HKD",),
    "S$": ("SGD",),
    "R$": ("BRL",),
    "€": ("EUR",),
    "£": ("GBP", "EGP", "SYP"),
    "¥": ("JPY", "CNY"),
    "₹": ("INR",),
    "₩": ("KRW",),
    "₪": ("ILS",),
    "₫": ("VND",),
    "₺": ("TRY",),
    "₴": ("UAH",),
    "₦": ("NGN",),
}
MARK = r"(?:(?:US|CA|C|AU|A|NZ|HK|S|R)?\$|[€£¥₹₩₪₫₺₴₦]|(?<![A-Za-z])[A-Z]{3}(?![A-Za-z]))"
_WHOLE = (
    r"(?:[0-9]{1,3}(?P<by>[ .,'’])[0-9]{3}(?:(?P=by)[0-9]{3}){0,4}"  # 1,234,567 or 1 234 567
    r"|[0-9]{1,2}(?:,[0-9]{2}){1,4},[0-9]{3}"  # 12,34,567
    rf"|[0-9]{{1,{_DIGITS_MAX}}})"
)
# Not part of a longer word, number or date, not negative (-5, 5-, 5 CR), and not a percentage.
_AMOUNT = re.compile(
    rf"(?:(?<!-)(?P<before>{MARK}) ?|(?<![\w.,'’/-]))(?P<digits>{_WHOLE}(?:[.,][0-9]{{1,18}})?)"
    rf"(?! ?%| ?CR\b|-(?![\w-])|[.,'’/-][0-9])(?: ?(?P<after>{MARK}))?(?![0-9A-Za-z])"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<{}>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DATE = re.compile(
    r"(?<![\w.])(?:"
    r"(?P<y1>[0-9]{4})[-/.](?P<m1>[0-9]{1,2})[-/.](?P<d1>[0-9]{1,2})"
    r"|(?P<a>[0-9]{1,2})(?P<by>[-/.])(?P<b>[0-9]{1,2})(?P=by)(?P<y2>[0-9]{4}|[0-9]{2})"
    rf"|(?P<d3>[0-9]{{1,2}})(?:st|nd|rd|th|\.)?[ -]?(?:of )?{_MONTH.format('m3')},?[ -]?(?P<y3>[0-9]{{4}}|[0-9]{{2}})"
    rf"|{_MONTH.format('m4')} ?(?P<d4>[0-9]{{1,2}})(?:st|nd|rd|th)? ?,? ?(?P<y4>[0-9]{{4}})"
    r")(?![\w/]|[-.][0-9])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class AmountSeen:
    """An amount in a line: its possible values given the currency's decimals, and the sign or code next to it.

    `is_plain` is True for a bare whole number, which may be a count of anything.
    """

    start: int
    end: int
    readings: frozenset[Decimal]
    mark: str
    is_plain: bool


@dataclass(frozen=True, slots=True)
class DateSeen:
    """A date in a line and the days it may mean; 11/02/2026 may mean two."""

    start: int
    end: int
    readings: frozenset[date]


def lines_of(text: str) -> list[str]:
    """The visible lines of a document, compatibility-normalised; a gap between columns becomes two spaces."""
    found = []
    half = TEXT_CHARACTERS_MAX // 2
    kept = text if len(text) <= TEXT_CHARACTERS_MAX else f"{text[:half]}\n{text[-half:]}"
    for line in kept.splitlines():
        cells = (clean(cell, LINE_CHARACTERS_MAX) for cell in re.split(r"\t| {2,}", line[:LINE_CHARACTERS_MAX]))
        whole = unicodedata.normalize("NFKC", "  ".join(cell for cell in cells if cell))
        if whole.strip():
            found.append(whole)
    return found


def amounts_in_line(line: str, exponent: int) -> Iterator[AmountSeen]:
    """Every amount in a line that is possible in a currency with that many decimals."""
    for found in _AMOUNT.finditer(line):
        # Three letters next to it may also be a word, such as VAT.
        before = found["before"] if found["before"] and currencies_of(found["before"]) else ""
        after = found["after"] if found["after"] and currencies_of(found["after"]) else ""
        start = found.start() if before else found.start("digits")
        end = found.end() if after else found.end("digits")
        if line[start - 1 : start] == "(" and line[end : end + 1] == ")":
            # Bookkeepers write negative amounts in parentheses.
            continue
        readings, mark = readings_of(found["digits"], exponent), before or after
        if readings:
            yield AmountSeen(start, end, readings, mark, not mark and found["digits"].isdigit())


def readings_of(digits: str, exponent: int) -> frozenset[Decimal]:
    """The possible values of a written number: its last separator is a decimal point, or all separate thousands."""
    by = [character for character in digits if not character.isdigit()]
    if not by:
        return frozenset({Decimal(digits)})
    readings = set()
    whole, decimals = digits.rsplit(by[-1], 1)
    if by[-1] in ".," and by[-1] not in by[:-1] and len(set(by[:-1])) <= 1 and _fit(decimals, exponent):
        readings.add(Decimal(f"{_bare(whole)}.{decimals}"))
    if len(set(by)) == 1 and _are_thousands(digits.split(by[-1])):
        readings.add(Decimal(_bare(digits)))
    return frozenset(readings)


def currencies_of(mark: str) -> tuple[str, ...]:
    """The currencies a sign or code may mean, the most common first; empty for letters that are not a currency."""
    return (mark,) if mark in EXPONENTS else _SIGNS.get(mark, ())


def dates_in_line(line: str) -> Iterator[DateSeen]:
    """Every date in a line that is a valid day in at least one reading."""
    for found in _DATE.finditer(line):
        readings = frozenset(day for parts in _days(found) if (day := _day(*parts)) is not None)
        if readings:
            yield DateSeen(found.start(), found.end(), readings)


def _days(found: re.Match[str]) -> Iterator[tuple[str, int, str]]:
    if found["y1"]:
        yield found["y1"], int(found["m1"]), found["d1"]
    elif found["y2"]:
        yield found["y2"], int(found["b"]), found["a"]
        if found["by"] != ".":
            # With dots the day always comes first; with slashes or dashes it depends on the country.
            yield found["y2"], int(found["a"]), found["b"]
    else:
        which = "3" if found["y3"] else "4"
        yield found[f"y{which}"], _MONTHS.index(found[f"m{which}"][:3].lower()) + 1, found[f"d{which}"]


def _day(year: str, month: int, day: str) -> date | None:
    try:
        return date(int(year) + (2000 if len(year) == 2 else 0), month, int(day))
    except ValueError:
        return None


def _fit(decimals: str, exponent: int) -> bool:
    # A currency without decimals is sometimes written with ".00" anyway.
    return len(decimals) <= exponent or (len(decimals) <= 2 and set(decimals) == {"0"})


def _are_thousands(groups: list[str]) -> bool:
    first, *middle, last = groups
    return (
        not first.startswith("0")
        and len(first) <= 3
        and len(last) == 3
        and (all(len(group) == 3 for group in middle) or all(len(group) == 2 for group in middle))
    )


def _bare(digits: str) -> str:
    return re.sub(r"[^0-9]", "", digits)
