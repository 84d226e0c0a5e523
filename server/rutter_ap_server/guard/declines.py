"""What people declined lately, and which writes their no is an answer to: asked again in other words, it still is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.released_sums import PAYING
from rutter_ap_server.guard.writes.base import Facts
from rutter_ap_server.guard.writes.pay_bill_rules import PaymentFacts
from rutter_ap_server.guard.writes.save_vendor_rules import alike
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.money import Money
from rutter_ap_tools.text import fold

# The clock of the accounting platform may be behind ours by this much.
_CLOCKS_DIFFER = timedelta(minutes=5)


def declined_lately(tx: Tx, prepared: PreparedWrite, facts: Facts[Any], policy: Policy) -> tuple[Proposal, ...]:
    """What people declined lately and this write would bring about, newest first.

    A write on the same bill, whatever its amount, account or words; a payment of the same amount to the same vendor, or
    of a bill of it that was entered since, for another bill may stand for the declined one; and a vendor with a name
    that people would take for the declined one, or with its e-mail. So may another record of its kind.
    """
    since = tx.clock - timedelta(hours=policy.proposals.declined_hours)
    wanted, bill = _obligations(prepared), _Entered.of(facts)
    found = tx.proposals.changed_since(prepared.company_id, [State.DECLINED], since)
    return tuple(
        one for one in found if one.updated_at > since and _answers(PreparedWrite.of(one), one, prepared, wanted, bill)
    )


class _Entered:
    """When a bill to pay was entered in the ledger, as far as that is known."""

    def __init__(self, at: datetime | None) -> None:
        self.at = at

    @classmethod
    def of(cls, facts: Facts[Any]) -> _Entered | None:
        return cls(facts.seen.bill.entered) if isinstance(facts.seen, PaymentFacts) else None

    def since(self, moment: datetime) -> bool:
        """Whether it may have been entered since then."""
        return self.at is None or self.at > moment - _CLOCKS_DIFFER


def _answers(
    no: PreparedWrite, declined: Proposal, prepared: PreparedWrite, wanted: frozenset[str], bill: _Entered | None
) -> bool:
    """Whether that no is an answer to this write as well."""
    if wanted & _obligations(no) or _names_alike(prepared, no):
        return True
    paid = {vendor_id for vendor_id, _ in _payments(no)}
    return bill is not None and prepared.vendor_id in paid and bill.since(declined.updated_at)


def _obligations(prepared: PreparedWrite) -> frozenset[str]:
    """What a write is for: payments of bills or to vendors, or its own tool on its bill, its vendor, or its request."""
    kind = "pay" if prepared.tool in PAYING else prepared.tool
    bills = bills_in(prepared.bill_id, prepared.fields)
    if bills:
        sums = (f"{kind}:vendor:{vendor_id}:{amount}" for vendor_id, amount in _payments(prepared))
        return frozenset((*(f"{kind}:bill:{bill_id}" for bill_id in bills), *sums))
    vendor = prepared.vendor_id or fold(prepared.vendor_name)
    email = fold(_changes(prepared).get("email"))
    keys = {f"{kind}:vendor:{vendor}" if vendor else f"{kind}:{prepared.digest}"}
    return frozenset(keys | ({f"{kind}:email:{email}"} if email else set()))


def _payments(prepared: PreparedWrite) -> Iterator[tuple[str, str]]:
    """The vendors it pays, each with the amount and currency of one payment."""
    if prepared.tool == "pay_bill" and prepared.vendor_id and prepared.money is not None:
        yield prepared.vendor_id, str(prepared.money)
    if prepared.tool == "propose_payment_run":
        for line in prepared.fields["lines"]:
            if line["vendor_id"]:
                yield line["vendor_id"], str(Money.parse(line["amount"], prepared.fields["currency"]))


def _names_alike(prepared: PreparedWrite, no: PreparedWrite) -> bool:
    """Whether both give a name to a vendor, or to a record of one kind, and people could take one for the other."""
    name, declined = _name_given(prepared), _name_given(no)
    is_one_kind = prepared.fields.get("kind") == no.fields.get("kind")
    return bool(name and declined and is_one_kind) and bool(fold(name) == fold(declined) or alike(name, [declined]))


def _name_given(prepared: PreparedWrite) -> str:
    name: str = prepared.fields["name"] if prepared.tool == "create_record" else _changes(prepared).get("name", "")
    return name


def _changes(prepared: PreparedWrite) -> Mapping[str, Any]:
    """What it would save of a vendor; nothing for another write."""
    changes: Mapping[str, Any] = prepared.fields["changes"] if prepared.tool == "save_vendor" else {}
    return changes


def bills_in(bill_id: str | None, fields: Mapping[str, Any]) -> set[str]:
    """The bills a write is about: its own, and those of a run or of a payment to void."""
    listed = [line["bill_id"] for line in fields.get("lines", ()) if "bill_id" in line]
    return {one for one in (bill_id, *listed, *fields.get("bill_ids", ())) if one}
