"""A release, a no and a word on what became of a write: each condition of them by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.approvals import Approvals, NotReleased, Preview, _approve, _check_job, check_signed_for
from rutter_ap_server.guard.approvers import Proof, Proven
from rutter_ap_server.guard.dispatch import Dispatcher
from rutter_ap_server.guard.lease import Lease
from rutter_ap_server.guard.passkeys import Site, challenge_of
from rutter_ap_server.guard.policy import Policy, PolicyFile, parse_policy
from rutter_ap_server.guard.signed_acts import Signed, ask_to_sign
from rutter_ap_server.guard.statement import sealed
from rutter_ap_server.guard.writes.base import finding
from rutter_ap_server.guard.writes.pay_bill import PayBillWrite
from rutter_ap_server.processes import Processes
from rutter_ap_server.rutter.errors import RutterError
from rutter_ap_server.rutter.outcomes import Done, Rejected, Unknown, WriteOutcome
from rutter_ap_server.store.approvers import Approver
from rutter_ap_server.store.audit import Entry
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.passkeys import NewPasskey
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.findings import Severity
from support.approvers import add_approver
from support.authenticator import Authenticator, to_text
from support.bench import PASSCODE, START, Bench, a_bench
from support.lagging import photographed
from support.store_rows import a_proposal, behind_its_back, put

ALLOW = '[tools]\npay_bill = "allow"\n'
BILL = "NW-2291"
AN_INSTANT = timedelta(microseconds=1)
WHOLE = frozenset({"facts:f", "policy.approve"})
REFUSED_NOW = finding("freeze.active", Severity.REFUSE, "writes are stopped")
ASKED: dict[str, Any] = {"verdict": Severity.APPROVE, "approvals_needed": 1, "requires": WHOLE}
SHOWN = sealed(())
# What is decided by the store and the policy alone asks no company.
NO_COMPANY: Any = None


class Unread:
    """A company that is read while a release is proved, and shows nothing."""

    reading = None

    def read_once(self) -> Unread:
        return self


def refused_as(code: str) -> AbstractContextManager[Any]:
    """What is done inside is refused with that code, or done if there is none."""
    return pytest.raises(ApError, check=lambda error: error.error_code == code) if code else nullcontext()


@pytest.fixture
def approvals(store: Store, tmp_path: Path) -> Approvals:
    """The actions of approvers over a store alone."""
    return Approvals(
        store, Dispatcher(store, PolicyFile(tmp_path / "policy.toml", store), anyio.sleep, Processes(None))
    )


def person(store: Store, name: str = "Ana") -> Approver:
    """That approver, who is added unless they are one."""

    def found() -> list[Approver]:
        return [one for one in store.read_now(lambda tx: tx.approvers.active()) if one.name == name]

    if not found():
        store.write_now(lambda tx: tx.approvers.add(name, f"hash of {name}"))
    return found()[0]


def now(store: Store, proposal: Proposal) -> Proposal:
    found = store.read_now(lambda tx: tx.proposals.get(proposal.id))
    assert found is not None
    return found


def given(store: Store, proposal: Proposal) -> list[tuple[str, str, frozenset[str], str]]:
    """The releases of it that count."""
    found = store.read_now(lambda tx: tx.proposals.approvals(proposal.id))
    return [(one.approver, one.channel, one.covers, one.statement) for one in found]


def kinds(store: Store, proposal: Proposal) -> list[str]:
    return store.read_now(lambda tx: [one.kind for one in tx.audit.entries(proposal.id)])


def approve(store: Store, proposal: Proposal, name: str = "Ana", policy: Policy | None = None, **seen: Any) -> State:
    """That person releases what they saw, which is the proposal as it is unless something of it was otherwise."""
    approver, shown = person(store, name), Preview(replace(proposal, **seen), SHOWN, START)
    return store.write_now(lambda tx: _approve(tx, shown, Proven(approver), "desk", policy or Policy())).state


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        *(({"state": state}, "" if state == State.HELD else "approval.not_waiting") for state in State),
        ({"expires_at": START}, "approval.not_waiting"),
        ({"expires_at": START + AN_INSTANT}, ""),
        ({"findings": (REFUSED_NOW,)}, "approval.refused_now"),
        ({"findings": (finding("vendor.new", Severity.APPROVE, "it"),)}, ""),
    ],
)
def test_no_passcode_is_asked_for_in_vain(store: Store, changed: dict[str, Any], code: str) -> None:
    with refused_as(code):
        Preview(put(store, **changed), SHOWN, START).check()


def test_a_release_is_recorded_with_all_it_covers(store: Store) -> None:
    proposal = put(store, **ASKED | {"requires": WHOLE | {"amount.two_approvers"}})

    assert approve(store, proposal) == "released"
    covers = WHOLE | {"amount.two_approvers", "amount.approver"}
    assert given(store, proposal) == [("Ana", "desk", covers, SHOWN.digest)]
    assert (kinds(store, proposal), store.read_now(lambda tx: list(tx.proposals.statements(proposal.id)))) == (
        ["approved", "released"],
        [SHOWN.digest],
    )


@pytest.mark.parametrize(("needed", "states"), [(1, ["released"]), (2, ["held", "released"])])
def test_it_is_released_once_enough_people_have(store: Store, needed: int, states: list[str]) -> None:
    proposal = put(store, **ASKED | {"approvals_needed": needed})

    assert [approve(store, proposal, name) for name in ("Ana", "Bo")[:needed]] == states
    assert kinds(store, proposal) == ["approved"] * needed + ["released"]


PREPARED = {"preparer": "assistant (Ana)"}


@pytest.mark.parametrize(
    ("changed", "seen", "policy", "code"),
    [
        ({"state": State.RELEASED}, {}, "", "approval.not_waiting"),
        ({}, {"requires": frozenset({"facts:f"})}, "", "approval.facts_moved"),
        ({}, {"requires": WHOLE | {"more"}}, "", ""),
        ({"requires": {"amount.approver"}}, {"requires": frozenset({"amount.two_approvers"})}, "", ""),
        ({"findings": (REFUSED_NOW,)}, {}, "", "approval.refused_now"),
        (PREPARED, {}, "preparer_may_approve = false\n", "approver.is_preparer"),
        (PREPARED, {}, "preparer_may_approve = true\n", ""),
        ({}, {}, "[approvers.Bo]\n", "approval.not_theirs"),
        ({"money": None}, {}, "[approvers.Ana]\n", ""),
    ],
)
def test_each_thing_that_keeps_a_release_back(
    store: Store, changed: dict[str, Any], seen: dict[str, Any], policy: str, code: str
) -> None:
    proposal = put(store, **ASKED | changed)
    with refused_as(code):
        assert approve(store, proposal, policy=parse_policy(policy), **seen) == "released"

    assert len(given(store, proposal)) == (not code)
    assert now(store, proposal).state == ("released" if not code else changed.get("state", "held"))


@pytest.mark.parametrize(("left", "state"), [(AN_INSTANT, "released"), (timedelta(0), "expired")])
def test_what_expired_is_not_released(store: Store, clock: FixedClock, left: timedelta, state: str) -> None:
    proposal = put(store, **ASKED)
    clock.instant = proposal.expires_at - left

    assert (approve(store, proposal), len(given(store, proposal))) == (state, state == "released")


def test_nobody_releases_twice(store: Store) -> None:
    proposal = put(store, **ASKED | {"approvals_needed": 2})
    approve(store, proposal)
    with refused_as("approval.same_person"):
        approve(store, proposal)
    assert (now(store, proposal).state, len(given(store, proposal))) == ("held", 1)

    # Unless the first one is void.
    store.write_now(lambda tx: tx.proposals.void_approvals(proposal.id))
    assert (approve(store, proposal), len(given(store, proposal))) == ("held", 1)


@pytest.mark.parametrize("edited", ["UPDATE proposals SET amount = '1.00'", "UPDATE proposals SET state = 'held'"])
def test_what_was_edited_by_hand_is_not_released(store: Store, tmp_path: Path, edited: str) -> None:
    proposal = put(store, **ASKED | {"state": State.RELEASED if "state" in edited else State.HELD})
    behind_its_back(f"sqlite:///{tmp_path / 'ap.db'}", edited)

    with refused_as("store.tampered"):
        approve(store, replace(proposal, state=State.HELD))


def test_who_was_removed_meanwhile_releases_nothing(store: Store) -> None:
    proposal, ana = put(store, **ASKED), person(store)
    store.write_now(lambda tx: tx.approvers.remove(ana.id))

    with pytest.raises(NotReleased):
        store.write_now(lambda tx: _approve(tx, Preview(proposal, SHOWN, START), Proven(ana), "desk", Policy()))
    assert (now(store, proposal).state, given(store, proposal)) == ("held", [])


@pytest.mark.parametrize(
    ("name", "policy", "code"),
    [
        ("Bo", "", ""),
        ("ANA", "", "approval.same_person"),
        ("a stranger", "", ""),
        ("Cy", "", "approver.is_preparer"),
        ("Bo", "[approvers.Ana]\n", "approval.not_theirs"),
    ],
)
async def test_a_person_is_told_before_they_prove_who_they_are(
    store: Store, approvals: Approvals, tmp_path: Path, name: str, policy: str, code: str
) -> None:
    proposal = put(store, **ASKED | {"approvals_needed": 2, "preparer": "Cy", "money": None})
    for other in ("Ana", "Bo"):
        person(store, other)
    approve(store, proposal)
    (tmp_path / "policy.toml").write_text(policy)

    with refused_as(code):
        await approvals.check_person(Preview(proposal, SHOWN, START), name)


async def declined(approvals: Approvals, proposal_id: str, reason: str = "") -> Proposal:
    return await approvals.decline(proposal_id, by=Proof("Ana", PASSCODE), channel="desk", reason=reason)


async def withdrawn(approvals: Approvals, proposal_id: str, reason: str = "") -> Proposal:
    return await approvals.withdraw(proposal_id, channel="desk", reason=reason)


@pytest.mark.parametrize(
    ("close", "state", "by"), [(declined, "declined", "Ana"), (withdrawn, "withdrawn", "desk")], ids=["no", "back"]
)
async def test_a_no_and_a_taking_back_end_only_what_is_held(
    store: Store, approvals: Approvals, close: Callable[..., Any], state: str, by: str
) -> None:
    await add_approver(store, "Ana", PASSCODE)
    held, released = put(store), put(store, state="released")
    closed = await close(approvals, held.id, "no\x07t" + "s" * 600)

    assert (closed.state, closed.closed_by, closed.closed_reason) == (state, by, "not" + "s" * 496 + "…")
    (entry,) = store.read_now(lambda tx: [one for one in tx.audit.entries(held.id) if one.kind == state])
    assert (entry.actor, "approver_id" in json.loads(entry.body)) == (by, by == "Ana")
    for other, said in ((held.id, state), (released.id, "released"), ("no such proposal", "missing")):
        with pytest.raises(NotReleased, match=f"the proposal is {said}") as refused:
            await close(approvals, other)
        assert refused.value.error_code == "approval.not_waiting"
    assert now(store, released).state == "released"


async def test_a_wrong_passcode_declines_nothing(store: Store, approvals: Approvals) -> None:
    await add_approver(store, "Ana", "another passcode")
    held = put(store)
    with pytest.raises(NotReleased):
        await declined(approvals, held.id)
    assert now(store, held).state == "held"


async def settle(
    approvals: Approvals, proposal_id: str, outcome: str, company: Company = NO_COMPANY, **more: Any
) -> Proposal:
    """Ana says what became of it."""
    who: dict[str, Any] = {"by": Proof("Ana", PASSCODE), "channel": "desk", "company": company}
    return await approvals.settle_by_hand(proposal_id, outcome, **who | more)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        *(({"state": state}, "approval.not_waiting") for state in State if state != State.UNKNOWN),
        ({"tool": "propose_payment_run"}, "approval.resolve_lines"),
        ({"preparer": "Ana"}, ""),
    ],
)
async def test_only_an_open_outcome_that_nobody_checks_is_settled(
    store: Store, approvals: Approvals, changed: dict[str, Any], code: str
) -> None:
    await add_approver(store, "Ana", PASSCODE)
    proposal = put(store, **{"state": State.UNKNOWN} | changed)
    # It has no attempt, so that there is nothing to look for.
    with refused_as(code):
        assert (await settle(approvals, proposal.id, "failed")).state == "failed"

    assert now(store, proposal).state == (proposal.state if code else "failed")


async def test_whoever_checks_an_outcome_is_not_disturbed(store: Store, approvals: Approvals) -> None:
    await add_approver(store, "Ana", PASSCODE)
    proposal = put(store, state=State.UNKNOWN)
    lease = Lease(proposal.id, "own/2")
    assert store.write_now(lease.take_over)
    with refused_as("approval.busy"):
        await settle(approvals, proposal.id, "failed")
    assert store.read_now(lease.holds)


class Removed(Approvals):
    """Whoever has proved who they are is removed before they can act."""

    async def verify(self, name: str, passcode: str, **options: Any) -> Approver:
        approver = await super().verify(name, passcode, **options)
        await self.store.write(lambda tx: tx.approvers.remove(approver.id))
        return approver


@pytest.mark.parametrize("state", [State.HELD, State.UNKNOWN])
async def test_who_was_removed_meanwhile_decides_nothing(store: Store, approvals: Approvals, state: State) -> None:
    await add_approver(store, "Ana", PASSCODE)
    proposal, removed = put(store, state=state), Removed(store, approvals.dispatcher)
    with pytest.raises(NotReleased):
        await (declined(removed, proposal.id) if state == State.HELD else settle(removed, proposal.id, "failed"))
    assert now(store, proposal).state == state


async def test_what_has_no_attempt_is_not_settled_as_posted(store: Store, approvals: Approvals) -> None:
    await add_approver(store, "Ana", PASSCODE)
    proposal = put(store, state=State.UNKNOWN)
    for named in ("", "r1"):
        with pytest.raises(NotReleased, match="does not show it"):
            await settle(approvals, proposal.id, "posted", record_id=named)
        # Whoever comes next need not wait.
        assert (now(store, proposal).state, now(store, proposal).lease_owner) == ("unknown", None)


async def test_what_was_edited_by_hand_is_not_settled(store: Store, approvals: Approvals, tmp_path: Path) -> None:
    await add_approver(store, "Ana", PASSCODE)
    proposal = put(store, state=State.UNKNOWN)
    behind_its_back(f"sqlite:///{tmp_path / 'ap.db'}", "UPDATE proposals SET amount = '1.00'")
    with refused_as("store.tampered"):
        await settle(approvals, proposal.id, "failed")


async def lost(bench: Bench, fault: str = "lost before") -> str:
    """A payment of 100.00 whose outcome is unknown."""
    await bench.approver("Ana")
    bench.wire.faults = [fault]
    result = await bench.pay(BILL, "100.00")
    assert (result.status, result.proposal_id is None) == ("unknown", False)
    return result.proposal_id or ""


async def test_what_a_person_found_failed_no_more_counts(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        proposal_id = await lost(bench)
        settled = await settle(bench.app.approvals, proposal_id, "failed", bench.company)

        attempt = await bench.app.store.read(lambda tx: tx.attempts.last(proposal_id))
        assert attempt is not None
        assert (settled.state, await bench.spent(), attempt.outcome) == ("failed", "0.00", "doubted")
        entries = await bench.app.store.read(lambda tx: list(tx.audit.entries(proposal_id)))
        assert [one.actor for one in entries if one.kind == "failed"] == ["Ana"]


async def test_two_that_may_be_it_are_told_apart_by_a_person(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        proposal_id = await lost(bench, "lost after")
        by_hand = await bench.pay_by_hand(BILL, "100.00")
        approvals, store = bench.app.approvals, bench.app.store
        with refused_as("approval.ledger_shows_it"):
            await settle(approvals, proposal_id, "failed", bench.company)
        with refused_as("approval.which_record"):
            await settle(approvals, proposal_id, "posted", bench.company)
        current = await bench.proposal(proposal_id)
        assert (current.state, current.lease_owner, await bench.spent()) == ("unknown", None, "100.00")

        settled = await settle(approvals, proposal_id, "posted", bench.company, record_id=by_hand)
        assert ((settled.record or {})["id"], settled.state) == (by_hand, "posted")
        entries = await store.read(lambda tx: list(tx.audit.entries(proposal_id)))
        assert [one.actor for one in entries if one.kind == "posted"] == ["Ana"]


async def test_a_record_of_another_is_not_named_for_it(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        proposal_id = await lost(bench)
        by_hand = await bench.pay_by_hand(BILL, "99.00")

        def claim(tx: Tx) -> None:
            other = replace(current, id="another", digest="e" * 64, state=State.POSTED)
            tx.proposals.add(other)
            tx.attempts.add(other.id, other.id, {})
            tx.attempts.settle(other.id, "posted", upstream_id=by_hand, job_id=None, reason=None)

        current = await bench.proposal(proposal_id)
        await bench.app.store.write(claim)
        for named in (by_hand, "no such record"):
            with pytest.raises(NotReleased, match="does not show it"):
                await settle(bench.app.approvals, proposal_id, "posted", bench.company, record_id=named)


async def test_what_a_job_still_does_is_not_settled_as_failed(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        start = await photographed(bench, f"/bills/{(await bench.bill(BILL)).id}")
        await bench.pay(BILL, "100.00", dry_run=True)
        start()
        bench.wire.write_fault = "job_never_ends"
        proposal_id = await lost(bench, "none")
        with refused_as("approval.job_open"):
            await settle(bench.app.approvals, proposal_id, "failed", bench.company)
        assert ((await bench.proposal(proposal_id)).state, await bench.spent()) == ("unknown", "100.00")


async def test_a_bill_that_is_gone_shows_nothing(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        proposal_id = await lost(bench)
        await bench.company.rutter.bills.delete((await bench.bill(BILL)).id)

        assert (await settle(bench.app.approvals, proposal_id, "failed", bench.company)).state == "failed"


class Job(PayBillWrite):
    """A payment whose job says this."""

    def __init__(self, outcome: WriteOutcome[Any]) -> None:
        self.outcome = outcome

    async def outcome_of_job(self, company: Company, job_id: str) -> WriteOutcome[Any]:
        return self.outcome


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Rejected(RutterError("no")), ""),
        (Unknown("j1", "job_unreadable"), ""),
        (Unknown("j1", "still_running"), "has not ended yet"),
        (Done(None), "was carried out"),
    ],
)
async def test_a_job_must_have_come_to_nothing(outcome: WriteOutcome[Any], said: str) -> None:
    with pytest.raises(NotReleased, match=said) if said else nullcontext():
        await _check_job(Job(outcome), NO_COMPANY, "j1")


async def test_a_fact_that_moved_since_it_was_shown_releases_nothing(home: Path) -> None:
    async with a_bench(home, '[tools]\npay_bill = "approve"\n') as bench:
        await bench.approver("Ana")
        held = await bench.pay(BILL, "100.00")
        seen = await bench.app.approvals.preview(held.proposal_id or "", bench.company)
        await bench.pay_by_hand(BILL, "1.00")

        with refused_as("approval.facts_moved"):
            await bench.app.approvals.approve(seen, bench.company, by=Proof("Ana", PASSCODE), channel="desk")
        assert ((await bench.proposal(held.proposal_id)).state, bench.wire.payments_sent) == ("held", [])


SITE = Site("http://localhost:8765", "localhost")


def signed(act: str, about: str, **form: str) -> Signed:
    """An act that was signed, of whomever: what it is for is looked at before the signature."""
    return Signed(act, about, form, person_of_nobody(), "a ticket", "{}", SITE)


def person_of_nobody() -> Approver:
    return Approver("nobody", "Nobody", "", START, 0, None)


def binding(by: Signed) -> str:
    """Why it is not that release; that it was given out for nothing if it is."""
    shown = Preview(replace(a_proposal(), id="p", requires=WHOLE), SHOWN, START)
    form = {"digest": SHOWN.digest, "facts": shown.facts}
    try:
        check_signed_for(by, "release", "p", form)
    except NotReleased as refused:
        return refused.error_code
    return ""


def test_a_signature_is_for_one_release_as_it_was_shown() -> None:
    shown = Preview(replace(a_proposal(), id="p", requires=WHOLE), SHOWN, START)
    form = {"digest": SHOWN.digest, "facts": shown.facts}
    assert binding(signed("release", "p", **form)) == ""
    assert binding(signed("release", "p", **form, amount="5")) == ""
    for other in (
        signed("decline", "p", **form),
        signed("release", "q", **form),
        signed("decline", "q", **form),
        signed("p", "release", **form),
        signed("release", "p", **form | {"digest": "another"}),
        signed("release", "p", **form | {"facts": "others"}),
        signed("release", "p", digest=SHOWN.digest),
        signed("release", "p", facts=shown.facts),
        signed("release", "p"),
    ):
        assert binding(other) == "approval.other_act"
    check_signed_for(Proof("Ana", PASSCODE), "release", "p", form)


async def test_what_was_signed_otherwise_releases_and_declines_nothing(store: Store, approvals: Approvals) -> None:
    proposal = put(store, **ASKED)
    shown = Preview(proposal, SHOWN, START)
    right = {"digest": SHOWN.digest, "facts": shown.facts}
    for form in (right | {"digest": "another"}, right | {"facts": "others"}):
        with refused_as("approval.other_act"):
            await approvals.approve(shown, NO_COMPANY, by=signed("release", proposal.id, **form), channel="desk")
    with refused_as("approval.other_act"):
        by = signed("decline", proposal.id, reason="another")
        await approvals.decline(proposal.id, by=by, channel="desk", reason="this one")
    # What fits is refused only for its ticket, which nobody gave out.
    company: Any = Unread()
    with refused_as("approval.stale_signature"):
        await approvals.approve(shown, company, by=signed("release", proposal.id, **right), channel="desk")
    with refused_as("approval.stale_signature"):
        by = signed("decline", proposal.id, reason="this one")
        await approvals.decline(proposal.id, by=by, channel="desk", reason="this one")
    assert now(store, proposal).state == State.HELD


def told(store: Store, kind: str) -> list[Entry]:
    return store.read_now(lambda tx: list(tx.audit.of_kind(kind)))


async def test_a_signature_is_kept_with_what_it_decided(store: Store, approvals: Approvals) -> None:
    released, declined_one = put(store, **ASKED), put(store, **ASKED, digest="another")
    ana = person(store)
    key = Authenticator(SITE.origin)
    new = NewPasskey(to_text(key.id), to_text(key.public_key), "localhost", "aaguid", False, 0)
    store.write_now(lambda tx: tx.passkeys.add(ana.id, new))

    def by(act: str, about: str, **form: str) -> Signed:
        ticket = store.write_now(lambda tx: ask_to_sign(tx, act, about, form, ana))
        asked = Signed(act, about, form, ana, ticket, "", SITE)
        return replace(asked, answer=json.dumps(key.signs(challenge_of(asked.decision.as_json))))

    given = await approvals.prove(by("release", released.id), channel="desk")
    store.write_now(lambda tx: _approve(tx, Preview(released, SHOWN, START), given, "desk", Policy()))
    no = by("decline", declined_one.id, reason="No.")
    await approvals.decline(declined_one.id, by=no, channel="desk", reason="No.")
    for kind, proposal in (("approved", released), ("declined", declined_one)):
        (entry,) = told(store, kind)
        decision = json.loads(entry.body)["signature"]["decision"]
        assert (decision["about"], decision["approver_id"]) == (proposal.id, ana.id)
        assert decision["act"] == {"approved": "release", "declined": "decline"}[kind]


async def test_what_is_sent_is_judged_on_what_is_read_then(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not on what its release was judged by, a moment before."""
    dispatch = Dispatcher.dispatch

    async with a_bench(home) as bench:
        await bench.approver("Ana")
        held = await bench.pay("NW-2291", "10.00")

        async def once_somebody_paid(self: Dispatcher, *given: Any, **named: Any) -> Proposal:
            await bench.pay_by_hand("NW-2291", "10.00")
            return await dispatch(self, *given, **named)

        monkeypatch.setattr(Dispatcher, "dispatch", once_somebody_paid)
        assert (await bench.approve(held.proposal_id)).state == "held"
        assert await bench.paid("NW-2291") == [Decimal("10.00")]
