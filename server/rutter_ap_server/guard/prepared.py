"""A prepared write: every field that matters, resolved to ids and exact amounts, and the digest that identifies it."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from rutter_ap_server.store.canonical import canonical
from rutter_ap_server.store.canonical import digest as digest_of
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedWrite:
    """What will be written; an assistant cannot change it any more. `fields` holds strings, lists and objects.

    `company_id` is the id of the ledger, which all that is remembered, counted and locked is kept under; the ledger is
    written to through `connection_id`.
    """

    tool: str
    company_id: str
    fields: dict[str, Any]
    digest: str
    summary: str
    money: Money | None = None
    vendor_id: str | None = None
    vendor_name: str | None = None
    bill_id: str | None = None
    connection_id: str = ""

    @classmethod
    def of(cls, proposal: Proposal) -> PreparedWrite:
        """The prepared write of a stored proposal."""
        return cls(
            tool=proposal.tool,
            company_id=proposal.company_id,
            fields=proposal.fields,
            digest=proposal.digest,
            summary=proposal.summary,
            money=proposal.money,
            vendor_id=proposal.vendor_id,
            vendor_name=proposal.vendor_name,
            bill_id=proposal.bill_id,
            connection_id=proposal.connection_id,
        )


def prepare(
    *,
    tool: str,
    company_id: str,
    fields: dict[str, Any],
    summary: str,
    defaulted: Collection[str] = (),
    money: Money | None = None,
    vendor_id: str | None = None,
    vendor_name: str | None = None,
    bill_id: str | None = None,
    connection_id: str = "",
) -> PreparedWrite:
    """The prepared write of a request.

    We filled in the fields in `defaulted`, for example today's date. They are sent like the rest but are not part of
    the digest, so that the same call tomorrow finds today's proposal instead of creating a second one.
    """
    # As the store will give them back: the statement made of them must be the same then, to the order of its rows.
    fields = json.loads(canonical(fields))
    named = {name: value for name, value in fields.items() if name not in defaulted}
    return PreparedWrite(
        tool=tool,
        company_id=company_id,
        fields=fields,
        digest=digest_of({"tool": tool, "company": company_id, "fields": named}),
        summary=summary,
        money=money,
        vendor_id=vendor_id,
        vendor_name=vendor_name,
        bill_id=bill_id,
        connection_id=connection_id,
    )


def told(proposal: Proposal) -> dict[str, Any]:
    """A stored proposal as its evidence tells it and a passkey signs it: whose books, and all that is written there."""
    return {
        "id": proposal.id,
        "tool": proposal.tool,
        "summary": proposal.summary,
        "company": {"id": proposal.connection_id, "name": proposal.company_name},
        "environment": proposal.environment,
        "intent": proposal.fields,
        "amount": amount_told(proposal.money),
    }


def amount_told(money: Money | None) -> dict[str, str] | None:
    """An amount of money in it."""
    return {"amount": money.text, "currency": money.currency} if money is not None else None
