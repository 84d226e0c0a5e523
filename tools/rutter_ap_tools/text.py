"""Text written by outsiders is data: it is made safe to show before any person or model sees it."""

from __future__ import annotations

import re
import unicodedata

# Control, format (bidi, zero-width, tags), surrogate, private-use and unassigned characters can hide or reorder text.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
# Invisible characters of other categories: variation selectors, fillers, joiners, inherent vowels (Unicode's
# Default_Ignorable_Code_Point), and the braille blank. With them two names can look alike and yet differ.
_INVISIBLE = frozenset(
    [
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
        *(*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)),
    ]
)


def clean(text: str | None, limit: int = 120) -> str:
    """One line of visible characters, at most `limit` of them; an ellipsis shows that text was cut off."""
    if not text:
        return ""
    # A hostile field may be megabytes long; normalising its beginning is enough to fill the limit.
    head = text[: limit * 8]
    if head.isascii() and head.isprintable():
        # By far the most common case: nothing is hidden, and there is only one spelling.
        line = " ".join(head.split())
    else:
        seen = "".join(" " if c.isspace() else c for c in head if c.isspace() or not _is_hidden(c))
        # Normalised last, so that a hidden character between a letter and its accent cannot create a second spelling.
        line = " ".join(unicodedata.normalize("NFC", seen).split())
    if len(line) <= limit and len(text) <= limit * 8:
        return line
    return line[: limit - 1].rstrip() + "…"


def visible(text: str) -> str:
    """The whole text in its lines, without what could hide or reorder any of it."""
    # A page has many characters, but few that differ.
    hidden = [ord(c) for c in set(text) if c not in "\n\t" and _is_hidden(c)]
    return text.translate(dict.fromkeys(hidden)) if hidden else text


def quote(text: str | None, limit: int = 120) -> str:
    """Cleaned text between marks that say outsiders wrote it: ‹…›. Empty text stays empty."""
    cleaned = clean(text, limit).replace("‹", "<").replace("›", ">")
    return f"‹{cleaned}›" if cleaned else ""


def fold(text: str | None) -> str:
    """A name for comparison: cleaned, compatibility-normalised, without case or surrounding spaces."""
    return unicodedata.normalize("NFKC", clean(text, 400)).casefold().strip()


def normal_number(number: str | None, limit: int = 400) -> str:
    """A document number without case, spaces and punctuation: INV-007 and inv 007 are the same number."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", clean(number, limit)).casefold())


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN or ord(character) in _INVISIBLE
