"""A run in the store: each line becomes a proposal of its own once, and the run ends as its lines did."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.clock import FixedClock, stamp
from rutter_ap_server.guard.batches import open_members, recount, settle_batch
from rutter_ap_server.guard.judgement import Judgement
from rutter_ap_server.guard.writes.base import finding
from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.proposals import Approval, Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.statement import Section
from support.facts import a_prepared_write, usd
from support.store_rows import START, behind_its_back, put

TWO_NEEDED = (finding("amount.two_approvers", Severity.APPROVE, "much in total"),)
MEMBERS = [a_prepared_write(usd(f"{n}.00"), bill_id=f"b{n}", fields={"bill_id": f"b{n}"}) for n in (1, 2, 3)]


def a_run(store: Store, **changed: Any) -> Proposal:
    made: dict[str, Any] = {
        "tool": "propose_payment_run",
        "state": "dispatching",
        "money": usd("7.00"),
        "bill_id": None,
    }
    return put(store, **made | changed)


def a_lease(store: Store, of: Proposal) -> None:
    until = stamp(START + timedelta(minutes=1))
    store.write_now(lambda tx: tx.proposals.move(of.id, [of.state], of.state, lease_owner="own/1", lease_until=until))


def lines_of(store: Store, run: Proposal, *states: str) -> list[Proposal]:
    """Lines in these states, of 1.00, 2.00 and 4.00 USD."""
    return [put(store, run_id=run.id, state=state, money=usd(f"{2**n}.00")) for n, state in enumerate(states)]


def entries(store: Store, of: Proposal) -> list[str]:
    return [one.kind for one in store.read_now(lambda tx: list(tx.audit.entries(of.id)))]


def now(store: Store, of: Proposal) -> Proposal:
    found = store.read_now(lambda tx: tx.proposals.get(of.id))
    assert found is not None
    return found


def opened(store: Store, run: Proposal) -> dict[str | None, Proposal]:
    """The lines of a run that Ana released, by their bills, once they are stored."""
    parts = tuple(
        (one, Judgement((), "p" * 64, f"f{n}", sections=(Section(title=f"line {n}", rows=[["a", "b"]]),)))
        for n, one in enumerate(MEMBERS)
    )
    judgement = Judgement(TWO_NEEDED, "p" * 64, "run", parts=parts, of_the_whole=TWO_NEEDED)
    ana = store.write_now(lambda tx: tx.approvers.add("Ana", "hash"))
    given = Approval("Ana", "terminal", "run", START, ana, statement="the run's")
    store.write_now(lambda tx: open_members(tx, run, judgement, (given,)))
    return {line.bill_id: line for line in store.read_now(lambda tx: tx.proposals.of_run(run.id))}


def approvals_of(store: Store, line: Proposal) -> tuple[Approval, ...]:
    return store.read_now(lambda tx: tx.proposals.approvals(line.id))


def statements_of(store: Store, line: Proposal) -> dict[str, str]:
    return store.read_now(lambda tx: tx.proposals.statements(line.id))


def test_each_line_is_released_as_its_run_was(store: Store) -> None:
    run = a_run(store)
    lines = opened(store, run)

    assert entries(store, run) == ["run_opened"]
    assert sorted(map(str, lines)) == ["b1", "b2", "b3"]
    for n, line in enumerate(lines[one.bill_id] for one in MEMBERS):
        assert (line.state, line.approvals_needed, line.expires_at) == ("released", 2, run.expires_at)
        assert entries(store, line) == ["proposed", "released"]
        (given,) = approvals_of(store, line)
        assert (given.approver, given.statement) == ("Ana", "the run's")
        assert given.covers >= {f"facts:f{n}", "amount.two_approvers"}
        (shown,) = statements_of(store, line).values()
        assert f"line {n}" in shown


@pytest.mark.parametrize("state", ["released", "dispatching", "unknown"])
def test_a_line_already_on_its_way_is_skipped(store: Store, state: str) -> None:
    run, earlier = a_run(store), put(store, digest=MEMBERS[0].digest, state=state)

    assert sorted(map(str, opened(store, run))) == ["b2", "b3"]
    assert entries(store, run) == ["line_skipped", "run_opened"]
    assert (now(store, earlier).state, entries(store, earlier)) == (state, [])


def test_a_payment_that_waits_gives_way_to_the_run(store: Store) -> None:
    run, earlier = a_run(store), put(store, digest=MEMBERS[0].digest)

    assert len(opened(store, run)) == 3
    assert (now(store, earlier).state, entries(store, earlier)) == ("superseded", ["superseded"])


@pytest.mark.parametrize(
    ("before", "lines", "after"),
    [
        ("dispatching", ["posted", "released"], "dispatching"),
        ("dispatching", ["released", "held"], "dispatching"),
        ("dispatching", ["posted", "dispatching"], "unknown"),
        ("dispatching", ["unknown", "released"], "unknown"),
        ("unknown", ["posted", "released"], "unknown"),
    ],
)
def test_a_run_stays_open_as_its_lines_do(
    store: Store, clock: FixedClock, before: str, lines: list[str], after: str
) -> None:
    run = a_run(store, state=before)
    a_lease(store, run)
    lines_of(store, run, *lines)
    clock.instant += timedelta(hours=1)

    seen = store.write_now(lambda tx: settle_batch(tx, run.id))
    assert (seen, seen.state, seen.lease_owner, seen.lease_until) == (now(store, run), after, None, None)
    assert (seen.record, entries(store, run)) == (None, [])
    # What is looked at and stays as it is has not changed since.
    assert (seen.updated_at == START) == (before == after)


@pytest.mark.parametrize(
    ("lines", "after", "paid"),
    [
        (["posted", "posted", "posted"], "posted", "7.00"),
        (["failed", "posted", "held"], "posted", "2.00"),
        (["failed", "refused", "held"], "failed", None),
    ],
)
def test_a_run_ends_with_what_its_lines_paid(store: Store, lines: list[str], after: str, paid: str | None) -> None:
    run = a_run(store)
    a_lease(store, run)
    lines_of(store, run, *lines)

    for _ in range(2):
        ended = store.write_now(lambda tx: settle_batch(tx, run.id))
        amount = {"amount": paid, "currency": "USD"}
        assert (ended.state, ended.lease_owner, ended.lease_until) == (after, None, None)
        assert ended.record == (paid and {"kind": "payment_run", "id": run.id, "amount": amount})
        # One that has ended is not ended again.
        assert entries(store, run) == [after]


@pytest.mark.parametrize("others", ["posted", "failed"])
def test_a_line_that_is_paid_later_is_counted_then(store: Store, others: str) -> None:
    run = a_run(store)
    *_, late = lines_of(store, run, others, "held")
    ended = store.write_now(lambda tx: settle_batch(tx, run.id))
    assert ended.state == others

    store.write_now(lambda tx: tx.proposals.move(late.id, [State.HELD], State.POSTED))
    store.write_now(lambda tx: recount(tx, run.id))
    assert now(store, run).state == "posted"
    assert (now(store, run).record or {})["amount"]["amount"] == ("3.00" if others == "posted" else "2.00")
    assert entries(store, run) == [others, "posted"]


@pytest.mark.parametrize("state", ["held", "dispatching", "unknown"])
def test_a_run_that_has_not_ended_is_not_counted_up(store: Store, state: str) -> None:
    run = a_run(store, state=state)
    lines_of(store, run, "posted")
    store.write_now(lambda tx: recount(tx, run.id))

    assert (now(store, run).state, now(store, run).record, entries(store, run)) == (state, None, [])


@pytest.mark.parametrize("state", ["dispatching", "posted"])
@pytest.mark.parametrize("done", ["SET currency = 'US$'", "deleted"])
def test_a_run_damaged_by_hand_is_left_alone(store: Store, tmp_path: Path, state: str, done: str) -> None:
    run = a_run(store, state=state)
    (line,), url = lines_of(store, run, "posted"), f"sqlite:///{tmp_path / 'ap.db'}"
    if done == "deleted":
        behind_its_back(url, f"DELETE FROM proposals WHERE id = '{run.id}'")
    else:
        behind_its_back(url, f"UPDATE proposals {done} WHERE id = '{run.id}'")
        assert store.write_now(lambda tx: settle_batch(tx, run.id)).state == state

    store.write_now(lambda tx: recount(tx, run.id))
    assert (now(store, line).state, entries(store, run)) == ("posted", [])


def test_a_line_damaged_by_hand_stops_no_run(store: Store, tmp_path: Path) -> None:
    run = a_run(store)
    damaged, _ = lines_of(store, run, "posted", "posted")
    behind_its_back(
        f"sqlite:///{tmp_path / 'ap.db'}", f"UPDATE proposals SET currency = 'US$' WHERE id = '{damaged.id}'"
    )

    ended = store.write_now(lambda tx: settle_batch(tx, run.id))
    assert (ended.state, (ended.record or {})["amount"]["amount"]) == ("posted", "2.00")
