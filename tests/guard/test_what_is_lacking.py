"""What the facts lack of what this store posted a moment ago: each condition by itself, on rows and contents."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.guard.own_writes import LAG_MAX, _lacking_of_each
from rutter_ap_server.guard.writes.base import Touched
from rutter_ap_server.guard.writes.parties import Contents
from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.errors import Refused
from support.bench import a_bench
from support.facts import ids_of, some_facts, usd
from support.refusals import refused_for
from support.runs import ALLOW, PLAIN, ROOMY, SECOND, run_of
from support.store_rows import START, put

BILL = Touched("bill", "b1")
BEFORE = {"payments": ["p0"], "due": "150.00", "total": "200.00"}
UNSEEN = Contents(frozenset({"p0"}), "200.00", usd("150.00"))


def posted(store: Store, before: dict[str, Any] | None = BEFORE, **changed: Any) -> Proposal:
    """A payment of 100.00 that was posted as r1."""
    made = {"state": State.POSTED, "fields": ids_of("b1", "v1"), "record": {"kind": "bill_payment", "id": "r1"}}
    proposal = put(store, **made | changed)
    if before is not None:
        store.write_now(lambda tx: tx.attempts.add(proposal.id, proposal.id, before))
    return proposal


def lacking(store: Store, shown: Contents = UNSEEN, thing: Touched = BILL) -> list[str]:
    """What facts lack that show this of the bill, or of another thing."""
    facts = some_facts(contents={thing: shown})
    return store.read_now(lambda tx: [one.id for one in _lacking_of_each(tx, "company-1", [facts])[0]])


def bill(*ids: str, due: str | None, total: str = "200.00") -> Contents:
    return Contents(frozenset(ids), total, usd(due) if due is not None else None)


@pytest.mark.parametrize(
    ("shown", "is_lacking"),
    [
        (bill("p0", due="150.00"), True),
        (bill("p0", "r1", due="50.00"), False),
        # It shows the payment, and a balance from before it.
        (bill("p0", "r1", due="50.01"), True),
        (bill("p0", "r1", due="49.99"), False),
        # Something else has changed the bill since, so that its balance proves nothing.
        (bill("p0", "r1", due="150.00", total="300.00"), False),
        (bill("r1", due="150.00"), False),
        (bill("p0", "r1", due=None), False),
    ],
)
def test_a_bill_shows_a_payment_and_its_balance_or_lacks_it(store: Store, shown: Contents, is_lacking: bool) -> None:
    payment = posted(store)
    assert lacking(store, shown) == [payment.id] * is_lacking


@pytest.mark.parametrize("changed", [{"before": None}, {"money": None}, {"before": {}}])
def test_a_balance_that_cannot_be_told_proves_nothing(store: Store, changed: dict[str, Any]) -> None:
    posted(store, **changed)
    assert lacking(store, bill("p0", "r1", due="150.00")) == []


@pytest.mark.parametrize(
    "changed",
    [
        *({"state": state} for state in State if state != State.POSTED),
        {"company_id": "company-2"},
        {"record": None},
        {"tool": "propose_payment_run"},
        {"fields": ids_of("b2", "v1")},
    ],
)
def test_only_what_was_posted_to_this_bill_is_missed(store: Store, changed: dict[str, Any]) -> None:
    posted(store, **changed)
    assert lacking(store) == []


def test_what_one_thing_shows_another_may_lack(store: Store) -> None:
    applied = posted(store, tool="apply_credit", record={"kind": "credit_application", "id": "c1"})
    shown = {BILL: bill("p0", "c1", due="50.00"), Touched("credit", "c1"): Contents(frozenset())}
    facts = some_facts(contents=shown)
    assert [one.id for one in store.read_now(lambda tx: _lacking_of_each(tx, "company-1", [facts])[0])] == [applied.id]


def test_facts_about_nothing_lack_nothing(store: Store) -> None:
    posted(store)
    assert store.read_now(lambda tx: _lacking_of_each(tx, "company-1", [some_facts()])) == [[]]


@pytest.mark.parametrize(("later", "is_lacking"), [(LAG_MAX, True), (LAG_MAX + timedelta(microseconds=1), False)])
def test_what_is_missing_for_a_quarter_hour_was_removed(
    store: Store, clock: FixedClock, later: timedelta, is_lacking: bool
) -> None:
    payment = posted(store)
    clock.instant = START + later
    assert lacking(store) == [payment.id] * is_lacking
    assert timedelta(minutes=15) == LAG_MAX


@pytest.mark.parametrize(
    ("voided", "is_lacking"),
    [
        ({}, False),
        ({"before": None}, True),
        ({"state": State.FAILED}, True),
        ({"fields": ids_of("b1", "v1") | {"payment_id": "r9"}}, True),
        ({"fields": ids_of("b2", "v1") | {"payment_id": "r1"}}, True),
    ],
)
def test_what_was_voided_afterwards_is_not_missed(store: Store, voided: dict[str, Any], is_lacking: bool) -> None:
    payment = posted(store)
    posted(store, **{"tool": "void_payment", "fields": ids_of("b1", "v1") | {"payment_id": "r1"}} | voided)
    assert lacking(store) == [payment.id] * is_lacking


def test_what_was_done_again_after_a_removal_is_missed(store: Store) -> None:
    fields = ids_of("b1", "v1")
    credit: dict[str, Any] = {
        "tool": "apply_credit",
        "fields": fields,
        "record": {"kind": "credit_application", "id": "c1"},
    }
    posted(store, **credit)
    posted(store, tool="remove_credit", fields=fields)
    assert lacking(store) == []
    again = posted(store, **credit)
    assert lacking(store) == [again.id]


def test_what_was_never_sent_by_us_is_undone_by_nothing(store: Store) -> None:
    payment = posted(store, before=None)
    posted(store, tool="void_payment", fields=ids_of("b1", "v1") | {"payment_id": "r1"})
    assert lacking(store) == [payment.id]


def test_a_deleted_bill_is_missed_nowhere(store: Store) -> None:
    of_vendor = Touched("bills_of_vendor", "v1")
    entered = posted(store, tool="create_bill", record={"kind": "bill", "id": "b1"})
    assert lacking(store, Contents(frozenset()), of_vendor) == [entered.id]
    posted(store, tool="delete_bill")
    assert lacking(store, Contents(frozenset()), of_vendor) == []


@pytest.mark.parametrize("catches_up", [True, False])
async def test_a_ledger_that_is_behind_is_asked_four_times(home: Path, catches_up: bool) -> None:
    async with a_bench(home, ALLOW) as bench:
        paid = await bench.pay("NW-2291", "100.00")
        assert paid.record is not None
        bill_id, pauses = (await bench.bill("NW-2291")).id, list[float]()

        async def pause(seconds: float) -> None:
            pauses.append(seconds)
            if catches_up and len(pauses) == 3:
                bench.wire.read_faults = {}

        bench.app.dispatcher._sleep = pause
        # Nor does it say what became of the payment.
        bench.wire.read_faults = {f"/bills/{bill_id}": "stale_read", f"/bill_payments/{paid.record.id}": "error_500"}
        with nullcontext() if catches_up else refused_for("ledger.behind"):
            assert (await bench.pay("NW-2291", "50.00")).status == "held"
        assert pauses == [0.3, 1.0, 2.0]


async def test_a_run_says_which_of_its_bills_is_behind(home: Path) -> None:
    async with a_bench(home, ALLOW + ROOMY) as bench:
        assert (await bench.pay(SECOND, "100.00")).status == "posted"
        bench.wire.read_faults = {f"/bills/{(await bench.bill(SECOND)).id}": "stale_read", "/bills": "stale_list"}
        with pytest.raises(Refused) as refused:
            await run_of(bench, *PLAIN)
        (behind,) = [one for one in refused.value.findings if one.code == "ledger.behind"]
        assert [number for number in PLAIN if number in behind.message] == [SECOND]
