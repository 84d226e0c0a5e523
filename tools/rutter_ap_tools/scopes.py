"""Scopes: which part of the catalogue an access token grants. Its bearer does not see the rest."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from rutter_ap_tools.tool import Risk, Tool

READ, WRITE, PAY = "ap:read", "ap:write", "ap:pay"
SCOPES: dict[str, str] = {
    READ: "See bills, vendors, payments, credits, proposals and limits.",
    WRITE: "Create and change bills, vendors, credits, files, linked accounts and connections.",
    PAY: "Record payments, and remove records from the ledger: void a payment, delete a bill.",
}
# Removing a record needs as much as paying: a bill whose payment was voided can be paid again.
_OPENED_BY = {Risk.READS: READ, Risk.WRITES: WRITE, Risk.DESTROYS: PAY, Risk.MOVES_MONEY: PAY}
# Whoever may write must be able to check the outcome.
_WITH_ANY = ("get_proposal",)


def scope_of(risk: Risk) -> str:
    """The scope required for tools of that risk. No scope includes another: each must be granted by name."""
    return _OPENED_BY[risk]


def permitting(granted: Collection[str]) -> Callable[[Tool[Any, Any]], bool]:
    """Whether a token with these scopes grants a tool. Unknown scopes grant nothing."""
    ours = frozenset(granted) & SCOPES.keys()
    return lambda tool: scope_of(tool.risk) in ours or (bool(ours) and tool.name in _WITH_ANY)
