"""A tool is one value in one place: its name, words, risk, argument and result models."""

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
    """`render` turns a result into the few lines a model reads; the typed result travels beside them."""

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

        Only what differs from the specification's defaults is said: open-world is one of them, and the other two mean
        nothing of a tool that only reads.

        A write is not called idempotent, though the guard makes a repeat harmless: a host that retries by itself on
        that hint would fill the approver's list. A payment is destructive: it can be voided but never undone. So is
        what takes a record out of the books.
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


# What a model needs not to write a call, or learns from the error: schemas are read in every conversation.
# Marks a list whose entries another tool's schema describes already.
BRIEF = "x-brief"
_UNSAID_IN = ("maxLength", "minLength", "pattern", "maxItems", "minItems", "maximum", "minimum")


def brief_input(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without bounds and without defaults that mean "left out". Calls are still read by all of them."""
    return {**schema, "properties": {name: _brief_argument(value) for name, value in schema["properties"].items()}}


def _brief_argument(argument: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in argument.items() if key not in (*_UNSAID_IN, "additionalProperties")}
    if kept.get("default", True) in ("", False, []):
        del kept["default"]
    if kept.pop(BRIEF, False):
        kept["items"] = {"type": "object"}
    if "items" in kept:
        kept["items"] = _brief_argument(kept["items"])
    if "properties" in kept:
        kept["properties"] = {name: _brief_argument(value) for name, value in kept["properties"].items()}
    return kept


def brief_output(model: type[BaseModel]) -> dict[str, Any]:
    """What a result holds by name and type, down to the rows of its lists; what a row's own objects hold is not said.

    Read off the fields themselves: pydantic's whole schema of every result, most of it thrown away, would cost a tenth
    of the start. Nothing is required: an error answers in structured content as well, and there are clients, the
    official Inspector among them, that hold it against the same schema.
    """
    return {"type": "object", "properties": {name: _brief_field(one) for name, one in _fields(model)}}


def _fields(model: type[BaseModel]) -> list[tuple[str, Any]]:
    """Names and types; a field that may be None is left out on the wire instead."""
    return [(name, _without_none(field.annotation)) for name, field in model.model_fields.items()]


def _brief_field(annotation: Any) -> dict[str, Any]:
    if get_origin(annotation) is list:
        (item,) = get_args(annotation)
        if _is_model(item):
            rows = {name: {"type": _json_type(one)} for name, one in _fields(item)}
            return {"type": "array", "items": {"type": "object", "properties": rows}}
    return {"type": _json_type(annotation)}


def _json_type(annotation: Any) -> str:
    if get_origin(annotation) is list:
        return "array"
    if get_origin(annotation) is Literal:
        return "string"
    if _is_model(annotation):
        return "object"
    # Names of a closed set are enums of texts.
    return "string" if issubclass(annotation, str) else _JSON_TYPES[annotation]


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
