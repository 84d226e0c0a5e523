"""Validates a call: an assistant's JSON becomes typed arguments, or an error in our own words that echoes no value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import Arguments

A = TypeVar("A", bound=Arguments)

_AMOUNT_HELP = 'must be a decimal string such as "1234.50", without a sign or commas'
_HELP = {
    "missing": "is required",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "list_type": "must be a list",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "too_long": "has too many entries",
    "too_short": "needs at least one entry",
    "string_too_long": "is too long",
    "string_too_short": "must not be empty",
    "greater_than_equal": "is too small",
    "less_than_equal": "is too large",
}


def read_arguments(model: type[A], given: object) -> A:
    """The typed arguments, or `BadInput` naming every wrong argument at once. Values given are never echoed."""
    if not isinstance(given, dict):
        raise BadInput("arguments must be an object of names and values")
    try:
        arguments = model.model_validate(given)
    except ValidationError as error:
        problems = list(dict.fromkeys(_render(model, e) for e in error.errors(include_url=False, include_input=False)))
        raise BadInput("; ".join(problems[:8])) from None
    empty = [f"`{name}` is empty; omit it, or give a value" for name in _empty(model, given)]
    if empty:
        raise BadInput("; ".join(empty[:8]))
    return arguments


def _empty(model: type[Arguments], given: dict[str, Any], place: str = "") -> Iterator[str]:
    """The arguments that were given and say nothing, where that is not the same as omitting them."""
    if model.may_be_empty is None:
        return
    for key, field in model.model_fields.items():
        name = field.alias or key
        value = given.get(name)
        inner = next((one for one in (field.annotation, *get_args(field.annotation)) if _is_model(one)), None)
        if inner is not None and value:
            for number, part in enumerate(value if isinstance(value, list) else [value]):
                at = f"{place}{name}.{number}." if isinstance(value, list) else f"{place}{name}."
                yield from _empty(inner, part, at)
        elif value is not None and key not in model.may_be_empty and _says_nothing(value):
            yield f"{place}{name}"


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Arguments)


def _says_nothing(value: object) -> bool:
    return value in ([], {}) or (isinstance(value, str) and not clean(value))


def _render(model: type[Arguments], error: Any) -> str:
    kind = error["type"]
    if kind == "extra_forbidden":
        return _unknown(model, error["loc"])
    path = [part for part in error["loc"] if not _is_arm(part)]
    name = clean(".".join(str(part) for part in path), 80) or "arguments"
    if kind == "value_error":
        return f"`{name}` {error['ctx']['error']}"
    if kind in ("string_pattern_mismatch", "string_type", "literal_error", "enum"):
        return f"`{name}` {_text_help(path, error)}"
    return f"`{name}` {_HELP.get(kind, 'is not valid')}"


def _text_help(path: list[Any], error: Any) -> str:
    last = str(path[-1]) if path else ""
    if last in ("amount", "quantity", "unit_amount"):
        return _AMOUNT_HELP
    if last.endswith("date") or last.startswith("due_"):
        return "must be a calendar date written YYYY-MM-DD"
    if last.endswith("_id") or (len(path) > 1 and path[-2] == "bill_ids"):
        return "must be an id exactly as another tool returned it"
    if last == "currency":
        return "must be an ISO 4217 code in capital letters, such as USD"
    expected = error.get("ctx", {}).get("expected")
    if expected and error["type"] in ("literal_error", "enum"):
        return f"must be one of {expected}"
    return "must be a string"


def _unknown(model: type[Arguments], path: Sequence[Any]) -> str:
    name = clean(str(path[-1]), 60)
    known = [field.alias or key for key, field in model.model_fields.items()]
    if len(path) > 1:
        return f"unknown argument `{name}` in `{clean(str(path[0]), 60)}`"
    near = get_close_matches(name, known, n=1)
    hint = f" (did you mean `{near[0]}`?)" if near else ""
    return f"unknown argument `{name}`{hint}; the arguments are: {', '.join(known)}"


def _is_arm(part: object) -> bool:
    # The members of a union appear in pydantic's path under pydantic's own names, which mean nothing to a caller.
    return isinstance(part, str) and (part.startswith(("constrained", "literal[", "function-")) or part == "nullable")
