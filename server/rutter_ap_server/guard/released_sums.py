"""What was already released for a bill and to a vendor: a payment in parts is judged as one payment."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Batch
from rutter_ap_server.guard.writes.registry import proposed_by
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.money import Money
from rutter_ap_tools.names import payee_look

PAYING = ("pay_bill", "propose_payment_run")
FOR_THIS_BILL = "for this bill"


def released_before(tx: Tx, prepared: PreparedWrite, policy: Policy, except_id: str | None) -> list[tuple[str, Money]]:
    """What was already released for a payment's bill, at any time, and to its vendor, in the policy's hours.

    Vendors whose names could be taken for one another are one vendor here.
    """
    assert prepared.money is not None
    currency, company_id = prepared.money.currency, prepared.company_id
    sums = []
    if prepared.bill_id is not None:
        of_bill = tx.spend.released_for_bill(company_id, currency, prepared.bill_id, except_id)
        sums.append((FOR_THIS_BILL, of_bill))
    hours = policy.rules.tier_vendor_hours
    if prepared.vendor_id is not None and hours:
        payee = payee_of(prepared)
        paid = tx.spend.vendors(company_id, currency, hours)
        twins = {vendor_id for vendor_id, name in paid if payee == _payee(vendor_id, name)} | {prepared.vendor_id}
        counted = tx.spend.counted(company_id, currency, hours, except_id)
        of_vendor = Money.total((counted.within(hours, twin) for twin in twins), currency)
        sums.append((f"to this vendor in {hours} hours", of_vendor))
    return sums


def payee_of(prepared: PreparedWrite) -> str:
    """Whom it pays: the same for two vendors whose names could be taken for one another."""
    return _payee(prepared.vendor_id or "", prepared.vendor_name)


def _payee(vendor_id: str, name: str | None) -> str:
    look = payee_look(name)
    return f"name:{look}" if look else f"id:{vendor_id}"


def added_up(members: Iterable[PreparedWrite], key: Callable[[PreparedWrite], str]) -> dict[str, Money]:
    """What payments come to in all, by a key."""
    totals: dict[str, Money] = {}
    for member in members:
        if member.money is not None:
            of = key(member)
            totals[of] = totals.get(of, Money.zero(member.money.currency)) + member.money
    return totals


def paid_to_payees(members: Iterable[PreparedWrite]) -> dict[str, Money]:
    """What a run pays to each payee."""
    return added_up(members, payee_of)


def beside_others(member: PreparedWrite, to_payee: dict[str, Money]) -> Money | None:
    """What the others of a run pay to the member's payee, so that its tier does not depend on the order of sending."""
    total = to_payee.get(payee_of(member))
    if total is None or member.money is None or total < member.money:
        return None
    return total - member.money


def owed_with(tx: Tx, proposal: Proposal, policy: Policy) -> Money | None:
    """The largest sum a payment is part of: what an approver's own maximum is held against.

    The amount alone where the policy gives nobody a maximum; None for a write without one.
    """
    if proposal.money is None or proposal.tool not in PAYING or not policy.approvers:
        return proposal.money
    prepared, write = PreparedWrite.of(proposal), proposed_by(proposal.tool)
    parts = write.members(prepared) if isinstance(write, Batch) else (prepared,)
    of_vendor: dict[str, Money] = {}
    largest = proposal.money
    for part in parts:
        assert part.money is not None
        vendor = payee_of(part)
        of_vendor[vendor] = of_vendor.get(vendor, Money.zero(part.money.currency)) + part.money
        for words, before in released_before(tx, part, policy, proposal.id):
            largest = max(largest, before + (part.money if words == FOR_THIS_BILL else of_vendor[vendor]))
    return largest
