"""The smallest calls that are right, one a tool, and the places where a call can go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rutter_ap_tools.catalogue import CATALOGUE
from rutter_ap_tools.schema import plain_schema

VALID: dict[str, dict[str, Any]] = {
    "list_bills": {},
    "get_bill": {"bill_id": "b1"},
    "summarize_payables": {},
    "list_payments": {},
    "list_credits": {},
    "create_bill": {
        "vendor": "v1",
        "issue_date": "2026-03-01",
        "currency": "USD",
        "lines": [{"amount": "10.00"}],
    },
    "update_bill": {"bill_id": "b1"},
    "delete_bill": {"bill_id": "b1"},
    "propose_payment_run": {"bill_ids": ["b1"]},
    "pay_bill": {"bill_id": "b1"},
    "void_payment": {"payment_id": "p1"},
    "create_credit": {
        "vendor": "v1",
        "issue_date": "2026-03-01",
        "currency": "USD",
        "lines": [{"amount": "10.00"}],
    },
    "apply_credit": {"credit_id": "c1", "bill_id": "b1"},
    "remove_credit": {"credit_id": "c1", "bill_id": "b1"},
    "attach_file": {"bill_id": "b1"},
    "read_attachment": {"bill_id": "b1"},
    "create_record": {"kind": "class", "name": "Workshop West"},
    "save_vendor": {"name": "Acme", "currency": "USD"},
    "link_account": {"role": "funding"},
    "find_records": {"kind": "vendor"},
    "connect_ledger": {},
    "list_connections": {},
    "sync_ledger": {},
    "get_proposal": {"proposal_id": "p1"},
    "withdraw_proposal": {"proposal_id": "p1", "reason": "the vendor sent a corrected invoice"},
    "list_proposals": {},
}
# Objects inside a call, as a caller would write the smallest right one.
_INNER: dict[str, dict[str, Any]] = {
    "lines": {"amount": "10.00"},
    "create": {"name": "Checking", "account_type": "bank", "currency": "USD"},
}


@dataclass(frozen=True)
class Place:
    """One argument of one tool; `outer` names the object it stands in, if it is not the call itself."""

    tool: str
    outer: str
    name: str
    schema: dict[str, Any]
    required: bool

    def __str__(self) -> str:
        return f"{self.tool}-{self.outer}.{self.name}" if self.outer else f"{self.tool}-{self.name}"

    def call(self, value: Any) -> dict[str, Any]:
        """A call that is right but for this value."""
        call = dict(VALID[self.tool])
        if not self.outer:
            return call | {self.name: value}
        inner = _INNER[self.outer] | {self.name: value}
        return call | {self.outer: [inner] if self.outer == "lines" else inner}

    def call_without(self) -> dict[str, Any]:
        """A call that is right but for this argument being left out."""
        call = self.call(None)
        target = call if not self.outer else call["lines"][0] if self.outer == "lines" else call[self.outer]
        del target[self.name]
        return call


def places() -> Iterator[Place]:
    """Every argument of every tool, those of inner objects included."""
    for tool in CATALOGUE:
        # Whole, with the bounds that an assistant is not shown.
        schema = plain_schema(tool.arguments, mode="validation")
        yield from _places(tool.name, "", schema)
        for outer in _INNER:
            inner = schema["properties"].get(outer)
            if inner is not None:
                yield from _places(tool.name, outer, inner.get("items", inner))


def _places(tool: str, outer: str, schema: dict[str, Any]) -> Iterator[Place]:
    for name, described in schema.get("properties", {}).items():
        yield Place(tool, outer, name, described, name in schema.get("required", ()))
