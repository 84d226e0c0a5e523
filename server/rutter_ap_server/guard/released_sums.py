"""What was already released for a bill and to a vendor: a payment in parts is judged as one payment."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from rutter_ap_server.guard.policy import WINDOWS, Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Batch
from rutter_ap_server.guard.writes.parties import VendorFact
from rutter_ap_server.guard.writes.payees import name_key
from rutter_ap_server.guard.writes.registry import proposed_by
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.money import Money

PAYING = ("pay_bill", "propose_payment_run")
FOR_THIS_BILL = "for this bill"
_NAMES_KEPT = 50_000
# Longer than any window or tier looks back.
_PAYEE_HOURS = max(window.hours for window in WINDOWS)


def released_before(
    tx: Tx, prepared: PreparedWrite, vendor_ids: frozenset[str], policy: Policy, except_id: str | None
) -> list[tuple[str, Money]]:
    """What was already released for a payment's bill, at any time, and to its payee, in the policy's hours."""
    assert prepared.money is not None
    currency, company_id = prepared.money.currency, prepared.company_id
    sums = []
    if prepared.bill_id is not None:
        of_bill = tx.spend.released_for_bill(company_id, currency, prepared.bill_id, except_id)
        sums.append((FOR_THIS_BILL, of_bill))
    if vendor_ids:
        hours = policy.rules.tier_vendor_hours
        of_payee = tx.spend.spent(company_id, currency, tx.hours_back(hours), vendor_ids, except_id)
        sums.append((f"to this vendor in {hours} hours", of_payee))
    return sums


def payee_of(tx: Tx, prepared: PreparedWrite, vendor: VendorFact | None = None) -> frozenset[str]:
    """Whom a write pays, or whose document it is about."""
    return payee_ids(tx, prepared.company_id, prepared.vendor_id, prepared.vendor_name, vendor)


def payee_ids(
    tx: Tx, company_id: str, vendor_id: str | None, vendor_name: str | None, vendor: VendorFact | None = None
) -> frozenset[str]:
    """The ids of all records of one vendor, whatever they are or were called; none without a vendor.

    Those in the ledger are known from `vendor`, and those that were judged or paid here from the store.
    """
    if vendor_id is None:
        return frozenset()
    ids, keys, named = {vendor_id}, set[str](), _key_of(vendor_name)
    if vendor:
        ids.update(vendor.twins)
        keys.update(vendor.keys)
    if named:
        keys.add(named)
        # Payments of an earlier program kept nothing of the vendor but its name.
        ids.update(one for one, name in tx.spend.vendors(company_id, _PAYEE_HOURS) if _key_of(name) == named)
    return tx.documents.one_vendor(company_id, ids, keys)


@lru_cache(maxsize=_NAMES_KEPT)
def _key_of(name: str | None) -> str | None:
    """The key of a name, found once: each payment asks for those of all vendors that were paid lately."""
    return name_key(name)


def paid_together(members: Iterable[PreparedWrite], vendor_ids: frozenset[str], whole: PreparedWrite) -> Money:
    """What those payments of a run that go to one payee come to, in the currency of the whole."""
    assert whole.money is not None
    paid = (one.money for one in members if one.money is not None and one.vendor_id in vendor_ids)
    return Money.total(paid, whole.money.currency)


def owed_with(tx: Tx, proposal: Proposal, policy: Policy) -> Money | None:
    """The largest sum a payment is part of: what an approver's own maximum is held against.

    The amount alone where the policy gives nobody a maximum; None for a write without one.
    """
    if proposal.money is None or proposal.tool not in PAYING or not policy.approvers:
        return proposal.money
    prepared, write = PreparedWrite.of(proposal), proposed_by(proposal.tool)
    parts = write.members(prepared) if isinstance(write, Batch) else (prepared,)
    # Each payee and all bills are asked about once: every payment of a run asks for the whole of it.
    payees = {of: payee_ids(tx, proposal.company_id, *of) for of in {(one.vendor_id, one.vendor_name) for one in parts}}
    bills = {one.bill_id for one in parts if one.bill_id is not None}
    company_id, currency, hours = proposal.company_id, proposal.money.currency, policy.rules.tier_vendor_hours
    of_bills = tx.spend.released_for_bills(company_id, currency, bills, proposal.id)
    owed = [one.money + of_bills[one.bill_id] for one in parts if one.money is not None and one.bill_id is not None]
    for payee in filter(None, set(payees.values())):
        of_payee = tx.spend.spent(company_id, currency, tx.hours_back(hours), payee, proposal.id)
        owed.append(of_payee + paid_together(parts, payee, prepared))
    return max([proposal.money, *owed])
