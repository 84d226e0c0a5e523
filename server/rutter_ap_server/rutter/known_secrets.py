"""The secrets this process knows, taken out of whatever an upstream sends before anything reads it.

An upstream may quote the request it got: in an error sentence, in a job, in a record. What is stored, logged or shown
is decoded from its bytes, so one place is enough. A secret is found in any case, whole or broken by spaces and other
separators, escaped as in JSON or in a URL, and inside base64. It never matches beyond the JSON text it stands in.
"""

from __future__ import annotations

import base64
import re
from functools import partial
from urllib.parse import quote

from rutter_ap_server.secret import MASK, Revealing, Secret

# Shorter than this it would be an ordinary word, and would take those out of the books.
_LETTERS_MIN = 8
_MASK = MASK.encode("ascii")
_LETTER = re.compile(rb"[0-9a-z]", re.IGNORECASE)
_LOWER = bytes(range(256)).lower()
_NO_LETTERS = bytes(byte for byte in range(256) if not chr(byte).isascii() or not chr(byte).isalnum())
_ESCAPE = re.compile(rb"\\+u([0-9a-f]{4})|\\+[nrtbfv]|%([0-9a-f]{2})", re.IGNORECASE)
# What may stand between two letters: an escape, a separator, or a quote that ends no JSON text.
_BETWEEN = rb'(?:\\+u[0-9a-f]{4}|\\+[nrtbfv"]|%[0-9a-f]{2}|[^0-9a-z"]){0,8}?'
# Where Rutter hands a token over, as the value of a member of that name.
_HANDED_OVER = re.compile(rb'"(?:new_)?access_token"\s*:\s*"$', re.IGNORECASE)


class KnownSecrets:
    """Grows as secrets become known; none is ever forgotten, because an upstream may quote an old one."""

    def __init__(self, *secrets: str | Revealing) -> None:
        self._patterns: dict[bytes, re.Pattern[bytes]] = {}
        for secret in secrets:
            self.learn(secret)

    def __repr__(self) -> str:
        return "KnownSecrets(…)"

    def learn(self, secret: str | Revealing) -> None:
        """Takes this one out from now on."""
        text = Secret.of(secret).reveal().encode()
        quoted = quote(text, safe="").encode("ascii")
        for form in {text, quoted, *_in_base64(text)}:
            letters = _squeezed(form)
            if len(letters) >= _LETTERS_MIN and letters not in self._patterns:
                self._patterns[letters] = _pattern(form)

    def without(self, raw: bytes, *, hands_over: bool = False) -> bytes:
        """The bytes with a mask in place of every known secret; `hands_over` spares those that Rutter hands over."""
        for pattern in self._found_in(raw):
            raw = pattern.sub(partial(_masked, hands_over=hands_over), raw)
        return raw

    def text(self, text: str) -> str:
        """The same for text that was taken out of bytes in another way, such as that of a document."""
        raw = text.encode("utf-8", "surrogatepass")
        return self.without(raw).decode("utf-8", "surrogatepass") if self._found_in(raw) else text

    def _found_in(self, raw: bytes) -> list[re.Pattern[bytes]]:
        """The patterns that may match. Nearly every body has none, and most are long: two passes over it are enough."""
        views = [_squeezed(raw)]
        if b"\\" in raw or b"%" in raw:
            views.append(_squeezed(_ESCAPE.sub(_unescaped, raw)))
        return [pattern for letters, pattern in self._patterns.items() if any(letters in view for view in views)]


def _squeezed(raw: bytes) -> bytes:
    return raw.translate(_LOWER, _NO_LETTERS)


def _unescaped(found: re.Match[bytes]) -> bytes:
    code = int(found[1] or found[2] or b"0", 16)
    return bytes([code]) if code < 128 else b""


def _masked(found: re.Match[bytes], *, hands_over: bool) -> bytes:
    before = found.string[max(0, found.start() - 60) : found.start()]
    return found[0] if hands_over and _HANDED_OVER.search(before) else _MASK


def _pattern(form: bytes) -> re.Pattern[bytes]:
    return re.compile(_BETWEEN.join(_spelled(letter) for letter in _LETTER.findall(form)), re.IGNORECASE)


def _spelled(letter: bytes) -> bytes:
    """A letter as itself, or escaped in JSON or a URL."""
    codes = (b"%02x" % ord(letter.lower()), b"%02x" % ord(letter.upper()))
    return b"(?:" + b"|".join([letter, *(rb"\\+u00" + code + b"|%" + code for code in codes)]) + b")"


def _in_base64(text: bytes) -> set[bytes]:
    """What stands in the base64 of any text around it, for each of the three places where it can begin."""
    found = set()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + text)
        # The characters at either end also hold bits of what stands beside it.
        whole = encoded[(0, 2, 3)[before] : len(text + b"\0" * before) * 8 // 6]
        found |= {whole, whole.translate(bytes.maketrans(b"+/", b"-_"))}
    return found
