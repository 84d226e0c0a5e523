"""Texts as accounting platforms keep them: trimmed, cut, with plain punctuation, telephone numbers in one format."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any

# The longest text of a field that is kept, after QuickBooks: document numbers 21 characters, file names and the like.
_CHARACTERS_MAX = {"document_number": 21, "memo": 60, "description": 40, "vendor_name": 41, "contact_name": 41}
_PLAIN = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-"})


def tidied(given: Any, name: str = "") -> Any:
    """What was sent, with every text in it as a platform would keep it. Ids, amounts and dates stay as they are."""
    if isinstance(given, dict):
        return {key: tidied(value, key) for key, value in given.items()}
    if isinstance(given, list):
        return [tidied(one, name) for one in given]
    if not isinstance(given, str) or name in _EXACT or name.endswith(("_id", "_date")):
        return given
    text = " ".join(unicodedata.normalize("NFC", given).translate(_PLAIN).split())
    return _FORMATS.get(name, str)(text)[: _CHARACTERS_MAX.get(name)].rstrip()


# An id, the bytes of a file, and what is one of a list of words.
_EXACT = frozenset({"id", "file", "currency_code", "status", "type", "account_type"})


def _phone(text: str) -> str:
    digits = re.sub(r"\D", "", text)
    return f"({digits[-10:-7]}) {digits[-7:-4]}-{digits[-4:]}" if len(digits) >= 10 else text


_FORMATS: dict[str, Callable[[str], str]] = {
    "phone": _phone,
    "email": str.lower,
    "country": str.upper,
    "file_name": lambda text: text.replace(" ", "_"),
}
