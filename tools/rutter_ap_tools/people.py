"""Sentences for people's eyes: amounts as people write them, and what outsiders wrote left exactly as it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from rutter_ap_tools.money import EXPONENTS

# What a company's books are, by its environment: real ones first, and never on one table with others.
BOOKS = {
    "production": "PRODUCTION: real books",
    "sandbox": "Rutter's sandbox: test books",
    "embedded": "Practice company: not real books",
}
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)

# Text of outsiders between marks, and the exact form that may follow it.
_THEIRS = re.compile(r'(‹[^›]*›|\(exactly: "(?:[^"\\]|\\.)*"\))')
# An amount as sentences carry it: plain digits, the currency's own decimals, and its code.
_AMOUNT = re.compile(r"(?<![\d.,])(\d{4,15})(?:\.(\d+))? ([A-Z]{3})\b")


def for_people(text: str) -> str:
    """A sentence with the amounts in it written as `money` writes them; what outsiders wrote stays as it is."""
    return in_our_words(text, lambda ours: _AMOUNT.sub(_grouped, ours))


def in_our_words(text: str, change: Callable[[str], str]) -> str:
    """The text with a change made to our own words only, not to what outsiders wrote, which stands between marks."""
    parts = _THEIRS.split(text)
    return "".join(part if number % 2 else change(part) for number, part in enumerate(parts))


def _grouped(found: re.Match[str]) -> str:
    whole, decimals, currency = found[1], found[2] or "", found[3]
    if EXPONENTS.get(currency) != len(decimals):
        # A number that only looks like an amount, such as a document's number before a word in capitals.
        return found[0]
    return f"{int(whole):,}{'.' if decimals else ''}{decimals} {currency}"


def length_of(time: timedelta) -> str:
    """A length of time in its largest unit: 3 d, 5 h, 12 min."""
    if time >= 2 * _DAY:
        return f"{time // _DAY} d"
    if time >= 2 * _HOUR:
        return f"{time // _HOUR} h"
    return f"{max(time // timedelta(minutes=1), 0)} min"
