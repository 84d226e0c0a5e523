"""What may be done with a bill next, in view of its status, its vendor's credits, its document and the platform."""

from __future__ import annotations

from rutter_ap_server.lookup.bill_question import UNPAID
from rutter_ap_server.rutter.abilities import Support, abilities_of
from rutter_ap_tools.bills import BillRow
from rutter_ap_tools.money import Money


def next_step(
    row: BillRow,
    platform: str,
    *,
    open_credits: Money | None,
    credits_known: bool,
    has_document: bool | None,
    is_settled_by_payments: bool,
) -> str:
    """One to four sentences. `has_document` is None where files could not be read."""
    abilities = abilities_of(platform)
    if row.status == "paid":
        can_void = is_settled_by_payments and abilities.void_payment is Support.YES
        return "It is paid: nothing is due." + (" void_payment takes a payment back." if can_void else "")
    if row.status not in UNPAID:
        return f"It cannot be paid while it is {row.status}. A person can change that in the accounting platform."
    steps = [_credits(open_credits, credits_known=credits_known, apply=abilities.apply_credit)]
    if has_document is False and abilities.attach_file is not Support.NO:
        steps.append("It has no document: attach_file adds it.")
    if abilities.support("bill_payments", "create") is Support.NO:
        steps.append("Payments cannot be recorded from here on this platform; a person records them there.")
    else:
        steps.append(f"pay_bill records a payment of up to {row.due.money}; it moves no money at a bank.")
    return " ".join(step for step in steps if step)


def _credits(open_credits: Money | None, *, credits_known: bool, apply: Support) -> str:
    if not credits_known:
        return "Look for open credits with list_credits first." if apply is not Support.NO else ""
    if open_credits is None:
        return ""
    if apply is Support.NO:
        return f"Its vendor has {open_credits} of open credit, which only a person can apply, in the platform."
    return f"Its vendor has {open_credits} of open credit: apply_credit first."
