"""JSON in and out, with numbers that stay exact: a float never touches an amount."""

from __future__ import annotations

import hashlib
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

JsonObject = dict[str, Any]

_encoder = msgspec.json.Encoder(decimal_format="number")
_sorted_encoder = msgspec.json.Encoder(decimal_format="number", order="sorted")
_decoder = msgspec.json.Decoder(float_hook=Decimal)


def encode(value: object) -> bytes:
    return _encoder.encode(value)


def decode(raw: bytes) -> Any:
    """Read JSON. Raises ValueError on anything that is not JSON, however deep or however large its numbers."""
    try:
        return _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidOperation) as error:
        raise ValueError(str(error)) from error


def digest(value: object) -> str:
    """A hash that is the same for equal JSON: key order and trailing zeros do not count."""
    return hashlib.sha256(_sorted_encoder.encode(_plain(value))).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return _plain_number(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return _plain_number(Decimal(value))
    return value


def _plain_number(value: Decimal) -> str:
    sign, digits, exponent = value.normalize().as_tuple()
    return f"number:{sign}:{''.join(map(str, digits))}e{exponent}"
