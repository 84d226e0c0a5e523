"""Read your writes: facts that lack what this store posted a moment ago are no facts.

A ledger may answer from a copy that lags behind. What it does not show yet is looked for again, for a bounded time;
then the write waits, because a judgement on old books could pay or enter something twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.gathering import BatchFacts, gather_facts
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Batch, Facts, TakenBack, Touched, Write
from rutter_ap_server.guard.writes.parties import Contents
from rutter_ap_server.guard.writes.registry import proposed_by
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.errors import ApError

# Longer than a platform or Rutter's own copy of it usually lags; what is missing after that was removed there.
LAG_MAX = timedelta(minutes=15)
_WAITS_SECONDS = (0.3, 1.0, 2.0)
Sleep = Callable[[float], Awaitable[None]]
_Undoing = Sequence[tuple[Proposal, TakenBack]]


async def current_facts(
    store: Store, write: Write[Any] | Batch, prepared: PreparedWrite, company: Company, sleep: Sleep
) -> Facts[Any] | BatchFacts:
    """The facts of a write, gathered again while they lack what this store posted; `behind` says what they lack."""
    for pause in (*_WAITS_SECONDS, None):
        facts = await gather_facts(write, prepared, company)
        # What was read before shows no more the next time.
        company = company.unread()
        of_each = facts.members if isinstance(facts, BatchFacts) else (facts,)
        lacking = await store.read(partial(_lacking_of_each, company_id=company.ledger_id, of_each=of_each))
        lacking = [[one for one in each if not await _was_undone(one, company)] for each in lacking]
        if not any(lacking):
            return facts
        if pause is not None:
            await sleep(pause)
    said = tuple(one.saying(tuple(map(_words, each))) for one, each in zip(of_each, lacking, strict=True))
    if isinstance(facts, BatchFacts):
        return BatchFacts(said)
    [alone] = said
    return alone


def _lacking_of_each(tx: Tx, company_id: str, of_each: Sequence[Facts[Any]]) -> list[list[Proposal]]:
    """For each of the facts: what was posted lately and is not in them, though it changed what they are about."""
    if not any(facts.contents for facts in of_each):
        return [[] for _ in of_each]
    posted = tx.proposals.changed_since(company_id, [State.POSTED], tx.now - LAG_MAX)
    undoing = [(one, _taken_back_by(one)) for one in posted]
    left = [(one, _left_by(one)) for one in posted]
    return [[one for one, things in left if _is_missing(tx, one, things, facts, undoing)] for facts in of_each]


def _left_by(posted: Proposal) -> Mapping[Touched, str]:
    write = proposed_by(posted.tool)
    if not isinstance(write, Write) or posted.record is None:
        return {}
    return write.leaves(PreparedWrite.of(posted), posted.record["id"])


def _is_missing(tx: Tx, posted: Proposal, left: Mapping[Touched, str], facts: Facts[Any], undoing: _Undoing) -> bool:
    for thing, record_id in left.items():
        shown = facts.contents.get(thing)
        if shown is None or (record_id in shown.ids and not _shows_old_balance(tx, posted, shown)):
            continue
        gone = {(thing, record_id), (None, record_id)}
        if not any(taken & gone and _sent_after(tx, one, posted) for one, taken in undoing):
            return True
    return False


def _shows_old_balance(tx: Tx, posted: Proposal, shown: Contents) -> bool:
    """Whether a bill shows the payment, but a balance from before it."""
    attempt = tx.attempts.last(posted.id)
    if attempt is None or shown.due is None or posted.money is None or attempt.before.get("total") != shown.total:
        return False
    if not shown.ids.issuperset(attempt.before["payments"]):
        # Something else was taken off the bill since, and is due again.
        return False
    return shown.due.amount > Decimal(attempt.before["due"]) - posted.money.amount


def _taken_back_by(posted: Proposal) -> TakenBack:
    write = proposed_by(posted.tool)
    return write.takes_back(PreparedWrite.of(posted)) if isinstance(write, Write) else frozenset()


def _sent_after(tx: Tx, one: Proposal, other: Proposal) -> bool:
    """Whether it was sent later, by the order of the attempts: what is undone may be done once more."""
    later, earlier = tx.attempts.last(one.id), tx.attempts.last(other.id)
    return later is not None and earlier is not None and later.id > earlier.id


async def _was_undone(posted: Proposal, company: Company) -> bool:
    """Whether the ledger itself says that the payment was voided since; nothing else can be told from a lag."""
    assert posted.record is not None
    if posted.tool != "pay_bill":
        return False
    try:
        payment = await company.rutter.bill_payments.get(posted.record["id"])
    except ApError:
        return False
    return payment.status == "void"


def _words(posted: Proposal) -> str:
    assert posted.record is not None
    return f"{posted.record['kind'].replace('_', ' ')} {posted.record['id']} (proposal {posted.id})"
