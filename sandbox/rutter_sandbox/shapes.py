"""Validates request bodies against the documented fields."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rutter_sandbox import clock
from rutter_sandbox.errors import JsonObject, bad_request, missing
from rutter_sandbox.money import CURRENCIES

AMOUNT_LIMIT = Decimal(10) ** 12
TEXT_MAX = 4000
NAME_MAX = 255
DESCRIPTION_MAX = 512
LINES_MAX = 1000

# Whether an object of a kind with this id exists on the connection.
Exists = Callable[[str, str], bool]
Check = Callable[[Any, str, Exists], Any]

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a shape: how its value is checked, and whether it may be left out or null."""

    check: Check
    required: bool = False
    nullable: bool = False


Shape = dict[str, Field]


def required(check: Check) -> Field:
    return Field(check, required=True)


def optional(check: Check) -> Field:
    return Field(check)


def nullable(check: Check) -> Field:
    return Field(check, nullable=True)


def checked(shape: Shape, value: Any, path: str, exists: Exists) -> JsonObject:
    """The known fields of an object, each checked. Unknown fields are ignored, as Rutter is assumed to do."""
    if not isinstance(value, dict):
        raise bad_request(f"{path} must be an object.")
    clean: JsonObject = {}
    for name, field in shape.items():
        if name in value:
            clean[name] = _checked_field(field, value[name], f"{path}.{name}", exists)
        elif field.required:
            raise missing(f"{path}.{name} is required.")
    return clean


def _checked_field(field: Field, value: Any, path: str, exists: Exists) -> Any:
    if value is not None:
        return field.check(value, path, exists)
    if field.nullable:
        return None
    raise bad_request(f"{path} must not be null; leave the key out instead.")


def without_requirements(shape: Shape, *names: str) -> Shape:
    """The same shape for an update, in which every field, or the named ones, may be left out."""
    chosen = names or tuple(shape)
    return {
        name: Field(field.check, required=False, nullable=field.nullable) if name in chosen else field
        for name, field in shape.items()
    }


def text(longest: int = TEXT_MAX, shortest: int = 0) -> Check:
    def check(value: Any, path: str, exists: Exists) -> str:
        if not isinstance(value, str):
            raise bad_request(f"{path} must be a string.")
        if not shortest <= len(value) <= longest:
            raise bad_request(f"{path} must have {shortest} to {longest} characters.")
        return value

    return check


name_text = text(NAME_MAX, shortest=1)
description_text = text(DESCRIPTION_MAX, shortest=1)


def amount(value: Any, path: str, exists: Exists) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise bad_request(f"{path} must be a number.")
    number = Decimal(value)
    # The exponent is looked at first: comparing a number such as 1e999999 would be slow.
    if number.adjusted() > 15 or abs(number) >= AMOUNT_LIMIT or number.as_tuple().exponent < -15:  # type: ignore[operator]
        raise bad_request(f"{path} is out of range.")
    return number


def amount_from_zero(value: Any, path: str, exists: Exists) -> Decimal:
    number = amount(value, path, exists)
    if number < 0:
        raise bad_request(f"{path} must not be negative.")
    return number


def amount_or_text(value: Any, path: str, exists: Exists) -> Decimal:
    """A number, or the same number in a string, where the documents allow both."""
    if isinstance(value, str):
        if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", value):
            raise bad_request(f"{path} must be a number.")
        value = Decimal(value)
    return amount(value, path, exists)


def allocation_or_text(value: Any, path: str, exists: Exists) -> Decimal:
    return amount_from_zero(amount_or_text(value, path, exists), path, exists)


def flag(value: Any, path: str, exists: Exists) -> bool:
    if not isinstance(value, bool):
        raise bad_request(f"{path} must be true or false.")
    return value


def moment(value: Any, path: str, exists: Exists) -> str:
    """A date or a timestamp, in the stored form; a plain date becomes midnight UTC."""
    try:
        return clock.parse_moment(value if isinstance(value, str) else "")
    except ValueError:
        raise bad_request(f"{path} must be an ISO 8601 date or timestamp.") from None


def currency(value: Any, path: str, exists: Exists) -> str:
    if not isinstance(value, str) or value not in CURRENCIES:
        raise bad_request(f"{path} must be an ISO 4217 currency code.")
    return value


def email(value: Any, path: str, exists: Exists) -> str:
    if not isinstance(value, str) or len(value) > NAME_MAX or not _EMAIL.fullmatch(value):
        raise bad_request(f"{path} must be an e-mail address.")
    return value


def choice(*options: str) -> Check:
    def check(value: Any, path: str, exists: Exists) -> str:
        if not isinstance(value, str) or value not in options:
            raise bad_request(f"{path} must be one of {', '.join(options)}.")
        return value

    return check


def reference(kind: str) -> Check:
    """The Rutter id of another object on the same connection."""

    def check(value: Any, path: str, exists: Exists) -> str:
        if not isinstance(value, str) or not exists(kind, value):
            raise bad_request(f"{path} is not the id of a {kind.replace('_', ' ')} on this connection.")
        return value

    return check


def record(shape: Shape) -> Check:
    def check(value: Any, path: str, exists: Exists) -> JsonObject:
        return checked(shape, value, path, exists)

    return check


def listing(check_one: Check, shortest: int = 0) -> Check:
    def check(value: Any, path: str, exists: Exists) -> list[Any]:
        if not isinstance(value, list):
            raise bad_request(f"{path} must be an array.")
        if not shortest <= len(value) <= LINES_MAX:
            raise bad_request(f"{path} must have {shortest} to {LINES_MAX} entries.")
        for index, one in enumerate(value):
            if one is None:
                raise bad_request(f"{path}[{index}] must not be null.")
        return [check_one(one, f"{path}[{index}]", exists) for index, one in enumerate(value)]

    return check
