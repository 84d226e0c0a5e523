"""Ids and keys for URLs and headers. Anything that could point elsewhere is refused before it is sent."""

from __future__ import annotations

from collections.abc import Sequence, Set
from urllib.parse import quote

from rutter_ap_server.rutter.credentials import Revealing, Secret
from rutter_ap_server.rutter.errors import InvalidInput

ID_CHARACTERS_MAX = 300
KEY_CHARACTERS_MAX = 100
TEXT_CHARACTERS_MAX = 4_000


def path_of(*segments: str) -> str:
    """A path of literal segments and already quoted ids."""
    return "/" + "/".join(segments)


def quoted_id(text: str, what: str = "The id") -> str:
    """An id as one path segment. Slashes, percent signs and the like are escaped; `.` and `..` are refused."""
    if not isinstance(text, str) or not text.strip():
        raise InvalidInput(f"{what} is empty.")
    if text in {".", ".."}:
        raise InvalidInput(f"{what} is not a valid id.")
    if len(text) > ID_CHARACTERS_MAX:
        raise InvalidInput(f"{what} is longer than {ID_CHARACTERS_MAX} characters.")
    if not text.isprintable():
        # Control characters, line breaks, and lone surrogates, which cannot be encoded.
        raise InvalidInput(f"{what} contains unprintable characters.")
    return quote(text, safe="")


def is_same_id(one: object, other: str) -> bool:
    """Whether two ids are one: those of Rutter are UUIDs, in which case does not matter."""
    return isinstance(one, str) and one.lower() == other.lower()


def checked_text(text: str, what: str, *, characters_max: int = TEXT_CHARACTERS_MAX) -> str:
    """A text that can be sent in a query. Raises `InvalidInput`, which does not show it."""
    if not isinstance(text, str) or not text.strip():
        raise InvalidInput(f"{what} must be a text that is not empty.")
    if len(text) > characters_max or not text.isprintable():
        raise InvalidInput(f"{what} must be at most {characters_max} printable characters.")
    return text


def checked_texts(texts: Sequence[str], what: str) -> list[str]:
    """Texts of a list, each of which can be sent. Raises `InvalidInput`."""
    if isinstance(texts, str | bytes) or not isinstance(texts, Sequence | Set):
        raise InvalidInput(f"{what} must be a list of texts.")
    return [checked_text(text, f"Each of {what[0].lower()}{what[1:]}") for text in texts]


def checked_key(key: str) -> str:
    """An idempotency key: 1 to 100 printable ASCII characters (Rutter docs: Making Idempotent Requests)."""
    if not isinstance(key, str) or not key.strip():
        raise InvalidInput("The idempotency key must be a text that is not empty.")
    if len(key) > KEY_CHARACTERS_MAX:
        raise InvalidInput(f"The idempotency key is longer than {KEY_CHARACTERS_MAX} characters.")
    if not (key.isascii() and key.isprintable()):
        raise InvalidInput("The idempotency key contains characters other than printable ASCII.")
    return key


def checked_secret(secret: str | Revealing, what: str) -> Secret:
    """A token or a password that can be sent. Raises `InvalidInput`, which does not show it."""
    text = Secret.of(secret).reveal() if isinstance(secret, str | Revealing) else None
    if not isinstance(text, str) or not text.strip():
        raise InvalidInput(f"{what} is empty.")
    if text != text.strip() or not text.isprintable():
        raise InvalidInput(f"{what} has blanks around it, or unprintable characters.")
    return Secret.of(text)
