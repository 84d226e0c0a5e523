"""Settling: one outcome, by whoever holds the lease, with everything that follows from it in the same transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from rutter_ap_server.guard.lease import Lease
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.settle import Settler
from rutter_ap_server.guard.shown import unclaimed
from rutter_ap_server.guard.writes.link_account import LinkAccountWrite
from rutter_ap_server.guard.writes.pay_bill import PayBillWrite
from rutter_ap_server.store.attempts import Attempt
from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.wire import Named, Record
from support.facts import ids_of, usd
from support.store_rows import put

PAID = Record(kind="bill_payment", id="r1", bill_id="b1")
OTHER = Record(kind="bill_payment", id="r2", bill_id="b1")
WRITE = PayBillWrite()


@dataclass
class Sent:
    """A payment that is being sent, and what the store says of it."""

    store: Store
    lease: Lease

    @property
    def proposal(self) -> Proposal:
        """It, as it is now."""
        found = self.store.read_now(lambda tx: tx.proposals.get(self.lease.proposal_id))
        assert found is not None
        return found

    @property
    def attempt(self) -> Attempt:
        """Its attempt."""
        found = self.store.read_now(lambda tx: tx.attempts.last(self.lease.proposal_id))
        assert found is not None
        return found

    @property
    def spent(self) -> str:
        """What counts."""
        return self.store.read_now(lambda tx: tx.spend.spent("company-1", "USD", 24)).text

    def entries(self) -> list[str]:
        """The kinds of its entries in the audit chain."""
        of = self.lease.proposal_id
        return self.store.read_now(lambda tx: [one.kind for one in tx.audit.entries(of) if one.kind != "row"])

    def said(self, kind: str) -> list[dict[str, Any]]:
        """What its entries of a kind say."""
        of = self.lease.proposal_id
        return self.store.read_now(
            lambda tx: [json.loads(one.body) for one in tx.audit.entries(of) if one.kind == kind]
        )

    async def post(self, *others: Record, lease: Lease | None = None) -> Proposal:
        """It is in the ledger."""
        prepared = PreparedWrite.of(self.proposal)
        return await Settler(self.store).post(
            WRITE, prepared, lease or self.lease, PAID, job_id="j1", others=others, actor="Ana"
        )


def sent(store: Store, **changed: Any) -> Sent:
    fields = ids_of("b1", "v1") | {"memo": "", "date": "2026-03-02"}
    proposal = put(store, state="released", fields=fields, money=usd("100.00"), **changed)
    lease = Lease(proposal.id, "own/1")
    assert store.write_now(lease.claim)
    store.write_now(lambda tx: tx.spend.reserve(proposal.id, "company-1", "v1", usd("100.00")))
    store.write_now(lambda tx: tx.attempts.add(proposal.id, proposal.id, {"payments": []}))
    return Sent(store, lease)


def stranger(of: Sent) -> Lease:
    return Lease(of.lease.proposal_id, "own/2")


@pytest.mark.parametrize("state", [State.DISPATCHING, State.UNKNOWN])
async def test_posted_is_recorded_with_all_that_follows(store: Store, state: State) -> None:
    one = sent(store)
    store.write_now(lambda tx: tx.proposals.move(one.lease.proposal_id, [State.DISPATCHING], state))
    posted = await one.post()

    assert (posted, posted.state, posted.record) == (one.proposal, "posted", PAID.model_dump(exclude_none=True))
    attempt = one.attempt
    assert (attempt.outcome, attempt.upstream_id, attempt.job_id, attempt.reason) == ("posted", "r1", "j1", None)
    assert (one.spent, one.entries().count("posted")) == ("100.00", 1)
    assert store.read_now(lambda tx: tx.spend.posted("company-1", "USD", 24)).text == "100.00"
    assert [found.code for found in posted.findings] == ["policy.ask"]
    assert one.said("posted") == [{"record": PAID.model_dump(exclude_none=True)}]


async def test_another_record_beside_it_is_said(store: Store) -> None:
    one = sent(store)
    posted = await one.post(OTHER)

    assert [said["others"] for said in one.said("posted")] == [["r2"]]
    assert [found.code for found in posted.findings] == ["ledger.two_records", "policy.ask"]
    assert "r1, r2" in posted.findings[0].message
    assert (posted.verdict, posted.approvals_needed, posted.fingerprint) == (Severity.ASK, 1, "f" * 64)


async def test_only_the_holder_settles(store: Store) -> None:
    one, settler = sent(store), Settler(store)
    for settled in (
        await one.post(lease=stranger(one)),
        await settler.fail(stranger(one), "a.code", "it did not happen"),
        await settler.unknown(stranger(one), "a reason"),
    ):
        assert (settled.state, settled.lease_owner, settled.record) == ("dispatching", "own/1", None)
    assert (one.attempt.outcome, one.spent, one.entries()) == (None, "100.00", [])
    assert [found.code for found in one.proposal.findings] == ["policy.ask"]


async def test_a_failure_frees_what_was_reserved(store: Store) -> None:
    one = sent(store)
    failed = await Settler(store).fail(one.lease, "a.code", "it did not happen", said="‹no›", job_id="j1", actor="Ana")

    assert (failed, failed.state, failed.verdict) == (one.proposal, "failed", Severity.REFUSE)
    first = failed.findings[0]
    assert (first.code, first.severity, first.message) == ("a.code", Severity.REFUSE, "it did not happen")
    assert (one.attempt.outcome, one.attempt.reason, one.attempt.job_id) == ("failed", "a.code ‹no›", "j1")
    assert (one.spent, one.entries().count("failed")) == ("0.00", 1)


@pytest.mark.parametrize(
    ("actor", "may_be_booked", "counts", "outcome"),
    [
        ("guard", False, "0.00", "failed"),
        ("guard", True, "100.00", "doubted"),
        # A person looked, and answers for it.
        ("Ana", True, "0.00", "doubted"),
    ],
)
async def test_a_doubted_failure_counts_unless_a_person_says_so(
    store: Store, actor: str, may_be_booked: bool, counts: str, outcome: str
) -> None:
    one = sent(store)
    await Settler(store).fail(one.lease, "a.code", "it did not happen", actor=actor, may_be_booked=may_be_booked)

    assert (one.spent, one.attempt.outcome, one.attempt.reason) == (counts, outcome, "a.code")


async def test_a_record_of_another_settles_nothing(store: Store) -> None:
    first, second = sent(store), sent(store)
    await first.post()
    settled = await second.post()

    assert (settled.state, settled.lease_owner, settled.record) == ("dispatching", "own/1", None)
    assert (second.attempt.outcome, second.said("posted"), second.spent) == (None, [], "200.00")


async def test_what_the_ledger_booked_otherwise_is_said(store: Store) -> None:
    one = sent(store)
    differing = PAID.model_copy(update={"difference": "1.00 USD more", "text_difference": "another memo"})
    posted = await Settler(store).post(WRITE, PreparedWrite.of(one.proposal), one.lease, differing, job_id=None)

    found = [(said.code, said.message) for said in posted.findings]
    assert found[:2] == [("credit.booked_differently", "1.00 USD more"), ("text.differs", "another memo")]
    assert [said.code for said in posted.findings[2:]] == ["policy.ask"]


async def test_what_a_write_remembers_is_kept_as_it_is_posted(store: Store) -> None:
    linked = put(store, tool="link_account", state="released", money=None, fields={"role": "funding"})
    lease = Lease(linked.id, "own/1")
    assert store.write_now(lease.claim)
    account = Record(kind="account", id="a1", account=Named(id="a1", name="Checking"), role="funding")

    def link() -> str | None:
        found = store.read_now(lambda tx: tx.account_roles.find("company-1", "funding"))
        return found.account_id if found else None

    await Settler(store).post(
        LinkAccountWrite(), PreparedWrite.of(linked), stranger(Sent(store, lease)), account, job_id=None
    )
    assert link() is None
    await Settler(store).post(LinkAccountWrite(), PreparedWrite.of(linked), lease, account, job_id=None)
    assert link() == "a1"


async def test_what_failed_and_is_in_the_ledger_is_posted_after_all(store: Store) -> None:
    one = sent(store)
    await Settler(store).fail(one.lease, "a.code", "it did not happen")
    posted = await one.post(lease=stranger(one))

    assert (posted.state, one.spent, one.attempt.outcome) == ("posted", "100.00", "posted")
    assert posted.findings[0].code == "ledger.booked_after_all"
    assert posted.record is not None


@pytest.mark.parametrize("state", [State.HELD, State.RELEASED, State.DECLINED, State.POSTED])
async def test_what_is_not_being_sent_is_not_settled(store: Store, state: State) -> None:
    one, settler = sent(store), Settler(store)
    store.write_now(lambda tx: tx.proposals.move(one.lease.proposal_id, [State.DISPATCHING], state))
    for settled in (
        await one.post(),
        await settler.fail(one.lease, "a.code", "it did not happen"),
        await settler.unknown(one.lease, "a reason"),
    ):
        assert (settled.state, settled.record) == (state, None)
    assert (one.attempt.outcome, one.entries()) == (None, [])


async def test_an_unknown_outcome_keeps_what_was_reserved(store: Store) -> None:
    one, settler = sent(store), Settler(store)
    unknown = await settler.unknown(one.lease, "a reason", upstream_id="r1", job_id="j1")

    assert (unknown, unknown.state, unknown.lease_owner, unknown.lease_until) == (one.proposal, "unknown", None, None)
    attempt = one.attempt
    assert (attempt.outcome, attempt.reason, attempt.upstream_id, attempt.job_id) == ("unknown", "a reason", "r1", "j1")
    assert (one.spent, one.entries()) == ("100.00", ["unknown"])


async def test_an_unknown_outcome_is_said_again_when_it_is_another(store: Store) -> None:
    one, settler = sent(store), Settler(store)
    for reason, said in (("a reason", 1), ("a reason", 1), ("another", 2), ("a reason", 3)):
        await settler.unknown(one.lease, reason)
        assert one.entries().count("unknown") == said
        assert store.write_now(one.lease.take_over)


async def test_an_unknown_outcome_needs_no_attempt_to_be_said(store: Store) -> None:
    lease = Lease(put(store, state="released").id, "own/1")
    assert store.write_now(lease.claim)
    unknown = await Settler(store).unknown(lease, "a reason")

    assert (unknown.state, Sent(store, lease).said("unknown")) == ("unknown", [{"job": None, "reason": "a reason"}])


async def test_a_line_that_is_paid_later_is_added_to_its_run(store: Store) -> None:
    run = put(store, tool="propose_payment_run", state="failed", bill_id=None, fields={"lines": [{"bill_id": "b1"}]})
    line = sent(store, run_id=run.id)
    await line.post()

    after = store.read_now(lambda tx: tx.proposals.get(run.id))
    assert after is not None
    assert after.record is not None
    assert (after.state, after.record["amount"]["amount"]) == ("posted", "100.00")


async def test_a_record_is_claimed_by_one_proposal(store: Store) -> None:
    one = sent(store)
    await one.post()
    mine, prepared = one.lease.proposal_id, PreparedWrite.of(one.proposal)

    def left(of: str) -> list[str]:
        return store.read_now(lambda tx: [r.id for r in unclaimed(tx, prepared, of, (PAID, OTHER))])

    assert left(mine) == ["r1", "r2"]
    assert left("another proposal") == ["r2"]


async def test_what_a_write_names_is_nobodys_alone(store: Store) -> None:
    one = sent(store)
    named = Record(kind="bill", id="b1")
    prepared = PreparedWrite.of(one.proposal)
    store.write_now(
        lambda tx: tx.attempts.settle(one.lease.proposal_id, "posted", upstream_id="b1", job_id=None, reason=None)
    )

    assert store.read_now(lambda tx: unclaimed(tx, prepared, "another proposal", (named, OTHER))) == (named, OTHER)
