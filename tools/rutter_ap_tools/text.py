"""Text written by outsiders is data: made harmless to show before anyone, person or model, sees it."""

from __future__ import annotations

import re
import unicodedata

# Control, format (bidi, zero-width, tags), surrogate, private-use and unassigned characters can hide or reorder text.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
# Characters of other categories that show nothing: variation selectors, fillers, joiners, inherent vowels (Unicode's
# Default_Ignorable_Code_Point), and the braille blank. With them two names can look alike and differ.
_INVISIBLE = frozenset(
    [
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
        *(*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)),
    ]
)


def clean(text: str | None, limit: int = 120) -> str:
    """One line of visible characters, at most `limit` of them; what was cut off is shown by an ellipsis."""
    if not text:
        return ""
    # A hostile field may be megabytes long; normalising a bounded head is enough to fill the limit.
    head = text[: limit * 8]
    if head.isascii() and head.isprintable():
        # Most text by far: nothing in it is hidden, and it has one spelling only.
        line = " ".join(head.split())
    else:
        seen = "".join(" " if c.isspace() else c for c in head if c.isspace() or not _is_hidden(c))
        # Normalised last: a hidden character between a letter and its accent must not make a second spelling.
        line = " ".join(unicodedata.normalize("NFC", seen).split())
    if len(line) <= limit and len(text) <= limit * 8:
        return line
    return line[: limit - 1].rstrip() + "…"


def quote(text: str | None, limit: int = 120) -> str:
    """Cleaned text between marks that say it was written by outsiders: ‹…›. Empty text gives nothing."""
    cleaned = clean(text, limit).replace("‹", "<").replace("›", ">")
    return f"‹{cleaned}›" if cleaned else ""


def fold(text: str | None) -> str:
    """A name for comparing: cleaned, compatibility-normalised, without case or outer spaces."""
    return unicodedata.normalize("NFKC", clean(text, 400)).casefold().strip()


def normal_number(number: str | None, limit: int = 400) -> str:
    """A document's number without case, spaces and punctuation: INV-007 and inv 007 are one number."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", clean(number, limit)).casefold())


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN or ord(character) in _INVISIBLE
