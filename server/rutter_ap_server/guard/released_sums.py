"""What was already released for a bill and to a vendor: a payment in parts is judged as one payment."""

from __future__ import annotations

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Batch
from rutter_ap_server.guard.writes.registry import proposed_by
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.money import Money

PAYING = ("pay_bill", "propose_payment_run")
FOR_THIS_BILL = "for this bill"


def released_before(tx: Tx, prepared: PreparedWrite, policy: Policy, except_id: str | None) -> list[tuple[str, Money]]:
    """What was already released for a payment's bill, at any time, and to its vendor, in the policy's hours."""
    assert prepared.money is not None
    currency, company_id = prepared.money.currency, prepared.company_id
    sums = []
    if prepared.bill_id is not None:
        of_bill = tx.spend.released(company_id, currency, bill_id=prepared.bill_id, except_id=except_id)
        sums.append((FOR_THIS_BILL, of_bill))
    hours = policy.rules.tier_vendor_hours
    if prepared.vendor_id is not None and hours:
        of_vendor = tx.spend.released(
            company_id, currency, vendor_id=prepared.vendor_id, hours=hours, except_id=except_id
        )
        sums.append((f"to this vendor in {hours} hours", of_vendor))
    return sums


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
        vendor = part.vendor_id or ""
        of_vendor[vendor] = of_vendor.get(vendor, Money.zero(part.money.currency)) + part.money
        for words, before in released_before(tx, part, policy, proposal.id):
            largest = max(largest, before + (part.money if words == FOR_THIS_BILL else of_vendor[vendor]))
    return largest
