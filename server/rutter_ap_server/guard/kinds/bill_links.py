"""What settles a bill, before and after: how taking one payment or credit off it is told apart from all else."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rutter_ap_server.rutter.models.bills import Bill


def links_of(bill: Bill) -> dict[str, Any]:
    """What is due on a bill, and what settled it, by the id of the payment or credit; amounts as exact texts."""
    linked: dict[str, Decimal] = {}
    for link in (*bill.linked_payments, *bill.linked_credit_memos):
        linked[link.id or ""] = linked.get(link.id or "", Decimal(0)) + link.allocated_amount
    return {"due": f"{bill.amount_due:f}", "linked": {key: f"{amount:f}" for key, amount in sorted(linked.items())}}


def has_let_go(bill: Bill, was: dict[str, Any], source_id: str) -> bool:
    """Whether the bill shows nothing of that payment or credit, and is due by exactly as much more as it lost.

    `was` is what `links_of` answered before. What else was paid or credited meanwhile is counted out of it.
    """
    now = links_of(bill)
    if Decimal(now["linked"].get(source_id, "0")):
        return False
    before, after = (sum(map(Decimal, links["linked"].values()), Decimal(0)) for links in (was, now))
    return Decimal(now["due"]) - Decimal(was["due"]) == before - after
