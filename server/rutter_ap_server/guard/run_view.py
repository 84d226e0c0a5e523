"""A run as the assistant and the person see it: what it comes to, and each of its lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from rutter_ap_server.guard.frozen import thaw
from rutter_ap_server.guard.kinds.registry import kind_named
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.errors import Refused
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.money import Money
from rutter_ap_tools.payment_runs import LeftOut, RunLine, RunResult, VendorTotal
from rutter_ap_tools.wire import MoneyShape, Named, WriteResult

if TYPE_CHECKING:
    from rutter_ap_server.store.engine import Store

_NOTED = ("held", "failed", "refused", "expired", "declined")


def run_result(result: WriteResult, fields: dict[str, Any], lines: Sequence[Proposal]) -> RunResult:
    """The answer to a run: the whole's own, with its totals and lines."""
    currency = fields["currency"]
    amounts = [Money.parse(line["amount"], currency) for line in fields["lines"]]
    return RunResult(
        **dict(result),
        total=MoneyShape.of(Money.total(amounts, currency)),
        vendors=_by_vendor(fields),
        lines=run_lines(fields, lines, result.status),
        left_out=[
            LeftOut(bill_id=one["bill_id"], document_number=one["number"] or None, reason=one["reason"])
            for one in fields["left_out"]
        ],
    )


async def lines_of(store: Store, proposal: Proposal) -> list[RunLine]:
    """The lines of a stored run; none for every other proposal."""
    if not kind_named(proposal.tool).lines(thaw(proposal)):
        return []
    lines = await store.read(lambda tx: tx.proposals.of_run(proposal.id))
    return run_lines(proposal.fields, lines, proposal.state)


def run_lines(fields: dict[str, Any], lines: Sequence[Proposal], status: str) -> list[RunLine]:
    """Each line with its own payment's state; before the release, with that of the run."""
    of_bill = {line.bill_id: line for line in lines}
    return [
        _line(line, fields["currency"], of_bill.get(line["bill_id"]), status, bool(lines)) for line in fields["lines"]
    ]


def nothing_recorded(run: Proposal, lines: Sequence[Proposal]) -> Refused:
    """The error for a run of which no payment was recorded."""
    if not lines:
        return Refused(
            "each of its bills was being paid by another proposal already, so it paid nothing itself",
            findings=run.findings,
            next_step="list_proposals shows those payments. Do not propose them again.",
        )
    reasons = [f"{line.summary}: {_why(line)}" for line in lines[:3]]
    return Refused(
        f"none of its {len(lines)} payments was recorded; {'; '.join(reasons)}",
        findings=run.findings,
        next_step="Tell the person why; list_proposals shows each payment. Do not try to work around it.",
    )


def _line(line: dict[str, Any], currency: str, own: Proposal | None, status: str, opened: bool) -> RunLine:
    return RunLine(
        bill_id=line["bill_id"],
        document_number=line["number"] or None,
        vendor=Named(id=line["vendor_id"], name=line["vendor_name"]),
        due_date=date.fromisoformat(line["due_date"]) if line["due_date"] else None,
        amount=MoneyShape(amount=line["amount"], currency=currency),
        status=own.state if own else "not sent: it was on its way already" if opened else status,
        proposal_id=own.id if own else None,
        note=_why(own) if own and own.state in _NOTED else None,
    )


def _by_vendor(fields: dict[str, Any]) -> list[VendorTotal]:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for line in fields["lines"]:
        grouped.setdefault(line["vendor_id"], []).append(line)
    totals = []
    for vendor_id, own in grouped.items():
        total = Money.total((Money.parse(line["amount"], fields["currency"]) for line in own), fields["currency"])
        named = Named(id=vendor_id, name=own[0]["vendor_name"])
        totals.append((total, VendorTotal(vendor=named, bills=len(own), total=MoneyShape.of(total))))
    return [shape for _, shape in sorted(totals, key=lambda one: -one[0].amount)]


def _why(line: Proposal) -> str:
    severe = [one.message for one in line.findings if one.severity is Severity.REFUSE]
    if severe:
        return "; ".join(severe)
    needed = [one.message for one in line.findings if one.severity is Severity.APPROVE]
    return "; ".join(needed) or f"it is {line.state}"
