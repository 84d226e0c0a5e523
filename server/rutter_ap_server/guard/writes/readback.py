"""How ledgers are known to change the texts they are sent, so that what was written is recognised and locks nothing.

Money, ids, currencies and accounts are not compared here: those are exact. The known changes, in the order in which
they are tried, each with its reason:

- spaces and line ends: every platform's forms trim and collapse spaces and change line ends; characters nobody sees are
  dropped, and letters with accents are composed (Unicode's NFC).
- punctuation: typographic quotes, dashes and dots become plain ones where an older character set is used.
- letter case: e-mail addresses and country codes are the same in any case, and some platforms keep numbers in capitals.
- format: a telephone number is its digits (QuickBooks writes (555) 010-0199), a document number or file name its
  letters and digits.
- length: every platform cuts a text at a length of its own (QuickBooks: document numbers at 21 characters).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from rutter_ap_tools.text import clean, normal_number, quote
from rutter_ap_tools.wire import Record

Kind = Literal["text", "number", "code", "phone", "file"]
CUT_CHARACTERS_MIN = 20
"""No platform keeps less of a number, name or memo: a shorter beginning is another text."""
_TEXT_CHARACTERS_MAX = 20_000
_SHOWN_CHARACTERS_MAX = 120
_PHONE_DIGITS_MIN = 7
# A day that a ledger keeps as midnight of its own zone is shown as another time of the same or of a neighbouring day.
_ZONE_MAX = timedelta(hours=14)
_PUNCTUATION = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4`", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")
    | {"\u2026": "..."}
)


@dataclass(frozen=True, slots=True)
class Difference:
    """How a text in the ledger differs from what was sent, in words; `is_tidied` if only by a known change."""

    words: str
    is_tidied: bool


@dataclass(frozen=True, slots=True)
class Sent:
    """A text that was sent, what the ledger shows of it, and what kind of text it is."""

    field: str
    text: str
    shown: str | None
    kind: Kind = "text"

    @property
    def difference(self) -> Difference | None:
        """None if the ledger shows it as it was sent."""
        shown = self.shown or ""
        if shown == self.text:
            return None
        how = _how_tidied(self.text, shown, self.kind)
        kept = f"the ledger keeps the {self.field} as {quote(shown, _SHOWN_CHARACTERS_MAX)}"
        if not shown:
            kept = f"the ledger keeps no {self.field}"
        if how is None:
            sent = quote(self.text, _SHOWN_CHARACTERS_MAX)
            return Difference(f"{kept} instead of {sent}", is_tidied=False)
        return Difference(f"{kept}, changed in {how}", is_tidied=True)

    @property
    def is_shown(self) -> bool:
        """Whether the ledger shows it, as it was sent or changed as platforms do."""
        difference = self.difference
        return difference is None or difference.is_tidied


def differences(sent: Iterable[Sent]) -> list[Difference]:
    """Every difference between the texts that were sent and those the ledger shows."""
    return [one.difference for one in sent if one.difference is not None]


def with_differences(record: Record, found: Sequence[Difference]) -> Record:
    """The record with what is said of its texts."""
    tidied = "; ".join(one.words for one in found if one.is_tidied)
    others = "; ".join(one.words for one in found if not one.is_tidied)
    return record.model_copy(update={"tidied": tidied or None, "text_difference": others or None})


def same_day(shown: datetime | None, sent: str, *, in_any_zone: bool) -> bool:
    """Whether the ledger shows that day (YYYY-MM-DD), with or without a time.

    `in_any_zone` for a record that is known to be ours: then another time in UTC may be midnight in the ledger's zone.
    """
    if shown is None:
        return False
    day = date.fromisoformat(sent)
    is_utc_time = shown.utcoffset() == timedelta(0) and shown.time() != time()
    midnight = datetime.combine(day, time(), tzinfo=UTC)
    return shown.date() == day or (in_any_zone and is_utc_time and abs(shown - midnight) <= _ZONE_MAX)


def _how_tidied(sent: str, shown: str, kind: Kind) -> str | None:
    """The known changes that turn the one into the other, in words; None if it takes more than those."""
    said: list[str] = []
    for words, step in _steps(kind):
        before, sent, shown = (sent, shown), step(sent), step(shown)
        if (sent, shown) != before:
            said.append(words)
        if shown and _is_same(sent, shown, kind):
            return ", ".join(said) or words
        if _is_cut(sent, shown, kind):
            return ", ".join((*said, "length"))
    return None


def _steps(kind: Kind) -> tuple[tuple[str, Callable[[str], str]], ...]:
    steps: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("spaces and line ends", lambda text: clean(text, _TEXT_CHARACTERS_MAX)),
        ("punctuation", lambda text: " ".join(text.translate(_PUNCTUATION).split())),
    )
    if kind != "text":
        steps += (("letter case", str.casefold),)
    if kind == "phone":
        steps += (("format", lambda text: re.sub(r"\D", "", text)),)
    if kind in ("number", "file"):
        steps += (("format", lambda text: normal_number(text, _TEXT_CHARACTERS_MAX)),)
    return steps


def _is_same(sent: str, shown: str, kind: Kind) -> bool:
    if sent == shown:
        return True
    # A country's code is put before a number, or left out.
    shorter, longer = sorted((sent, shown), key=len)
    return kind == "phone" and shorter.isdigit() and len(shorter) >= _PHONE_DIGITS_MIN and longer.endswith(shorter)


def _is_cut(sent: str, shown: str, kind: Kind) -> bool:
    if kind == "file":
        # The end of a file's name says what it is, and is kept.
        (sent, end), (shown, shown_end) = _parted(sent), _parted(shown)
        if end != shown_end:
            return False
    shown = shown.removesuffix("...").rstrip()
    return len(shown) >= CUT_CHARACTERS_MIN and len(shown) < len(sent) and sent.startswith(shown)


def _parted(name: str) -> tuple[str, str]:
    stem, dot, end = name.rpartition(".")
    return (stem, end) if dot else (name, "")
