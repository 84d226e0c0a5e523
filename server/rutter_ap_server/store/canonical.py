"""Canonical JSON: one spelling for one value, so that digests can be compared (RFC 8785's aim, without numbers)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import msgspec

# Made once: it is asked for with every entry of the audit chain.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def canonical(value: Any) -> str:
    """JSON with sorted keys, no spaces, ASCII only. Takes strings, ints, bools, None, lists and objects; never a float.

    Amounts and dates are passed as strings, so that no number format can change a digest.
    """
    _refuse_floats(value)
    return _ENCODER.encode(value)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical(value).encode("ascii")).hexdigest()


def parsed(text: str) -> Any:
    """What JSON says, as `json.loads` reads it, and several times faster. Raises `ValueError` and `TypeError`."""
    try:
        return msgspec.json.decode(text)
    except ValueError:
        # Halves of a pair of surrogates, which are in texts from outside, and what is no JSON at all.
        return json.loads(text)


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError("a float has no place in a digest")
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError("keys of a digest are texts")
        items: Iterable[Any] = value.values()
    elif isinstance(value, (list, tuple)):
        items = value
    else:
        return
    for item in items:
        # Most of it are texts, of which there is nothing to ask.
        if type(item) is not str:
            _refuse_floats(item)
