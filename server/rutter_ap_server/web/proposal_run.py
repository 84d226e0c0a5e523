"""A payment run as a table, payments that need a look first; taking one out; and how far it is while it is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import anyio

from rutter_ap_server.guard.long_calls import End, LongCalls
from rutter_ap_server.guard.writes.payment_run_words import PAYMENTS_TITLE, WILL_NOT_BE_PAID, in_order
from rutter_ap_server.interaction import Interaction, NoInteraction
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_server.web.proposal_documents import bills_of
from rutter_ap_server.web.shown import TIERS, Reason, reason_of
from rutter_ap_tools.errors import ApError
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

# A run that takes longer than this shows its page, which follows it, instead of keeping the person waiting.
RELEASE_SECONDS = 1.0
_RUN = "propose_payment_run"


@dataclass(frozen=True, slots=True)
class Going:
    """How far a run is that is being sent: so many of its payments have an outcome."""

    done: int
    total: int

    @property
    def words(self) -> str:
        """For a person who waits."""
        return f"{self.done} of {self.total} payments have an outcome"


class Approve(Protocol):
    """Releases a proposal, and sends it."""

    def __call__(self, *, interaction: Interaction) -> Awaitable[Proposal]: ...


class _Told(NoInteraction):
    """Notes that a run has begun."""

    def __init__(self, begun: anyio.Event) -> None:
        self._begun = begun

    async def report_progress(self, done: float, total: float, message: str) -> None:
        """The first time says that it was released, and is being sent."""
        self._begun.set()


async def released(calls: LongCalls, approve: Approve) -> None:
    """Returns once a proposal was released and sent, or it is a run that is being sent and takes long.

    Raises what kept it from being released, however long that took to find out.
    """
    known, failures = anyio.Event(), list[ApError]()

    async def work() -> None:
        try:
            await approve(interaction=_Told(known))
        except ApError as error:
            failures.append(error)
        finally:
            known.set()

    async def late(_: End) -> None:
        await known.wait()

    await calls.in_time(work, late)
    if failures:
        raise failures[0]


def going_of(proposal: Proposal, lines: Sequence[RunPayment]) -> Going | None:
    """How far a run is; None if it is none, or is not being sent."""
    if proposal.tool != _RUN or proposal.state not in (State.RELEASED, State.DISPATCHING):
        return None
    waiting = sum(one.status in (State.RELEASED, State.DISPATCHING) for one in lines)
    return Going(len(lines) - waiting, len(lines))


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
    if proposal.tool != _RUN or section is None:
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
