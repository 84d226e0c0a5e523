"""Whether a place that a row names is there: a field of a model, an argument of a call, a field of a tool's answer."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import typing
from collections.abc import Iterator
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel

from rutter_ap_server.rutter import CompanyClient, RutterClient, collections, models, webhooks
from rutter_ap_server.rutter.connections import Connections
from rutter_ap_server.rutter.resources import DeleteResult
from rutter_ap_tools.catalogue import CATALOGUE

_MODEL = re.compile(r"([A-Z]\w+)\.([\w.]+)")
_CALL = re.compile(r"(\w+)\.(\w+)\((\w*)\)")
_ARGUMENT = re.compile(r"(\w+)\(([\w.]*)\)")
_ANSWER = re.compile(r"(\w+): ([\w.]+)(?:\[\w+\])?")
_OTHER_OWNERS: dict[str, Any] = {
    "client": RutterClient,
    "company": CompanyClient,
    "connections": Connections,
    "webhooks": webhooks,
}


def is_there(place: str) -> bool:
    """Whether the program has what a row names."""
    if match := _MODEL.fullmatch(place):
        return match[1] in _models() and field_type(place) is not None
    if match := _CALL.fullmatch(place):
        call = getattr(_owner(match[1]), match[2], None)
        return call is not None and (not match[3] or match[3] in inspect.signature(call).parameters)
    if match := _ARGUMENT.fullmatch(place):
        tool = _tools().get(match[1])
        return tool is not None and (not match[2] or _walked(tool.arguments, match[2]) is not None)
    if match := _ANSWER.fullmatch(place):
        tool = _tools().get(match[1])
        return tool is not None and _walked(tool.result, match[2]) is not None
    return False


def field_type(place: str) -> Any:
    """The type of a model's field, without None and bounds, or of the members of a list; None where it is not there."""
    kind, _, path = place.partition(".")
    return _walked(_models()[kind], path)


@cache
def _models() -> dict[str, Any]:
    found: dict[str, Any] = {"DeleteResult": DeleteResult}
    for module in pkgutil.iter_modules(models.__path__, f"{models.__name__}."):
        found |= dict(inspect.getmembers(importlib.import_module(module.name), inspect.isclass))
    return found


@cache
def _tools() -> dict[str, Any]:
    return {tool.name: tool for tool in CATALOGUE}


def _owner(name: str) -> Any:
    collection = vars(collections.Collections).get(name)
    return collection.collection if collection is not None else _OTHER_OWNERS.get(name)


def _walked(kind: Any, path: str) -> Any:
    for name in path.split("."):
        fields = dict(_fields(kind))
        if name not in fields:
            return None
        kind = _plain(fields[name])
    return kind


def _fields(kind: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield from ((field.alias or name, field.annotation) for name, field in kind.model_fields.items())
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield from typing.get_type_hints(kind).items()


def _plain(annotation: Any) -> Any:
    """The type inside optional, bounded and listed ones."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _plain(get_args(annotation)[0])
    if origin in (Union, UnionType):
        arms = [arm for arm in get_args(annotation) if arm not in (NoneType, msgspec.UnsetType)]
        return _plain(arms[0])
    return _plain(get_args(annotation)[0]) if origin in (list, tuple) else annotation
