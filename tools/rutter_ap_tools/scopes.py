"""Scopes: how much of the catalogue an access token opens. What a token does not open is not there for its bearer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from rutter_ap_tools.tool import Risk, Tool

READ, WRITE, PAY = "ap:read", "ap:write", "ap:pay"
SCOPES: dict[str, str] = {
    READ: "See bills, vendors, payments, credits, proposals and limits.",
    WRITE: "Enter and change what the ledger keeps: bills, vendors, credits, files, linked accounts, connections.",
    PAY: "Record payments, and take records out of the books: void a payment, delete a bill.",
}
# What takes a record out of the books needs as much as paying: a bill whose payment was voided can be paid again.
_OPENED_BY = {Risk.READS: READ, Risk.WRITES: WRITE, Risk.DESTROYS: PAY, Risk.MOVES_MONEY: PAY}
# Whoever may write must be able to learn what became of it.
_WITH_ANY = ("get_proposal",)


def scope_of(risk: Risk) -> str:
    """The scope that opens tools of that risk. A scope holds no other: whoever pays is granted each by name."""
    return _OPENED_BY[risk]


def permitting(granted: Collection[str]) -> Callable[[Tool[Any, Any]], bool]:
    """Whether a token with these scopes opens a tool. Scopes that are not ours open nothing."""
    ours = frozenset(granted) & SCOPES.keys()
    return lambda tool: scope_of(tool.risk) in ours or (bool(ours) and tool.name in _WITH_ANY)
