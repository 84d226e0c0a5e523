"""Bytes to objects and back, exactly: no amount is ever a float, no null is ever sent.

Decoding tries the fast path first. Only an object that does not fit is decoded again without types and repaired in the
few ways Rutter's platforms are known to differ: a date without a time, an empty date, an empty number.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Final, TypeVar

import msgspec
import msgspec.structs

from rutter_ap_server.rutter.credentials import Secret
from rutter_ap_server.rutter.error_map import ErrorBody
from rutter_ap_server.rutter.errors import InvalidInput
from rutter_ap_server.rutter.ids import TEXT_CHARACTERS_MAX
from rutter_ap_server.rutter.models.base import Draft, Record, decode_exact, is_sane
from rutter_ap_server.rutter.models.connections import PageConnection

T = TypeVar("T")
NESTING_MAX = 40
DIGITS_MAX = 48

_encoder = msgspec.json.Encoder(decimal_format="number")


class NotReadable(Exception):
    """The bytes are not what was expected. Says nothing about their content, on purpose."""


# --- out ---------------------------------------------------------------------------------------------------------


def instant_text(value: date) -> str:
    """A datetime as Rutter writes it: ISO 8601, UTC, milliseconds. A date alone is midnight UTC."""
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise InvalidInput("A date with a time needs a time zone.")
        with suppress(OverflowError):
            return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
        raise InvalidInput("A date with a time is outside the years 1 to 9999.")
    return f"{value.isoformat()}T00:00:00.000Z"


def encode_body(body: Mapping[str, object]) -> bytes:
    """A request body. Raises `InvalidInput` for a null, a float, or a number books cannot hold."""
    return _encoder.encode(_plain(body, "body", NESTING_MAX))


def _plain(value: object, path: str, depth: int) -> object:
    if depth == 0:
        raise InvalidInput("body is nested too deeply.")
    if isinstance(value, Draft):
        value = {name: getattr(value, name) for name in value.__struct_fields__}
    if isinstance(value, Mapping):
        named = {_plain_name(name, path): part for name, part in value.items() if part is not msgspec.UNSET}
        return {name: _plain(part, f"{path}.{name}", depth - 1) for name, part in named.items()}
    if isinstance(value, list | tuple):
        return [_plain(part, f"{path}[]", depth - 1) for part in value]
    return _plain_leaf(value, path)


def _plain_name(name: object, path: str) -> str:
    if not isinstance(name, str) or not name.isprintable():
        raise InvalidInput(f"{path} has a name that is no text.")
    return name


def _plain_leaf(value: object, path: str) -> object:
    if isinstance(value, Decimal):
        if not is_sane(value) or len(value.as_tuple().digits) > DIGITS_MAX:
            raise InvalidInput(f"{path} is not a number that a ledger can hold.")
        # 1E+3 is legal JSON, but not every reader of amounts knows it.
        return Decimal(format(value, "f"))
    if isinstance(value, date):
        return instant_text(value)
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise InvalidInput(f"{path} contains an incomplete character.")
        return value
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _plain_leaf(Decimal(value), path)
    if value is None:
        raise InvalidInput(f"{path} is null. Rutter rejects nulls; omit it instead.")
    if isinstance(value, float):
        raise InvalidInput(f"{path} is a float. Amounts are decimals.")
    raise InvalidInput(f"{path} has a type that cannot be sent.")


# --- in ----------------------------------------------------------------------------------------------------------


def _dec_hook(kind: type, value: object) -> object:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise ValueError("not of the expected kind")


@lru_cache(maxsize=256)
def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, dec_hook=_dec_hook)


_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def decode(raw: bytes | msgspec.Raw, kind: type[T]) -> T:
    """One object. A `Record` keeps a copy of its bytes. Raises `NotReadable`."""
    record: T | None
    try:
        record = _decoder(kind).decode(raw)  # type: ignore[arg-type] # every class can be hashed
    except _UNREADABLE:
        record = None
    if record is None:
        record = _repaired(raw, kind)
    if isinstance(record, Record):
        # A copy: a view would keep the whole page in memory as long as any of its objects.
        record.__dict__["raw_json"] = bytes(raw)
    return record


def _repaired(raw: bytes | msgspec.Raw, kind: type[T]) -> T:
    with suppress(*_UNREADABLE, ValueError):
        plain = _repair(decode_exact(bytes(raw)), kind, NESTING_MAX)
        record: T = msgspec.convert(plain, kind, dec_hook=_dec_hook)
        return record
    # Raised outside any handler, so that no content is attached to it.
    raise NotReadable


# What stands for a field that must be there and is not, or cannot be read; no amount ever gets one.
_UNREAD: Final = {"id": "", "currency_code": ""}


def decode_usable(raw: bytes | msgspec.Raw, kind: type[T]) -> T:
    """One object; a `Record` with fields that cannot be read is returned without them, and says so in `trouble`.

    Raises `NotReadable` for anything without an id.
    """
    try:
        return decode(raw, kind)
    except NotReadable:
        pass
    record = salvage(raw, kind) if issubclass(kind, Record) else None
    if record is None or not record.id:
        raise NotReadable
    return record


def salvage(raw: bytes | msgspec.Raw, kind: type[T]) -> T:
    """What can be read of an object that is not as documented, so that one bad record does not hide all the others."""
    plain: Any = None
    with suppress(*_UNREADABLE, ValueError):
        plain = decode_exact(bytes(raw))
    given = plain if isinstance(plain, dict) else {}
    fields: dict[str, Any] = {}
    unread = []
    # Every kind of object is a struct, and every class can be hashed.
    hints = _hints(kind)  # type: ignore[arg-type]
    for field in msgspec.structs.fields(kind):  # type: ignore[arg-type]
        name = field.encode_name
        with suppress(*_UNREADABLE, ValueError, ArithmeticError):
            if name in given:
                fields[field.name] = _converted(given[name], hints[name], field.type)
                continue
            if not field.required:
                continue
        unread.append(name.replace("_", " "))
        if field.required:
            fields[field.name] = _UNREAD.get(name, "unknown")
    record = kind(**fields)
    words = " and ".join(filter(None, (", ".join(unread[:-1]), *unread[-1:])))
    record.__dict__.update(raw_json=bytes(raw), unread=f"its {words} cannot be read")
    return record


def _converted(value: Any, hint: Any, exact_hint: Any) -> Any:
    found = msgspec.convert(_repair(value, hint, NESTING_MAX), exact_hint, dec_hook=_dec_hook)
    if isinstance(found, Decimal) and not is_sane(found):
        raise ValueError("not a number that a ledger can hold")
    return found


class Envelope(ErrorBody, kw_only=True):
    """The outer object of a list. The items are decoded on demand."""

    items: list[msgspec.Raw]
    next_cursor: Annotated[str, msgspec.Meta(max_length=TEXT_CHARACTERS_MAX)] | None = None
    connection: PageConnection | None = None


@lru_cache(maxsize=64)
def _envelope_decoder(plural: str) -> msgspec.json.Decoder[Envelope]:
    items = ("items", list[msgspec.Raw], msgspec.field(name=plural))
    return msgspec.json.Decoder(msgspec.defstruct("Envelope", [items], bases=(Envelope,), kw_only=True))


def decode_envelope(raw: bytes, plural: str) -> Envelope:
    """The outer object of a list under its plural key.

    Raises `NotReadable` unless there is a list: nothing, or a null in its place, does not say that there are none. Nor
    does a list with an error beside it.
    """
    envelope = None
    with suppress(*_UNREADABLE):
        envelope = _envelope_decoder(plural).decode(raw)
    if envelope is None or envelope.is_error:
        raise NotReadable
    return envelope


def decode_members(raw: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """The members of a JSON object, undecoded. Raises `NotReadable` when the bytes are no object."""
    try:
        return _members.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        members = None
    if members is None:
        raise NotReadable
    return members


_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def is_json(raw: bytes) -> bool:
    """Whether the bytes are one whole JSON value, however deep."""
    try:
        _any.decode(raw)
    except RecursionError:
        return True
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return True


_any = msgspec.json.Decoder(msgspec.Raw)

# --- repair ------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _hints(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, include_extras=False)
    names = dict(zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True))  # type: ignore[attr-defined]
    return {names[name]: hint for name, hint in hints.items() if name in names}


def _repair(value: Any, hint: Any, depth: int) -> Any:
    if depth == 0:
        raise ValueError("nested too deeply")
    options = typing.get_args(hint) if typing.get_origin(hint) in {types.UnionType, typing.Union} else (hint,)
    if datetime in options:
        return _repair_instant(value, optional=type(None) in options)
    for option in options:
        if isinstance(value, dict) and isinstance(option, type) and issubclass(option, msgspec.Struct):
            return _repair_struct(value, option, depth)
        if typing.get_origin(option) is tuple:
            inner = typing.get_args(option)[0]
            # A null in its place does not say that there are none.
            return [_repair(part, inner, depth - 1) for part in value] if isinstance(value, list) else value
        if value == "" and option is Decimal and type(None) in options:
            return None
    return value


def _repair_struct(value: dict[str, Any], kind: type, depth: int) -> dict[str, Any]:
    hints = _hints(kind)
    return {name: _repair(part, hints[name], depth - 1) for name, part in value.items() if name in hints}


def _repair_instant(value: Any, *, optional: bool) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text:
        return None if optional else value
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
