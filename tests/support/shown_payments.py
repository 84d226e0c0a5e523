"""Whether a statement that a person was shown says exactly what a payment booked."""

from __future__ import annotations

import json
from typing import Any

from rutter_ap_server.guard.authorize import people_of
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.proposals import Proposal


def people_shown(tx: Tx, payment: Proposal) -> tuple[set[str], bool]:
    """Who released it on a statement that shows it exactly, and whether the chat did."""
    kept = tx.proposals.statements(payment.id)
    if payment.run_id is not None:
        kept |= tx.proposals.statements(payment.run_id)
    given = [
        one
        for one in tx.proposals.approvals(payment.id)
        if one.statement in kept and shows(json.loads(kept[one.statement]), payment.fields)
    ]
    return people_of(given), any(one.channel == "chat" for one in given)


def shows(sections: list[dict[str, Any]], fields: dict[str, Any]) -> bool:
    """Whether the payment's bill, amount, currency, account, date and memo are there, on its own or in a run."""
    by_title = {section["title"]: section["rows"] for section in sections}
    money = f"{fields['amount']} {fields['currency']}"
    if "Payment to record" in by_title:
        said = dict(by_title["Payment to record"])
        return said["Amount"] == money and _is_for(said["Bill"], fields) and _rest(said, fields, "Memo")
    said = dict(by_title["Payment run to record"])
    rows = by_title["Payments, the largest first"]
    in_it = [row for row in rows if row[0] == money and _is_for(row[2], fields) and row[5].find("not be paid") < 0]
    return len(in_it) == 1 and _rest(said, fields, "Memo on each payment")


def _is_for(bill: str, fields: dict[str, Any]) -> bool:
    return f" ({fields['bill_id']}), " in bill


def _rest(said: dict[str, str], fields: dict[str, Any], memo: str) -> bool:
    words = f"‹{fields['memo']}›" if fields["memo"] else "none"
    return (
        f" ({fields['account_id']}), " in said["From account"]
        and said["Payment date"].startswith(f"{fields['date']} (")
        and said[memo] == words
    )
