"""A tool is one value in one place: its name, words, risk, argument and result models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar, get_args

from pydantic import BaseModel

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
        return brief_output(plain_schema(self.result, mode="serialization"))


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


def brief_output(schema: dict[str, Any]) -> dict[str, Any]:
    """What a result holds by name and type, down to the rows of its lists; what a row's own objects hold is not said.

    Nothing is required: an error answers in structured content as well, and there are clients, the official Inspector
    among them, that hold it against the same schema.
    """
    return {"type": "object", "properties": {name: _brief_field(value) for name, value in schema["properties"].items()}}


def _brief_field(field: dict[str, Any]) -> dict[str, Any]:
    items = field.get("items", {})
    if field.get("type") == "array" and "properties" in items:
        rows = {name: _typed(value) for name, value in items["properties"].items()}
        return {"type": "array", "items": {"type": "object", "properties": rows}}
    return _typed(field)


def _typed(field: dict[str, Any]) -> dict[str, Any]:
    return {"type": field["type"]} if "type" in field else {}


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
