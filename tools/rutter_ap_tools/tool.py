"""A tool is one value in one place: its name, texts, risk, argument and result models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar, get_args

from rutter_ap_tools.schema import input_schema, output_schema
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
        return input_schema(self.arguments)

    def output_schema(self) -> dict[str, Any]:
        """JSON Schema of the structured result; absent fields are absent, never null."""
        return output_schema(self.result)


Toolset = Literal["bills", "payments", "credits", "files", "ledger", "reports"]
TOOLSETS: tuple[str, ...] = get_args(Toolset)
