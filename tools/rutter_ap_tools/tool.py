"""A tool is one value in one place: its name, texts, risk, argument and result models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel

from rutter_ap_tools.findings import Severity
from rutter_ap_tools.wire import Arguments, Result

A = TypeVar("A", bound=Arguments)
R = TypeVar("R", bound=Result)


class Risk(StrEnum):
    """What a call can do; the annotations a client sees follow from it and are never written by hand."""

    READS = "reads"
    WRITES = "writes"
    DESTROYS = "destroys"
    MOVES_MONEY = "moves money"


@dataclass(frozen=True, slots=True)
class Tool(Generic[A, R]):
    """`render` turns a result into the few lines a model reads; the typed result is sent along with them."""

    name: str
    title: str
    description: str
    risk: Risk
    toolset: Toolset
    arguments: type[A]
    result: type[R]
    render: Callable[[R], str]

    @property
    def annotations(self) -> dict[str, bool]:
        """MCP tool annotations (MCP specification, server/tools): hints derived from the risk.

        Only values that differ from the specification's defaults are included: open-world is a default, and the other
        two hints mean nothing for a tool that only reads.

        A write is not marked idempotent, although the guard makes a repeat harmless: a host that retries on its own
        because of that hint would fill the approver's list. A payment is destructive, because it can be voided but
        never undone; so is removing a record from the ledger.
        """
        if self.risk is Risk.READS:
            return {"read_only_hint": True}
        return {"read_only_hint": False, "destructive_hint": self.risk in (Risk.MOVES_MONEY, Risk.DESTROYS)}

    def input_schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments, with no `$ref`: some clients drop `$defs`."""
        return brief_input(plain_schema(self.arguments, mode="validation"))

    def output_schema(self) -> dict[str, Any]:
        """JSON Schema of the structured result; absent fields are absent, never null."""
        return brief_output(self.result)


# Patterns and lengths cost more tokens than they help: the descriptions say the format, and an error explains the rest.
_NOT_SHOWN = ("maxLength", "minLength", "pattern")


def brief_input(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without patterns, lengths and defaults that mean "omitted". Calls are still validated against them."""
    return {**schema, "properties": {name: _brief_argument(value) for name, value in schema["properties"].items()}}


def _brief_argument(argument: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in argument.items() if key not in (*_NOT_SHOWN, "additionalProperties")}
    if kept.get("default") in ("", []) or kept.get("default") is False:
        del kept["default"]
    if "items" in kept:
        kept["items"] = _brief_argument(kept["items"])
    if "properties" in kept:
        kept["properties"] = {name: _brief_argument(value) for name, value in kept["properties"].items()}
    return kept


def brief_output(model: type[BaseModel]) -> dict[str, Any]:
    """The names and types of a result's fields and of the rows in its lists, but not of any objects inside them.

    It is built from the fields themselves: generating pydantic's full schema of every result, only to drop most of it,
    would take a tenth of the start. Nothing is required, because an error also has structured content, and some
    clients, the official Inspector among them, validate it against the same schema.
    """
    return {"type": "object", "properties": {name: _brief_field(one) for name, one in _fields(model)}}


def _fields(model: type[BaseModel]) -> list[tuple[str, Any]]:
    """Names and types; a field that may be None is omitted on the wire instead."""
    return [(name, _without_none(field.annotation)) for name, field in model.model_fields.items()]


def _brief_field(annotation: Any) -> dict[str, Any]:
    if get_origin(annotation) is list:
        (item,) = get_args(annotation)
        if _is_model(item):
            return {
                "type": "array",
                "items": {"type": "object", "properties": {name: _typed(one) for name, one in _fields(item)}},
            }
    return _typed(annotation)


def _typed(annotation: Any) -> dict[str, Any]:
    """The type of a field, and its values where only some are possible."""
    if get_origin(annotation) is list:
        return {"type": "array"}
    if get_origin(annotation) is Literal:
        return {"type": "string", "enum": list(get_args(annotation))}
    if _is_model(annotation):
        return {"type": "object"}
    if issubclass(annotation, StrEnum):
        return {"type": "string", "enum": [one.value for one in annotation]}
    return {"type": "string" if issubclass(annotation, str) else _JSON_TYPES[annotation]}


# Severities and times are written as text.
_JSON_TYPES: dict[Any, str] = {
    date: "string",
    datetime: "string",
    Severity: "string",
    int: "integer",
    bool: "boolean",
}


def _without_none(annotation: Any) -> Any:
    arms = [arm for arm in get_args(annotation) if arm is not NoneType]
    return arms[0] if get_origin(annotation) in (Union, UnionType) and len(arms) == 1 else annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def plain_schema(model: type[BaseModel], *, mode: Any) -> dict[str, Any]:
    """The model's schema with references inlined, titles dropped, and `null` arms removed."""
    schema = model.model_json_schema(mode=mode)
    flat = _inline(schema, schema.get("$defs", {}))
    assert isinstance(flat, dict)
    flat.pop("description", None)
    return flat


def _inline(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inline(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = definitions[node["$ref"].rsplit("/", 1)[1]]
        inlined = _inline({k: v for k, v in target.items() if k != "description"}, definitions)
        return inlined | {k: v for k, v in node.items() if k != "$ref"}
    if "anyOf" in node:
        arms = [arm for arm in node["anyOf"] if arm != {"type": "null"}]
        if len(arms) == 1:
            rest = {k: v for k, v in node.items() if k not in ("anyOf", "default", "title")}
            return _inline(arms[0] | rest, definitions)
    return {
        key: {name: _inline(value, definitions) for name, value in node[key].items()}
        if key == "properties"
        else _inline(node[key], definitions)
        for key in node
        if key not in ("$defs", "title")
    }


Toolset = Literal["bills", "payments", "credits", "files", "ledger", "reports"]
TOOLSETS: tuple[str, ...] = get_args(Toolset)
