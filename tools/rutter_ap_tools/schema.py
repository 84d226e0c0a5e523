"""JSON Schemas of arguments and results, as brief as a model can use them, because it reads them in every conversation.

They are built from the fields themselves. Pydantic's own schemas say more than is shown, and generating all of them
would take a tenth of the start.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rutter_ap_tools.findings import Severity

# Severities and times are written as text.
_JSON_TYPES: dict[Any, str] = {
    date: "string",
    datetime: "string",
    Severity: "string",
    int: "integer",
    bool: "boolean",
}


def input_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The arguments of a tool, with no `$ref`, because some clients drop `$defs`. Calls are validated more strictly.

    Patterns and lengths cost more tokens than they help: the descriptions say the format, and an error explains the
    rest. A default that means "omitted" is not shown either.
    """
    return _arguments(model) | {"additionalProperties": False}


def _arguments(model: type[BaseModel]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": {name: _argument(one) for name, one in _fields(model)}}
    required = [name for name, one in _fields(model) if one.is_required()]
    return schema | ({"required": required} if required else {})


def _argument(field: FieldInfo) -> dict[str, Any]:
    schema = _shape(field.annotation) | _bounds(field)
    if field.description:
        schema["description"] = field.description
    has_default = not field.is_required() and field.default_factory is None
    if has_default and field.default is not False and field.default not in ("", None):
        schema["default"] = field.default
    return schema


def _bounds(field: FieldInfo) -> dict[str, Any]:
    """The bounds of a number, and of the length of a list."""
    found: dict[str, Any] = {}
    for one in field.metadata:
        match one:
            case Ge(ge=bound):
                found["minimum"] = bound
            case Le(le=bound):
                found["maximum"] = bound
            case MinLen(min_length=bound) if get_origin(field.annotation) is list:
                found["minItems"] = bound
            case MaxLen(max_length=bound) if get_origin(field.annotation) is list:
                found["maxItems"] = bound
    return found


def _shape(annotation: Any) -> dict[str, Any]:
    one = _plain(annotation)
    if get_origin(one) is list:
        return {"type": "array", "items": _shape(get_args(one)[0])}
    return _arguments(one) if _is_model(one) else _typed(one)


def output_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The names and types of a result's fields and of the rows in its lists, but not of any objects inside them.

    Nothing is required, because an error also has structured content, and some clients, the official Inspector among
    them, validate it against the same schema.
    """
    return {"type": "object", "properties": {name: _result(one.annotation) for name, one in _fields(model)}}


def _result(annotation: Any) -> dict[str, Any]:
    one = _plain(annotation)
    rows = _plain(get_args(one)[0]) if get_origin(one) is list else None
    if not _is_model(rows):
        return _typed(one)
    columns = {name: _typed(_plain(column.annotation)) for name, column in _fields(rows)}
    return {"type": "array", "items": {"type": "object", "properties": columns}}


def _fields(model: Any) -> Iterator[tuple[str, FieldInfo]]:
    """The fields under the names they have on the wire."""
    return ((field.alias or name, field) for name, field in model.model_fields.items())


def _plain(annotation: Any) -> Any:
    """The type without its bounds, and without None: a field that may be None is omitted on the wire instead."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    arms = [arm for arm in get_args(annotation) if arm is not NoneType]
    return _plain(arms[0]) if get_origin(annotation) in (Union, UnionType) and len(arms) == 1 else annotation


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
