"""A payment run as a table: the payments that need a look first, what becomes of each, and taking one out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rutter_ap_server.guard.writes.payment_run_words import PAYMENTS_TITLE, WILL_NOT_BE_PAID, in_order
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_server.web.proposal_documents import bills_of
from rutter_ap_server.web.shown import TIERS, Reason, reason_of
from rutter_ap_tools.payments import RunPayment
from rutter_ap_tools.statement import Section

# What became of a payment of a run that people released, in words.
_OUTCOMES: Mapping[str, str] = {
    State.POSTED: "✓ recorded in the ledger",
    State.RELEASED: "… released, not sent yet",
    State.DISPATCHING: "… being sent",
    State.UNKNOWN: "? not known whether the ledger recorded it. Never pay it again to be sure: the program goes on "
    "looking, and an approver who has checked the ledger can say so with `rutter-ap proposals resolve`",
    State.FAILED: "✕ not recorded",
    State.REFUSED: "✕ refused, nothing was sent",
    State.HELD: "▲ not sent, because something changed since the release: it waits for another one",
    State.EXPIRED: "✕ expired, nothing was sent",
    State.DECLINED: "✕ declined, nothing was sent",
    State.WITHDRAWN: "✕ withdrawn, nothing was sent",
}


@dataclass(frozen=True, slots=True)
class RunRow:
    """One payment of a run: the cells of the statement, why it needs a look, and what became of it.

    `number` is that of its bill in the addresses of this proposal; `proposal_id` is its own, once there is one.
    """

    number: int
    bill_id: str
    named: str
    cells: tuple[str, ...]
    reasons: tuple[Reason, ...]
    outcome: str
    proposal_id: str


@dataclass(frozen=True, slots=True)
class RunTable:
    """The payments of a run; `was_opened` once people released it and each payment has an outcome of its own."""

    title: str
    columns: tuple[str, ...]
    closer: tuple[RunRow, ...]
    usual: tuple[RunRow, ...]
    was_opened: bool
    can_take_out: bool


def run_table(proposal: Proposal, sections: Sequence[Section], lines: Sequence[RunPayment]) -> RunTable | None:
    """The run's table, from the statement's own rows; None if this is no run, or was put into words elsewhere."""
    section = next((one for one in sections if one.title == PAYMENTS_TITLE), None)
    if proposal.tool != "propose_payment_run" or section is None:
        return None
    ordered = in_order(proposal.fields["lines"])
    if len(ordered) != len(section.rows):
        return None
    numbers = {bill_id: number for number, bill_id in enumerate(bills_of(proposal))}
    of_bill = {one.bill_id: one for one in lines}
    rows = []
    for line, cells in zip(ordered, section.rows, strict=True):
        own = of_bill.get(line["bill_id"])
        rows.append(
            RunRow(
                number=numbers[line["bill_id"]],
                bill_id=line["bill_id"],
                named=line["number"] or line["bill_id"],
                cells=tuple(cells),
                reasons=_reasons(proposal, cells[-1]),
                outcome=_outcome(own) if own is not None else "",
                proposal_id=(own.proposal_id or "") if own is not None else "",
            )
        )
    return RunTable(
        title=PAYMENTS_TITLE,
        columns=tuple(section.columns),
        closer=tuple(row for row in rows if _needs_a_look(row)),
        usual=tuple(row for row in rows if not _needs_a_look(row)),
        was_opened=proposal.state not in (State.HELD, State.DECLINED, State.WITHDRAWN, State.EXPIRED, State.REFUSED),
        can_take_out=proposal.state == State.HELD and len(rows) > 1,
    )


def _needs_a_look(row: RunRow) -> bool:
    return bool(row.reasons) or row.cells[-1].startswith(WILL_NOT_BE_PAID)


def _reasons(proposal: Proposal, codes: str) -> tuple[Reason, ...]:
    """The findings of a payment that say more than which tier it is in; or that it will not be paid."""
    named = set(codes.split("; "))
    found = [one for one in proposal.findings if one.code in named and one.code not in TIERS]
    return tuple(map(reason_of, sorted(found, key=lambda one: -one.severity)))


def _outcome(line: RunPayment) -> str:
    words = _OUTCOMES.get(line.status, line.status)
    return f"{words}: {line.note}" if line.note else words
